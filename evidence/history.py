"""A run beside earlier runs of the same environment: what is new, what comes and goes, and where it leads."""

from __future__ import annotations

import hashlib
import itertools
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from deployer.errors import ConfigurationError
from evidence.assessment import assess
from evidence.ledger import Hop
from evidence.manifest import MANIFEST_FILE, load_manifest
from evidence.model import RESULTS_FILE, Run, ScenarioKey, ScenarioResult, Status, load_run
from evidence.report import caption
from evidence.surroundings import Comparison, RunFigures, Unsteady
from evidence.teeth import TEETH_FILE, digest_of_sources, load_score

MOST_RUNS = 20
"""How many earlier runs are looked at, the latest ones."""
LOOKED_BACK = 10
"""Over how many results a scenario is judged to be unsteady."""
_UNSTEADY_CHANGES = 2
_TELLING = (Status.PASSED, Status.FAILED)


def surrounded(run: Run, directory: Path, *, root: Path) -> Run:
    """Return a run with what stands beside it.

    Args:
        run: The run.
        directory: Its report directory, beside which those of earlier runs lie, and the score.
        root: The project's directory.
    """
    earlier, left_out = read_earlier(run, directory)
    try:
        score = load_score(directory.parent)
    except ConfigurationError as error:
        score = None
        left_out.append(f"{TEETH_FILE}: {error.seen.splitlines()[0]}")
    comparison = compare(run, earlier).model_copy(update={"left_out": tuple(left_out)})
    return run.model_copy(
        update={"comparison": comparison, "sources": digest_of_sources(root), "teeth": score}
    )


def read_earlier(run: Run, directory: Path) -> tuple[list[Run], list[str]]:
    """Read the runs that ended before a run began, in the same environment.

    Returns:
        Those runs, the oldest first, and why others were left out.
    """
    found: list[Run] = []
    left_out: list[str] = []
    # Directories are named after the time, so that the latest come first and the oldest are not even read.
    for place in sorted(directory.parent.iterdir(), key=lambda path: path.name, reverse=True):
        if place.is_symlink() or place == directory or not (place / RESULTS_FILE).is_file():
            continue
        if len(found) == MOST_RUNS:
            break
        try:
            _require_untouched(place)
            other = load_run(place)
        except (ConfigurationError, OSError) as error:
            seen = error.seen if isinstance(error, ConfigurationError) else str(error)
            left_out.append(f"{place.name}: {seen.splitlines()[0]}")
            continue
        if other.environment == run.environment and other.finished and other.started < run.started:
            found.append(other)
    return sorted(found, key=lambda each: each.started), left_out


def _require_untouched(directory: Path) -> None:
    if not (directory / MANIFEST_FILE).exists():
        return
    (sealed,) = (entry.sha256 for entry in load_manifest(directory).files if entry.name == RESULTS_FILE)
    if hashlib.sha256((directory / RESULTS_FILE).read_bytes()).hexdigest() != sealed:
        raise ConfigurationError(
            str(directory / RESULTS_FILE),
            expected=f"the file of the run, as {MANIFEST_FILE} has it",
            seen="its results were changed since",
            remedy="Take the directory from where it was kept unchanged.",
        )


def compare(run: Run, earlier: Sequence[Run]) -> Comparison:
    """Compare a run with earlier ones, the oldest first."""
    before = _results_by_scenario(earlier)
    newly_failing: list[str] = []
    mended: list[str] = []
    unsteady: list[Unsteady] = []
    for result in run.scenarios:
        if result.status not in _TELLING:
            continue
        results = before.get(result.key, [])
        if results and results[-1] != result.status:
            (newly_failing if result.status is Status.FAILED else mended).append(caption(result))
        lately = [*results, result.status][-LOOKED_BACK:]
        if sum(one != other for one, other in itertools.pairwise(lately)) >= _UNSTEADY_CHANGES:
            unsteady.append(Unsteady(scenario=caption(result), results=tuple(lately)))
    return Comparison(
        runs=tuple(figures(each) for each in (*earlier, run) if not each.selection),
        compared=len(earlier),
        newly_failing=tuple(newly_failing),
        mended=tuple(mended),
        unsteady=tuple(unsteady),
    )


def _results_by_scenario(runs: Sequence[Run]) -> Mapping[ScenarioKey, list[Status]]:
    found: dict[ScenarioKey, list[Status]] = {}
    for result in _telling(runs):
        found.setdefault(result.key, []).append(result.status)
    return found


def _telling(runs: Sequence[Run]) -> Iterator[ScenarioResult]:
    return (result for run in runs for result in run.scenarios if result.status in _TELLING)


def figures(run: Run) -> RunFigures:
    """Return a run in few figures."""
    assessment = assess(run)
    counts = Counter(assessment.counts)
    latencies = [each.p95 for load in run.observed.loads for each in load.seconds if each.p95 is not None]
    ways = {
        table.bound: hop.p95
        for table in run.observed.ledger
        for hop in table.hops
        if hop.hop is Hop.END_TO_END and table.bound is not None and hop.p95 is not None
    }
    return RunFigures(
        started=run.started,
        verdict=assessment.verdict,
        passed=counts[Status.PASSED],
        failed=counts[Status.FAILED],
        other=counts.total() - counts[Status.PASSED] - counts[Status.FAILED],
        seconds=run.seconds,
        latency=max(latencies, default=None),
        propagation=ways[min(ways)] if ways else None,  # those that the operator was told of
    )
