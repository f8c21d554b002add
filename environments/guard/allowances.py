"""What a guarded run may ask, read from `allowed.toml`."""

from __future__ import annotations

import re
import tomllib
from functools import cache
from pathlib import Path

from pydantic import BaseModel, ConfigDict

FILE = Path(__file__).parent / "allowed.toml"

Operations = dict[str, frozenset[str]]
"""Names of operations by AWS service."""


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class KubernetesAllowances(_Strict):
    """Methods, and patterns of whole paths."""

    methods: frozenset[str]
    paths: tuple[re.Pattern[str], ...]


class HttpAllowances(_Strict):
    """Methods that anybody may be asked with.

    Attributes:
        methods: Such as ``GET``.
        posts_to_application: Exact paths of the application that may be posted to.
        credentials_hosts: Patterns of hosts that AWS' own chain fetches credentials from.
    """

    methods: frozenset[str]
    posts_to_application: frozenset[str]
    credentials_hosts: tuple[re.Pattern[str], ...]


class HelmAllowances(_Strict):
    """Helm's commands."""

    commands: tuple[str, ...]


class Allowances(_Strict):
    """Everything that is allowed; what is not named here is refused.

    Attributes:
        aws: Operations of AWS.
        before_identity: Those that may be asked before it is known where the calls go.
        kubernetes: Requests to the cluster's API.
        http: Any other request.
        helm: Helm's commands.
    """

    aws: Operations
    before_identity: Operations
    kubernetes: KubernetesAllowances
    http: HttpAllowances
    helm: HelmAllowances


@cache
def allowances() -> Allowances:
    """Read them."""
    return Allowances.model_validate(tomllib.loads(FILE.read_text(encoding="utf-8")))
