"""Phases 7 and after: the encryption validator, and what its controls find."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import boto3
import jsonschema
from botocore.config import Config
from pytest_bdd import given, then, when

from deployer.compliance.facts import Sources
from deployer.compliance.report import SCHEMA, ComplianceStatus, Finding, Outcome, Report
from deployer.compliance.sources.scanner import search_trees
from deployer.compliance.validation import OUR_TREES, validate
from deployer.compliance.views import FORMATS
from steps.parameters import phrase
from steps.system import Candidate, System
from steps.violations import VIOLATIONS, Violated, source_tree_with_secret

_ROOT = Path(__file__).parent.parent
_APPLICATION = _ROOT / "reference_app"
_SECONDS = 120
_MEANS: Mapping[str, tuple[list[str], str, str]] = MappingProxyType(
    {
        "the command": (["-m", "mita.cli", "validate", "encryption"], "--format", "--output"),
        "the guide's script": (
            [str(_ROOT / "scripts" / "secret-encryption-validator.py")],
            "--report-format",
            "--output-file",
        ),
    }
)


@dataclass(frozen=True)
class Ended:
    """How a validator's program ended, and what it wrote."""

    code: int
    written: str
    report: dict[str, Any]


@dataclass(frozen=True)
class Course:
    """Validations while and after something was the case."""

    during: Report
    after: Report


@dataclass(frozen=True)
class Planted:
    """A source tree with a secret in it."""

    tree: Path
    secret: str


def _validate(system: System, violated: Violated | None = None) -> Report:
    given_ = violated or Violated()
    candidate = given_.candidate or system.candidate
    return validate(
        candidate.connections,
        candidate.desired,
        environment=system.environment.name,
        waivers=given_.waivers,
        trees=given_.trees,
    )


def _failures(report: Report) -> str:
    return "; ".join(
        f"{result.control} {result.outcome}: {finding.subject}: {finding.seen}"
        for result in report.of(Outcome.FAILED, Outcome.NOT_CHECKED)
        for finding in result.findings
        if finding.waiver is None
    )


# ---- by its program


def _run(system: System, means: str, directory: Path, *more: str) -> Ended:
    program, form, output = _MEANS[means]
    file = directory / "encryption.json"
    ended = subprocess.run(
        [
            *(sys.executable, *program, "--environment", system.environment.name),
            *(form, "json", output, str(file), *more),
        ],
        cwd=_ROOT,
        capture_output=True,
        text=True,
        timeout=_SECONDS,
        check=False,
    )
    assert file.exists(), f"it wrote no report and ended with {ended.returncode}: {ended.stderr}"
    text = file.read_text()
    return Ended(ended.returncode, text + ended.stdout + ended.stderr, json.loads(text))


@when(phrase("the encryption is validated by {means:Means}", Means=_MEANS), target_fixture="ended")
def _validated_by(system: System, means: str, tmp_path: Path) -> Ended:
    return _run(system, means, tmp_path)


@when("that source tree is validated by the command", target_fixture="ended")
def _tree_validated(system: System, planted: Planted, tmp_path: Path) -> Ended:
    return _run(system, "the command", tmp_path, "--source", str(planted.tree))


@then("it ends with success")
def _ends_well(ended: Ended) -> None:
    assert ended.code == 0, f"it ended with {ended.code}: {ended.written}"


@then("it ends with failure")
def _ends_badly(ended: Ended) -> None:
    assert ended.code != 0, "it ended with 0"


@then("its report is of the published form")
def _of_the_published_form(ended: Ended) -> None:
    schema = json.loads(SCHEMA.read_text())
    jsonschema.Draft202012Validator(schema).validate(ended.report)


@then(phrase("its report says {status:Quoted}"))
def _report_says(ended: Ended, status: str) -> None:
    assert ended.report["compliance_status"] == status


@then("the secret itself is nowhere in what it wrote")
def _not_in_what_it_wrote(ended: Ended, planted: Planted) -> None:
    assert planted.secret not in ended.written


# ---- from within


@given("an audit trail of AWS that does not answer", target_fixture="candidate")
def _silent_trail(system: System) -> Iterator[Candidate]:
    # The port is bound and nobody listens, so that nobody else can answer on it.
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        silent = f"http://127.0.0.1:{taken.getsockname()[1]}"

        def aws(service: str) -> Any:  # noqa: ANN401  boto3 clients have no common type
            if service != "cloudtrail":
                return system.connections.aws(service)
            return boto3.client(
                "cloudtrail",
                region_name=system.connections.region,
                endpoint_url=silent,
                aws_access_key_id="scenario",
                aws_secret_access_key="scenario",  # noqa: S106  nobody ever sees it
                config=Config(retries={"max_attempts": 0}),
            )

        yield system.candidate.to(aws=aws)


@when("the encryption is validated", target_fixture="report")
def _validated(system: System, candidate: Candidate) -> Report:
    return _validate(system, Violated(candidate=candidate))


