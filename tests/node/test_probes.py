"""When probes ask, and what their answers amount to."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from environments.embedded.node.probes import Probe, ProbeKind, Threshold


def test_a_verdict_needs_enough_equal_answers_in_a_row() -> None:
    threshold = Threshold(success=2, failure=3)
    answers = [False, False, True, False, False, False, False, True, True]
    verdicts = [None, None, None, None, None, False, False, None, True]
    assert [threshold.note(answer) for answer in answers] == verdicts


@given(st.lists(st.booleans(), max_size=40), st.integers(1, 5), st.integers(1, 5))
def test_a_verdict_agrees_with_the_answers_before_it(answers: list[bool], success: int, failure: int) -> None:
    threshold = Threshold(success, failure)
    for index, answer in enumerate(answers):
        needed = success if answer else failure
        enough = index + 1 >= needed and set(answers[index + 1 - needed : index + 1]) == {answer}
        assert threshold.note(answer) == (answer if enough else None)


class Asked:
    """Runs a probe whose answers are prepared, and notes what comes of it; the last answer repeats."""

    def __init__(self, kind: ProbeKind, answers: Sequence[str | None], **options: Any) -> None:  # noqa: ANN401
        self.answers = list(answers)
        self.times: list[float] = []
        self.verdicts: list[bool] = []
        self.failures: list[str] = []
        eager = options.pop("eager", None)
        self.probe = Probe(
            kind=kind,
            spec=options,
            ask=self.ask,
            verdict=self.verdicts.append,
            failed=self.failures.append,
            eager=eager,
        )

    async def ask(self, _seconds: float) -> str | None:
        self.times.append(asyncio.get_running_loop().time() - self.begin)
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]

    async def until_asked(self, count: int) -> None:
        self.begin = asyncio.get_running_loop().time()
        task = asyncio.create_task(self.probe.run())
        async with asyncio.timeout(10):
            while len(self.times) < count:  # noqa: ASYNC110  the probe itself is the clock
                await asyncio.sleep(0.001)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_it_waits_first_then_asks_at_its_period() -> None:
    asked = Asked(ProbeKind.LIVENESS, [None], initialDelaySeconds=0.2, periodSeconds=0.1)
    await asked.until_asked(4)
    assert [round(time, 1) for time in asked.times] == [0.2, 0.3, 0.4, 0.5]


async def test_failures_are_told_and_counted() -> None:
    asked = Asked(ProbeKind.LIVENESS, ["a", "b", None, "c"], periodSeconds=0.01, failureThreshold=2)
    await asked.until_asked(6)
    assert asked.verdicts[:3] == [False, True, False]
    assert asked.failures[:3] == ["a", "b", "c"]


async def test_an_eager_probe_finds_readiness_before_its_time() -> None:
    asked = Asked(
        ProbeKind.READINESS, ["not yet", "not yet", None], initialDelaySeconds=5, eager=0.01, periodSeconds=5
    )
    await asked.until_asked(3)
    assert asked.times[-1] < 1
    assert (asked.verdicts, asked.failures) == ([True], [])


async def test_eager_failures_do_not_count() -> None:
    asked = Asked(
        ProbeKind.STARTUP,
        ["no"],
        initialDelaySeconds=0.15,
        periodSeconds=0.15,
        eager=0.01,
        failureThreshold=2,
    )
    await asked.until_asked(6)
    early = [time for time in asked.times if time < 0.149]
    assert len(early) >= 3
    assert len(asked.failures) <= len(asked.times) - len(early)
    assert len(asked.verdicts) <= 1


@pytest.mark.parametrize("eager", [0.01, None])
async def test_liveness_is_never_eager(eager: float | None) -> None:
    asked = Asked(ProbeKind.LIVENESS, ["no"], initialDelaySeconds=0.1, periodSeconds=0.1, eager=eager)
    await asked.until_asked(2)
    assert [round(time, 1) for time in asked.times] == [0.1, 0.2]
