"""Settings that every test of the suite shares."""

from __future__ import annotations

import signal

from hypothesis import settings

# Timing is measured by benchmarks; on a loaded machine a deadline only makes tests flaky.
settings.register_profile("suite", deadline=None)
settings.load_profile("suite")

# A suite that was started in the background has SIGINT ignored, and programs that a test starts
# and interrupts would inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)
