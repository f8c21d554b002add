"""Keys in use: their state, and the uses that Secrets Manager makes of them for its callers."""

from __future__ import annotations

import time
from typing import Any

from . import encryption, records, refusals
from .authorization import Authorization
from .calls import Call, Needed
from .faults import Delay, Faults, Refuse
from .holdings import HeldKey
from .visits import Visit

_SECRETS_MANAGER = "secretsmanager.amazonaws.com"
# Uses of a key's material; everything else works with a disabled key as well.
_CRYPTOGRAPHIC = ("Encrypt", "Decrypt", "ReEncrypt", "GenerateDataKey", "Sign", "Verify", "GenerateMac")


class KeyUse:
    """Checks uses of keys.

    Args:
        faults: That may put a key out of use.
    """

    def __init__(self, faults: Faults) -> None:
        self._faults = faults

    def check(self, visit: Visit, permission: Needed) -> None:
        """Refuse a call to KMS with a key that is not in a state to be used.

        Raises:
            CommonServiceException: As KMS says it.
        """
        operation = visit.call.operation
        if isinstance(permission.held, HeldKey) and operation.startswith(_CRYPTOGRAPHIC):
            failure = self._failure(visit, permission.held, operation)
            if failure is not None:
                raise refusals.refusal(*failure)

    def for_secrets(self, visit: Visit, authorization: Authorization) -> None:
        """Use the keys of the secrets that a call reads or writes.

        Raises:
            CommonServiceException: As Secrets Manager says it when KMS refuses.
        """
        for use in encryption.uses(visit.call, visit.permissions):
            error = self._error(visit, authorization, use)
            visit.uses.append(_record(visit, use, error))
            if error is None:
                continue
            if error[0] == "AccessDenied":
                raise refusals.denied(visit.context, "Access to KMS is not allowed")
            reading = use.operation == "Decrypt"
            raise refusals.refusal(
                "DecryptionFailure" if reading else "EncryptionFailure",
                f"Secrets Manager can't {'decrypt' if reading else 'encrypt'} the protected secret text "
                f"using the provided KMS key. ({error[0]}: {error[1]})",
            )

    def _error(
        self, visit: Visit, authorization: Authorization, use: encryption.Use
    ) -> tuple[str, str] | None:
        resources = (use.needed.resource,)
        for effect in self._faults.striking("kms", use.operation, visit.principal, resources):
            if isinstance(effect, Delay):
                time.sleep(effect.seconds)
            elif isinstance(effect, Refuse):
                code = "AccessDenied" if effect.code.startswith("AccessDenied") else effect.code
                return code, effect.message
        if use.key is None:
            return "NotFoundException", f"Key '{use.needed.resource}' does not exist"
        decision = authorization.decide(use.needed)
        if not decision.allowed:
            return "AccessDenied", authorization.message(use.needed, decision)
        return self._failure(visit, use.key, use.operation)

    def _failure(self, visit: Visit, key: HeldKey, operation: str) -> tuple[str, str] | None:
        forced = self._faults.key_state(operation, visit.principal, key.names)
        match forced or key.state:
            case "Disabled":
                return "DisabledException", f"{key.arn} is disabled."
            case "PendingDeletion" | "PendingReplicaDeletion":
                return "KMSInvalidStateException", f"{key.arn} is pending deletion."
            case _:
                return None


def _record(visit: Visit, use: encryption.Use, error: tuple[str, str] | None) -> dict[str, Any]:
    call = Call(
        service="kms",
        operation=use.operation,
        parameters={"KeyId": use.needed.resource},
        account=visit.call.account,
        region=visit.call.region,
    )
    return records.record(
        visit.context,
        call,
        visit.identity,
        resources=[use.needed.resource],
        error=error,
        invoked_by=_SECRETS_MANAGER,
    )
