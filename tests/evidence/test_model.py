from __future__ import annotations

import json
from pathlib import Path

import pytest

from deployer.errors import ConfigurationError
from evidence.model import Attachment, Phase, Status, StepResult, load_run, save_run, write_atomically
from tests.evidence.runs import catalogued, criterion, feature, result, run


def test_results_read_back_as_they_were_written(tmp_path: Path) -> None:
    whole = run(
        result(
            "one",
            Status.FAILED,
            "P1.1",
            phase=Phase.STEPS,
            reason="no",
            example={"key": "a"},
            steps=(StepResult(keyword="When", text="x", status=Status.FAILED, seconds=0.5, table=(("a",),)),),
            attachments=(Attachment(title="Pod", text="…"),),
        ),
        features=(feature(catalogued("one", examples=({"key": "a"},))),),
        criteria=(criterion("P1.1"),),
        versions={"Helm": "3.22.0"},
        capabilities=("monitoring", "rotation"),
    )

    written = save_run(whole, tmp_path / "new")

    assert load_run(tmp_path / "new") == whole
    assert written.stat().st_mode & 0o777 == 0o600


def test_results_from_before_capabilities_were_recorded_can_be_read(tmp_path: Path) -> None:
    file = save_run(run(result("one", Status.NOT_EXERCISED, "needs-monitoring")), tmp_path)
    earlier = json.loads(file.read_text())
    del earlier["capabilities"]
    file.write_text(json.dumps(earlier))

    read = load_run(tmp_path)

    assert read.capabilities is None
    assert read.lacks(read.scenarios[0]) == frozenset()


@pytest.mark.parametrize(
    ("tags", "lacking"),
    [
        ((), set()),
        (("P1.1", "needs-rotation"), set()),
        (("needs-monitoring",), {"monitoring"}),
        (("needs-rotation", "needs-monitoring", "needs-grafana"), {"monitoring", "grafana"}),
    ],
)
def test_an_environment_lacks_what_a_scenario_needs_and_it_has_not(
    tags: tuple[str, ...], lacking: set[str]
) -> None:
    one = result("one", Status.NOT_EXERCISED, *tags)

    assert run(one, capabilities=("rotation",)).lacks(one) == lacking


@pytest.mark.parametrize("text", [None, "", "{", '{"environment": "embedded"}'])
def test_a_directory_without_results_is_named(tmp_path: Path, text: str | None) -> None:
    if text is not None:
        (tmp_path / "results.json").write_text(text)

    with pytest.raises(ConfigurationError, match=r"results\.json"):
        load_run(tmp_path)


def test_a_file_that_cannot_be_replaced_stays_whole(tmp_path: Path) -> None:
    target = write_atomically(tmp_path / "file", "first")

    with pytest.raises(UnicodeEncodeError):
        write_atomically(target, "second \udcff")

    assert target.read_text() == "first"
    assert list(tmp_path.iterdir()) == [target]
