"""How a threshold stands to what is usual."""

from __future__ import annotations

import pytest

from evidence.baselines import THRESHOLDS, Comparison, Judgement, compare


@pytest.mark.parametrize(
    ("value", "measured", "judgement", "proposed"),
    [
        (300, 20.0, Judgement.FITS, None),
        (30, 20.0, Judgement.FITS, None),
        (29, 20.0, Judgement.TOO_LOW, 40),
        (401, 20.0, Judgement.LOOSE, 40),
        (300, None, Judgement.UNMEASURED, None),
        (300, float("nan"), Judgement.UNMEASURED, None),
        (19, 0.0, Judgement.FITS, None),
        (21, 0.0, Judgement.LOOSE, 2),
    ],
)
def test_a_threshold_is_judged_by_its_distance_from_what_is_usual(
    value: float, measured: float | None, judgement: Judgement, proposed: float | None
) -> None:
    compared = Comparison(THRESHOLDS[0], value, measured)
    assert (compared.judgement, compared.proposed) == (judgement, proposed)


def test_every_threshold_is_asked_for_over_the_whole_stretch() -> None:
    asked: list[str] = []
    values = {each.setting: "300" for each in THRESHOLDS}

    def ask(expression: str) -> float:
        asked.append(expression)
        return 100.0

    assert [each.judgement for each in compare(values, ask, "7d")] == [Judgement.FITS] * len(THRESHOLDS)
    assert all("[7d:" in each and "RANGE" not in each for each in asked)
