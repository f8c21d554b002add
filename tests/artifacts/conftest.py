from __future__ import annotations

import pytest

from deployer.progress import silent
from environments.embedded.toolchain import Tools, ensure


@pytest.fixture(scope="session")
def tools() -> Tools:
    """Helm, and the operator's chart with its resource definitions."""
    return ensure(silent, ["helm", "operator_chart"])
