"""AWS' stand-in: LocalStack, in an environment of its own, as one process."""

from __future__ import annotations

from environments.embedded.aws.faults import AwsFaults
from environments.embedded.aws.installation import ensure_localstack
from environments.embedded.aws.localstack import (
    ACCOUNT,
    FAULTS,
    REGION,
    TRAIL,
    AwsEndpoint,
    introduce_cluster,
    start_localstack,
)

__all__ = [
    "ACCOUNT",
    "FAULTS",
    "REGION",
    "TRAIL",
    "AwsEndpoint",
    "AwsFaults",
    "ensure_localstack",
    "introduce_cluster",
    "start_localstack",
]
