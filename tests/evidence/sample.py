"""A report of made-up results, to look at in a browser: ``python -m tests.evidence.sample DIRECTORY``."""

from __future__ import annotations

import json
import random
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

from deployer.dashboard import VIEWS
from evidence.catalogue import read_features
from evidence.checkers import no_request_failed, one_current, steady_around_faults
from evidence.convergence import Consumer, converged
from evidence.criteria import load_criteria
from evidence.events import (
    Event,
    FaultHealed,
    FaultInjected,
    OperatorSync,
    RotationAsked,
    RotationStep,
    SecretWritten,
    SteadyStateProbe,
)
from evidence.model import DeploymentAction, DeploymentSummary, Run, ScenarioResult, Status, expected_steps
from evidence.model import save_run as save
from evidence.observation import Observation
from evidence.report import write_report
from evidence.surroundings import (
    Bite,
    Comparison,
    Outcome,
    Panel,
    RunFigures,
    Score,
    Series,
    Unsteady,
)
from features.tags import CRITERIA_FILE, DIRECTORY
from loadtests.results import IntervalFile, summary_of
from loadtests.samples import Recorder
from loadtests.thresholds import judge, parse
from tests.evidence.histories import fingerprint, labels, uses

START = 1_777_636_800
SECRETS = (
    "mita-finance/production/database",
    "mita-finance/production/auth",
    "mita-finance/production/redis",
)
PODS = ("mita-app-5d9c7-x2x9p", "mita-app-5d9c7-zk4wm")


def make(directory: Path, *, seconds: int = 120, rotations: int = 9, failing: bool = True) -> Run:
    """Write the results and the report of a run with load, rotations and a fault."""
    chance = random.Random(1)  # noqa: S311  made-up latencies
    directory.mkdir(parents=True, exist_ok=True)
    observation = Observation(directory)
    _load(directory / "load" / "forced-rotation", seconds, chance, failing=failing)
    _load(directory / "load" / "steady", 30, chance, failing=False)
    _rotate(observation, seconds, rotations, chance)
    _fault(observation, START + seconds * 0.6)
    history = observation.history()
    title = "Forced rotation fails no request"
    observation.check(title, history, no_request_failed(history), scenario="Every credential, one by one")
    observation.check("One version is current", history, one_current(history, secrets=SECRETS))
    observation.check("The steady state returns", history, steady_around_faults(history))
    consumers = [Consumer(pod, secret, 2) for pod in PODS for secret in SECRETS]
    observation.check("Every pod follows within 2 s", history, converged(history, consumers=consumers))
    run = _run(observation).model_copy(update=_beside(chance))
    save(run, directory)
    write_report(run, directory)
    return run


def _beside(chance: random.Random) -> dict[str, object]:
    """Return what stands beside the run: six earlier ones, the dashboard, planted defects."""
    began = datetime.fromtimestamp(START, UTC)
    earlier = [
        RunFigures(
            started=began - timedelta(days=days),
            verdict="passed" if days != 2 else "failed",
            passed=230 if days != 2 else 229,
            failed=int(days == 2),
            other=2,
            seconds=700 + chance.uniform(0, 120),
            latency=chance.uniform(0.1, 0.3),
            propagation=chance.uniform(0.3, 0.9),
        )
        for days in range(6, -1, -1)
    ]
    came_and_went = Unsteady(
        scenario="Three pods of the application are ready", results=("passed", "failed", "passed")
    )
    panels = [
        Panel(title=view.title, unit=view.unit, value=1.0)
        if not view.legend
        else Panel(
            title=view.title, unit=view.unit, series=tuple(_series(number, chance) for number in range(4))
        )
        for view in VIEWS
    ]
    bites = [
        Bite(
            defect="testSecret does nothing" if number else "the label moves before the value is tested",
            scenario="A new value that the database turns away is found by the test",
            step="it fails, and the reason names testSecret",
            outcome=Outcome.NOTICED if number else Outcome.SURVIVED,
            detail="" if number else "The scenario passed.",
        )
        for number in range(2)
    ]
    return {
        "comparison": Comparison(
            runs=tuple(earlier), compared=6, mended=("The application is healthy",), unsteady=(came_and_went,)
        ),
        "dashboard": tuple(panels),
        "sources": "0" * 64,
        "teeth": Score(measured=began, sources="0" * 64, sound=True, bites=tuple(bites)),
    }


