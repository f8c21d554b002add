"""The deployment that the features look at."""

from __future__ import annotations

import time
from pathlib import Path

from deployer.deployment import Deployment
from deployer.desired import Desired
from deployer.plan import Plan
from deployer.progress import Progress, Step
from deployer.supplied import REHEARSAL_ACCOUNT, rehearsed
from environments.embedded.locations import deployment_directory
from environments.managed import Managed
from environments.protocol import Capability, Environment
from evidence.model import DeploymentAction, DeploymentSummary
from steps.system import OnSecret

COLLECTED = "environment"
"""In a report directory: logs and states of the environment, after a failure."""

DEPLOYMENT_FILE = "deployment.json"
"""In a report directory: what was deployed before the features ran, by whoever did."""


def may_be_deployed(environment: Environment) -> bool:
    """Tell whether the features deploy the system themselves: only where its secrets are worth nothing."""
    return (
        Capability.CHANGES_ALLOWED in environment.capabilities
        and environment.connections().account == REHEARSAL_ACCOUNT
    )


def runs_without_us(environment: Environment) -> bool:
    """Tell whether an environment was there before this process and will be after it."""
    return not (isinstance(environment, Managed) and environment.is_ours)


def last_phase(environment: Environment) -> str | None:
    """Return the last phase that can be deployed; None where all can: monitoring needs something to go to."""
    return None if Capability.MONITORING in environment.capabilities else "rotation"


def receipts_directory(environment: Environment) -> Path:
    """Return where an environment's receipts lie, those of `mita deploy` included."""
    return deployment_directory(environment.name)


def deploy(
    environment: Environment, desired: Desired, *, progress: Progress, on_secret: OnSecret
) -> DeploymentSummary:
    """Bring an environment to the desired state, with random values where an operator would give real ones.

    Monitoring is deployed where there is something to deploy it to.

    Args:
        environment: Where.
        desired: The desired state.
        progress: Told of every step.
        on_secret: Told of every secret value when it is born or read.

    Raises:
        RefusedError: The account is a real one; nothing has been changed.
        MitaError: Something is refused or does not work.
    """
    began = time.monotonic()
    supplied = rehearsed(desired, account=environment.connections().account)

    def deployment() -> Deployment:
        return Deployment(
            environment.connections(),
            desired,
            receipts=receipts_directory(environment),
            supplied=supplied,
            progress=progress,
            on_secret=on_secret,
        )

    through = last_phase(environment)
    first = deployment()
    plan = first.plan(through)
    if plan.pending:
        first.apply(plan)
    progress(Step("deployment", "progress", "verifying"))
    # With connections made anew: the application's address is known only once it is there.
    deployment().verify(through)
    return _summary(desired, plan, time.monotonic() - began)


def _summary(desired: Desired, plan: Plan, seconds: float) -> DeploymentSummary:
    actions = tuple(
        DeploymentAction(
            verb=str(change.action.value),
            subject=change.object,
            phase=desired.phase(change.phase).title,
            reason=change.reason,
        )
        for change in plan.pending
    )
    outcome = f"{len(actions)} changes made and verified." if actions else "Nothing had to change."
    return DeploymentSummary(outcome=outcome, seconds=seconds, actions=actions)
