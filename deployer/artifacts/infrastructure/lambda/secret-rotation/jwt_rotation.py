"""Rotates the secret that signs access tokens; the application accepts the previous one too.

The current value is in ``auth/jwt-previous-secret`` before the new one becomes current.
Its version there has the id that it has here, so a copy made twice is one copy; and the
label moves there only from the version that was seen before this secret was looked at,
so a run that is late can never take the previous value back to an older one.

Environment variables:
    PREVIOUS_SECRET_ID: Name or ARN of the secret with the previous value.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from deployer import value_forms
from rotation_errors import ChangedMeanwhileError, NotAcceptedError
from rotation_protocol import Rotation, handle, setting
from secret_document import Fields, Version, now
from secrets_manager import CURRENT, PENDING, Secret

VALUE_FORM = "token-256"
# Not AWSPENDING: there it would look like a rotation of that secret itself.
_COPIED = "MITACOPIED"


def lambda_handler(event: Any, context: object) -> None:  # noqa: ANN401, ARG001  as Lambda calls it
    """Do one step of a rotation for Secrets Manager."""
    handle(event, JwtRotation)


class JwtRotation(Rotation):
    """Hands the current value over to the secret that holds the previous one."""

    def __init__(self, environment: Mapping[str, str], secret: Secret) -> None:
        self._previous = secret.sibling(setting(environment, "PREVIOUS_SECRET_ID"))

    def create(self, current: Version) -> Fields:
        """Make a new value."""
        current.text_of("value")  # what cannot become the previous value is told before anything is made
        return {**current.fields(), "value": value_forms.invent(VALUE_FORM), "created_at": now()}

    def put_in_place(self, secret: Secret, current: Version, pending: Version) -> None:
        """Make the current value the previous one."""
        _check(current, pending)
        held = self._previous.current()
        # After the look at what is held: if this is still the rotation that is under way, then nobody
        # has gone on from there, and if somebody does, the label below does not move.
        description = secret.describe()
        if description.holder(CURRENT) != current.id or description.holder(PENDING) != pending.id:
            raise ChangedMeanwhileError(
                current.secret, expected="this rotation", seen="another", remedy="Rotate again."
            )
        if held.text_of("value") == current.text_of("value"):
            return
        self._previous.add(current.id, current.text, _COPIED)
        self._previous.promote(current.id, instead_of=held.id)

    def prove(self, secret: Secret, current: Version, pending: Version) -> None:  # noqa: ARG002
        """See that tokens signed with the current value will be accepted after it."""
        _check(current, pending)
        held = self._previous.current()
        if held.text_of("value") != current.text_of("value"):
            raise NotAcceptedError(
                held.secret,
                expected=f"the value of version {current.id} of {current.secret}",
                seen="another",
                remedy="setSecret can be repeated: rotate again.",
            )

    def try_out(self, current: Version) -> None:
        """See that both values can be read."""
        current.text_of("value")
        self._previous.current().text_of("value")


def _check(current: Version, pending: Version) -> None:
    fault = value_forms.fault(VALUE_FORM, pending.text_of("value"))
    if fault is not None:
        raise pending.invalid("a value of 256 random bits in URL-safe base64", fault)
    if pending.text_of("value") == current.text_of("value"):
        raise pending.invalid("a new value", "the current one")
