"""Waivers: findings that somebody answers for, until a day.

[[waivers]]
control = "secret-age"
subject = "secret mita-finance/production/external/openai-api-key"
owner = "payments team"
reason = "The vendor issues the next key in March."
expires = 2027-03-31
"""

from __future__ import annotations

import tomllib
from collections.abc import Collection
from datetime import date
from pathlib import Path
from typing import Annotated

from pydantic import Field, ValidationError

from deployer.desired_secrets import Strict
from deployer.errors import ConfigurationError

_FORM = "[[waivers]] tables with control, owner, reason and expires (a date), and subject where one is meant"


class Waiver(Strict):
    """What is put up with, by whom, why and until when.

    Attributes:
        control: Id of the control.
        subject: The one subject that it is for; every one of the control's unless given.
        owner: Who answers for it.
        reason: Why it is put up with.
        expires: The last day on which it holds.
        local_only: It is an environment's own: it holds for connections that never leave the
            machine and for nothing else, and what it covers counts as not applicable.
    """

    control: Annotated[str, Field(min_length=1)]
    subject: Annotated[str, Field(min_length=1)] | None = None
    owner: Annotated[str, Field(min_length=1)]
    reason: Annotated[str, Field(min_length=1)]
    expires: Annotated[date, Field(strict=False)]  # as text in a report
    local_only: bool = False

    def covers(self, control: str, subject: str, today: date) -> bool:
        """Tell whether it holds for a finding on a day."""
        return self.control == control and self.subject in (None, subject) and not self.lapsed(today)

    def lapsed(self, today: date) -> bool:
        """Tell whether its time is over."""
        return today > self.expires


class _Written(Strict):
    """A waiver as people write it: that a connection is local is for an environment to say."""

    control: Annotated[str, Field(min_length=1)]
    subject: Annotated[str, Field(min_length=1)] | None = None
    owner: Annotated[str, Field(min_length=1)]
    reason: Annotated[str, Field(min_length=1)]
    expires: date


class _File(Strict):
    waivers: tuple[_Written, ...] = ()


def read_waivers(path: Path, controls: Collection[str]) -> tuple[Waiver, ...]:
    """Read a file of waivers.

    Args:
        path: The file.
        controls: Ids of the controls that there are.

    Raises:
        ConfigurationError: It cannot be read, a waiver lacks owner, reason or expiry, or is for a
            control that does not exist.
    """
    try:
        written = _File.model_validate(tomllib.loads(path.read_text(encoding="utf-8"))).waivers
    except OSError as error:
        raise _unusable(
            path, _FORM, error.strerror or type(error).__name__, "Give the file's path."
        ) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise _unusable(path, "TOML", str(error), "Correct the file at that place.") from error
    except ValidationError as error:
        raise _unusable(path, _FORM, _first(error), "Correct that waiver.") from None
    for number, waiver in enumerate(written, 1):
        if waiver.control not in controls:
            raise _unusable(
                path,
                f"waiver {number} to name one of the controls {', '.join(sorted(controls))}",
                repr(waiver.control),
                "Correct the name, or drop the waiver with its control.",
            )
    return tuple(Waiver(**waiver.model_dump()) for waiver in written)


def _first(error: ValidationError) -> str:
    first = error.errors(include_url=False)[0]
    where = list(first["loc"])
    which = f"waiver {where[1] + 1}" if len(where) > 1 and isinstance(where[1], int) else "the file"
    key = ".".join(str(part) for part in where[2:] or where)
    if first["type"] == "missing":
        return f"{which} without {key}"
    return f"{which}, {key}: {first['msg']}"


def _unusable(path: Path, expected: str, seen: str, remedy: str) -> ConfigurationError:
    return ConfigurationError(f"waivers {path}", expected=expected, seen=seen, remedy=remedy)
