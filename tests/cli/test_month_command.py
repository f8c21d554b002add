"""Which stretch of time a month is."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import click
import pytest

from evidence.monthly import Month, ReaderMonth, SecretMonth, markdown
from mita.month_command import span


def test_a_month_that_is_over_is_whole() -> None:
    assert span("2025-12") == (datetime(2025, 12, 1, tzinfo=UTC), datetime(2026, 1, 1, tzinfo=UTC))


def test_this_month_ends_now() -> None:
    now = datetime.now(UTC)
    since, until = span(f"{now:%Y-%m}")
    assert since == datetime(now.year, now.month, 1, tzinfo=UTC)
    assert abs(until - now) < timedelta(minutes=1)


@pytest.mark.parametrize("text", ["2025", "2025-13", "2025-1", "next", "9999-01"])
def test_what_is_no_month_or_lies_ahead_is_refused(text: str) -> None:
    with pytest.raises(click.BadParameter, match="expected a month"):
        span(text)


def test_what_needs_attention_comes_first() -> None:
    begin, end = datetime(2026, 10, 1, tzinfo=UTC), datetime(2026, 11, 1, tzinfo=UTC)
    well = SecretMonth(name="auth/jwt-secret", rotated=1, failed=0, changed=begin, due=end + timedelta(9))
    late = SecretMonth(name="cache/redis-auth", rotated=0, failed=2, changed=begin, due=end - timedelta(9))
    readers = (
        ReaderMonth(name="operator", reads=9, expected=True),
        ReaderMonth(name="somebody", reads=1, expected=False),
    )
    month = Month(account="1" * 12, since=begin, until=end, secrets=(well, late), readers=readers)
    assert month.attention == (
        "2 rotations of cache/redis-auth failed.",
        "cache/redis-auth was due on 23 October 2026.",
        "somebody read 1 values and is no role of the system.",
    )
    assert markdown(month).index("somebody read") < markdown(month).index("## Rotations")
    quiet = month.model_copy(update={"secrets": (well,), "readers": readers[:1]})
    assert "- Nothing." in markdown(quiet)
