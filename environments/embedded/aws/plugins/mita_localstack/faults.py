"""Faults of AWS: what fails, for whom, how often, and how."""

from __future__ import annotations

import random
import threading
import uuid
from fnmatch import fnmatchcase
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field


class Refuse(BaseModel):
    """The call is refused with an error, such as a ``ThrottlingException``."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    kind: Literal["refuse"] = "refuse"
    code: str = Field(pattern=r"^[A-Za-z][A-Za-z0-9.]*$")
    message: str = ""
    status: int = Field(default=400, ge=400, le=599)


class Delay(BaseModel):
    """The call takes that much longer.

    Attributes:
        seconds: By how much.
        answer: Whether it is served on time, and only its answer is late.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    kind: Literal["delay"] = "delay"
    seconds: float = Field(gt=0, le=300)
    answer: bool = False


class Reset(BaseModel):
    """The connection is reset before the call is served."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    kind: Literal["reset"] = "reset"


class KeyState(BaseModel):
    """A key is as if disabled or about to be deleted; `Fault.resource` says which."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    kind: Literal["key-state"] = "key-state"
    state: Literal["Disabled", "PendingDeletion"] = "Disabled"


class Fault(BaseModel):
    """What fails.

    All patterns have to fit a call; ``*`` and ``?`` are wildcards.

    Attributes:
        effect: How it fails.
        service: Such as ``secretsmanager``.
        operation: Such as ``GetSecretValue``.
        principal: ARN of the caller.
        resource: ARN of what the call is about.
        after: How many calls that fit are let go first.
        probability: Of each call that fits.
        count: How many calls fail; None for any number.
        seed: Which of the calls fail, where the probability is less than one.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    effect: Annotated[Refuse | Delay | Reset | KeyState, Field(discriminator="kind")]
    service: str = "*"
    operation: str = "*"
    principal: str = "*"
    resource: str = "*"
    after: int = Field(default=0, ge=0)
    probability: float = Field(default=1.0, gt=0, le=1)
    count: int | None = Field(default=None, gt=0)
    seed: int = 0


class ActiveFault(BaseModel):
    """A fault that is set.

    Attributes:
        id: By which it is cleared.
        fault: What fails.
        struck: How many calls it has hit.
    """

    model_config = ConfigDict(frozen=True)

    id: str
    fault: Fault
    struck: int


class _Rule:
    def __init__(self, fault: Fault) -> None:
        self.fault = fault
        self.struck = 0
        self._let_go = 0
        # Which calls fail has to be the same in each run; nothing depends on guessing it.
        self._random = random.Random(fault.seed)  # noqa: S311

    def fits(self, service: str, operation: str, principal: str, resources: tuple[str, ...]) -> bool:
        fault = self.fault
        return (
            fnmatchcase(service, fault.service)
            and fnmatchcase(operation, fault.operation)
            and fnmatchcase(principal, fault.principal)
            and (fault.resource == "*" or any(fnmatchcase(each, fault.resource) for each in resources))
        )

    def strikes(self) -> bool:
        if self._let_go < self.fault.after:
            self._let_go += 1
            return False
        count = self.fault.count
        if count is not None and self.struck >= count:
            return False
        # The next number is taken even where it cannot matter: so equal seeds strike equally.
        if self._random.random() >= self.fault.probability:
            return False
        self.struck += 1
        return True


class Faults:
    """The faults that are set now; none is when LocalStack starts."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._rules: dict[str, _Rule] = {}

    def add(self, fault: Fault) -> str:
        """Set a fault, and return the id by which it is cleared."""
        fault_id = uuid.uuid4().hex
        with self._lock:
            self._rules[fault_id] = _Rule(fault)
        return fault_id

    def remove(self, fault_id: str) -> bool:
        """Clear a fault; False when there is none of that id."""
        with self._lock:
            return self._rules.pop(fault_id, None) is not None

    def active(self) -> list[ActiveFault]:
        """Return the faults that are set."""
        with self._lock:
            return [
                ActiveFault(id=fault_id, fault=rule.fault, struck=rule.struck)
                for fault_id, rule in self._rules.items()
            ]

    def striking(
        self,
        service: str,
        operation: str,
        principal: str,
        resources: tuple[str, ...],
        *,
        served: bool = False,
    ) -> list[Refuse | Delay | Reset]:
        """Return what happens to a call, in the order in which the faults were set.

        Args:
            service: Of the call.
            operation: Of the call.
            principal: ARN of the caller.
            resources: ARNs of what the call is about.
            served: Whether it was served already, and only its answer is outstanding.
        """
        if not self._rules:
            return []
        with self._lock:
            return [
                rule.fault.effect
                for rule in self._rules.values()
                if not isinstance(rule.fault.effect, KeyState)
                and (isinstance(rule.fault.effect, Delay) and rule.fault.effect.answer) is served
                and rule.fits(service, operation, principal, resources)
                and rule.strikes()
            ]

    def key_state(self, operation: str, principal: str, names: tuple[str, ...]) -> str | None:
        """Return the state that a key is made to be in, known by its ARN and aliases; None for its own."""
        with self._lock:
            for rule in self._rules.values():
                effect = rule.fault.effect
                if (
                    isinstance(effect, KeyState)
                    and rule.fits("kms", operation, principal, names)
                    and rule.strikes()
                ):
                    return effect.state
        return None
