"""What Slack's and PagerDuty's stand-ins were sent."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import urllib3

from deployer.failures import explained

_SECONDS = 5


def delivered(base: str) -> Sequence[Mapping[str, Any]]:
    """Ask the stand-ins, in the order of delivery.

    Args:
        base: Their base URL.

    Raises:
        ServiceError: They do not answer.
    """
    with explained("stand-ins for Slack and PagerDuty"):
        answer = urllib3.request("GET", f"{base}/notifications", timeout=_SECONDS, retries=False)
        found: list[Mapping[str, Any]] = answer.json()
    return found
