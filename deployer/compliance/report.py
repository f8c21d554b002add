"""The report of a validation; `report.schema.json` beside this file is its published form."""

from __future__ import annotations

import enum
import json
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from deployer.compliance.catalogue import Severity
from deployer.compliance.waivers import Waiver

SCHEMA = Path(__file__).parent / "report.schema.json"


class ComplianceStatus(enum.StrEnum):
    """What the whole comes to."""

    COMPLIANT = "COMPLIANT"
    NON_COMPLIANT = "NON_COMPLIANT"
    INCOMPLETE = "INCOMPLETE"


class Outcome(enum.StrEnum):
    """What came of one control."""

    PASSED = "passed"
    FAILED = "failed"
    NOT_CHECKED = "not checked"
    WAIVED = "waived"
    NOT_APPLICABLE = "not applicable"


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class References(_Part):
    """What a control is part of."""

    sox: str
    pci_dss_v4: str
    gdpr: str


class Finding(_Part):
    """One thing that is not as demanded, or could not be looked at.

    Attributes:
        subject: What it is about.
        seen: What was found.
        remedy: What to do.
        waiver: Who puts up with it, why and until when; None where nobody does.
    """

    subject: str
    seen: str
    remedy: str
    waiver: Waiver | None = None


class Result(_Part):
    """One control, judged."""

    control: str
    text: str
    severity: Severity
    references: References
    outcome: Outcome
    evidence: str
    findings: tuple[Finding, ...] = ()


class Framework(_Part):
    """How far one set of rules was audited.

    Attributes:
        complete: Whether each of its controls was judged.
    """

    controls: int
    failed: tuple[str, ...]
    not_checked: tuple[str, ...]
    complete: bool


class Report(_Part):
    """Everything that a validation found."""

    schema_version: Literal[1] = 1
    compliance_status: ComplianceStatus
    environment: str
    account: str
    region: str
    cluster: str
    validated_at: datetime
    seconds: float
    summary: dict[Outcome, int]
    frameworks: dict[str, Framework]
    controls: tuple[Result, ...]
    waivers: tuple[Waiver, ...]

    def of(self, *outcomes: Outcome) -> tuple[Result, ...]:
        """Return the controls of some outcomes."""
        return tuple(result for result in self.controls if result.outcome in outcomes)

    def to_json(self) -> str:
        """Return it as JSON text in its published form."""
        return self.model_dump_json(indent=2) + "\n"


def schema() -> str:
    """Return the JSON Schema of a report, as it is published."""
    made: dict[str, Any] = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **Report.model_json_schema(mode="serialization"),
    }
    return json.dumps(made, indent=2) + "\n"
