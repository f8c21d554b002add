"""Changes: what has to be done, to which object, and why."""

from __future__ import annotations

import enum
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from typing import Any, TypeGuard

from pydantic import SecretStr

HIDDEN = "(hidden)"
ABSENT = "(absent)"
KNOWN_LATER = "(known after an earlier change)"


class Action(enum.StrEnum):
    """What is done to an object."""

    NONE = "none"
    CREATE = "create"
    UPDATE = "update"
    REPLACE = "replace"
    DESTROY = "destroy"


@dataclass(frozen=True, slots=True)
class Difference:
    """One property of an object that is not as desired; its values are as JSON, never secret."""

    path: str
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class Change:
    """One object and what has to be done to it.

    Attributes:
        action: What is done.
        phase: Number of the guide's phase that the object belongs to.
        kind: Kind of object, for example ``kms-key``.
        name: The object's own name.
        reason: Why, in words.
        details: The properties that change.
    """

    action: Action
    phase: int
    kind: str
    name: str
    reason: str
    details: tuple[Difference, ...] = ()

    @property
    def object(self) -> str:
        """The object as users name it, ``kind/name``."""
        return f"{self.kind}/{self.name}"

    @property
    def takes_away(self) -> bool:
        """Whether something that exists would be lost."""
        return self.action in (Action.REPLACE, Action.DESTROY)


def differences(before: Any, after: Any, path: str = "") -> tuple[Difference, ...]:  # noqa: ANN401  any JSON
    """Compare two JSON-like values property by property.

    Lists of equal length are compared element by element, others as a whole.
    """
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        found: list[Difference] = []
        for key in sorted({*before, *after}, key=str):
            inner = f"{path}.{key}" if path else str(key)
            if key not in before:
                found.append(Difference(inner, ABSENT, _shown(after[key])))
            elif key not in after:
                found.append(Difference(inner, _shown(before[key]), ABSENT))
            else:
                found.extend(differences(before[key], after[key], inner))
        return tuple(found)
    if _is_list(before) and _is_list(after) and len(before) == len(after):
        pairs = enumerate(zip(before, after, strict=True))
        return tuple(each for i, (b, a) in pairs for each in differences(b, a, f"{path}[{i}]"))
    return () if before == after else (Difference(path, _shown(before), _shown(after)),)


def _is_list(value: object) -> TypeGuard[Sequence[Any]]:
    return isinstance(value, Sequence) and not isinstance(value, str | bytes)


def _shown(value: object) -> str:
    return HIDDEN if isinstance(value, SecretStr) else json.dumps(plain(value), sort_keys=True)


def plain(value: object) -> Any:  # noqa: ANN401  any JSON
    """Turn an observation into JSON-like data; secret values become a constant."""
    if isinstance(value, SecretStr):
        return HIDDEN
    if is_dataclass(value) and not isinstance(value, type):
        return {each.name: plain(getattr(value, each.name)) for each in fields(value)}
    if isinstance(value, Mapping):
        return {str(key): plain(each) for key, each in value.items()}
    if isinstance(value, frozenset | set):
        return sorted((plain(each) for each in value), key=str)
    if _is_list(value):
        return [plain(each) for each in value]
    return value


def digest(value: object) -> str:
    """Return the SHA-256 of an observation; equal observations have equal digests in any process."""
    return hashlib.sha256(json.dumps(plain(value), sort_keys=True).encode()).hexdigest()
