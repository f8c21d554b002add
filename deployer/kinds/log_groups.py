"""The log groups of the rotation functions: that they exist, and how long they keep."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from deployer.changes import Change, differences
from deployer.desired import Desired
from deployer.kinds.kind import Kind, Observed


class LogGroups(Kind[int]):
    """One group for each function; its state is the retention in days, 0 for ever.

    They are made here so that the functions' role need not be allowed to make any.
    """

    kind = "log-group"

    def __init__(self, desired: Desired, *, logs: Any) -> None:  # noqa: ANN401  boto3 client
        super().__init__(desired.rotation.phase)
        self._names = [function.log_group for function in desired.rotation.functions]
        self._days = desired.rotation.log_retention_days
        self._tags = desired.tags
        self._logs = logs

    def observe(self, names: Collection[str] | None = None) -> Mapping[str, int]:
        """Read the groups: one call each."""
        found = {}
        for name in self._names if names is None else names:
            for group in self._logs.describe_log_groups(logGroupNamePrefix=name)["logGroups"]:
                if group["logGroupName"] == name:
                    found[name] = group.get("retentionInDays", 0)
        return found

    def diff(self, observed: Observed) -> Sequence[Change]:
        """Compare the retention."""
        wanted, seen = {"retention_days": self._days}, self.seen(observed)
        return [
            self.update(name, differences({"retention_days": seen[name]}, wanted))
            if name in seen
            else self.create(name, "there is no such log group", differences({}, wanted))
            for name in self._names
        ]

    def apply(self, change: Change, observed: Observed) -> None:
        """Make or mend one group."""
        if change.name not in self.seen(observed):
            self._logs.create_log_group(logGroupName=change.name, tags=dict(self._tags))
        self._logs.put_retention_policy(logGroupName=change.name, retentionInDays=self._days)
