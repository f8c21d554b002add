"""Attempts at everything that AWS' services offer, to see what a session is allowed."""

from __future__ import annotations

import random
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from botocore.exceptions import ClientError
from botocore.model import OperationModel, Shape

type Clients = Callable[[str], Any]
"""Makes a client of a service; boto3's have no common type."""
type Names = Mapping[str, str]
"""What members of parameters are given by their name, where any text would not do."""

# Every service that the deployer, the operator, the functions and the features call.
IN_USE = ("cloudtrail", "eks", "iam", "kms", "lambda", "logs", "secretsmanager", "sts")
OTHERS = ("cloudwatch", "s3", "sns", "ssm")
SAMPLE = 12
"""How many operations of each other service are attempted."""

# What is decided otherwise than by the permissions of the session that calls.
_NOT_DECIDED_BY_PERMISSION = {
    "sts:GetCallerIdentity",  # AWS gives it to everybody
    "sts:AssumeRoleWithSAML",  # whoever holds the assertion, without a session
    "sts:AssumeRoleWithWebIdentity",  # whoever holds the token, without a session
    "s3:ListDirectoryBuckets",  # not made to S3 itself, but to a service of its own
    "s3:WriteGetObjectResponse",  # likewise
    "s3:PutBucketNotification",  # the same request as PutBucketNotificationConfiguration, in a form given up
}
# Operations that go by another name in policies.
_ACTIONS = {
    "lambda:Invoke": "lambda:InvokeFunction",
    "lambda:InvokeAsync": "lambda:InvokeFunction",
    "lambda:InvokeWithResponseStream": "lambda:InvokeFunction",
}
_UNKNOWN = {"InvalidAction", "MethodNotAllowed", "UnknownOperationException"}
# It required more when a stand-in for AWS was made, and is then not decided by permissions.
_LACKING = "missing required field"
_REFUSALS = {"AccessDenied", "AccessDeniedException", "AuthorizationError"}
_AT_ONCE = 4
_DEEPEST = 4
_READING = ("BatchGet", "Describe", "Get", "List")


@dataclass(frozen=True, slots=True)
class Attempt:
    """One call that is to be tried.

    Attributes:
        service: As boto3 names it.
        operation: As AWS names it.
        method: The client's method.
        parameters: The least that the call has to be given.
    """

    service: str
    operation: str
    method: str
    parameters: Mapping[str, Any]

    @property
    def action(self) -> str:
        """The action of policies that allows it."""
        name = f"{self.service}:{self.operation}"
        return _ACTIONS.get(name, name)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of all attempts.

    Attributes:
        allowed: The actions that were not refused for lack of permission.
        attempted: How many calls were decided; without those that a stand-in for AWS, which is older than
            boto3, does not know or knows by another form.
        seed: What the sample was drawn by.
    """

    allowed: frozenset[str]
    attempted: int
    seed: int


def attempt_everything(
    clients: Clients, names: Mapping[str, Names], *, seed: int, sample: int | None = SAMPLE
) -> Outcome:
    """Attempt every operation of the services in use, and a sample of those of others.

    Args:
        clients: Of the session.
        names: For each service, which resources its parameters name; what would change something is
            made to name one that is not there, under `absent:` and the member's name.
        seed: Draws the sample.
        sample: How many operations of each other service; None: all of them.

    Raises:
        BotoCoreError: A call could not be made.
    """
    attempts = [*_of(clients, IN_USE, names), *_sampled(clients, names, seed, sample)]
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        answers = list(pool.map(lambda each: _answer(clients, each), attempts))
    decided = [(each.action, said) for each, said in zip(attempts, answers, strict=True) if not said.unknown]
    allowed = frozenset(action for action, said in decided if not said.refused)
    return Outcome(allowed, len(decided), seed)


def _of(clients: Clients, services: Iterable[str], names: Mapping[str, Names]) -> Iterator[Attempt]:
    for service in services:
        client = clients(service)
        methods = {operation: method for method, operation in client.meta.method_to_api_mapping.items()}
        for operation in client.meta.service_model.operation_names:
            if f"{service}:{operation}" not in _NOT_DECIDED_BY_PERMISSION:
                model = client.meta.service_model.operation_model(operation)
                parameters = least_parameters(model, names.get(service, {}))
                yield Attempt(service, operation, methods[operation], parameters)


def _sampled(
    clients: Clients, names: Mapping[str, Names], seed: int, sample: int | None
) -> Iterator[Attempt]:
    draw = random.Random(seed)  # noqa: S311  a sample, not a secret
    for service in OTHERS:
        every = list(_of(clients, [service], names))
        yield from every if sample is None else draw.sample(every, sample)


@dataclass(frozen=True, slots=True)
class _Answer:
    refused: bool = False
    unknown: bool = False


def _answer(clients: Clients, attempt: Attempt) -> _Answer:
    try:
        getattr(clients(attempt.service), attempt.method)(**attempt.parameters)
    except ClientError as error:
        said = error.response["Error"]
        return _Answer(
            refused=said["Code"] in _REFUSALS or said["Code"] == "403",  # all that an answer to HEAD says
            unknown=said["Code"] in _UNKNOWN or _LACKING in said["Message"],
        )
    return _Answer()


def unexpected(outcome: Outcome, purpose: Collection[str]) -> list[str]:
    """Name the actions that were allowed and are not for the role's purpose."""
    return sorted(outcome.allowed - set(purpose))


def least_parameters(operation: OperationModel, names: Names) -> dict[str, Any]:
    """Return the least with which a call has a form that AWS takes; permissions are asked for only then."""
    shape = operation.input_shape
    reading = operation.name.startswith(_READING)
    return _structure(shape, names, reading=reading) if shape is not None else {}


def _structure(shape: Shape, names: Names, *, reading: bool, depth: int = 0) -> dict[str, Any]:
    members: Mapping[str, Shape] = shape.members  # type: ignore[attr-defined]  # of a structure
    wanted: Collection[str] = shape.required_members
    if getattr(shape, "is_tagged_union", False):
        wanted = list(members)[:1]  # one of them, whichever
    elif depth and not wanted:
        wanted = list(members)[:1] if depth < _DEEPEST else ()  # nothing at all would not be sent
    elif body := shape.serialization.get("payload"):
        wanted = {*wanted, body}
    return {
        name: _named(name, names, reading=reading)
        or _value(members[name], names, reading=reading, depth=depth + 1)
        for name in wanted
    }


def _named(member: str, names: Names, *, reading: bool) -> str | None:
    return (None if reading else names.get(f"absent:{member}")) or names.get(member)


def _value(shape: Shape, names: Names, *, reading: bool, depth: int) -> Any:  # noqa: ANN401  any value of a parameter
    least = max(1, int(shape.metadata.get("min", 1)))
    if shape.type_name == "structure":
        return _structure(shape, names, reading=reading, depth=depth)
    if shape.type_name == "list":
        member: Shape = shape.member  # type: ignore[attr-defined]  # of a list
        return [_value(member, names, reading=reading, depth=depth + 1)] * least
    if shape.type_name == "map":
        parts: list[Shape] = [shape.key, shape.value]  # type: ignore[attr-defined]  # of a map
        key, value = (_value(part, names, reading=reading, depth=depth + 1) for part in parts)
        return {key: value}
    if shape.type_name == "string":
        return next(iter(getattr(shape, "enum", ())), "x" * least)
    plain = {"blob": b"x", "boolean": False, "timestamp": datetime(2026, 1, 1, tzinfo=UTC)}
    return plain.get(shape.type_name, least)
