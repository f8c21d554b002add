"""A run that only reads: what was there before it is there after it, and nothing forbidden was asked."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator

import pytest

from deployer.errors import MitaError
from deployer.failures import explained
from environments.guard import BudgetError, ReadOnlyEnvironment
from evidence.model import write_atomically
from evidence.recorder import Recorder
from steps.inventory import Inventory, take_readable_inventory
from steps.system import System

TAG = "production-smoke"
"""The tag of scenarios that change nothing."""

INVENTORY_FILE = "inventory.json"
"""In a report directory: what was there before and after, by name and by a digest that only compares."""


def asks_for_smoke(selection: str, items: Iterable[pytest.Item]) -> bool:
    """Tell whether a run is one of scenarios that change nothing: asked for by their tag, and all with it."""
    return TAG in selection and all(item.get_closest_marker(TAG) is not None for item in items)


class SmokeWatch:
    """Watches one run in an environment that is only read.

    Args:
        environment: Where it runs.
        recorder: Is told what must fail the run.
    """

    def __init__(self, environment: ReadOnlyEnvironment, recorder: Recorder) -> None:
        self._environment = environment
        self._recorder = recorder
        self._before: Inventory | None = None

    def begin(self, system: System) -> None:
        """Take the inventory that the run must leave.

        Raises:
            MitaError: It cannot be read.
        """
        with explained("inventory before the run"):
            self._before = take_readable_inventory(system)
        self._write(self._before)

    @property
    def ended(self) -> str | None:
        """Say why the run must go no further; None while it may."""
        spent = [text for text in self._environment.guard.refusals if text.startswith(BudgetError.SUBJECT)]
        return spent[0] if spent else None

    def end(self, system: System) -> None:
        """Compare with the inventory of the beginning; what differs fails the run, whoever did it."""
        self._environment.guard.budget.close()
        try:
            with explained("inventory after the run"):
                after = take_readable_inventory(system)
        except MitaError as error:
            self._recorder.problem(f"Whether anything has changed is not known: {error}")
            return
        assert self._before is not None
        self._write(self._before, after)
        for change in after.changes_since(self._before):
            self._recorder.problem(f"Something changed during a run that changes nothing: {change}.")

    def tell(self) -> None:
        """Have what the guard refused fail the run; asked for once the environment has been left."""
        for refusal in self._environment.guard.refusals:
            self._recorder.problem(f"The guard of this read-only run refused a call: {refusal}")

    def _write(self, *inventories: Inventory) -> None:
        taken = dict(zip(("before", "after"), (dict(each.objects) for each in inventories), strict=False))
        path = self._recorder.directory / INVENTORY_FILE
        write_atomically(path, json.dumps(taken, indent=1, sort_keys=True))

    def spent(self) -> Iterator[tuple[str, str]]:
        """Tell what the run cost, by name."""
        budget = self._environment.guard.budget
        yield "Requests sent, only reading", f"{budget.spent} in {budget.seconds:.1f} s"
