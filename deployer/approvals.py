"""Who has agreed to a deployment into production, and until when: read from a file, and demanded."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from deployer.errors import ConfigurationError, RefusedError

Text = Annotated[str, Field(min_length=1)]

WHAT = ("security approval", "compliance sign-off", "emergency contacts", "incident procedure")
"""What has to be on file, in the guide's words; in the file, with an underscore between letters."""


def key(what: str) -> str:
    """Return the name of an approval's table in the file."""
    return what.replace(" ", "_").replace("-", "_")


class Approval(BaseModel):
    """One approval.

    Attributes:
        who: A role or an address that answers for it.
        when: The day on which it was given.
        until: The last day on which it holds.
        where: Where the thing itself lies: a ticket, a page, a rota.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    who: Text
    when: date
    until: date
    where: Text

    @model_validator(mode="after")
    def _holds_at_all(self) -> Approval:
        if self.until < self.when:
            raise ValueError("until must not be before when")
        return self

    def lapse(self, today: date) -> str | None:
        """Say why it does not hold on a day; None when it does."""
        if today < self.when:
            return f"given only on {self.when}"
        if today > self.until:
            return f"lapsed on {self.until}"
        return None


class Approvals(BaseModel):
    """Everything that is on file."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    security_approval: Approval | None = None
    compliance_sign_off: Approval | None = None
    emergency_contacts: Approval | None = None
    incident_procedure: Approval | None = None

    def lacking(self, today: date) -> Iterator[tuple[str, str]]:
        """Name what does not hold on a day, and why."""
        for what in WHAT:
            approval: Approval | None = getattr(self, key(what))
            why = "not on file" if approval is None else approval.lapse(today)
            if why is not None:
                yield what, why


def read_approvals(path: Path) -> Approvals:
    """Read a file of approvals; one that is not there has none in it.

    Raises:
        ConfigurationError: It cannot be read, or has something else in it.
    """
    try:
        return Approvals.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        return Approvals()
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigurationError(
            f"approvals file {path}", expected="TOML that can be read", seen=str(error), remedy="Correct it."
        ) from error
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"]) or "(whole file)"
        seen = "nothing" if first["type"] == "missing" else repr(first["input"])[:200]
        raise ConfigurationError(
            f"approvals file {path}: {where}", expected=first["msg"], seen=seen, remedy="Correct that key."
        ) from None


def require_approvals(path: Path, today: date) -> Approvals:
    """Refuse a deployment unless everything is on file and holds.

    Raises:
        RefusedError: Something is missing or has lapsed; each is named.
        ConfigurationError: The file cannot be used.
    """
    approvals = read_approvals(path)
    lacks = list(approvals.lacking(today))
    if lacks:
        raise RefusedError(
            f"approvals: {', '.join(what for what, _ in lacks)}",
            expected="on file and in force",
            seen="; ".join(f"{what}: {why}" for what, why in lacks),
            remedy=f"Have it given, then record who, when, until and where in {path}.",
        )
    return approvals
