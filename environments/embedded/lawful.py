"""What may hold a secret value in the embedded environment."""

from __future__ import annotations

from environments.searchable import Lawful

LAWFUL = (
    Lawful(
        "access.json",
        "The environment's own administrators log in with what it says; only its owner reads it.",
    ),
    Lawful(
        "pods/*/volumes/*",
        "A mounted secret is a file; the node keeps it for the pod, as a kubelet does in memory.",
    ),
    Lawful(
        "environment of reference_app: DATABASE_URL",
        "The guide gives the application its database's address by variable.",
    ),
    Lawful(
        "environment of reference_app: REDIS_URL",
        "The guide gives the application its cache's address by variable.",
    ),
)
