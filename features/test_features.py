"""Binds every feature file: each scenario becomes a test, in the order in which the guide goes."""

from __future__ import annotations

from pytest_bdd import scenarios

from features.tags import DIRECTORY

# What is forced and broken comes last, so that it is not what the phases are judged on.
_LAST = ("post_deployment", "rollback", "chaos_")


def _place(name: str) -> tuple[int, str]:
    return next((at for at, start in enumerate(_LAST, 1) if name.startswith(start)), 0), name


for _name in sorted((path.name for path in DIRECTORY.glob("*.feature")), key=_place):
    scenarios(_name)  # one at a time: of many it makes an order of its own
