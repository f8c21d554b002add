"""The form of a planted defect."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Edit:
    """A change of a source.

    Attributes:
        file: The source, from the project's root.
        right: Text as it stands there, once.
        wrong: What takes its place.
    """

    file: str
    right: str
    wrong: str


@dataclass(frozen=True, slots=True)
class Defect:
    """Something that is wrong, and the scenario that has to notice it.

    Attributes:
        name: What is wrong.
        edits: How it comes about.
        scenario: The scenario's title, as its feature file has it.
        step: The step at which it must fail, or how its text begins.
        example: The cells of the example, in the order of their columns.
    """

    name: str
    edits: tuple[Edit, ...]
    scenario: str
    step: str
    example: tuple[str, ...] = ()
