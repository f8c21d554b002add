"""Phase 3: how values get into the secrets."""

from __future__ import annotations

import io
import json
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from pydantic import SecretStr
from pytest_bdd import given, then, when

from deployer.errors import MitaError
from deployer.plan import Plan
from deployer.secret_forms import invent
from deployer.supplied import STANDARD_INPUT, Supplied, gather, rehearsed
from steps.deployment import Attempt
from steps.parameters import phrase
from steps.synchronisation import synchronise
from steps.system import Candidate, System

POPULATION = 3  # the guide's phase
_FIELDS = {
    "OpenAI key": ("external/openai-api-key", "value"),
    "Sentry DSN": ("monitoring/sentry-dsn", "value"),
    "SMTP password": ("notifications/smtp-credentials", "password"),
}
_GUIDES_PLACEHOLDERS = {
    "OpenAI key": "sk-YOUR_ACTUAL_OPENAI_API_KEY_HERE",
    "Sentry DSN": "https://YOUR_ACTUAL_SENTRY_DSN@sentry.io/PROJECT_ID",
    "SMTP password": "YOUR_ACTUAL_SENDGRID_API_KEY",
}
_DEFECTS: Mapping[str, Callable[[str, str], str]] = {
    "the guide's placeholder": lambda name, _: _GUIDES_PLACEHOLDERS[name],
    "a key that is too short": lambda *_: "sk-q7w9e2r4t6",
    "an address without a key": lambda *_: "https://sentry.io/4507000000000001",
    "a key that is cut short": lambda _, form: invent(form).get_secret_value()[:-5],
}


def stand_ins(system: System) -> Supplied:
    """Return well-formed and worthless values for every field that only the operator can give.

    Raises:
        RefusedError: The account is a real one.
    """
    return rehearsed(system.desired, account=system.connections.account)


# ---- channels


@given("well-formed values for every externally issued secret", target_fixture="given_values")
def _well_formed_values(system: System) -> Supplied:
    return stand_ins(system)


@when(phrase("they are handed over by {channel:Words}"), target_fixture="arrived")
def _handed_over(system: System, given_values: Supplied, channel: str, tmp_path: Path) -> Supplied:
    desired, text = system.desired, _as_file(given_values)
    if channel == "environment":
        variables = {
            desired.secret(secret).fields[name].environment or "": value.get_secret_value()
            for (secret, name), value in given_values.items()
        }
        return gather(desired, file=None, environment=variables)
    if channel == "standard input":
        return gather(desired, file=STANDARD_INPUT, environment={}, standard_input=io.StringIO(text))
    assert channel == "file", f"there is no channel {channel}"
    file = tmp_path / "secrets.toml"
    file.touch(mode=0o600)
    file.write_text(text, encoding="utf-8")
    return gather(desired, file=str(file), environment={})


def _as_file(values: Supplied) -> str:
    tables: defaultdict[str, list[str]] = defaultdict(list)
    for (secret, name), value in values.items():
        tables[secret].append(f"{name} = {json.dumps(value.get_secret_value())}")
    return "\n".join("\n".join([f'["{secret}"]', *lines]) for secret, lines in tables.items())


@then("every one of them arrives")
def _all_arrive(system: System, given_values: Supplied, arrived: Supplied) -> None:
    assert arrived.keys() == given_values.keys()
    other = [key for key, value in given_values.items() if not system.fingerprints.same(value, arrived[key])]
    assert not other, f"other values arrived for {other}"


# ---- refused


@given(phrase("the operator supplies {defect} as the {value_name}"), target_fixture="candidate")
def _supplies_defect(system: System, defect: str, value_name: str) -> Candidate:
    secret, name = _FIELDS[value_name]
    form = system.desired.secret(secret).fields[name].supply
    assert form is not None, f"{secret}.{name} is not supplied by the operator"
    wrong = SecretStr(_DEFECTS[defect](value_name, form))
    return replace(system.candidate, supplied={**stand_ins(system), (secret, name): wrong})


@then("the refusal does not repeat what was supplied")
def _does_not_repeat(candidate: Candidate, outcome: Attempt) -> None:
    assert outcome.refusal is not None
    told = repr(outcome.refusal) + str(outcome.refusal) + repr(outcome.refusal.__cause__)
    repeated = [
        f"{secret}.{name}"
        for (secret, name), value in candidate.supplied.items()
        if value.get_secret_value() in told and name != "username"  # everybody's is "apikey"
    ]
    assert not repeated, f"the refusal repeats {', '.join(repeated)}"


# ---- populated again


@dataclass(frozen=True, slots=True)
class Population:
    """What a population left.

    Attributes:
        versions: The current version of each secret before it.
        supplied: What the operator gave.
    """

    versions: Mapping[str, str]
    supplied: Supplied


@given("the operator supplies other values for every externally issued secret", target_fixture="candidate")
def _supplies_other_values(system: System) -> Candidate:
    return replace(system.candidate, supplied=stand_ins(system))


@when("the secrets are populated again", target_fixture="population")
def _populated_again(system: System, candidate: Candidate) -> Population:
    versions = _versions(system)
    _populate(system, candidate, replaced=())
    return Population(versions, candidate.supplied)


@when(phrase("the secrets are populated again, {secret:Quoted} to be replaced"), target_fixture="population")
def _populated_with_replacement(system: System, candidate: Candidate, secret: str) -> Iterator[Population]:
    manager, name = system.aws("secretsmanager"), system.full_name(secret)
    versions, before = _versions(system), manager.get_secret_value(SecretId=name)["SecretString"]
    try:
        _populate(system, candidate, replaced=(secret,))
        yield Population(versions, candidate.supplied)
    finally:
        manager.put_secret_value(SecretId=name, SecretString=before)
        synchronise(system)


def _populate(system: System, candidate: Candidate, *, replaced: tuple[str, ...]) -> Plan:
    deployment = system.deployment(candidate)
    plan = deployment.plan(POPULATION, replace=replaced)
    try:
        deployment.apply(plan)
    except MitaError as error:
        msg = f"the population was refused: {error}"
        raise AssertionError(msg) from error
    return plan


def _versions(system: System) -> dict[str, str]:
    return {secret.name: system.version(secret.name) for secret in system.desired.secrets}


@then("every secret still has the version that it had")
def _same_versions(system: System, population: Population) -> None:
    assert _versions(system) == population.versions


@then(phrase("{secret:Quoted} has the supplied value"))
def _has_supplied_value(system: System, population: Population, secret: str) -> None:
    ((name, value),) = (
        (name, value) for (owner, name), value in population.supplied.items() if owner == secret
    )
    stored = system.stored(secret)[name]
    assert isinstance(stored, SecretStr)
    assert system.fingerprints.same(stored, value), f"{secret} has another value"


@then("every other secret still has the version that it had")
def _other_versions(system: System, population: Population) -> None:
    now, then_ = _versions(system), population.versions
    changed = [secret for secret in now if now[secret] != then_[secret]]
    assert changed == ["monitoring/sentry-dsn"], f"these have another version: {', '.join(changed) or 'none'}"
