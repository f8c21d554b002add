"""What a run's results are worth: every scenario and every promise accounted for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from evidence.catalogue import CataloguedFeature, CataloguedScenario
from evidence.criteria import Criterion
from evidence.model import Run, ScenarioResult, Status, expected_steps

_TOLD_FINDINGS = 3


class Verdict(StrEnum):
    """What a release manager may conclude."""

    PASSED = "passed"
    INCOMPLETE = "incomplete"
    FAILED = "failed"


class Standing(StrEnum):
    """What a run showed of a promise."""

    PROVEN = "proven"
    PARTLY = "proven in part"
    FAILED = "failed"
    NOT_RUN = "not run"
    NOT_EXERCISED = "not exercised here"
    PLANNED = "planned"
    MISSING = "without a scenario"


@dataclass(frozen=True, slots=True)
class CriterionResult:
    """A promise and what the run showed of it."""

    criterion: Criterion
    standing: Standing
    scenarios: tuple[ScenarioResult, ...]


@dataclass(frozen=True, slots=True)
class FeatureResult:
    """A feature and all its scenarios, those that did not run included."""

    feature: CataloguedFeature
    scenarios: tuple[ScenarioResult, ...]

    @property
    def counts(self) -> Mapping[Status, int]:
        """How many scenarios ended in each way."""
        return Counter(scenario.status for scenario in self.scenarios)


@dataclass(frozen=True, slots=True)
class Assessment:
    """A run, judged.

    Attributes:
        verdict: The conclusion.
        reasons: Why it is not ``passed``, the gravest first; empty when it is.
        remarks: What a reader of a passed run must still know.
        features: Every feature file.
        criteria: Every promise.
    """

    verdict: Verdict
    reasons: tuple[str, ...]
    remarks: tuple[str, ...]
    features: tuple[FeatureResult, ...]
    criteria: tuple[CriterionResult, ...]

    @property
    def scenarios(self) -> tuple[ScenarioResult, ...]:
        """Every scenario, in the order of the feature files."""
        return tuple(scenario for feature in self.features for scenario in feature.scenarios)

    @property
    def counts(self) -> Mapping[Status, int]:
        """How many scenarios ended in each way."""
        return Counter(scenario.status for scenario in self.scenarios)

    @property
    def standings(self) -> Mapping[Standing, int]:
        """How many promises stand in each way."""
        return Counter(result.standing for result in self.criteria)


def assess(run: Run) -> Assessment:
    """Judge a run: hold its results against the feature files and the promises."""
    features = tuple(_reconciled(run))
    scenarios = [scenario for feature in features for scenario in feature.scenarios]
    criteria = tuple(_criterion(criterion, scenarios) for criterion in run.criteria)
    failures = [*run.problems, *_findings(run), *_count(scenarios, Status.FAILED, "failed")]
    asked = [scenario for scenario in scenarios if not run.scope or run.scope in scenario.tags]
    gaps = [
        *_count(asked, Status.NOT_RUN, "did not run"),
        *_count(scenarios, Status.SKIPPED, "was skipped", "were skipped"),
        *_interrupted(run),
        *_missing(criteria),
    ]
    if not any(scenario.status is Status.PASSED for scenario in scenarios):
        gaps.append("No scenario passed.")
    verdict = Verdict.FAILED if failures else Verdict.INCOMPLETE if gaps else Verdict.PASSED
    if gaps and run.selection:
        gaps.append(f"Only a part was asked for: {run.selection}.")
    remarks = _count(scenarios, Status.NOT_EXERCISED, f"cannot be exercised in {run.environment}")
    if left := len(scenarios) - len(asked):
        others = "1 other scenario was" if left == 1 else f"{left} other scenarios were"
        remarks.append(f"Only what is tagged {run.scope} was asked for; {others} not.")
    return Assessment(verdict, (*failures, *gaps), tuple(remarks), features, criteria)


def _reconciled(run: Run) -> Iterator[FeatureResult]:
    """Yield every feature with a result for each of its scenarios; none can vanish, none can be lost."""
    results = {result.key: result for result in run.scenarios}
    for feature in run.features:
        found: list[ScenarioResult] = []
        for scenario in feature.scenarios:
            for example in scenario.instances():
                missing = _not_run(feature, scenario, example)
                found.append(results.pop(missing.key, missing))
        # A result that no feature file accounts for still shows, and a failed one still counts.
        found.extend(results.pop(key) for key in [key for key in results if key[0] == feature.file])
        yield FeatureResult(feature, tuple(found))
    for file in dict.fromkeys(key[0] for key in results):
        strays = tuple(result for key, result in results.items() if key[0] == file)
        yield FeatureResult(
            CataloguedFeature(file=file, name=file, description="", line=1, scenarios=()), strays
        )


def _not_run(
    feature: CataloguedFeature, scenario: CataloguedScenario, example: dict[str, str]
) -> ScenarioResult:
    return ScenarioResult(
        file=feature.file,
        title=scenario.title,
        example=example,
        tags=scenario.tags,
        status=Status.NOT_RUN,
        reason="It was not asked for, or the run ended before its turn.",
        steps=expected_steps(scenario, example),
    )


def _criterion(criterion: Criterion, scenarios: Sequence[ScenarioResult]) -> CriterionResult:
    tagged = tuple(scenario for scenario in scenarios if criterion.id in scenario.tags)
    return CriterionResult(criterion, _standing(criterion, {scenario.status for scenario in tagged}), tagged)


def _standing(criterion: Criterion, seen: set[Status]) -> Standing:
    if not seen:
        return Standing.PLANNED if criterion.status == "planned" else Standing.MISSING
    if Status.FAILED in seen:
        return Standing.FAILED
    if seen & {Status.NOT_RUN, Status.SKIPPED}:
        return Standing.NOT_RUN
    if Status.PASSED not in seen:
        return Standing.NOT_EXERCISED
    return Standing.PARTLY if Status.NOT_EXERCISED in seen else Standing.PROVEN


def _count(scenarios: Iterable[ScenarioResult], status: Status, one: str, many: str = "") -> list[str]:
    number = sum(scenario.status is status for scenario in scenarios)
    if not number:
        return []
    return [f"1 scenario {one}." if number == 1 else f"{number} scenarios {many or one}."]


def _findings(run: Run) -> list[str]:
    """Name the checks that do not hold, each with its first findings; the report has all of them."""
    reasons = []
    for check in run.observed.checks:
        told = [finding.text for finding in check.findings[:_TOLD_FINDINGS]]
        if (more := len(check.findings) - len(told)) > 0:
            told.append(f"And {more} more.")
        if told:
            reasons.append(f"{check.title}: {' '.join(told)}")
    return reasons


def _interrupted(run: Run) -> list[str]:
    return [] if run.finished else ["The run did not come to its end."]


def _missing(criteria: Iterable[CriterionResult]) -> list[str]:
    ids = [result.criterion.id for result in criteria if result.standing is Standing.MISSING]
    return [f"No scenario proves {', '.join(ids)}."] if ids else []
