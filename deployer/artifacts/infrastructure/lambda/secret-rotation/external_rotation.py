"""Takes over values that somebody else issues, such as API keys.

The operator stores the new value with AWSPENDING; the function tests its form, promotes it,
and refuses when there is none.

Environment variables:
    SECRET_FORMS: JSON: the forms of each secret's fields by the secret's name, for example
        ``{"mita-finance/production/monitoring/sentry-dsn": {"value": "sentry-dsn"}}``.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, NoReturn

from deployer import value_forms
from rotation_errors import ConfigurationError, RefusedError
from rotation_protocol import Rotation, handle, setting
from secret_document import Version
from secrets_manager import PENDING, Secret


def lambda_handler(event: Any, context: object) -> None:  # noqa: ANN401, ARG001  as Lambda calls it
    """Do one step of a rotation for Secrets Manager."""
    handle(event, ExternalRotation)


class ExternalRotation(Rotation):
    """Promotes a value that the operator supplied."""

    def __init__(self, environment: Mapping[str, str], secret: Secret) -> None:
        del secret  # nothing else than the secret itself is concerned
        self._forms = _forms(setting(environment, "SECRET_FORMS"))

    def create(self, current: Version) -> NoReturn:
        """Refuse: only the issuer can make a value."""
        raise RefusedError(
            current.secret,
            expected=f"a value that the operator stored with {PENDING}",
            seen="none",
            remedy=f"Store it with put-secret-value --version-stages {PENDING}, then rotate again.",
        )

    def put_in_place(self, secret: Secret, current: Version, pending: Version) -> None:
        """See to the form only: the issuer has put the value in place."""
        self.prove(secret, current, pending)

    def prove(self, secret: Secret, current: Version, pending: Version) -> None:  # noqa: ARG002
        """Check the form of every field."""
        self.try_out(pending)
        if pending.fields() == current.fields():
            raise pending.invalid("a new value", "the current one")

    def try_out(self, current: Version) -> None:
        """Check the form of every field."""
        forms = self._forms.get(current.secret)
        if forms is None:
            raise ConfigurationError(
                "SECRET_FORMS",
                expected=f"the forms of {current.secret}",
                seen="none",
                remedy="Add them to the function's environment variable.",
            )
        if set(current.fields()) != set(forms):
            raise current.invalid(f"the fields {', '.join(forms)}", "others")
        for name, form in forms.items():
            fault = value_forms.fault(form, current.text_of(name))
            if fault is not None:
                raise current.invalid(f"{name} to be {value_forms.FORMS[form].description}", fault)


def _forms(text: str) -> Mapping[str, Mapping[str, str]]:
    try:
        forms = json.loads(text)
        known = all(form in value_forms.FORMS for fields in forms.values() for form in fields.values())
    except (ValueError, AttributeError):
        known = False
    if not known:
        raise ConfigurationError(
            "SECRET_FORMS",
            expected="JSON: fields and their forms by the names of the secrets",
            seen="a text of another kind, or a form that is not known",
            remedy=f"Correct the function's environment variable; known are {', '.join(value_forms.FORMS)}.",
        )
    return forms  # type: ignore[no-any-return]  # checked above
