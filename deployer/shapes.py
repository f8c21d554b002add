"""Secret values as JSON objects: composed, taken apart and checked against their shape.

Pure functions: what is stored and what is desired come in, findings and new values go out.
"""

from __future__ import annotations

import enum
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import quote

from pydantic import SecretStr

from deployer.desired_secrets import DesiredSecret, SecretField
from deployer.secret_forms import check, is_placeholder

Fields = Mapping[str, SecretStr | int]
Facts = Mapping[str, str | int]
"""What the connections know, such as ``database.host``."""


class Severity(enum.Enum):
    """What a finding calls for."""

    DERIVE = "derive"  # it can be made anew from what is there, and nothing is lost
    REPLACE = "replace"  # a value would have to give way


@dataclass(frozen=True, slots=True)
class Finding:
    """One field that is not as it has to be; `seen` never holds a value."""

    field: str
    seen: str
    severity: Severity


def parse(text: str) -> Fields | None:
    """Take a stored secret apart; None when it is not a JSON object of texts and numbers."""
    try:
        data = json.loads(text)
    except ValueError:
        return None
    if not isinstance(data, dict):
        return None
    fields: dict[str, SecretStr | int] = {}
    for name, value in data.items():
        if isinstance(value, bool) or not isinstance(value, str | int):
            return None
        fields[name] = value if isinstance(value, int) else SecretStr(value)
    return fields


def serialise(fields: Fields) -> SecretStr:
    """Return the JSON text of a secret."""
    return SecretStr(json.dumps({name: _text(value) for name, value in fields.items()}))


def _text(value: SecretStr | int) -> str | int:
    return value.get_secret_value() if isinstance(value, SecretStr) else value


def encoded(value: SecretStr | int) -> str:
    """Percent-encode a value for any part of a URL: nothing but unreserved characters stays."""
    return quote(str(_text(value)), safe="")


def derived(template: str, fields: Fields) -> SecretStr:
    """Fill a template such as a connection string with percent-encoded fields."""
    return SecretStr(template.format_map({name: encoded(value) for name, value in fields.items()}))


def compose(
    secret: DesiredSecret,
    *,
    kept: Fields,
    facts: Facts,
    supplied: Mapping[str, SecretStr],
    invent: Callable[[str], SecretStr],
) -> Fields:
    """Return a secret's whole value.

    Args:
        secret: Its shape.
        kept: Stored fields that stay as they are; derived ones and addresses follow the rest.
        facts: What the connections know.
        supplied: What the operator gives, by field.
        invent: Makes a random value of a form.
    """
    fields = dict(kept)
    for name, field in secret.fields.items():
        fact = _fact(field, name, facts, supplied)
        if fact is not None:
            fields[name] = fact
        elif name not in fields and field.template is None:
            fields[name] = _new(field, name, supplied, invent)
    for name, field in secret.fields.items():
        if field.template is not None:
            siblings = {each: fields[each] for each in field.siblings}
            fields[name] = derived(field.template_with(facts), siblings)
    return fields


def _fact(
    field: SecretField, name: str, facts: Facts, supplied: Mapping[str, SecretStr]
) -> SecretStr | int | None:
    if field.source is None:
        return None
    if field.source in facts:
        value = facts[field.source]
        return value if isinstance(value, int) else SecretStr(value)
    if name not in supplied:
        return None
    given = supplied[name]
    return int(given.get_secret_value()) if field.source.endswith(".port") else given


def _new(
    field: SecretField, name: str, supplied: Mapping[str, SecretStr], invent: Callable[[str], SecretStr]
) -> SecretStr:
    if field.constant is not None:
        return SecretStr(field.constant)
    if field.timestamp:
        return SecretStr(datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"))
    return invent(field.generate) if field.generate else supplied[name]


def missing(
    secret: DesiredSecret, *, kept: Fields, facts: Facts, supplied: Mapping[str, SecretStr]
) -> list[str]:
    """Name the fields that the operator has to give before the secret can be composed."""
    return [
        name
        for name, field in secret.fields.items()
        if name not in kept
        and name not in supplied
        and (field.supply is not None or (field.source is not None and field.source not in facts))
    ]


def findings(secret: DesiredSecret, stored: Fields, facts: Facts) -> list[Finding]:
    """Check a stored value against its shape."""
    found = [
        finding
        for name, field in secret.fields.items()
        if field.template is None and (finding := _check(name, field, stored, facts)) is not None
    ]
    for name, field in secret.fields.items():
        if field.template is None or any(sibling not in stored for sibling in field.siblings):
            continue
        value = stored.get(name)
        if not isinstance(value, SecretStr) or value != derived(field.template_with(facts), stored):
            seen = "nothing" if value is None else "a value that disagrees with its parts"
            found.append(Finding(name, seen, Severity.DERIVE))
    return found


def _check(name: str, field: SecretField, stored: Fields, facts: Facts) -> Finding | None:
    value = stored.get(name)
    if value is None:
        return Finding(name, "nothing", Severity.DERIVE)
    text = str(_text(value))
    if field.source is not None:
        if field.source in facts and _text(value) != facts[field.source]:
            return Finding(name, "another address", Severity.DERIVE)
        return Finding(name, "a placeholder", Severity.REPLACE) if is_placeholder(text) else None
    if field.one_of or field.constant:
        allowed = field.one_of or (field.constant,)
        return None if text in allowed else Finding(name, "none of the allowed values", Severity.REPLACE)
    if field.form is None:
        return None if _is_time(text) else Finding(name, "no time", Severity.DERIVE)
    fault = check(field.form, value) if isinstance(value, SecretStr) else "a number"
    return Finding(name, fault, Severity.REPLACE) if fault else None


def _is_time(text: str) -> bool:
    try:
        return datetime.fromisoformat(text).tzinfo is not None
    except ValueError:
        return False
