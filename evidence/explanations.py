"""Why scenarios end otherwise in one environment than in another, as people have written it down."""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from deployer.errors import ConfigurationError
from environments.protocol import Capability
from evidence.model import Run, ScenarioResult, Status
from evidence.report import caption

_FORM = "[[explanations]] tables with scenario or capability, environment, owner and reason"
_FEATURES = "features"

Text = Annotated[str, Field(min_length=1)]


class Owner(StrEnum):
    """Whose a difference is."""

    ENVIRONMENT = "environment"  # it cannot be had there
    EMBEDDED_NODE = "embedded-node"  # pods are processes there
    KUBELET = "kubelet"
    SERVICE = "service"  # another version or make of a server
    OPEN = "open"  # not done yet


class Explanation(BaseModel):
    """Why scenarios end otherwise in an environment.

    Attributes:
        environment: In which.
        scenario: Title of the scenario, as its feature has it; every example is meant.
        example: Only one example of it, by the text that the comparison shows it with.
        capability: Or the capability that the environment lacks: for all that are not exercised for it.
        feature: Only scenarios of this file, for example ``features/rollback.feature``.
        owner: Whose the difference is.
        reason: In a sentence.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    environment: Text
    scenario: Text | None = None
    example: Text | None = None
    capability: Capability | None = None
    feature: Annotated[str, Field(pattern=rf"^{_FEATURES}/.+\.feature$")] | None = None
    owner: Owner
    reason: Text

    @model_validator(mode="after")
    def _one_subject(self) -> Self:
        if (self.scenario is None) == (self.capability is None):
            raise ValueError("either scenario or capability, not both and not none")
        if self.example is not None and self.scenario is None:
            raise ValueError("an example only with the scenario that it is one of")
        return self

    @property
    def subject(self) -> str:
        """What it is about, in words."""
        what = f"scenario {self.scenario!r}" if self.scenario else f"capability {self.capability}"
        example = f", example {self.example!r}" if self.example else ""
        feature = f" of {self.feature}" if self.feature else ""
        return f"{what}{example}{feature} in {self.environment}"

    @property
    def narrowness(self) -> tuple[bool, bool, bool]:
        """Orders the explanations of one scenario: the narrowest is the greatest."""
        return self.scenario is not None, self.example is not None, self.feature is not None

    def fits(self, run: Run, result: ScenarioResult) -> bool:
        """Tell whether it explains how a scenario ended in a run."""
        if run.environment.partition(":")[0] != self.environment:
            return False
        if self.feature not in (None, f"{_FEATURES}/{result.file}"):
            return False
        if self.scenario is not None:
            return result.title == self.scenario and self.example in (None, caption(result))
        return result.status is Status.NOT_EXERCISED and self.capability in run.lacks(result)


class _File(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    explanations: tuple[Explanation, ...] = ()


def read_explanations(file: Path) -> tuple[Explanation, ...]:
    """Read a file of explanations.

    Raises:
        ConfigurationError: It cannot be read, is not of their form, or explains one subject twice.
    """
    try:
        explanations = _File.model_validate(tomllib.loads(file.read_text(encoding="utf-8"))).explanations
    except (OSError, ValueError) as error:
        seen = _first(error) if isinstance(error, ValidationError) else str(error)
        raise _unusable(file, _FORM, seen) from error
    if seen := _twice(explanations):
        raise _unusable(file, "one explanation for each subject", seen)
    return explanations


def _first(error: ValidationError) -> str:
    told = error.errors()[0]
    where = ", ".join(map(str, told["loc"]))
    given = f"{told['input']!r}: " if isinstance(told["input"], str) else ""
    return f"{where}: {given}{told['msg']}"


def _twice(explanations: Sequence[Explanation]) -> str:
    places: dict[str, int] = {}
    for place, each in enumerate(explanations):
        before = places.setdefault(each.subject, place)
        if before != place:
            return (
                f"explanations, {before} ({explanations[before].reason}) and"
                f" explanations, {place} ({each.reason}) are both for {each.subject}"
            )
    return ""


def _unusable(file: Path, expected: str, seen: str) -> ConfigurationError:
    return ConfigurationError(
        str(file), expected=expected, seen=seen, remedy="Mend the file; docs/fidelity.toml is an example."
    )
