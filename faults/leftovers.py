"""Faults that are not healed yet, on disk, so that the next start heals what a killed run left."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from deployer.connections import Connections
from deployer.errors import ConfigurationError
from deployer.files import replace_atomically
from faults import cluster, keys
from faults.contract import Undo

UNDOINGS: Mapping[str, Callable[[Connections, Mapping[str, str]], None]] = {
    cluster.SCALED: cluster.scale_back,
    keys.DISABLED: keys.enable,
}
"""How each kind of fault is healed by its note alone."""


def leftovers_of(state: Path) -> Leftovers:
    """Return the notes of an environment's faults, beside its receipts."""
    return Leftovers(state / "faults")


class Leftovers:
    """The notes of faults that are not healed.

    Args:
        directory: Where they lie, a file each.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def note(self, what: str, undo: Undo) -> str:
        """Note a fault before it is injected.

        Returns:
            The note's name, for `forget`.
        """
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        name = f"{secrets.token_hex(8)}.json"
        content = {"what": what, "kind": undo.kind, "parameters": dict(undo.parameters)}
        replace_atomically(self._directory / name, json.dumps(content))
        return name

    def forget(self, name: str) -> None:
        """Remove the note of a fault that is healed."""
        (self._directory / name).unlink(missing_ok=True)

    def heal(self, connections: Connections) -> Iterator[str]:
        """Heal every fault that is noted, and name each once it is healed.

        Raises:
            ConfigurationError: A note cannot be read.
        """
        for file in sorted(self._directory.glob("*.json")):
            try:
                note = json.loads(file.read_text(encoding="utf-8"))
                undo, parameters = UNDOINGS[note["kind"]], note["parameters"]
            except (OSError, ValueError, KeyError, TypeError) as error:
                raise ConfigurationError(
                    str(file),
                    expected="the note of a fault",
                    seen=type(error).__name__,
                    remedy="See what is broken there, mend it by hand, and remove the file.",
                ) from error
            undo(connections, parameters)
            self.forget(file.name)
            yield str(note["what"])
