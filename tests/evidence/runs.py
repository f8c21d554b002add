"""Runs made up for the tests of judgement and report."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Literal

from evidence.catalogue import CataloguedFeature, CataloguedScenario, CataloguedStep
from evidence.criteria import Criterion
from evidence.model import Run, ScenarioResult, Status

WHEN = datetime(2026, 5, 1, 12, 0, tzinfo=UTC)


def criterion(identifier: str, *, status: Literal["required", "planned"] = "required") -> Criterion:
    return Criterion(id=identifier, section="Phase 1", text=f"Promise {identifier}.", status=status)


def catalogued(title: str, *tags: str, examples: tuple[dict[str, str], ...] = ()) -> CataloguedScenario:
    step = CataloguedStep(keyword="When", kind="when", text="it is tried", line=3)
    return CataloguedScenario(
        title=title, line=2, tags=tags, steps=(step,), outline=bool(examples), examples=examples
    )


def feature(*scenarios: CataloguedScenario, file: str = "a.feature") -> CataloguedFeature:
    return CataloguedFeature(file=file, name="A", description="A rule.", line=1, scenarios=scenarios)


def result(title: str, status: Status, *tags: str, file: str = "a.feature", **more: Any) -> ScenarioResult:  # noqa: ANN401  as its model has them
    return ScenarioResult(file=file, title=title, tags=tags, status=status, started=WHEN, **more)


def run(*results: ScenarioResult, **more: Any) -> Run:  # noqa: ANN401  as its model has them
    given = {"environment": "embedded", "started": WHEN, "finished": WHEN, "scenarios": results}
    return Run.model_validate(given | more)
