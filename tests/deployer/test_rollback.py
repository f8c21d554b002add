"""The ways back: where each leads, what it refuses, and that an interruption changes nothing about it."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from deployer import rollback as module
from deployer.desired import PRODUCTION, read
from deployer.errors import NotReadyError, RefusedError
from deployer.exclusive import alone
from deployer.rollback import LEGACY_KEYS, Rollback, Target

_REVISION = "deployment.kubernetes.io/revision"
_APPLICATION, _OPERATOR = "mita-production", "external-secrets"
_COPIES = ("mita-production-auth-secrets", "mita-production-cache-credentials")


class Death(BaseException):
    """The process is killed."""


class Cluster:
    """A cluster whose controllers have always done their work already.

    Args:
        images: Of the revisions of the application, the newest last.
    """

    def __init__(self, *images: str) -> None:
        self.sets = [self._set(number, image) for number, image in enumerate(images, 1)]
        self.replicas = {_APPLICATION: 3, _OPERATOR: 1}
        self.secrets = {name: {"key": "eA=="} for name in _COPIES}
        self.stops_at: Callable[[str, str], bool] = lambda _method, _path: False
        self.patches = 0
        self.rolled_out = True

    def _set(self, number: int, image: str) -> dict[str, Any]:
        labels = {"app": _APPLICATION, "pod-template-hash": image}
        return {
            "metadata": {
                "name": f"{_APPLICATION}-{image}",
                "annotations": {_REVISION: str(number)},
                "ownerReferences": [{"uid": "the-deployment"}],
            },
            "spec": {"template": {"metadata": {"labels": labels}, "spec": {"image": image}}},
        }

    @property
    def revision(self) -> int:
        return max(int(each["metadata"]["annotations"][_REVISION]) for each in self.sets)

    @property
    def image(self) -> str:
        newest = next(
            each for each in self.sets if each["metadata"]["annotations"][_REVISION] == str(self.revision)
        )
        return str(newest["spec"]["template"]["spec"]["image"])

    def call(self, method: str, path: str, **more: Any) -> Any:  # noqa: ANN401  as Cluster's
        if self.stops_at(method, "before"):
            raise Death
        name = path.rpartition("/")[2]
        if method == "PATCH":
            self._patch(name, more["body"])
        if self.stops_at(method, "after"):
            raise Death
        count = self.replicas[name]
        available = count if self.rolled_out else 0
        return {
            "metadata": {
                "uid": "the-deployment",
                "generation": 1,
                "annotations": {_REVISION: str(self.revision)},
            },
            "spec": {"replicas": count},
            "status": {
                "observedGeneration": 1,
                "replicas": count,
                "updatedReplicas": count,
                "availableReplicas": available,
            },
        }

    def _patch(self, name: str, body: Any) -> None:  # noqa: ANN401  JSON
        self.patches += 1
        if isinstance(body, dict):
            self.replicas[name] = body["spec"]["replicas"]
            return
        (change,) = body
        template = change["value"]
        assert "pod-template-hash" not in template["metadata"]["labels"]
        # A template that was there before gets its own replica set again, under a new number.
        for each in self.sets:
            if each["spec"]["template"]["spec"] == template["spec"]:
                each["metadata"]["annotations"][_REVISION] = str(self.revision + 1)

    def list(self, _version: str, kind: str, _namespace: str) -> list[dict[str, Any]]:
        if kind == "ReplicaSet":
            return copy.deepcopy(self.sets)
        if kind == "ExternalSecret":
            return [{"spec": {"target": {"name": name}}} for name in _COPIES]
        return [{"metadata": {"name": name}} for name in self.secrets]

    def get(self, manifest: dict[str, Any]) -> dict[str, Any] | None:
        held = self.secrets.get(manifest["metadata"]["name"])
        return None if held is None else {"data": held}


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Cluster:
    made = Cluster("one", "two", "three")
    monkeypatch.setattr(module, "Cluster", lambda _client: made)
    monkeypatch.setattr(module, "_SECONDS", 0.0)  # nothing here takes time
    return made


@pytest.fixture
def rollback(cluster: Cluster, tmp_path: Path) -> Rollback:
    del cluster  # which it finds
    return _rollback(tmp_path)


def _rollback(state: Path) -> Rollback:
    connections: Any = SimpleNamespace(kubernetes=None, endpoints=SimpleNamespace(application=None))
    return Rollback(connections, read(PRODUCTION), state=state, on_secret=lambda _name, _value: None)


def _notes(state: Path) -> list[str]:
    return [path.name for path in state.glob("*.json")]


# ---- the previous revision


def test_it_leads_to_the_revision_before(cluster: Cluster, rollback: Rollback, tmp_path: Path) -> None:
    rollback.to(Target.PREVIOUS_REVISION)

    assert cluster.image == "two"
    assert _notes(tmp_path) == []


def test_it_leads_to_the_revision_that_is_named(cluster: Cluster, rollback: Rollback) -> None:
    rollback.to(Target.PREVIOUS_REVISION, revision=1)

    assert cluster.image == "one"


def test_given_again_after_it_was_done_it_goes_back_from_there(cluster: Cluster, rollback: Rollback) -> None:
    rollback.to(Target.PREVIOUS_REVISION)
    rollback.to(Target.PREVIOUS_REVISION)

    assert cluster.image == "three"  # as kubectl rollout undo does


@pytest.mark.parametrize(("method", "place"), [("PATCH", "before"), ("PATCH", "after"), ("GET", "after")])
def test_one_that_was_killed_is_taken_up_where_it_was(
    cluster: Cluster, tmp_path: Path, method: str, place: str
) -> None:
    calls = 0

    def stops_at(seen: str, at: str) -> bool:
        nonlocal calls
        # The first look precedes every change; a second one follows it.
        calls += (seen, at) == (method, place)
        return (seen, at) == (method, place) and calls == (1 if method == "PATCH" else 2)

    cluster.stops_at = stops_at
    with pytest.raises(Death):
        _rollback(tmp_path).to(Target.PREVIOUS_REVISION)
    assert _notes(tmp_path) == ["rollback.json"]
    cluster.stops_at = lambda _method, _place: False

    _rollback(tmp_path).to(Target.PREVIOUS_REVISION)

    assert cluster.image == "two"
    assert _notes(tmp_path) == []


@pytest.mark.parametrize("note", ["", "{", "[]", '{"target": "operator-stopped", "replica_set": "x"}'])
def test_a_note_that_says_nothing_of_it_changes_nothing(
    cluster: Cluster, rollback: Rollback, tmp_path: Path, note: str
) -> None:
    (tmp_path / "rollback.json").write_text(note)

    rollback.to(Target.PREVIOUS_REVISION)

    assert cluster.image == "two"


@pytest.mark.usefixtures("cluster")
def test_the_first_revision_has_none_before_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(module, "Cluster", lambda _client: Cluster("one"))

    with pytest.raises(NotReadyError, match="a revision before this one"):
        _rollback(tmp_path).to(Target.PREVIOUS_REVISION)


def test_a_revision_that_is_not_there_is_named_with_those_that_are(
    cluster: Cluster, rollback: Rollback
) -> None:
    with pytest.raises(NotReadyError, match=r"revision 9.*only 1, 2, 3"):
        rollback.to(Target.PREVIOUS_REVISION, revision=9)

    assert cluster.patches == 0


def test_a_rollout_that_does_not_come_to_its_end_is_told(cluster: Cluster, rollback: Rollback) -> None:
    cluster.rolled_out = False

    with pytest.raises(NotReadyError, match="availableReplicas 0"):
        rollback.to(Target.PREVIOUS_REVISION)


# ---- without the operator


def test_the_operator_is_stopped_and_the_secrets_stay(cluster: Cluster, rollback: Rollback) -> None:
    rollback.to(Target.OPERATOR_STOPPED)

    assert cluster.replicas == {_APPLICATION: 3, _OPERATOR: 0}


def test_a_secret_that_goes_with_the_operator_is_named(
    rollback: Rollback, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Cluster, "_patch", lambda self, _name, _body: self.secrets.pop(_COPIES[0]))

    with pytest.raises(NotReadyError, match=f"{_COPIES[0]} gone"):
        rollback.to(Target.OPERATOR_STOPPED)


@pytest.mark.parametrize("place", ["before", "after"])
def test_stopping_it_can_be_repeated(cluster: Cluster, tmp_path: Path, place: str) -> None:
    cluster.stops_at = lambda method, at: (method, at) == ("PATCH", place)
    with pytest.raises(Death):
        _rollback(tmp_path).to(Target.OPERATOR_STOPPED)
    cluster.stops_at = lambda _method, _place: False

    _rollback(tmp_path).to(Target.OPERATOR_STOPPED)

    assert cluster.replicas[_OPERATOR] == 0


# ---- the legacy secret


class Helm:
    """Takes note of what it is to install."""

    done: list[dict[str, Any]] = []  # noqa: RUF012  emptied by the fixture

    def __init__(self, *_: object, **__: object) -> None:
        pass

    def upgrade(self, *_: object, **__: object) -> None:
        values = _[3]
        assert isinstance(values, dict)
        self.done.append(values)


@pytest.fixture
def helm(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    Helm.done = []
    monkeypatch.setattr(module, "Helm", Helm)
    return Helm.done


def _legacy(state: Path) -> Rollback:
    cluster = SimpleNamespace(context="mita")
    connections: Any = SimpleNamespace(
        kubernetes=None,
        endpoints=SimpleNamespace(application=None),
        helm=Path("helm"),
        kubeconfig=Path("kubeconfig"),
        cluster=cluster,
        operator_chart=None,
        application_values={},
    )
    return Rollback(connections, read(PRODUCTION), state=state, on_secret=lambda _name, _value: None)


def test_the_application_is_switched_to_the_legacy_secret(
    cluster: Cluster, tmp_path: Path, helm: list[dict[str, Any]]
) -> None:
    cluster.secrets["mita-production-legacy-secrets"] = dict.fromkeys(LEGACY_KEYS, "eA==")

    _legacy(tmp_path).to(Target.LEGACY_SECRETS)

    (values,) = helm
    assert values["externalSecrets"]["enabled"] is False
    assert values["replicaCount"] == 3


@pytest.mark.parametrize(
    ("held", "said"),
    [(None, "seen none"), (LEGACY_KEYS - {"JWT_SECRET"}, "one without JWT_SECRET")],
    ids=["none", "incomplete"],
)
def test_without_a_whole_legacy_secret_nothing_is_switched(
    cluster: Cluster, tmp_path: Path, helm: list[dict[str, Any]], held: frozenset[str] | None, said: str
) -> None:
    if held is not None:
        cluster.secrets["mita-production-legacy-secrets"] = dict.fromkeys(held, "eA==")

    with pytest.raises(NotReadyError, match=said):
        _legacy(tmp_path).to(Target.LEGACY_SECRETS)

    assert helm == []


# ---- all of them


@pytest.mark.parametrize("target", [Target.PREVIOUS_REVISION, Target.OPERATOR_STOPPED, Target.LEGACY_SECRETS])
def test_it_does_not_begin_beside_a_deployment(cluster: Cluster, tmp_path: Path, target: Target) -> None:
    with alone(tmp_path, "deployment", "no other"), pytest.raises(RefusedError, match="is held"):
        _rollback(tmp_path).to(target)

    assert cluster.patches == 0


@pytest.mark.usefixtures("cluster")
def test_it_is_not_done_before_the_application_answers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "unhealthy", lambda url: f"{url} answers 503")
    connections: Any = SimpleNamespace(
        kubernetes=None, endpoints=SimpleNamespace(application="http://127.0.0.1:9")
    )
    made = Rollback(connections, read(PRODUCTION), state=tmp_path, on_secret=lambda _name, _value: None)

    with pytest.raises(NotReadyError, match="answers 503"):
        made.to(Target.PREVIOUS_REVISION)

    assert _notes(tmp_path) == ["rollback.json"]  # the same command goes on