@then(phrase("the whole is {status:Quoted}"))
def _whole_is(report: Report, status: str) -> None:
    assert report.compliance_status == ComplianceStatus(status), _failures(report)


@then(phrase("the control {control:Quoted} could not be checked, and names what did not answer"))
def _could_not_be_checked(report: Report, candidate: Candidate, control: str) -> None:
    unchecked = {result.control: result for result in report.of(Outcome.NOT_CHECKED)}
    assert list(unchecked) == [control], _failures(report)
    (finding,) = unchecked[control].findings
    address = candidate.connections.aws("cloudtrail").meta.endpoint_url
    assert address in finding.subject, f"it names {finding.subject}"


@then("each connection speaks TLS or is excused only because it is local, with an owner, a reason and an end")
def _each_connection(report: Report) -> None:
    connections = [result for result in report.controls if result.control.startswith("tls-")]
    assert connections, "no connection was judged"
    for result in connections:
        assert result.outcome in (Outcome.PASSED, Outcome.NOT_APPLICABLE), _failures(report)
        for finding in result.findings:
            assert finding.waiver is not None
            assert finding.waiver.local_only, f"{result.control} is excused for another reason"


@when(
    phrase("the encryption is validated while and after {violation:Violation}", Violation=VIOLATIONS),
    target_fixture="course",
)
def _course(system: System, violation: str, tmp_path: Path) -> Course:
    with VIOLATIONS[violation](system, tmp_path) as violated:
        during = _validate(system, violated)
    return Course(during, _validate(system))


@then(phrase("at first the control {control:Quoted} failed, and no other"))
def _only_that_control(course: Course, control: str) -> None:
    report = course.during
    found = [result.control for result in report.of(Outcome.FAILED, Outcome.NOT_CHECKED)]
    assert found == [control], f"{found}: {_failures(report)}"
    assert report.compliance_status is ComplianceStatus.NON_COMPLIANT


@then("afterwards all was compliant")
def _compliant_afterwards(course: Course) -> None:
    # Had anything been wrong before the violation was made, it would still be.
    compliant = course.after.compliance_status is ComplianceStatus.COMPLIANT
    assert compliant, _failures(course.after)


# ---- the audit


@then("the audit is kept with the report, for people and for programs")
def _audit_kept(report: Report, report_directory: Path) -> None:
    for form, ending in (("json", "json"), ("html", "html"), ("markdown", "md")):
        (report_directory / f"encryption.{ending}").write_text(FORMATS[form](report))


@then(phrase("the audits of {one:Quoted}, {two:Quoted} and {three:Quoted} are complete"))
def _audits_complete(report: Report, one: str, two: str, three: str) -> None:
    assert set(report.frameworks) == {one, two, three}
    for name, framework in report.frameworks.items():
        assert framework.complete, f"{name}: {framework.not_checked} could not be checked"
        assert framework.controls == len(report.controls) > 0


@then("whatever is put up with has an owner, a reason and an end")
def _put_up_with(report: Report) -> None:
    for result in report.of(Outcome.WAIVED, Outcome.NOT_APPLICABLE):
        for finding in result.findings:
            _require_whole(result.control, finding, report)


def _require_whole(control: str, finding: Finding, report: Report) -> None:
    waiver = finding.waiver
    assert waiver is not None, f"nobody puts up with {control}"
    assert waiver.owner, f"{control} has no owner"
    assert waiver.reason, f"{control} has no reason"
    assert waiver.expires >= report.validated_at.date(), f"what {control} was put up with is over"


# ---- source


@given("a source tree with a secret in one of its files", target_fixture="planted")
def _planted(tmp_path: Path) -> Planted:
    tree, value = source_tree_with_secret(tmp_path)
    return Planted(tree, value)


@when("that source tree is searched for hardcoded secrets", target_fixture="searched")
def _tree_searched(system: System, planted: Planted) -> Sources:
    return search_trees((planted.tree,), system.fingerprints)


@when(
    "what is deployed and the application's source are searched for hardcoded secrets",
    target_fixture="searched",
)
def _ours_searched(system: System) -> Sources:
    return search_trees((*OUR_TREES, _APPLICATION), system.fingerprints)


@then("files were searched and no secret was found in them")
def _none_found(searched: Sources) -> None:
    assert searched.files > 0, "nothing was searched"
    assert not searched.suspects, f"found: {searched.suspects}"


@then("the secret is found in its file and line")
def _found(searched: Sources, planted: Planted) -> None:
    assert [each.place for each in searched.suspects] == [f"{planted.tree.name}/values.yaml:3"]


@then("it is shown by a fingerprint only")
def _fingerprint_only(system: System, searched: Sources, planted: Planted) -> None:
    (found,) = searched.suspects
    assert planted.secret not in repr(found)
    assert found.fingerprint == system.fingerprints.short(planted.secret)
