"""The forms of secret values, for values that are kept covered.

A form is checked on a value that the operator supplies before anything is changed, and
again on what is stored.
"""

from __future__ import annotations

from pydantic import SecretStr

from deployer import value_forms
from deployer.value_forms import FORMS, GENERATED_FORMS, is_placeholder

__all__ = ["FORMS", "GENERATED_FORMS", "check", "invent", "is_placeholder"]


def check(form: str, value: SecretStr) -> str | None:
    """Say what is wrong with a value of a form, without repeating it.

    Returns:
        None when the value is right.
    """
    return value_forms.fault(form, value.get_secret_value())


def invent(form: str) -> SecretStr:
    """Make a random value that has a form and is no placeholder, as `value_forms.invent` does."""
    return SecretStr(value_forms.invent(form))
