"""Gherkin lint: what pytest-bdd lets pass and a reader would stumble over.

Run as ``python -m features.lint``; it ends with 1 when anything is found.
"""

from __future__ import annotations

import re
import sys
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import click

import steps
from deployer.errors import MitaError
from evidence.catalogue import CataloguedFeature, CataloguedScenario, CataloguedStep, read_features
from evidence.criteria import Criterion, load_criteria
from features.step_definitions import StepDefinition, step_definitions, step_modules
from features.tags import CRITERIA_FILE, CRITERION_TAG, DIRECTORY, registered

_FORBIDDEN = {
    "an ARN": re.compile(r"\barn:", re.IGNORECASE),
    "a port": re.compile(r"\bport \d|[\w\]]:\d{2,5}\b", re.IGNORECASE),
    "an address": re.compile(r"\b\d{1,3}(\.\d{1,3}){3}\b|\bhttps?://", re.IGNORECASE),
    "a sleep": re.compile(r"\bsleeps?\b|\bwaits? (for )?\d", re.IGNORECASE),
    "YAML": re.compile(r"^\s*[\w.-]+:(\s|$)|^\s*- \w", re.MULTILINE),
}
_SHORTEST_PROSE = 40  # characters


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing to put right."""

    place: str
    text: str

    def __str__(self) -> str:
        return f"{self.place}: {self.text}"


@dataclass(frozen=True, slots=True)
class Subject:
    """What is examined."""

    features: tuple[CataloguedFeature, ...]
    definitions: tuple[StepDefinition, ...]
    criteria: tuple[Criterion, ...]

    def scenarios(self) -> Iterator[tuple[str, CataloguedScenario]]:
        """Yield every scenario with its place."""
        for feature in self.features:
            for scenario in feature.scenarios:
                yield f"{feature.file}:{scenario.line}", scenario

    def steps(self) -> Iterator[tuple[str, CataloguedStep, frozenset[str]]]:
        """Yield every step with its place and the texts that the examples make of it."""
        for feature in self.features:
            for scenario in feature.scenarios:
                examples = list(scenario.instances())
                for index, step in enumerate(scenario.steps):
                    texts = frozenset(scenario.steps_of(example)[index].text for example in examples)
                    yield f"{feature.file}:{step.line}", step, texts


def duplicate_titles(subject: Subject) -> Iterator[Finding]:
    """Find titles that occur twice: pytest-bdd would drop one without a word."""
    first: dict[str, str] = {}
    for place, scenario in subject.scenarios():
        earlier = first.setdefault(scenario.title.casefold(), place)
        if earlier != place:
            yield Finding(place, f'the title "{scenario.title}" is already that of {earlier}')


def undefined_and_ambiguous_steps(subject: Subject) -> Iterator[Finding]:
    """Find steps that nothing, or more than one thing, stands for."""
    reported = set()
    for place, step, texts in subject.steps():
        for text in sorted(texts):
            found = [definition for definition in subject.definitions if definition.matches(step, text)]
            if len(found) == 1 or (step.kind, text, len(found)) in reported:
                continue
            reported.add((step.kind, text, len(found)))
            if not found:
                yield Finding(place, f'no step definition for {step.kind} "{text}"')
            else:
                places = ", ".join(sorted(definition.place for definition in found))
                yield Finding(place, f'"{text}" is ambiguous: {places}')


def unused_step_definitions(subject: Subject) -> Iterator[Finding]:
    """Find step definitions that no step calls for."""
    used = [(step, text) for _, step, texts in subject.steps() for text in texts]
    for definition in subject.definitions:
        if not any(definition.matches(step, text) for step, text in used):
            yield Finding(definition.place, f'no step uses {definition.kind} "{definition.parser.name}"')


def tags(subject: Subject) -> Iterator[Finding]:
    """Find tags that nobody knows, and scenarios that prove nothing."""
    known = registered(subject.criteria)
    for place, scenario in subject.scenarios():
        for tag in scenario.tags:
            if tag not in known:
                kind = "criterion" if CRITERION_TAG.fullmatch(tag) else "tag"
                yield Finding(place, f"there is no {kind} {tag}")
        if not any(CRITERION_TAG.fullmatch(tag) for tag in scenario.tags):
            yield Finding(place, f'"{scenario.title}" carries no criterion')


def criteria_without_a_scenario(subject: Subject) -> Iterator[Finding]:
    """Find promises that must be proven and are not."""
    proven = {tag for _, scenario in subject.scenarios() for tag in scenario.tags}
    for criterion in subject.criteria:
        if criterion.status == "required" and criterion.id not in proven:
            yield Finding(CRITERIA_FILE.name, f"no scenario carries {criterion.id}: {criterion.text}")


def examples(subject: Subject) -> Iterator[Finding]:
    """Find outlines without examples, and examples that do not fit."""
    for place, scenario in subject.scenarios():
        if not scenario.outline:
            continue
        if not scenario.examples:
            yield Finding(place, f'the outline "{scenario.title}" has no examples')
            continue
        written = " ".join([scenario.title, *(step.text + repr(step.table) for step in scenario.steps)])
        wanted = set(re.findall(r"<(.+?)>", written))
        given = set(scenario.examples[0])
        for name in sorted(wanted ^ given):
            what = "no step uses the column" if name in given else "the examples have no column"
            yield Finding(place, f"{what} {name}")
        rows = [tuple(sorted(row.items())) for row in scenario.examples]
        if len(set(rows)) < len(rows):
            yield Finding(place, "an example is there twice")


def shape(subject: Subject) -> Iterator[Finding]:
    """Find scenarios that do not do one thing and look at what came of it."""
    for place, scenario in subject.scenarios():
        kinds = [step.kind for step in scenario.steps]
        if kinds.count("when") != 1:
            yield Finding(place, f'"{scenario.title}" has {kinds.count("when")} When steps instead of one')
        if "then" not in kinds:
            yield Finding(place, f'"{scenario.title}" has no Then')
        if kinds != sorted(kinds, key=["given", "when", "then"].index):
            yield Finding(place, f'"{scenario.title}" is not in the order Given, When, Then')


def forbidden_content(subject: Subject) -> Iterator[Finding]:
    """Find what belongs into step definitions."""
    for place, step, texts in subject.steps():
        lines = [*texts, *(cell for row in step.table for cell in row)]
        for name, pattern in _FORBIDDEN.items():
            if name != "YAML" and any(pattern.search(line) for line in lines):
                yield Finding(place, f"{name} does not belong into a feature file: {step.text}")
        if step.docstring is not None:
            yaml = _FORBIDDEN["YAML"].search(step.docstring)
            yield Finding(
                place,
                "YAML does not belong into a feature file" if yaml else "use a table instead of a text block",
            )


def features_without_prose(subject: Subject) -> Iterator[Finding]:
    """Find features that do not say which rule they stand for."""
    for feature in subject.features:
        if len(feature.description) < _SHORTEST_PROSE:
            yield Finding(
                f"{feature.file}:{feature.line}", f'"{feature.name}" does not open with its rule in prose'
            )


RULES: tuple[Callable[[Subject], Iterator[Finding]], ...] = (
    duplicate_titles,
    undefined_and_ambiguous_steps,
    unused_step_definitions,
    tags,
    criteria_without_a_scenario,
    examples,
    shape,
    forbidden_content,
    features_without_prose,
)


def findings(subject: Subject) -> list[Finding]:
    """Apply every rule."""
    return [finding for rule in RULES for finding in rule(subject)]


def planned(criteria: Iterable[Criterion], features: Iterable[CataloguedFeature]) -> list[str]:
    """Name the promises that are declared and still without a scenario."""
    proven: defaultdict[str, int] = defaultdict(int)
    for feature in features:
        for scenario in feature.scenarios:
            for tag in scenario.tags:
                proven[tag] += 1
    return [
        criterion.id for criterion in criteria if criterion.status == "planned" and not proven[criterion.id]
    ]


def main(directory: Path = DIRECTORY) -> int:
    """Examine the project's feature files; return the exit code."""
    try:
        subject = Subject(
            features=read_features(directory),
            definitions=tuple(step_definitions(step_modules(steps))),
            criteria=load_criteria(directory / CRITERIA_FILE.name),
        )
    except MitaError as error:
        click.echo(str(error), err=True)
        return 1
    found = findings(subject)
    for finding in found:
        click.echo(str(finding), err=True)
    scenarios = sum(1 for _ in subject.scenarios())
    click.echo(f"{len(subject.features)} features, {scenarios} scenarios, {len(found)} findings")
    waiting = planned(subject.criteria, subject.features)
    click.echo(f"planned and not exercised yet: {', '.join(waiting) or 'none'}")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
