"""AWS clients that are asked for reading only."""

from __future__ import annotations

from typing import Any

from botocore.config import Config

from environments.guard.guard import Guard

RETRIES = Config(retries={"mode": "standard", "total_max_attempts": 6})
"""What throttling is answered with: exponential back-off with jitter, botocore's own."""


def guarded(client: Any, guard: Guard) -> Any:  # noqa: ANN401  boto3 clients have no common type
    """Have every call of a client judged: at its very beginning, and again at each attempt to send it."""
    service = client.meta.service_model.service_name

    # What presigns a URL sends nothing, and is judged all the same: somebody else might send it.
    def judge(*, model: Any, **_: Any) -> None:  # noqa: ANN401  botocore's
        guard.aws(service, model.name)

    def count(*, request: Any, event_name: str, **_: Any) -> None:  # noqa: ANN401  botocore's
        operation = event_name.rpartition(".")[2]
        guard.aws(service, operation)
        guard.sends_aws(service, operation, request.method)

    client.meta.events.register_first("provide-client-params", judge)
    client.meta.events.register_last("before-send", count)
    return client
