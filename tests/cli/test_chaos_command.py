"""`mita chaos`: what is said before, and what becomes of a schedule that fails."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from click.testing import CliRunner

from deployer.errors import ConfigurationError, NotReadyError, RefusedError
from environments.embedded.locations import deployment_directory
from environments.protocol import Capability
from evidence.events import FaultFelt, FaultHealed, FaultInjected
from evidence.findings import Finding
from faults import leftovers
from faults.contract import Undo
from mita import campaign as campaign_module
from mita import chaos_command
from mita.campaign import JOURNAL_FILE, AbortedError, Campaign, ScheduleError
from steps.campaign import Blow, Schedule, load, save
from steps.faults_by_name import FAULTS
from steps.steady import READY

BLOW = Blow("database/primary", "the operator is away")
LOST = Finding(checker="no credential gap", text="The database had no accepted credential for 2 s.")


@pytest.fixture(autouse=True)
def _state_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MITA_STATE", str(tmp_path / "state"))


@pytest.fixture
def campaign(tmp_path: Path) -> Campaign:
    return _campaign(tmp_path)


def _campaign(directory: Path, **more: Any) -> Campaign:  # noqa: ANN401  as it takes them
    connections = SimpleNamespace(endpoints=SimpleNamespace(application=None))
    place: Any = SimpleNamespace(name="embedded", connections=lambda: connections)
    return Campaign(place, directory, faults=30, seconds=60, **more)


def _strike_with(monkeypatch: pytest.MonkeyPatch, fails: Any) -> list[Schedule]:  # noqa: ANN401  a predicate
    struck: list[Schedule] = []

    def strike(_system: object, _observation: object, schedule: Schedule, tell: Any) -> tuple[Finding, ...]:  # noqa: ANN401
        struck.append(schedule)
        for blow in schedule:
            tell(blow)
        return (LOST,) if fails(schedule) else ()

    monkeypatch.setattr(campaign_module, "strike", strike)
    return struck


def test_a_schedule_that_fails_is_made_as_small_as_it_can_be_and_kept(
    campaign: Campaign, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    bad = set(sorted(FAULTS)[::2])
    _strike_with(monkeypatch, lambda schedule: any(blow.fault in bad for blow in schedule))
    campaign.run(longest=4, number=1)
    with pytest.raises(SystemExit) as end:
        campaign.tell_end()
    assert end.value.code == 3
    (blow,) = load(tmp_path / "schedule.json")
    assert blow.fault in bad
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


def test_it_ends_with_how_long_each_kind_was_felt_and_got_over(
    campaign: Campaign, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    _strike_with(monkeypatch, lambda _schedule: False)
    timeline = campaign._observation.timeline
    for number, seconds in enumerate((2.0, 4.0, 9.0)):
        began, fault = 100.0 * number, str(number)
        timeline.append(FaultInjected(fault=fault, what="the operator is away"), at=began)
        timeline.append(FaultFelt(fault=fault), at=began + seconds)
        timeline.append(FaultHealed(fault=fault), at=began + seconds + 1)
    campaign.run(longest=4, number=1)

    campaign.tell_end()

    assert (
        "   3  the operator is away: felt 4.0 s (at most 9.0), healed 5.0 s (at most 10.0), well again never"
        in capsys.readouterr().out
    )


def test_equal_seeds_give_equal_schedules(
    campaign: Campaign, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    first = _strike_with(monkeypatch, lambda _schedule: False)
    campaign.run(longest=4, number=7)
    again = _strike_with(monkeypatch, lambda _schedule: False)
    _campaign(tmp_path).run(longest=4, number=7)
    assert first == again


def test_a_rotation_that_does_not_end_fails_the_schedule(
    campaign: Campaign, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def strike(*_: object) -> tuple[Finding, ...]:
        raise NotReadyError("the steady state", expected="it", seen="another", remedy="Look.")

    monkeypatch.setattr(campaign_module, "strike", strike)
    with pytest.raises(ScheduleError):
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


# ---- what goes too far


def test_what_goes_too_far_is_stopped_at_once_and_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    undone: list[str] = []

    def strike(*_: object) -> tuple[Finding, ...]:
        try:
            threading.Event().wait(60)
        finally:
            undone.append("the fault in hand")
        return ()

    monkeypatch.setattr(campaign_module, "strike", strike)
    monkeypatch.setattr(campaign_module, "probe_steady_state", lambda *_: [f"{READY}: it answers 503"])
    impatient = _campaign(tmp_path, patience=0.1)

    impatient.run(longest=4, number=1)
    assert undone == ["the fault in hand"]
    assert impatient.status == "aborted"
    with pytest.raises(SystemExit) as end:
        impatient.tell_end()
    assert end.value.code == 3
    assert "it answers 503" in capsys.readouterr().out
    assert load(tmp_path / "schedule.json")


def test_what_goes_too_far_is_no_schedule_to_be_made_smaller(
    campaign: Campaign, monkeypatch: pytest.MonkeyPatch
) -> None:
    struck: list[Schedule] = []

    def strike(
        _system: object, _observation: object, schedule: Schedule, _tell: object
    ) -> tuple[Finding, ...]:
        struck.append(schedule)
        raise AbortedError

    monkeypatch.setattr(campaign_module, "strike", strike)

    campaign.run(longest=4, number=1)

    assert len(struck) == 1


def test_a_journal_is_written(campaign: Campaign, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _strike_with(monkeypatch, lambda _schedule: True)
    campaign.replay((BLOW,))

    campaign.write_journal(campaign.status, ["chaos", "--replay", "schedule.json"])

    made = json.loads((tmp_path / JOURNAL_FILE).read_text())
    assert (made["status"], made["deviated"], made["findings"]) == ("completed", True, [LOST.text])


def test_faults_of_a_killed_run_are_healed_before_anything_is_added(
    campaign: Campaign, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    healed: list[object] = []
    monkeypatch.setattr(leftovers, "UNDOINGS", {"key": lambda _connections, given: healed.append(given)})
    leftovers.leftovers_of(deployment_directory("embedded")).note(
        "the key is disabled", Undo("key", {"id": "1"})
    )

    campaign.heal_leftovers()

    assert healed == [{"id": "1"}]
    assert "A fault of an earlier run was healed: the key is disabled" in capsys.readouterr().err
    campaign.heal_leftovers()
    assert len(healed) == 1


# ---- where it is refused


@pytest.mark.parametrize(
    ("capabilities", "said"),
    [
        (frozenset[Capability](), "no --authorise"),
        (frozenset({Capability.CHANGES_ALLOWED}), "one that offers no disruptions"),
    ],
)
def test_production_is_not_broken(capabilities: frozenset[Capability], said: str) -> None:
    place: Any = SimpleNamespace(name="production", capabilities=capabilities)

    with pytest.raises(RefusedError, match=said):
        chaos_command.require_disruptable(place)


def test_it_says_what_might_happen_and_does_nothing() -> None:
    done = CliRunner().invoke(chaos_command.chaos, ["--dry-run", "--only", "the operator is away"])

    assert done.exit_code == 0, done.output
    assert done.output.splitlines()[1:] == ["  the operator is away"]


def test_no_fault_left_is_a_mistake() -> None:
    one = "the operator is away"

    done = CliRunner().invoke(chaos_command.chaos, ["--dry-run", "--only", one, "--without", one])

    assert done.exit_code == 2
    assert "no fault is left" in done.output
