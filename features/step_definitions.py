"""The step definitions, as pytest-bdd has registered them."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Iterator
from dataclasses import dataclass
from types import ModuleType

from pytest_bdd.parsers import StepParser
from pytest_bdd.steps import step_function_context_registry

from evidence.catalogue import CataloguedStep


@dataclass(frozen=True, slots=True)
class StepDefinition:
    """A step definition.

    Attributes:
        kind: ``given``, ``when`` or ``then``; None when it serves for all.
        parser: What it matches.
        place: File and line of its function.
    """

    kind: str | None
    parser: StepParser
    place: str

    def matches(self, step: CataloguedStep, text: str) -> bool:
        """Tell whether it would be called for a step with this text."""
        return self.kind in (None, step.kind) and self.parser.is_matching(text)


def step_modules(package: ModuleType) -> tuple[ModuleType, ...]:
    """Import and return every module of a package."""
    names = sorted(module.name for module in pkgutil.iter_modules(package.__path__, f"{package.__name__}."))
    return tuple(importlib.import_module(name) for name in names)


def step_definitions(modules: tuple[ModuleType, ...]) -> Iterator[StepDefinition]:
    """Yield the step definitions that the modules hold."""
    names = {module.__name__ for module in modules}
    for context in list(step_function_context_registry.values()):
        function = context.step_func
        if function.__module__ in names:
            file = inspect.getsourcefile(function) or function.__module__
            place = f"{file}:{function.__code__.co_firstlineno}"
            yield StepDefinition(context.type, context.parser, place)