def _series(number: int, chance: random.Random) -> Series:
    points = tuple((START + second * 3.0, number * 20 + chance.uniform(0, 9)) for second in range(100))
    return Series(name=f"mita-finance/production/secret-{number}", points=points)


def _load(directory: Path, seconds: int, chance: random.Random, *, failing: bool) -> None:
    recorder, file = Recorder(), IntervalFile(directory / "intervals.jsonl")
    for second in range(seconds):
        for number in range(40):
            slow = 4 if 70 <= second < 80 else 1
            latency = chance.lognormvariate(-5.2, 0.5) * slow
            failure = "status 500" if failing and second == 74 and number < 3 else None
            recorder.record(START + second + 0.5, ("health", "auth")[number % 2], latency, failure)
    intervals = recorder.drain()
    file.append(intervals)
    file.close()
    verdicts = judge(
        [parse("p95 < 500 ms"), parse("failures == 0")], intervals, seconds=float(seconds), missed=0
    )
    summary = summary_of(
        intervals,
        verdicts,
        profile="ci",
        purpose="Credentials rotate under the load of 100 users",
        seconds=float(seconds),
        late=2 if failing else 0,
        missed=0,
    )
    (directory / "summary.json").write_text(json.dumps(summary))


def _rotate(observation: Observation, seconds: int, rotations: int, chance: random.Random) -> None:
    append = observation.timeline.append
    for secret in SECRETS:
        append(labels(secret, f"{secret[24]}0"), at=START)
        for pod in PODS:
            append(uses(pod, f"{secret[24]}0", secret), at=START)
    for number in range(1, rotations + 1):
        secret = SECRETS[number % len(SECRETS)]
        value = f"{secret[24]}{number}"
        moment = START + 10 + number * (seconds - 20) / (rotations + 1)
        when = 0.0
        events: list[Event] = [
            RotationAsked(secret=secret, token=value, bound=2),
            RotationStep(secret=secret, token=value, step="createSecret"),
            RotationStep(secret=secret, token=value, step="finishSecret"),
            labels(secret, value),
            SecretWritten(
                secret=secret,
                kubernetes_secret="mita",
                resource_version=str(4000 + number),
                fingerprint=fingerprint(value),
            ),
            *(uses(pod, value, secret) for pod in PODS),
        ]
        if number != rotations:
            events.append(OperatorSync(secret=secret, external_secret="mita", refreshed=int(moment) + 60.0))
        for event in events:
            append(event, at=moment + when)
            when += chance.uniform(0.02, 0.3)


def _fault(observation: Observation, moment: float) -> None:
    course: list[Event] = [
        SteadyStateProbe(what="application ready", holds=True),
        FaultInjected(fault="1", what="PostgreSQL restarts"),
        FaultHealed(fault="1"),
        SteadyStateProbe(what="application ready", holds=True),
    ]
    for number, event in enumerate(course):
        observation.timeline.append(event, at=moment - 2 + number * 4)


def _run(observation: Observation) -> Run:
    features = read_features(DIRECTORY)
    scenarios = [
        ScenarioResult(
            file=feature.file,
            title=scenario.title,
            example=example,
            tags=scenario.tags,
            status=Status.PASSED,
            started=datetime.fromtimestamp(START, UTC),
            seconds=0.7,
            steps=tuple(
                step.model_copy(update={"status": Status.PASSED, "seconds": 0.1})
                for step in expected_steps(scenario, example)
            ),
        )
        for feature in features
        for scenario in feature.scenarios
        for example in scenario.instances()
    ]
    began = datetime.fromtimestamp(START, UTC)
    return Run(
        environment="embedded",
        started=began,
        finished=began + timedelta(seconds=321),
        versions={"Kubernetes": "v1.36.3", "External Secrets Operator": "v0.9.9", "LocalStack": "4.14.0"},
        deployment=DeploymentSummary(
            outcome="All four phases are deployed.",
            seconds=21,
            actions=(DeploymentAction(verb="create", subject="kms-key", phase="1", reason="absent"),),
        ),
        criteria=load_criteria(CRITERIA_FILE),
        features=features,
        scenarios=tuple(scenarios),
        observed=observation.observed(),
    )


if __name__ == "__main__":
    make(Path(sys.argv[1]), rotations=int(sys.argv[2]) if len(sys.argv) > 2 else 9)
