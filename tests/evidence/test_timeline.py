from __future__ import annotations

import multiprocessing
from pathlib import Path

import pytest
from pydantic import ValidationError

from deployer.errors import ConfigurationError
from deployer.fingerprint import Fingerprints
from evidence.events import (
    CredentialInUse,
    Event,
    FaultHealed,
    FaultInjected,
    PlanAction,
    RotationStep,
    SecretVersion,
    StagingLabels,
    SteadyStateProbe,
)
from evidence.timeline import Timeline, merge, read
from tests.evidence.histories import at

PRINT = "0123456789abcdef"


def test_entries_read_back_as_they_were_written(tmp_path: Path) -> None:
    timeline = Timeline(tmp_path / "new" / "timeline.jsonl")
    events: list[Event] = [
        PlanAction(verb="create", subject="kms-key"),
        RotationStep(secret="a", token="v2", step="createSecret"),
        StagingLabels(
            secret="a",
            versions=(SecretVersion(version="v1", labels=("AWSCURRENT",), fingerprint=PRINT),),
        ),
        FaultHealed(fault="1"),
    ]

    written = tuple(timeline.append(event) for event in events)

    assert timeline.history() == written
    assert [entry.event for entry in written] == events
    assert timeline.file.stat().st_mode & 0o777 == 0o600
    assert all(entry.monotonic is not None for entry in written)


def test_both_clocks_tell_the_same_moment(tmp_path: Path) -> None:
    timeline = Timeline(tmp_path / "timeline.jsonl", wall=lambda: 1000.0, monotonic=lambda: 50.0)

    now, earlier = timeline.append(FaultHealed(fault="1")), timeline.append(FaultHealed(fault="2"), at=990.5)

    assert (now.at, now.monotonic) == (1000.0, 50.0)
    assert (earlier.at, earlier.monotonic) == (990.5, 40.5)
    assert timeline.history() == (earlier, now)
    assert timeline.history(since=995) == (now,)
    assert timeline.history(until=995) == (earlier,)


def test_a_last_line_that_was_cut_short_is_left_out(tmp_path: Path) -> None:
    timeline = Timeline(tmp_path / "timeline.jsonl")
    entry = timeline.append(FaultHealed(fault="1"))
    timeline.append(FaultHealed(fault="2"))
    timeline.file.write_bytes(timeline.file.read_bytes()[:-4])

    assert read(timeline.file) == (entry,)


@pytest.mark.parametrize(
    ("line", "seen"),
    [
        ("{", "Invalid JSON"),
        ("", "Invalid JSON"),
        ('{"at":1,"event":{"kind":"unheard-of"}}', "unheard-of"),
        ('{"at":1,"event":{"kind":"fault-healed","fault":"1","extra":2}}', "extra"),
        ('{"event":{"kind":"fault-healed","fault":"1"}}', "at"),
        ('{"at":NaN,"event":{"kind":"fault-healed","fault":"1"}}', "at"),
        ("\xff", "Invalid JSON"),
    ],
)
def test_a_malformed_line_is_named(tmp_path: Path, line: str, seen: str) -> None:
    timeline = Timeline(tmp_path / "timeline.jsonl")
    timeline.append(FaultHealed(fault="1"))
    with timeline.file.open("ab") as stream:
        stream.write(line.encode("latin-1") + b"\n")
    timeline.append(FaultHealed(fault="2"))

    with pytest.raises(ConfigurationError, match=r"timeline\.jsonl, line 2") as caught:
        timeline.history()
    assert seen in caught.value.seen


def test_a_timeline_that_nobody_wrote_is_empty(tmp_path: Path) -> None:
    assert Timeline(tmp_path / "timeline.jsonl").history() == ()


def test_a_file_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(ConfigurationError, match="appended"):
        Timeline(tmp_path / "file" / "timeline.jsonl").append(FaultHealed(fault="1"))
    with pytest.raises(ConfigurationError, match="No space"):
        Timeline(Path("/dev/full")).append(FaultHealed(fault="1"))


def test_a_field_for_fingerprints_takes_no_value_and_shows_none() -> None:
    for value in ("hunter2-hunter2-hunter2", "0123456789abcde", "0123456789ABCDEF"):
        with pytest.raises(ValidationError) as caught:
            CredentialInUse(consumer="pod", secret="a", fingerprint=value)
        assert value not in str(caught.value)
    whole = Fingerprints().of("value")
    assert CredentialInUse(consumer="pod", secret="a", fingerprint=whole).fingerprint == whole[:16]


def test_remarks_are_redacted_before_they_are_written(tmp_path: Path) -> None:
    timeline = Timeline(tmp_path / "timeline.jsonl", redact=lambda text: text.replace("hunter2", '["x"]'))

    entry = timeline.append(SteadyStateProbe(what="login", holds=False, detail="hunter2 was refused"))

    assert "hunter2" not in timeline.file.read_text()
    assert timeline.history() == (entry,)
    assert isinstance(entry.event, SteadyStateProbe)
    assert entry.event.detail == '["x"] was refused'


def append_many(file: Path, name: str) -> None:
    timeline = Timeline(file)
    for number in range(200):
        timeline.append(FaultInjected(fault=f"{name}-{number}", what="x" * 5000))


def test_lines_of_several_processes_never_mix(tmp_path: Path) -> None:
    file = tmp_path / "timeline.jsonl"
    context = multiprocessing.get_context("spawn")
    writers = [context.Process(target=append_many, args=(file, str(number))) for number in range(4)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(60)

    assert [writer.exitcode for writer in writers] == [0, 0, 0, 0]
    faults = [entry.event.fault for entry in read(file) if isinstance(entry.event, FaultInjected)]
    assert sorted(faults) == sorted(f"{name}-{number}" for name in range(4) for number in range(200))


def test_histories_merge_by_time_and_keep_the_order_of_one_moment() -> None:
    a, b = at(1, FaultHealed(fault="a")), at(3, FaultHealed(fault="b"))
    c, d = at(1, FaultHealed(fault="c")), at(2, FaultHealed(fault="d"))

    assert merge([a, b], [d, c]) == (a, c, d, b)
