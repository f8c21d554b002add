"""The policy linter: what AWS would refuse, never apply, or take for more than is meant."""

from __future__ import annotations

import importlib
import importlib.resources
import json
import sys
import types
from collections.abc import Callable
from typing import Any

import pytest

from deployer.policies import Document


def _policy_linter() -> Callable[[str], Any]:
    """Import the linter, which asks setuptools for the paths of two files, as setuptools no longer answers.

    The stand-in goes again at once: whoever else finds it among the modules takes it for the real one.
    """
    stand_in = types.ModuleType("pkg_resources")
    stand_in.resource_filename = lambda package, name: str(  # type: ignore[attr-defined]  # a module made here
        importlib.resources.files(package) / name
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "pkg_resources", stand_in)
        analyze: Callable[[str], Any] = importlib.import_module("parliament").analyze_policy_string
    return analyze


_analyze = _policy_linter()


def findings(policy: Document) -> list[str]:
    """Return what the linter has against a policy, in its own words."""
    found = _analyze(json.dumps(policy)).findings
    return [f"{each.issue}: {each.detail}" for each in found]
