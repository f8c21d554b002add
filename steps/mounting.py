"""What pods have mounted of a Secret that has just changed."""

from __future__ import annotations

import time
from collections.abc import Callable

from deployer.eventually import eventually
from steps.synchronisation import nudge
from steps.system import System

_SECONDS = 60.0
_PAUSE = 1.0


def until_mounted(
    system: System, namespace: str, selector: str, missing: Callable[[], str | None], *, subject: str
) -> float:
    """Have nodes renew what is mounted in pods until that is noticed; by themselves they do once a minute.

    Args:
        system: The system.
        namespace: Of the pods.
        selector: Labels of the pods.
        missing: Says why it is not noticed yet.
        subject: What is mounted.

    Returns:
        When it was last not noticed, in seconds since the epoch: it is there since then at the earliest.

    Raises:
        NotReadyError: It is not noticed in time.
    """
    last = time.time()

    def unnoticed() -> str | None:
        nonlocal last
        asked = time.time()
        if (reason := missing()) is None:
            return None
        last = asked
        for pod in system.cluster.list("v1", "Pod", namespace, labelSelector=selector):
            nudge(system, {"apiVersion": "v1", "kind": "Pod", "metadata": pod["metadata"]})
        return reason

    eventually(
        unnoticed,
        subject=subject,
        deadline=_SECONDS,
        remedy="Look at the events of the pods.",
        longest_pause=_PAUSE,
    )
    return last
