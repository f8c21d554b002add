"""Fingerprints, waiting, receipts, policies, Helm values: the small parts."""

import json
import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from deployer.changes import Action, Change
from deployer.connections import HelmChart
from deployer.errors import ConfigurationError, NotReadyError
from deployer.eventually import Clock, eventually
from deployer.fingerprint import Fingerprints
from deployer.helm import chart_digest, merged
from deployer.policies import document, normal
from deployer.receipts import Receipts

CHANGE = Change(Action.CREATE, 1, "secret", "a", "there is no such secret")


def test_fingerprints_compare_within_a_run_and_not_beyond() -> None:
    run, other = Fingerprints(), Fingerprints()
    assert run.same(SecretStr("hush"), "hush")
    assert not run.same("hush", "hush ")
    assert run.of("hush") != other.of("hush")
    assert run.short("hush") == run.of(b"hush")[:12]


class FakeTime:
    def __init__(self) -> None:
        self.at = 0.0

    def clock(self) -> Clock:
        return Clock(now=lambda: self.at, sleep=self.sleep)

    def sleep(self, seconds: float) -> None:
        self.at += seconds


def test_waiting_ends_when_nothing_is_missing() -> None:
    answers = iter(["not yet", "nearly", None])
    eventually(lambda: next(answers), subject="it", deadline=10, remedy="", clock=FakeTime().clock())
    assert list(answers) == []


def test_a_deadline_tells_the_last_reason() -> None:
    time = FakeTime()
    with pytest.raises(NotReadyError, match=r"ready within 3 s; seen two of three") as caught:
        eventually(lambda: "two of three", subject="pods", deadline=3, remedy="Look.", clock=time.clock())
    assert caught.value.remedy == "Look."
    assert time.at == pytest.approx(3)


def test_only_named_errors_are_retried() -> None:
    def refuse() -> str | None:
        raise ConnectionRefusedError("refused")

    with pytest.raises(NotReadyError, match="seen refused"):
        eventually(
            refuse, subject="it", deadline=1, remedy="", retry=(ConnectionError,), clock=FakeTime().clock()
        )
    with pytest.raises(ConnectionRefusedError):
        eventually(refuse, subject="it", deadline=1, remedy="", clock=FakeTime().clock())


def test_receipts_are_private_lines_in_order(tmp_path: Path) -> None:
    receipts = Receipts(tmp_path / "state" / "receipts")
    begun = receipts.begun(CHANGE, before=None)
    receipts.ended(CHANGE, "done", begun=begun, before=None, after="digest")
    lines = [json.loads(line) for line in receipts.file.read_text().splitlines()]
    assert [line["result"] for line in lines] == ["begun", "done"]
    assert {line["object"] for line in lines} == {"secret/a"}
    assert {line["run"] for line in lines} == {receipts.run}
    assert lines[1]["after"] == "digest"
    assert stat.S_IMODE(receipts.file.stat().st_mode) == 0o600
    assert stat.S_IMODE(receipts.directory.stat().st_mode) == 0o700


def test_without_a_receipt_nothing_is_done(tmp_path: Path) -> None:
    (tmp_path / "receipts").write_text("a file where a directory has to be")
    with pytest.raises(ConfigurationError, match="receipts"):
        Receipts(tmp_path / "receipts").begun(CHANGE, before=None)


names = st.lists(st.sampled_from(["a:Get", "a:List", "a:Put"]), min_size=1, max_size=3, unique=True)


@given(names, names)
def test_policies_are_equal_by_meaning(actions: list[str], resources: list[str]) -> None:
    one = document([{"Sid": "x", "Effect": "Allow", "Action": actions, "Resource": resources}])
    other = {
        "Version": "2012-10-17",
        "Statement": {
            "Effect": "Allow",
            "Sid": "x",
            "Resource": resources[::-1],
            "Action": actions[0] if len(actions) == 1 else actions[::-1],
        },
    }
    assert normal(json.dumps(other)) == one
    assert normal(one) == one


@pytest.mark.parametrize(
    "more",
    [
        {"Effect": "Deny"},
        {"Action": ["a:Get", "a:Put"]},
        {"Resource": "*"},
        {"Condition": {"StringEquals": {"x": "y"}}},
    ],
)
def test_policies_of_another_meaning_differ(more: dict[str, object]) -> None:
    statement = {"Effect": "Allow", "Action": "a:Get", "Resource": "r"}
    assert document([statement]) != document([{**statement, **more}])


def test_values_are_laid_over_others_mapping_by_mapping() -> None:
    guides = {"image": {"tag": "v0.9.9"}, "webhook": {"port": 9443}}
    added = {"image": {"repository": "local"}, "extraEnv": []}
    assert merged(guides, added) == {
        "image": {"tag": "v0.9.9", "repository": "local"},
        "webhook": {"port": 9443},
        "extraEnv": [],
    }
    assert guides["image"] == {"tag": "v0.9.9"}


def test_a_charts_digest_follows_its_files_and_values(tmp_path: Path) -> None:
    (tmp_path / "Chart.yaml").write_text("name: x")
    chart = HelmChart(str(tmp_path))
    first = chart_digest(chart, {"a": 1})
    assert chart_digest(chart, {"a": 1}) == first
    assert chart_digest(chart, {"a": 2}) != first
    (tmp_path / "values.yaml").write_text("a: 1")
    assert chart_digest(chart, {"a": 1}) != first


def test_a_remote_charts_digest_follows_its_version() -> None:
    one = chart_digest(HelmChart("external-secrets", "0.9.9", "https://charts"), {})
    assert one != chart_digest(HelmChart("external-secrets", "0.9.10", "https://charts"), {})
