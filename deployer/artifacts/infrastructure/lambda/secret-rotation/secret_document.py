"""Secret values: JSON objects of texts and numbers, taken apart and made anew."""

from __future__ import annotations

import json
import string
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TypeAlias
from urllib.parse import quote

from rotation_errors import ConfigurationError, InvalidSecretError

Fields: TypeAlias = Mapping[str, "str | int"]


@dataclass(frozen=True)
class Version:
    """One version of a secret with its value, which is not shown.

    Attributes:
        secret: Name of the secret, for messages.
        id: The version's id, which is the ClientRequestToken that it was made with.
        text: The value as it is stored.
    """

    secret: str
    id: str
    text: str = field(repr=False)

    def fields(self) -> dict[str, str | int]:
        """Take the value apart.

        Raises:
            InvalidSecretError: It is no JSON object of texts and whole numbers.
        """
        try:
            fields = json.loads(self.text)
        except ValueError:
            raise self.invalid("a JSON object", "a text that is no JSON") from None
        if not isinstance(fields, dict):
            raise self.invalid("a JSON object", "JSON of another kind")
        for name, value in fields.items():
            if isinstance(value, bool) or not isinstance(value, str | int):
                raise self.invalid("texts and whole numbers", f"another kind of value in {name!r}")
        return fields

    def text_of(self, name: str) -> str:
        """Return a field that has to be a text.

        Raises:
            InvalidSecretError: There is none.
        """
        value = self.fields().get(name)
        if not isinstance(value, str) or not value:
            raise self.invalid(f"a text in {name!r}", "none")
        return value

    def number_of(self, name: str) -> int:
        """Return a field that has to be a whole number.

        Raises:
            InvalidSecretError: There is none.
        """
        value = self.fields().get(name)
        if not isinstance(value, int):
            raise self.invalid(f"a whole number in {name!r}", "none")
        return value

    def invalid(self, expected: str, seen: str) -> InvalidSecretError:
        """Explain that this version does not serve."""
        return InvalidSecretError(
            f"version {self.id} of {self.secret}",
            expected=expected,
            seen=seen,
            remedy="Store a right one; a pending version is given up by taking AWSPENDING from it.",
        )


def serialise(fields: Fields) -> str:
    """Return the text to store."""
    return json.dumps(dict(fields))


def rendered(template: str, fields: Fields) -> str:
    """Fill a template such as a connection string with percent-encoded fields.

    Raises:
        ConfigurationError: The template refers to a field that there is not.
    """
    encoded = {name: quote(str(value), safe="") for name, value in fields.items()}
    try:
        return string.Formatter().vformat(template, (), encoded)
    except (KeyError, IndexError, ValueError):
        raise ConfigurationError(
            "CONNECTION_STRING_TEMPLATE",
            expected=f"a text with {', '.join(f'{{{name}}}' for name in fields)} at most",
            seen="another placeholder",
            remedy="Correct the function's environment variable.",
        ) from None


def now() -> str:
    """Return the time as secrets record it: UTC, to the second."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
