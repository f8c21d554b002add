"""The cluster's own store, and its audit log, as an environment hands their bytes over."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime

from deployer.compliance.facts import Trail

# The name ends where the value begins; a value that is encrypted begins with who encrypted it.
_RECORD = re.compile(rb"/registry/secrets/([a-z0-9.-]+/[a-z0-9.-]+)\n(?=(.{0,64}))", re.DOTALL)
_ENCRYPTED = re.compile(rb"k8s:enc:([a-z0-9]+):")
_NONE = "identity"  # the provider that leaves everything as it is


def stored_secrets(state: bytes) -> Mapping[str, str | None]:
    """Find each Secret in the store's bytes, with the provider that encrypted it; None for plain ones."""
    found: dict[str, str | None] = {}
    for record in _RECORD.finditer(state):
        name, value = record[1].decode(), record[2]
        encrypted = _ENCRYPTED.match(value)
        provider = encrypted[1].decode() if encrypted else None
        found[name] = None if provider == _NONE else provider
    return found


def newest_use_of_secrets(log: bytes) -> Trail:
    """Find the newest record about Secrets in an audit log; a line that is cut short is left out."""
    newest: datetime | None = None
    for line in log.splitlines():
        if b'"resource":"secrets"' not in line:
            continue
        try:
            moment = datetime.fromisoformat(json.loads(line)["stageTimestamp"]).astimezone(UTC)
        except (ValueError, KeyError, TypeError):
            continue
        newest = moment if newest is None else max(newest, moment)
    return Trail(newest)
