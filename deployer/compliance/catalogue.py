"""The controls, as data."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, PositiveInt

from deployer.desired_secrets import Strict

CONTROLS = Path(__file__).parent / "controls.toml"
FRAMEWORKS = {"sox": "SOX", "pci": "PCI DSS v4", "gdpr": "GDPR"}

Text = Annotated[str, Field(min_length=1)]
Severity = Literal["critical", "high", "medium", "low"]


class Control(Strict):
    """One demand.

    Attributes:
        id: Stable name, which waivers and reports use.
        text: What has to hold.
        sox: What of SOX it is evidence for.
        pci: Requirements of PCI DSS v4.
        gdpr: Articles of the GDPR.
        severity: How bad it is when it does not hold.
        remedy: What to do then.
    """

    id: Annotated[str, Field(pattern=r"^[a-z]+(-[a-z]+)*$")]
    text: Text
    sox: Text
    pci: Text
    gdpr: Text
    severity: Severity
    remedy: Text


class Limits(Strict):
    """The numbers and names that controls judge by; `controls.toml` says what each is for."""

    key_rotation_days: PositiveInt
    secret_age_days: PositiveInt
    token_seconds: PositiveInt
    token_audiences: tuple[str, ...]
    certificate_days: PositiveInt
    trail_hours: PositiveInt
    expected_readers: tuple[Text, ...]


class Catalogue(Strict):
    """All controls, and what they judge by."""

    limits: Limits
    controls: tuple[Control, ...]


def load(path: Path = CONTROLS) -> Catalogue:
    """Read the controls; the file is part of this package, so that a fault in it is a defect."""
    return Catalogue.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
