from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from deployer.progress import silent
from environments.embedded import toolchain
from tests.environments.ground import site, state

__all__ = ["site", "state", "tools"]


@pytest.fixture
def tools() -> Mapping[str, Path]:
    return toolchain.ensure(silent, ("prometheus", "promtool", "alertmanager"))
