"""Two environments side by side: what the same scenarios came to in each, and why they differ."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Iterator, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from deployer.errors import ConfigurationError
from evidence.ledger import Hop
from evidence.model import Run, ScenarioKey, ScenarioResult, Status
from evidence.report import caption

_NEEDS = "needs-"
_FORM = "[[explanations]] tables with scenario or capability, environment, owner and reason"

Text = Annotated[str, Field(min_length=1)]


class Owner(StrEnum):
    """Whose a difference is."""

    ENVIRONMENT = "environment"  # it cannot be had there
    EMBEDDED_NODE = "embedded-node"  # pods are processes there
    KUBELET = "kubelet"
    SERVICE = "service"  # another version or make of a server
    OPEN = "open"  # not done yet


class Explanation(BaseModel):
    """Why scenarios end otherwise in an environment.

    Attributes:
        environment: In which.
        scenario: Title of the scenario, as its feature has it; every example is meant.
        capability: Or the capability that the environment lacks: for all that are not exercised for it.
        owner: Whose the difference is.
        reason: In a sentence.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    environment: Text
    scenario: Text | None = None
    capability: Text | None = None
    owner: Owner
    reason: Text

    @model_validator(mode="after")
    def _one_subject(self) -> Self:
        if (self.scenario is None) == (self.capability is None):
            raise ValueError("either scenario or capability, not both and not none")
        return self

    @property
    def subject(self) -> str:
        """What it is about, in words."""
        what = f"scenario {self.scenario!r}" if self.scenario else f"capability {self.capability}"
        return f"{what} in {self.environment}"

    def fits(self, environment: str, result: ScenarioResult) -> bool:
        """Tell whether it explains how a scenario ended in an environment."""
        if environment.partition(":")[0] != self.environment:
            return False
        if self.scenario is not None:
            return result.title == self.scenario
        return result.status is Status.NOT_EXERCISED and f"{_NEEDS}{self.capability}" in result.tags


class _File(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    explanations: tuple[Explanation, ...] = ()


def read_explanations(file: Path) -> tuple[Explanation, ...]:
    """Read a file of explanations.

    Raises:
        ConfigurationError: It cannot be read, or is not of their form.
    """
    try:
        return _File.model_validate(tomllib.loads(file.read_text(encoding="utf-8"))).explanations
    except (OSError, ValueError) as error:
        told = error.errors()[0] if isinstance(error, ValidationError) else None
        where = ", ".join(str(each) for each in told["loc"]) if told else ""
        raise ConfigurationError(
            str(file),
            expected=_FORM,
            seen=f"{where}: {told['msg']}" if told else str(error),
            remedy="Mend the file; docs/fidelity.toml is an example.",
        ) from error


class Figure(BaseModel):
    """One measure in both environments.

    Attributes:
        name: What was measured.
        unit: ``s`` or ``bytes``, as the report's pictures know them.
        values: In each; None where a run did not record it.
    """

    model_config = ConfigDict(frozen=True)

    name: str
    unit: str
    values: tuple[float | None, float | None]

    @property
    def ratio(self) -> float | None:
        """The second one's to the first one's."""
        one, other = self.values
        return other / one if one and other is not None else None


class Row(BaseModel):
    """A scenario in both environments.

    Attributes:
        scenario: Its title and example.
        file: Its feature file.
        results: How it ended in each; None where the run does not know it.
        explanation: Why the ends differ; None where nobody has said so.
    """

    model_config = ConfigDict(frozen=True)

    scenario: str
    file: str
    results: tuple[ScenarioResult | None, ScenarioResult | None]
    explanation: Explanation | None = None

    @property
    def ends(self) -> tuple[str, str]:
        """How it ended in each, in words."""
        one, other = ("not in this run" if each is None else str(each.status) for each in self.results)
        return one, other

    @property
    def same(self) -> bool:
        """Whether it ended alike."""
        return self.ends[0] == self.ends[1]


class Fidelity(BaseModel):
    """What a comparison came to.

    Attributes:
        environments: The names of both.
        figures: What was measured.
        rows: Every scenario; those that differ first.
        stale: Explanations that explain nothing any more.
    """

    model_config = ConfigDict(frozen=True)

    environments: tuple[str, str]
    figures: tuple[Figure, ...]
    rows: tuple[Row, ...]
    stale: tuple[Explanation, ...] = ()

    @property
    def differing(self) -> tuple[Row, ...]:
        """Scenarios that did not end alike."""
        return tuple(row for row in self.rows if not row.same)

    @property
    def unexplained(self) -> tuple[Row, ...]:
        """Those of them that nobody has explained."""
        return tuple(row for row in self.differing if row.explanation is None)


def compare_environments(one: Run, other: Run, explanations: Sequence[Explanation]) -> Fidelity:
    """Set two runs of the same features side by side."""
    results = ({each.key: each for each in one.scenarios}, {each.key: each for each in other.scenarios})
    keys = dict.fromkeys((*results[0], *results[1]))
    rows = [_row((one, other), (results[0].get(key), results[1].get(key)), key, explanations) for key in keys]
    used = {row.explanation for row in rows}
    kinds = {each.environment.partition(":")[0] for each in (one, other)}
    return Fidelity(
        environments=(one.environment, other.environment),
        figures=tuple(_figures(one, other)),
        rows=tuple(sorted(rows, key=lambda row: (row.same, row.explanation is not None))),
        stale=tuple(each for each in explanations if each.environment in kinds and each not in used),
    )


def _row(
    runs: tuple[Run, Run],
    results: tuple[ScenarioResult | None, ScenarioResult | None],
    key: ScenarioKey,
    explanations: Sequence[Explanation],
) -> Row:
    known = next(each for each in results if each is not None)
    row = Row(scenario=caption(known), file=key[0], results=results)
    if row.same:
        return row
    fitting = (
        each
        for run, result in zip(runs, results, strict=True)
        if result is not None and result.status is not Status.PASSED
        for each in explanations
        if each.fits(run.environment, result)
    )
    return row.model_copy(update={"explanation": next(fitting, None)})


def _figures(one: Run, other: Run) -> Iterator[Figure]:
    measures: list[tuple[str, str, Callable[[Run], float | None]]] = [
        ("Until the environment was ready", "s", _ready_seconds),
        ("Deployment", "s", lambda run: run.deployment.seconds if run.deployment else None),
        ("The scenarios", "s", lambda run: run.seconds),
        ("Memory at the end", "bytes", lambda run: run.memory_bytes),
    ]
    for name, unit, measure in measures:
        yield Figure(name=name, unit=unit, values=(measure(one), measure(other)))
    for hop in Hop:
        (median, longest), (others_median, others_longest) = _hop(one, hop), _hop(other, hop)
        yield Figure(name=f"{hop}, median", unit="s", values=(median, others_median))
        yield Figure(name=f"{hop}, longest", unit="s", values=(longest, others_longest))


def _ready_seconds(run: Run) -> float | None:
    return run.deployment.ready_seconds if run.deployment else None


def _hop(run: Run, hop: Hop) -> tuple[float | None, float | None]:
    """Return a hop's median and longest time among the rotations that the operator was told of."""
    tables = [table for table in run.observed.ledger if table.bound is not None]
    if not tables:
        return None, None
    told = min(tables, key=lambda table: table.bound or 0.0)
    return next(((each.p50, each.max) for each in told.hops if each.hop is hop), (None, None))
