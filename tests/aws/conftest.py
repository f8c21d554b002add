from __future__ import annotations

from tests.environments.ground import site, state, tools

__all__ = ["site", "state", "tools"]
