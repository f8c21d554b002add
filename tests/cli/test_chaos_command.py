"""`mita chaos`: what is said before, and what becomes of a schedule that fails."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from deployer.errors import ConfigurationError, NotReadyError
from evidence.findings import Finding
from mita import chaos_command
from mita.chaos_command import Campaign
from steps.campaign import Blow, Schedule, load, save
from steps.faults_by_name import FAULTS

BLOW = Blow("database/primary", "the operator is away")
LOST = Finding(checker="no credential gap", text="The database had no accepted credential for 2 s.")


@pytest.fixture
def campaign(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Campaign:
    monkeypatch.setenv("MITA_STATE", str(tmp_path / "state"))
    connections = SimpleNamespace(endpoints=SimpleNamespace(application=None))
    place: Any = SimpleNamespace(name="embedded", connections=lambda: connections)
    return Campaign(place, tmp_path, faults=30, seconds=60)


def _strike_with(monkeypatch: pytest.MonkeyPatch, fails: Any) -> list[Schedule]:  # noqa: ANN401  a predicate
    struck: list[Schedule] = []

    def strike(_system: object, _observation: object, schedule: Schedule, tell: Any) -> tuple[Finding, ...]:  # noqa: ANN401
        struck.append(schedule)
        for blow in schedule:
            tell(blow)
        return (LOST,) if fails(schedule) else ()

    monkeypatch.setattr(chaos_command, "strike", strike)
    return struck


def test_a_schedule_that_fails_is_made_as_small_as_it_can_be_and_kept(
    campaign: Campaign, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    fault = sorted(FAULTS)[3]
    _strike_with(monkeypatch, lambda schedule: any(blow.fault == fault for blow in schedule))
    campaign.run(longest=4, number=1)
    with pytest.raises(SystemExit) as end:
        campaign.tell_end()
    assert end.value.code == 3
    (blow,) = load(tmp_path / "schedule.json")
    assert blow.fault == fault
    assert f"mita chaos --replay {tmp_path / 'schedule.json'}" in capsys.readouterr().out


def test_a_campaign_ends_with_its_budget_and_says_what_it_did(
    campaign: Campaign, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    struck = _strike_with(monkeypatch, lambda _schedule: False)
    campaign.run(longest=4, number=1)
    campaign.tell_end()
    count = sum(map(len, struck))
    assert 30 <= count < 30 + 4
    assert f"{count} faults struck, each was healed, no credential was lost." in capsys.readouterr().out


def test_equal_seeds_give_equal_schedules(
    campaign: Campaign, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    first = _strike_with(monkeypatch, lambda _schedule: False)
    campaign.run(longest=4, number=7)
    again = _strike_with(monkeypatch, lambda _schedule: False)
    place: Any = SimpleNamespace(
        name="embedded",
        connections=lambda: SimpleNamespace(endpoints=SimpleNamespace(application=None)),
    )
    Campaign(place, tmp_path, faults=30, seconds=60).run(longest=4, number=7)
    assert first == again


def test_a_rotation_that_does_not_end_fails_the_schedule(
    campaign: Campaign, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def strike(*_: object) -> tuple[Finding, ...]:
        raise NotReadyError("the steady state", expected="it", seen="another", remedy="Look.")

    monkeypatch.setattr(chaos_command, "strike", strike)
    with pytest.raises(chaos_command.ScheduleError):
        campaign.attempt((BLOW,))
    assert load(tmp_path / "schedule.json") == (BLOW,)


@pytest.mark.parametrize(
    "text", ["", "{}", "[]", '[{"secret": "database/primary"}]', '[{"secret": "x", "fault": "y"}]']
)
def test_a_file_that_holds_no_schedule_is_named(tmp_path: Path, text: str) -> None:
    file = tmp_path / "schedule.json"
    file.write_text(text)
    with pytest.raises(ConfigurationError, match=r"schedule\.json"):
        load(file)


def test_a_schedule_that_is_kept_is_read_again(tmp_path: Path) -> None:
    save((BLOW, BLOW), tmp_path / "in" / "schedule.json")
    assert load(tmp_path / "in" / "schedule.json") == (BLOW, BLOW)
    assert json.loads((tmp_path / "in" / "schedule.json").read_text())[0]["secret"] == BLOW.secret
