"""PostgreSQL and Valkey, as processes of the environment, with random passwords."""

from __future__ import annotations

from environments.embedded.databases.postgresql import start_postgresql
from environments.embedded.databases.valkey import start_valkey

__all__ = ["start_postgresql", "start_valkey"]
