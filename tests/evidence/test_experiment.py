"""A campaign in the form of Chaos Toolkit's journal."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from chaoslib.experiment import ensure_experiment_is_valid
from chaoslib.run import initialize_run_journal

from evidence.events import Entry, Event, FaultFelt, FaultHealed, FaultInjected, SteadyStateProbe
from evidence.experiment import journal

_BEGAN, _ENDED = 1_777_636_800.0, 1_777_636_830.0


def _at(after: float, event: Event) -> Entry:
    return Entry.model_validate({"at": _BEGAN + after, "event": event.model_dump()})


def _ready(after: float, *, holds: bool) -> Entry:
    return _at(after, SteadyStateProbe(what="ready", holds=holds))


_COURSE = [
    _ready(1, holds=True),
    _at(5, FaultInjected(fault="1", what="the operator is away")),
    _at(6, FaultFelt(fault="1")),
    _ready(7, holds=False),
    _at(9, FaultHealed(fault="1")),
    _ready(12, holds=True),
]


def _journal(course: list[Entry] = _COURSE, **more: Any) -> dict[str, Any]:  # noqa: ANN401  as it takes them
    given: dict[str, Any] = {
        "began": _BEGAN,
        "ended": _ENDED,
        "status": "completed",
        "findings": [],
        "repeated_by": ["chaos", "--seed", "1"],
    }
    return journal(course, **(given | more))


@pytest.fixture
def _mita(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Chaos Toolkit looks for the programs that an experiment names."""
    program = tmp_path / "mita"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))


@pytest.mark.usefixtures("_mita")
def test_chaos_toolkit_takes_the_experiment_for_a_valid_one() -> None:
    ensure_experiment_is_valid(_journal()["experiment"])


def test_it_has_what_chaos_toolkit_begins_a_journal_with() -> None:
    made = _journal()

    begun = initialize_run_journal(made["experiment"])
    assert begun.keys() <= made.keys()
    assert begun["steady_states"].keys() == made["steady_states"].keys()
    assert json.loads(json.dumps(made)) == made


def test_the_steady_state_is_told_before_during_and_after() -> None:
    states = _journal()["steady_states"]

    assert states["before"]["steady_state_met"] is True
    assert [each["steady_state_met"] for each in states["during"]] == [False]
    assert states["after"]["steady_state_met"] is True
    assert states["after"]["probes"][0]["tolerance_met"] is True


def test_a_steady_state_that_does_not_return_is_told() -> None:
    states = _journal(_COURSE[:-1])["steady_states"]

    assert states["after"]["steady_state_met"] is False


def test_each_fault_is_an_activity_with_its_time() -> None:
    (activity,) = _journal()["run"]

    assert activity["activity"]["name"] == "the operator is away"
    assert (activity["status"], activity["duration"]) == ("succeeded", 4)
    assert activity["output"]["felt after seconds"] == 1
    assert activity["output"]["steady again after seconds"] == 3


def test_a_fault_that_nobody_felt_has_failed() -> None:
    (activity,) = _journal([each for each in _COURSE if not isinstance(each.event, FaultFelt)])["run"]

    assert activity["status"] == "failed"


def test_what_speaks_against_it_is_a_deviation() -> None:
    made = _journal(findings=["A credential was lost."], status="aborted")

    assert (made["deviated"], made["status"], made["findings"]) == (
        True,
        "aborted",
        ["A credential was lost."],
    )


def test_a_campaign_in_which_nothing_happened_is_told_as_well() -> None:
    made = _journal([])

    assert made["run"] == []
    assert made["steady_states"]["during"] == []
