"""Two environments side by side: what the same scenarios came to in each, and why they differ."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence

from pydantic import BaseModel, ConfigDict

from deployer.errors import ConfigurationError
from evidence.explanations import Explanation
from evidence.ledger import Hop, HopFigures, LedgerTable
from evidence.model import Run, ScenarioKey, ScenarioResult, Status
from evidence.report import caption


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


class Propagation(BaseModel):
    """The way of new values, over all rotations that promise the same bound.

    Attributes:
        bound: Seconds promised for the way end to end.
        figures: Median and longest time of each hop.
    """

    model_config = ConfigDict(frozen=True)

    bound: float
    figures: tuple[Figure, ...]


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
        propagation: The way of new values, for each bound that either run promises, the smallest first.
        rows: Every scenario; those that differ first.
        stale: Explanations that explain nothing any more.
        unrecorded: Environments whose run left scenarios out and does not say what they can show, so that
            no capability explains anything there.
    """

    model_config = ConfigDict(frozen=True)

    environments: tuple[str, str]
    figures: tuple[Figure, ...]
    propagation: tuple[Propagation, ...]
    rows: tuple[Row, ...]
    stale: tuple[Explanation, ...] = ()
    unrecorded: tuple[str, ...] = ()

    @property
    def differing(self) -> tuple[Row, ...]:
        """Scenarios that did not end alike."""
        return tuple(row for row in self.rows if not row.same)

    @property
    def unexplained(self) -> tuple[Row, ...]:
        """Those of them that nobody has explained."""
        return tuple(row for row in self.differing if row.explanation is None)


def compare_environments(one: Run, other: Run, explanations: Sequence[Explanation]) -> Fidelity:
    """Set two runs of the same features side by side.

    Raises:
        ConfigurationError: They have no scenario in common.
    """
    runs = (one, other)
    results = ({each.key: each for each in one.scenarios}, {each.key: each for each in other.scenarios})
    if not results[0].keys() & results[1].keys():
        raise ConfigurationError(
            f"the runs in {one.environment} and {other.environment}",
            expected="a scenario that is in both",
            seen=f"none of {len(results[0])} and {len(results[1])}; nothing was compared",
            remedy="Name two runs of the same features, both with results.",
        )
    rows: list[Row] = []
    used: set[Explanation] = set()
    for key in dict.fromkeys((*results[0], *results[1])):
        row = _row(key, (results[0].get(key), results[1].get(key)))
        fitting = () if row.same else tuple(_fitting(runs, row.results, explanations))
        used.update(fitting)
        narrowest = max(fitting, key=lambda each: each.narrowness, default=None)
        rows.append(row.model_copy(update={"explanation": narrowest}))
    kinds = {each.environment.partition(":")[0] for each in runs}
    return Fidelity(
        environments=(one.environment, other.environment),
        figures=tuple(_figures(one, other)),
        propagation=tuple(_propagation(one, other)),
        rows=tuple(sorted(rows, key=lambda row: (row.same, row.explanation is not None))),
        stale=tuple(each for each in explanations if each.environment in kinds and each not in used),
        unrecorded=tuple(each.environment for each in runs if _leaves_open_what_it_lacks(each)),
    )


def _leaves_open_what_it_lacks(run: Run) -> bool:
    return run.capabilities is None and any(each.status is Status.NOT_EXERCISED for each in run.scenarios)


def _row(key: ScenarioKey, results: tuple[ScenarioResult | None, ScenarioResult | None]) -> Row:
    known = next(each for each in results if each is not None)
    return Row(scenario=caption(known), file=key[0], results=results)


def _fitting(
    runs: tuple[Run, Run],
    results: tuple[ScenarioResult | None, ScenarioResult | None],
    explanations: Sequence[Explanation],
) -> Iterator[Explanation]:
    """Yield what explains how a scenario did not pass in one of the runs."""
    for run, result in zip(runs, results, strict=True):
        if result is not None and result.status is not Status.PASSED:
            yield from (each for each in explanations if each.fits(run, result))


def _figures(one: Run, other: Run) -> Iterator[Figure]:
    measures: list[tuple[str, str, Callable[[Run], float | None]]] = [
        ("Until the environment was ready", "s", _ready_seconds),
        ("Deployment", "s", lambda run: run.deployment.seconds if run.deployment else None),
        ("The scenarios", "s", lambda run: run.seconds),
        ("Memory at the end", "bytes", lambda run: run.memory_bytes),
    ]
    for name, unit, measure in measures:
        yield Figure(name=name, unit=unit, values=(measure(one), measure(other)))


def _ready_seconds(run: Run) -> float | None:
    return run.deployment.ready_seconds if run.deployment else None


def _propagation(one: Run, other: Run) -> Iterator[Propagation]:
    tables = (_by_bound(one), _by_bound(other))
    for bound in sorted({*tables[0], *tables[1]}):
        first, second = (_hops(each.get(bound)) for each in tables)
        yield Propagation(bound=bound, figures=tuple(_way(first, second)))


def _by_bound(run: Run) -> dict[float, LedgerTable]:
    return {table.bound: table for table in run.observed.ledger if table.bound is not None}


def _hops(table: LedgerTable | None) -> dict[Hop, HopFigures]:
    return {each.hop: each for each in table.hops} if table else {}


def _way(one: Mapping[Hop, HopFigures], other: Mapping[Hop, HopFigures]) -> Iterator[Figure]:
    measures: list[tuple[str, Callable[[HopFigures], float | None]]] = [
        ("median", lambda seen: seen.p50),
        ("longest", lambda seen: seen.max),
    ]
    for hop, (name, measure) in itertools.product(Hop, measures):
        values = (
            measure(one[hop]) if hop in one else None,
            measure(other[hop]) if hop in other else None,
        )
        yield Figure(name=f"{hop}, {name}", unit="s", values=values)
