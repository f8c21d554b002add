"""What can be seen in the course of a run: typed entries of its timeline.

No entry has a field for a secret value.  A credential is told from another by a keyed
fingerprint, and the form of that field refuses whatever is not one.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints

CURRENT = "AWSCURRENT"
FINGERPRINT_DIGITS = 16
"""As many as the application shows of its own; a longer fingerprint is cut to them."""

Fingerprint = Annotated[
    str,
    StringConstraints(pattern=rf"^[0-9a-f]{{{FINGERPRINT_DIGITS},64}}$"),
    AfterValidator(lambda digits: digits[:FINGERPRINT_DIGITS]),
]
"""The beginning of an HMAC-SHA256 in hexadecimal, over the part of a secret that its consumers use."""

RotationStepName = Literal["createSecret", "setSecret", "testSecret", "finishSecret"]


class Event(BaseModel):
    """Something that was done or seen."""

    # What was handed over by mistake may be a secret value: an error must not show it.
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class PlanAction(Event):
    """The deployer did something.

    Attributes:
        verb: What, for example ``create``.
        subject: To what.
        phase: The phase of the guide that it belongs to.
        result: What came of it.
    """

    kind: Literal["plan-action"] = "plan-action"
    verb: str
    subject: str
    phase: str = ""
    result: Literal["done", "failed"] = "done"


class RotationAsked(Event):
    """Somebody asked for a rotation.

    Attributes:
        secret: Name of the secret.
        token: The request's token, which is the id of the version that it makes.
        bound: Seconds promised from the current label's move to the last consumer's use.
    """

    kind: Literal["rotation-asked"] = "rotation-asked"
    secret: str
    token: str
    bound: float | None = Field(default=None, gt=0)


class RotationStep(Event):
    """The rotation function went through a step.

    Attributes:
        secret: Name of the secret.
        token: The version that is being rotated to.
        step: Which of the four.
        state: Whether it began or how it ended.
        detail: A remark for a person, free of secret values.
    """

    kind: Literal["rotation-step"] = "rotation-step"
    secret: str
    token: str
    step: RotationStepName
    state: Literal["begun", "done", "failed"] = "done"
    detail: str = ""


class SecretVersion(Event):
    """A version of a secret as it was seen.

    Attributes:
        version: Its id.
        labels: Its staging labels.
        fingerprint: Of its value; None where the value was not read.
    """

    version: str
    labels: tuple[str, ...] = ()
    fingerprint: Fingerprint | None = None


class StagingLabels(Event):
    """The versions of a secret were read, all in one answer.

    Attributes:
        secret: Name of the secret.
        versions: What was read.
        asked: When the reading began, in seconds since the epoch: it tells what held at some moment since.
            None where the answer's own time is that moment.
    """

    kind: Literal["staging-labels"] = "staging-labels"
    secret: str
    versions: tuple[SecretVersion, ...]
    asked: float | None = None

    @property
    def current(self) -> tuple[SecretVersion, ...]:
        """The versions that carry the current label; there should be one."""
        return tuple(version for version in self.versions if CURRENT in version.labels)


class OperatorSync(Event):
    """The operator said that it synchronised an external secret.

    Attributes:
        secret: Name of the secret in AWS.
        external_secret: Name of the ExternalSecret.
        refreshed: Its ``refreshTime`` in seconds since the epoch; Kubernetes keeps whole seconds.
    """

    kind: Literal["operator-sync"] = "operator-sync"
    secret: str
    external_secret: str
    refreshed: float


class SecretWritten(Event):
    """A Secret in the cluster was seen with a content.

    Attributes:
        secret: Name of the secret in AWS that it comes from.
        kubernetes_secret: Its own name.
        resource_version: As Kubernetes counts.
        fingerprint: Of its content.
    """

    kind: Literal["secret-written"] = "secret-written"
    secret: str
    kubernetes_secret: str
    resource_version: str
    fingerprint: Fingerprint


class CredentialInUse(Event):
    """A consumer was seen to use a credential: its first use, or the same one again.

    Attributes:
        consumer: Who, for example a pod.
        secret: Name of the secret in AWS that the credential comes from.
        fingerprint: Of the credential.
    """

    kind: Literal["credential-in-use"] = "credential-in-use"
    consumer: str
    secret: str
    fingerprint: Fingerprint


class ConsumerEnded(Event):
    """A consumer is gone, and nothing more is to be expected of it."""

    kind: Literal["consumer-ended"] = "consumer-ended"
    consumer: str


class CredentialProbe(Event):
    """A login was tried with a credential that a consumer holds.

    Attributes:
        consumer: Whose credential it is.
        login: Which one, for example the name of a database login.
        accepted: Whether the server took it.
        detail: What the server said, free of secret values.
    """

    kind: Literal["credential-probe"] = "credential-probe"
    consumer: str
    login: str
    accepted: bool
    detail: str = ""


class FaultInjected(Event):
    """A fault began.

    Attributes:
        fault: Tells it from every other of the run.
        what: What it does, for a person.
    """

    kind: Literal["fault-injected"] = "fault-injected"
    fault: str
    what: str


class FaultFelt(Event):
    """Somebody felt a fault: it hit something."""

    kind: Literal["fault-felt"] = "fault-felt"
    fault: str


class FaultHealed(Event):
    """A fault was undone."""

    kind: Literal["fault-healed"] = "fault-healed"
    fault: str


class SteadyStateProbe(Event):
    """The steady state was asked for.

    Attributes:
        what: Which of its statements, for example ``application ready``.
        holds: Whether it held.
        detail: What was seen.
    """

    kind: Literal["steady-state-probe"] = "steady-state-probe"
    what: str
    holds: bool
    detail: str = ""


class LoadInterval(Event):
    """One second of load, whatever the requests.

    Attributes:
        load: The load run that it belongs to.
        count: Requests that ended in it, failed ones included.
        failed: How many of them failed.
        p50: Median latency in seconds; None without requests.
        p95: As above.
        max: As above.
    """

    kind: Literal["load-interval"] = "load-interval"
    load: str
    count: int = Field(ge=0)
    failed: int = Field(default=0, ge=0)
    p50: float | None = None
    p95: float | None = None
    max: float | None = None


class RequestFailed(Event):
    """Requests failed for one reason.

    Attributes:
        load: The load run, or what else sent them.
        request: The request's name.
        reason: Why each counts as failed.
        count: How many at this moment.
    """

    kind: Literal["request-failed"] = "request-failed"
    load: str
    request: str
    reason: str
    count: int = Field(default=1, ge=1)


AnyEvent = Annotated[
    PlanAction
    | RotationAsked
    | RotationStep
    | StagingLabels
    | OperatorSync
    | SecretWritten
    | CredentialInUse
    | ConsumerEnded
    | CredentialProbe
    | FaultInjected
    | FaultFelt
    | FaultHealed
    | SteadyStateProbe
    | LoadInterval
    | RequestFailed,
    Field(discriminator="kind"),
]


class Entry(BaseModel):
    """An event with its time.

    Attributes:
        at: When it happened by the wall clock, in seconds since the epoch.
        monotonic: The same moment by the clock that is never set; None where only others' wall clock told it.
        event: What happened.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    at: float = Field(allow_inf_nan=False)
    monotonic: float | None = Field(default=None, allow_inf_nan=False)
    event: AnyEvent


type History = tuple[Entry, ...]
"""Entries in order of time."""
