"""Approvals: on file, in force, or named as lacking."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from deployer.approvals import WHAT, key, read_approvals, require_approvals
from deployer.errors import ConfigurationError, RefusedError

FIRST, LAST = date(2026, 1, 10), date(2026, 7, 10)


def _file(path: Path, *without: str, extra: str = "") -> Path:
    tables = (
        f'[{key(what)}]\nwho = "security@mita.example"\nwhen = {FIRST}\nuntil = {LAST}\nwhere = "SEC-1"\n'
        for what in WHAT
        if what not in without
    )
    path.write_text("\n".join(tables) + extra)
    return path


@pytest.mark.parametrize("today", [FIRST, date(2026, 3, 1), LAST])
def test_what_is_on_file_holds_from_its_first_day_to_its_last(tmp_path: Path, today: date) -> None:
    assert require_approvals(_file(tmp_path / "approvals.toml"), today).security_approval is not None


@pytest.mark.parametrize("what", WHAT)
def test_each_that_is_missing_is_named(tmp_path: Path, what: str) -> None:
    with pytest.raises(RefusedError) as refused:
        require_approvals(_file(tmp_path / "approvals.toml", what), FIRST)

    assert refused.value.subject == f"approvals: {what}"
    assert refused.value.seen == f"{what}: not on file"


@pytest.mark.parametrize(
    ("today", "why"),
    [(date(2026, 1, 9), "given only on 2026-01-10"), (date(2026, 7, 11), "lapsed on 2026-07-10")],
)
def test_all_that_do_not_hold_are_named_with_the_day(tmp_path: Path, today: date, why: str) -> None:
    with pytest.raises(RefusedError) as refused:
        require_approvals(_file(tmp_path / "approvals.toml"), today)

    assert refused.value.seen == "; ".join(f"{what}: {why}" for what in WHAT)


def test_without_a_file_everything_is_missing(tmp_path: Path) -> None:
    assert [what for what, _ in read_approvals(tmp_path / "none.toml").lacking(FIRST)] == list(WHAT)


@pytest.mark.parametrize(
    ("extra", "where"),
    [
        ("[more]\n", "more"),
        ("[security_approval]\nwho = 'x'\nwhere = 'y'\nwhen = 2026-01-02\n", "security_approval.until"),
        (
            "[security_approval]\nwho = 'x'\nwhere = 'y'\nwhen = 2026-01-02\nuntil = 2026-01-01\n",
            "until must not be before when",
        ),
        ("[security_approval]\nwho = ''\nwhere = 'y'\nwhen = 2026-01-02\nuntil = 2026-01-02\n", "who"),
        ("who = ", "TOML"),
    ],
)
def test_a_file_that_says_something_else_is_refused_with_its_place(
    tmp_path: Path, extra: str, where: str
) -> None:
    with pytest.raises(ConfigurationError) as refused:
        read_approvals(_file(tmp_path / "approvals.toml", "security approval", extra=extra))

    assert where in str(refused.value)
