"""Values that the operator supplies: from a file, the environment or standard input."""

from __future__ import annotations

import re
import stat
import sys
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TextIO

from pydantic import SecretStr

from deployer.desired import Desired
from deployer.desired_secrets import SecretField
from deployer.errors import ConfigurationError, RefusedError
from deployer.secret_forms import FORMS, check, invent, is_placeholder

STANDARD_INPUT = "-"
REHEARSAL_ACCOUNT = "000000000000"
"""The AWS account of AWS' stand-in; no real account has this number."""

Supplied = Mapping[tuple[str, str], SecretStr]
"""Values by secret (below the prefix) and field."""


def suppliable(field: SecretField) -> bool:
    """Tell whether the operator may give a field: an issued value, or an address that nobody else knows."""
    return field.supply is not None or field.source is not None


def how_to_give(secret: str, name: str, field: SecretField) -> str:
    """Say how a field can be given."""
    file = f'`{name}` under `["{secret}"]` in the file of --secrets-file'
    return f"{file}, or variable {field.environment}" if field.environment else file


def gather(
    desired: Desired,
    *,
    file: str | None,
    environment: Mapping[str, str],
    standard_input: TextIO | None = None,
) -> Supplied:
    """Collect what the operator gives; a file wins over the environment.

    Args:
        desired: Says which fields there are and which form each has.
        file: Path of a TOML file with one table a secret, or `-` for standard input.
        environment: The process' environment.
        standard_input: Read for `-`; the process' own unless given.

    Raises:
        ConfigurationError: Something is unreadable, unknown, malformed or a placeholder.
        RefusedError: The file can be read by others.
    """
    values = {
        (secret.name, name): SecretStr(environment[field.environment])
        for secret in desired.secrets
        for name, field in secret.fields.items()
        if field.environment is not None and environment.get(field.environment)
    }
    if file == STANDARD_INPUT:
        values |= _parse(desired, (standard_input or sys.stdin).read(), "standard input")
    elif file is not None:
        values |= _parse(desired, _read_private(Path(file)), file)
    require_form(desired, values)
    return values


def _read_private(path: Path) -> str:
    try:
        with path.open(encoding="utf-8") as file:
            mode = stat.S_IMODE(path.stat().st_mode)
            if mode & 0o077:
                raise RefusedError(
                    f"secrets file {path}",
                    expected="a file that only its owner can read",
                    seen=f"mode {mode:04o}",
                    remedy=f"chmod 600 {path}, and consider its values known to those who could read it.",
                )
            return file.read()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(
            f"secrets file {path}",
            expected="a readable text file",
            seen=getattr(error, "strerror", None) or type(error).__name__,
            remedy="Give its path, or - for standard input.",
        ) from None


def _parse(desired: Desired, text: str, source: str) -> dict[tuple[str, str], SecretStr]:
    try:
        tables = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        where = re.search(r"\(at [^)]*\)", str(error))  # the rest of the message may repeat the text
        raise ConfigurationError(
            source,
            expected="TOML",
            seen=f"an error {where[0] if where else ''}".strip(),
            remedy="Correct it there.",
        ) from None
    values = {}
    for name, table in tables.items():
        secret = desired.secret(name)
        for field, value in _fields(table, f"{source}: {name}").items():
            known = [each for each, declared in secret.fields.items() if suppliable(declared)]
            if field not in known:
                raise ConfigurationError(
                    f"{source}: {secret.name}.{field}",
                    expected=f"one of {known}" if known else "nothing: this secret is made here",
                    seen="another field",
                    remedy="Leave it out.",
                )
            values[secret.name, field] = SecretStr(str(value))
    return values


def _fields(table: object, where: str) -> dict[str, Any]:
    if isinstance(table, str):
        return {"value": table}
    if isinstance(table, dict) and all(isinstance(each, str | int) for each in table.values()):
        return table
    raise ConfigurationError(
        where, expected="a text, or a table of texts", seen=type(table).__name__, remedy="Write NAME = TEXT."
    )


def require_form(desired: Desired, values: Supplied) -> None:
    """Refuse supplied values that are placeholders or have another form than their field's.

    Raises:
        ConfigurationError: It names field and form, never the value.
    """
    for (name, field_name), value in values.items():
        field = desired.secret(name).fields[field_name]
        fault = check(field.supply, value) if field.supply else _address_fault(field, value)
        if fault is not None:
            form = FORMS[field.supply].description if field.supply else "an address"
            raise ConfigurationError(
                f"secret {name}, field {field_name}",
                expected=form,
                seen=fault,
                remedy=f"Give the real value: {how_to_give(name, field_name, field)}.",
            )


def _address_fault(field: SecretField, value: SecretStr) -> str | None:
    text = value.get_secret_value()
    if field.source is not None and field.source.endswith(".port"):
        return None if text.isdecimal() else "no port number"
    return "a placeholder" if is_placeholder(text) else None


def from_tables(tables: Mapping[str, Mapping[str, SecretStr]]) -> Supplied:
    """Return values that a program gives, by secret and field, in the form that `Deployment` takes."""
    return {(name, field): value for name, table in tables.items() for field, value in table.items()}


def rehearsed(desired: Desired, *, account: str) -> Supplied:
    """Invent every value that the operator would have to give: well formed, random, worthless.

    Args:
        desired: Says which fields there are and which form each has.
        account: AWS account that the values are for.

    Raises:
        RefusedError: The account is a real one, where invented values would break what uses them.
    """
    if account != REHEARSAL_ACCOUNT:
        raise RefusedError(
            "rehearsal",
            expected=f"account {REHEARSAL_ACCOUNT}, where no service takes the values for real",
            seen=f"account {account}",
            remedy="Give the real values by --secrets-file or by the environment.",
        )
    return {
        (secret.name, name): invent(field.supply)
        for secret in desired.secrets
        for name, field in secret.fields.items()
        if field.supply is not None
    }
