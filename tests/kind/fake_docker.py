"""A Docker daemon that has what a test says, and takes note of what is removed."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, cast

from environments.kind.engine import Engine


@dataclass
class Thing:
    """A container or a network."""

    name: str
    labels: dict[str, str]
    status: str = "running"
    removed: bool = False

    short_id = "0123456789ab"

    def remove(self, **_options: object) -> None:
        self.removed = True

    def reload(self) -> None:
        """Nothing changes but by the test."""

    def logs(self, **_options: object) -> bytes:
        return b"said\n"


@dataclass
class Things:
    """Containers, or networks."""

    held: list[Thing] = field(default_factory=list)

    def list(
        self,
        *,
        names: list[str] | None = None,
        filters: dict[str, str] | None = None,
        **_options: object,
    ) -> list[Thing]:
        key, _, value = (filters or {}).get("label", "").partition("=")
        return [
            each
            for each in self.held
            if not each.removed
            and (names is None or each.name in names)
            and (not key or each.labels.get(key) == value)
        ]

    def get(self, name: str) -> Thing:
        return next(each for each in self.held if each.name == name)


@dataclass
class Daemon:
    """All of it."""

    containers: Things = field(default_factory=Things)
    networks: Things = field(default_factory=Things)

    def engine(self, processors: int = 2) -> Engine:
        return Engine(cast(Any, self), processors)
