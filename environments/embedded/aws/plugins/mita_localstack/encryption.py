"""What Secrets Manager does with KMS for its caller, and LocalStack's Secrets Manager leaves out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from . import holdings
from .actions import key_permission
from .calls import Call, Context, Needed
from .holdings import Held, HeldKey

_SERVICE_KEY = "alias/aws/secretsmanager"
_READING = {"GetSecretValue", "BatchGetSecretValue"}
_READ = "secretsmanager:GetSecretValue"
_WRITING = {"CreateSecret", "PutSecretValue", "UpdateSecret"}
_VALUES = ("SecretString", "SecretBinary")


@dataclass(frozen=True, slots=True)
class Use:
    """One use of a key for a secret.

    Attributes:
        operation: Operation of KMS.
        key: The key; None where the secret names one that is not there.
        needed: The permission that the caller has to have.
    """

    operation: str
    key: HeldKey | None
    needed: Needed


def uses(call: Call, permissions: Iterable[Needed]) -> Iterator[Use]:
    """Return how a call to Secrets Manager uses customer-managed keys.

    Args:
        call: The call.
        permissions: What it needs, with the secrets that it is about.
    """
    if call.service != "secretsmanager":
        return
    if call.operation in _READING:
        for permission in permissions:
            if permission.action == _READ and (held := permission.held):
                yield from _of(call, held, held.key, ("Decrypt",))
    elif call.operation in _WRITING and any(call.parameters.get(name) for name in _VALUES):
        found = holdings.secret(call.account, call.region, str(call.parameters.get("SecretId", "")))
        held = found or Held(arn=call.arn(f"secret:{call.parameters.get('Name', '')}"))
        key = call.parameters.get("KmsKeyId") or held.key
        yield from _of(call, held, key, ("GenerateDataKey", "Decrypt"))


def _of(call: Call, secret: Held, key_id: str | None, operations: tuple[str, ...]) -> Iterator[Use]:
    if not key_id or key_id.endswith(_SERVICE_KEY):
        return  # AWS' own key asks nobody
    key = holdings.key(call.account, call.region, key_id)
    context: Context = {
        "kms:viaservice": (f"secretsmanager.{call.region}.amazonaws.com",),
        "kms:encryptioncontext:secretarn": (secret.arn,),
        "kms:encryptioncontextkeys": ("SecretARN", "SecretVersionId"),
        "aws:viaawsservice": ("true",),
        "aws:calledvia": ("secretsmanager.amazonaws.com",),
    }
    for operation in operations:
        yield Use(operation, key, key_permission(call, f"kms:{operation}", key, context))
