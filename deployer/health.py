"""Whether a service answers over HTTP."""

from __future__ import annotations

import urllib3

TIMEOUT = 5.0  # seconds for one answer
OK = 200


def unhealthy(url: str) -> str | None:
    """Say what is wrong with the answer of a URL; None when it is 200."""
    try:
        status = urllib3.request("GET", url, timeout=TIMEOUT, retries=False, redirect=False).status
    except urllib3.exceptions.HTTPError as error:
        return f"{url} does not answer ({type(error).__name__})"
    return None if status == OK else f"{url} answers {status}"
