"""A fault is written down, felt, and healed whatever happens; one that hits nothing fails."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import pytest
from botocore.exceptions import ClientError

from deployer.connections import Connections
from deployer.errors import ConfigurationError, NotReadyError
from faults.contract import Undo
from faults.injection import Injection
from faults.keys import DISABLED
from faults.leftovers import Leftovers

_KEY = Undo(DISABLED, {"key": "the-key"})


@dataclass
class Journal:
    told: list[str] = field(default_factory=list)

    def injected(self, fault: str, what: str) -> None:
        assert fault.startswith(what)
        self.told.append("injected")

    def felt(self, fault: str) -> None:
        assert fault
        self.told.append("felt")

    def healed(self, fault: str) -> None:
        assert fault
        self.told.append("healed")


@dataclass
class Planted:
    what: str = "something is wrong"
    undo: Undo | None = _KEY
    felt: bool = True
    heals: bool = True
    begins: bool = True
    done: list[str] = field(default_factory=list)

    def inject(self) -> None:
        self.done.append("inject")
        if not self.begins:
            raise OSError("it did not begin")

    def unfelt(self) -> str | None:
        return None if self.felt else "no call was hit"

    def heal(self) -> None:
        if not self.heals:
            raise OSError("it cannot be healed")
        self.done.append("heal")


@dataclass
class Kms:
    enabled: list[str] = field(default_factory=list)
    error: str = ""

    def aws(self, _service: str) -> Kms:
        return self

    def enable_key(self, **parameters: str) -> None:
        if self.error:
            raise ClientError({"Error": {"Code": self.error, "Message": ""}}, "EnableKey")
        self.enabled.append(parameters["KeyId"])


def _place(kms: Kms) -> Connections:
    return cast("Connections", kms)


@pytest.fixture
def leftovers(tmp_path: Path) -> Leftovers:
    return Leftovers(tmp_path / "faults")


def _notes(tmp_path: Path) -> list[Any]:
    return [json.loads(file.read_text()) for file in (tmp_path / "faults").glob("*.json")]


def test_it_is_noted_while_it_lasts_and_forgotten_once_it_is_healed(
    leftovers: Leftovers, tmp_path: Path
) -> None:
    fault, journal = Planted(), Journal()
    with Injection(fault, journal, leftovers) as injection:
        assert [note["what"] for note in _notes(tmp_path)] == [fault.what]
        injection.end_when_felt()
        assert _notes(tmp_path) == []
    assert (fault.done, journal.told) == (["inject", "heal"], ["injected", "felt", "healed"])


@pytest.mark.parametrize("begins", [True, False])
def test_it_is_healed_when_the_block_fails_and_when_it_only_half_began(
    leftovers: Leftovers, tmp_path: Path, begins: bool
) -> None:
    fault, journal = Planted(felt=False, begins=begins), Journal()
    with (
        pytest.raises(OSError, match=r"it did not begin|the block fails"),
        Injection(fault, journal, leftovers),
    ):
        raise OSError("the block fails")
    assert (fault.done, journal.told) == (["inject", "heal"], ["injected", "healed"])
    assert _notes(tmp_path) == []


def test_one_that_nobody_felt_fails_and_is_healed_all_the_same(leftovers: Leftovers) -> None:
    fault, journal = Planted(felt=False), Journal()
    with pytest.raises(NotReadyError, match="no call was hit"), Injection(fault, journal, leftovers):
        pass
    assert fault.done[-1] == "heal"
    with (
        pytest.raises(NotReadyError, match="no call was hit"),
        Injection(Planted(felt=False), journal, leftovers) as injection,
    ):
        injection.await_felt(deadline=0)


def test_one_that_cannot_be_healed_is_not_told_as_healed_and_stays_noted(
    leftovers: Leftovers, tmp_path: Path
) -> None:
    journal = Journal()
    with (
        pytest.raises(OSError, match="cannot be healed"),
        Injection(Planted(heals=False), journal, leftovers),
    ):
        pass
    assert journal.told == ["injected"], "so the run's check that every fault is healed finds it"
    assert len(_notes(tmp_path)) == 1


def test_what_a_killed_run_left_is_healed_by_the_next(leftovers: Leftovers, tmp_path: Path) -> None:
    script = (
        "import os, signal; from pathlib import Path; "
        "from tests.faults.test_injection import Journal, Planted; "
        "from faults.injection import Injection; from faults.leftovers import Leftovers\n"
        f"with Injection(Planted(), Journal(), Leftovers(Path({str(tmp_path / 'faults')!r}))):\n"
        "    os.kill(os.getpid(), signal.SIGKILL)"
    )
    killed = subprocess.run([sys.executable, "-c", script], env=dict(os.environ), check=False)
    assert killed.returncode == -signal.SIGKILL
    kms = Kms()
    assert list(leftovers.heal(_place(kms))) == ["something is wrong"]
    assert kms.enabled == ["the-key"]
    assert list(leftovers.heal(_place(kms))) == []


def test_what_is_gone_with_its_environment_needs_no_healing(leftovers: Leftovers) -> None:
    leftovers.note("the key is disabled", _KEY)
    assert list(leftovers.heal(_place(Kms(error="NotFoundException")))) == ["the key is disabled"]


def test_what_cannot_be_healed_stays_noted(leftovers: Leftovers, tmp_path: Path) -> None:
    leftovers.note("the key is disabled", _KEY)
    with pytest.raises(ClientError):
        list(leftovers.heal(_place(Kms(error="AccessDeniedException"))))
    assert len(_notes(tmp_path)) == 1


@pytest.mark.parametrize("text", ["{", "[]", '{"kind": "unknown", "parameters": {}}', "{}"])
def test_a_note_that_is_none_is_named(leftovers: Leftovers, tmp_path: Path, text: str) -> None:
    (tmp_path / "faults").mkdir()
    (tmp_path / "faults" / "x.json").write_text(text)
    with pytest.raises(ConfigurationError, match=r"x\.json"):
        list(leftovers.heal(_place(Kms())))
