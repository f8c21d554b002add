"""Settings that every test of the suite shares."""

from __future__ import annotations

import re
import signal

import pytest
from hypothesis import settings

# Timing is measured by benchmarks; on a loaded machine a deadline only makes tests flaky.
settings.register_profile("suite", deadline=None)
settings.load_profile("suite")

# A suite that was started in the background has SIGINT ignored, and programs that a test starts
# and interrupts would inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)

_DOCKER = "docker"


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what needs Docker unless the marker is named: `pytest tests -m docker`."""
    if re.search(rf"\b{_DOCKER}\b", config.option.markexpr):
        return
    left_out = [item for item in items if item.get_closest_marker(_DOCKER)]
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in left_out]
