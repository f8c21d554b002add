"""Phase 0: who has agreed to a deployment into production."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from pytest_bdd import given, then

from deployer.approvals import WHAT, key, read_approvals
from steps.deployment import Attempt
from steps.parameters import phrase
from steps.system import Candidate, System

_DAY = timedelta(days=1)


def _today() -> date:
    return datetime.now(UTC).date()


def _file(directory: Path, *, without: str = "", lapsed: str = "") -> Path:
    """Write approvals that hold from yesterday to tomorrow, but for those named."""
    path = directory / "approvals.toml"
    tables = []
    for what in WHAT:
        if what != without:
            until = _today() + (-_DAY if what == lapsed else _DAY)
            since = until - 2 * _DAY
            tables.append(
                f'[{key(what)}]\nwho = "the role that answers for it"\nwhen = {since}\nuntil = {until}\n'
                'where = "a page of this rehearsal"\n'
            )
    path.write_text("\n".join(tables), encoding="utf-8")
    return path


@given(
    phrase("a production place whose {approval:Approval} is not on file", Approval=WHAT),
    target_fixture="candidate",
)
def _not_on_file(system: System, tmp_path: Path, approval: str) -> Candidate:
    return system.candidate.to(approvals=_file(tmp_path, without=approval))


@given(
    phrase("a production place whose {approval:Approval} has lapsed", Approval=WHAT),
    target_fixture="candidate",
)
def _lapsed(system: System, tmp_path: Path, approval: str) -> Candidate:
    return system.candidate.to(approvals=_file(tmp_path, lapsed=approval))


@given("a production place without a file of approvals", target_fixture="candidate")
def _without_a_file(system: System, tmp_path: Path) -> Candidate:
    return system.candidate.to(approvals=tmp_path / "approvals.toml")


@given("a production place with every approval on file", target_fixture="candidate")
def _every_approval(system: System, tmp_path: Path) -> Candidate:
    return system.candidate.to(approvals=_file(tmp_path))


@then("it is not refused")
def _not_refused(outcome: Attempt) -> None:
    assert outcome.refusal is None, str(outcome.refusal)


@then("every approval says who gave it, when and until when")
def _says_who_and_when(candidate: Candidate) -> None:
    file = candidate.connections.approvals
    assert file is not None
    on_file = read_approvals(file)
    assert not list(on_file.lacking(_today()))
    for what in WHAT:
        approval = getattr(on_file, key(what))
        assert approval.who, what
        assert approval.when <= _today() <= approval.until, what
