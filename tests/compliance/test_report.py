"""The report in its published form, and its views."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from html.parser import HTMLParser

import jsonschema
import pytest

from deployer.compliance.facts import Suspect, Unknown
from deployer.compliance.report import SCHEMA, Report, schema
from deployer.compliance.views import FORMATS, to_html, to_markdown
from deployer.compliance.waivers import Waiver
from tests.compliance.ground import COMPLIANT, NOW, SECRET, WORKLOADS, report

WAIVER = Waiver(control="secret-age", owner="payments", reason="next key <soon>", expires=NOW.date())
HOSTILE = Suspect("pod a/b variable <script>alert(1)</script> | x", "Secret Keyword", "1228eae8c589")


MIXED = report(
    replace(
        COMPLIANT,
        secrets=(replace(SECRET, current_since=(NOW - timedelta(days=100),)),),
        workloads=replace(WORKLOADS, literals=(HOSTILE,)),
        cloud_trail=Unknown("CloudTrail at https://somewhere", "silence"),
    ),
    WAIVER,
)


def test_the_published_schema_is_the_current_one() -> None:
    assert SCHEMA.read_text() == schema(), "write it anew: see docs/runbooks/compliance.md"


@pytest.mark.parametrize("made", [report(COMPLIANT), MIXED])
def test_a_report_is_of_the_published_form(made: Report) -> None:
    document = json.loads(made.to_json())
    jsonschema.Draft202012Validator(json.loads(SCHEMA.read_text())).validate(document)
    assert Report.model_validate_json(made.to_json()) == made


def test_the_schema_refuses_another_status() -> None:
    document = json.loads(MIXED.to_json()) | {"compliance_status": "PROBABLY"}
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(document, json.loads(SCHEMA.read_text()))


def test_markdown_puts_first_what_needs_somebody() -> None:
    text = to_markdown(MIXED)
    headings = [line for line in text.splitlines() if line.startswith("## ")]
    assert headings[:3] == [
        "## pod-literals: failed",
        "## audit-trail-aws: not checked",
        "## secret-age: waived",
    ]
    assert len(headings) == len(MIXED.controls)
    assert "Put up with by payments until 2026-03-02" in text


@pytest.mark.parametrize("form", ["markdown", "html"])
def test_views_escape_what_they_show(form: str) -> None:
    assert "<script>" not in FORMATS[form](MIXED)


def test_html_needs_nothing_else_and_closes_what_it_opens() -> None:
    class Checked(HTMLParser):
        def __init__(self) -> None:
            super().__init__()
            self.open: list[str] = []
            self.outside: list[str] = []

        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            self.outside += [value or "" for name, value in attrs if name in ("src", "href")]
            if tag != "meta":
                self.open.append(tag)

        def handle_endtag(self, tag: str) -> None:
            assert self.open.pop() == tag

    checked = Checked()
    checked.feed(to_html(MIXED))
    assert (checked.open, checked.outside) == ([], [])


@pytest.mark.parametrize("form", list(FORMATS))
def test_every_view_names_status_and_every_control(form: str) -> None:
    text = FORMATS[form](MIXED).replace("\\", "")
    assert "NON_COMPLIANT" in text
    assert all(result.control in text for result in MIXED.controls)
