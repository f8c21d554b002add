"""Reading a container's log: which part, with which times, and until when."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from environments.embedded.node import container_logs
from environments.embedded.node.container_logs import LogQuery, read_log


def read(path: Path, **query: str) -> bytes:
    return b"".join(pieces(path, lambda: False, **query))


def pieces(path: Path, may_grow: Callable[[], bool], **query: str) -> list[bytes]:
    async def collected() -> list[bytes]:
        async with asyncio.timeout(5):
            return [piece async for piece in read_log(path, LogQuery.parse(query), may_grow)]

    return asyncio.run(collected())


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "0.log"


TAILS = [
    (b"", 1, b""),
    (b"a\nb\n", 0, b""),
    (b"a\nb\n", 1, b"b\n"),
    (b"a\nb", 1, b"b"),
    (b"a\nb", 2, b"a\nb"),
    (b"a\n\n\n", 2, b"\n\n"),
    (b"\n", 1, b"\n"),
    (b"a\nb\n", 3, b"a\nb\n"),
    (b"one\ntwo\nthree\n", 2, b"two\nthree\n"),
]


@pytest.mark.parametrize("chunk", [1, 2, 3, 1 << 16])
def test_the_last_lines_whatever_the_size_of_blocks(
    log: Path, monkeypatch: pytest.MonkeyPatch, chunk: int
) -> None:
    monkeypatch.setattr(container_logs, "_CHUNK_BYTES", chunk)
    for content, lines, tail in TAILS:
        log.write_bytes(content)
        assert read(log, tailLines=str(lines)) == tail


def test_a_limit_counts_bytes_over_all_pieces(log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(container_logs, "_CHUNK_BYTES", 3)
    log.write_bytes(b"0123456789")
    assert read(log, limitBytes="7") == b"0123456"
    assert read(log, limitBytes="10") == b"0123456789"
    assert read(log, limitBytes="11") == b"0123456789"


def test_each_line_has_one_time_also_when_it_comes_in_pieces(
    log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(container_logs, "_CHUNK_BYTES", 3)
    log.write_bytes(b"one\n\ntwo")
    os.utime(log, (1.5, 1.5))
    moment = b"1970-01-01T00:00:01.500000000Z "
    assert read(log, timestamps="true") == moment + b"one\n" + moment + b"\n" + moment + b"two"


def test_a_log_written_to_before_the_time_is_left_out(log: Path) -> None:
    log.write_bytes(b"old\n")
    os.utime(log, (1000, 1000))
    assert read(log, sinceTime="1970-01-01T00:16:41Z") == b""
    assert read(log, sinceTime="1970-01-01T00:16:40Z") == b"old\n"
    assert read(log, sinceSeconds="10") == b""


def test_a_log_that_is_not_there_is_empty(log: Path) -> None:
    assert read(log, tailLines="5", timestamps="true", sinceSeconds="1") == b""


def test_what_is_written_last_is_not_lost(log: Path) -> None:
    """The container writes and ends between a look at the file and a look at the container."""
    log.write_bytes(b"first\n")
    answers = iter([True, False])

    def may_grow() -> bool:
        goes_on = next(answers)
        if not goes_on:
            log.write_bytes(b"first\nlast\n")
        return goes_on

    assert pieces(log, may_grow, follow="true") == [b"first\n", b"last\n"]


@pytest.mark.parametrize(
    "query",
    [
        {"stream": "Stdout"},
        {"tailLines": "-1"},
        {"tailLines": "many"},
        {"sinceSeconds": "0"},
        {"sinceSeconds": "1", "sinceTime": "1970-01-01T00:00:01Z"},
        {"sinceTime": "yesterday"},
        {"limitBytes": "0"},
    ],
)
def test_what_makes_no_sense_is_refused(query: dict[str, str]) -> None:
    with pytest.raises(ValueError):  # noqa: PT011  each has its own words
        LogQuery.parse(query)
