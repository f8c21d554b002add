"""What the feature files ask for: every scenario that a run has to account for."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from gherkin.errors import CompositeParserException
from gherkin.parser import Parser
from pydantic import BaseModel, ConfigDict

from deployer.errors import ConfigurationError

StepKind = Literal["given", "when", "then"]
_KINDS: Mapping[str, StepKind] = {"Context": "given", "Action": "when", "Outcome": "then"}
_PARAMETER = re.compile(r"<(.+?)>")
NEEDS = "needs-"
"""What a tag opens with that asks for a capability of the environment."""


class CataloguedStep(BaseModel):
    """A step as the feature file has it.

    Attributes:
        keyword: The word that it opens with, for example ``And``.
        kind: What that word stands for here.
        text: The rest of the line.
        line: Line number in the file.
        docstring: Text block below it.
        table: Rows of the data table below it.
    """

    model_config = ConfigDict(frozen=True)

    keyword: str
    kind: StepKind
    text: str
    line: int
    docstring: str | None = None
    table: tuple[tuple[str, ...], ...] = ()


class CataloguedScenario(BaseModel):
    """A scenario or outline as the feature file has it.

    Attributes:
        title: Its name.
        line: Line number in the file.
        tags: Its own tags and those that it inherits, without the at sign.
        steps: Its steps, those of the background first.
        outline: Whether it is written as an outline.
        examples: The rows of an outline; a plain scenario has none.
    """

    model_config = ConfigDict(frozen=True)

    title: str
    line: int
    tags: tuple[str, ...]
    steps: tuple[CataloguedStep, ...]
    outline: bool = False
    examples: tuple[dict[str, str], ...] = ()

    def instances(self) -> Iterator[dict[str, str]]:
        """Yield the example of each run of the scenario: one empty example unless it is an outline."""
        if self.outline:
            yield from self.examples
        else:
            yield {}

    def needing(self, tags: Iterable[str]) -> CataloguedScenario:
        """Return the scenario with only those needs that are among the tags of one of its examples."""
        own = {*tags}
        kept = tuple(tag for tag in self.tags if tag in own or not tag.startswith(NEEDS))
        return self.model_copy(update={"tags": kept})

    def steps_of(self, example: Mapping[str, str]) -> tuple[CataloguedStep, ...]:
        """Return the steps with an example filled in."""

        def fill(text: str) -> str:
            return _PARAMETER.sub(lambda name: example.get(name[1], name[0]), text)

        return tuple(
            step.model_copy(
                update={
                    "text": fill(step.text),
                    "table": tuple(tuple(fill(cell) for cell in row) for row in step.table),
                }
            )
            for step in self.steps
        )


class CataloguedFeature(BaseModel):
    """A feature file.

    Attributes:
        file: Its name, relative to the features' directory.
        name: The feature's name.
        description: The rule in prose that it opens with.
        line: Line number of its first line.
        scenarios: In the file's order.
    """

    model_config = ConfigDict(frozen=True)

    file: str
    name: str
    description: str
    line: int
    scenarios: tuple[CataloguedScenario, ...]


def read_features(directory: Path) -> tuple[CataloguedFeature, ...]:
    """Read every feature file below a directory, ordered by name.

    Raises:
        ConfigurationError: A file is not Gherkin.
    """
    return tuple(read_feature(path, directory) for path in sorted(directory.rglob("*.feature")))


def read_feature(path: Path, directory: Path) -> CataloguedFeature:
    """Read one feature file.

    Raises:
        ConfigurationError: The file is not Gherkin.
    """
    try:
        document = Parser().parse(path.read_text(encoding="utf-8"))
    except (CompositeParserException, UnicodeDecodeError) as error:
        raise ConfigurationError(
            str(path), expected="a feature in Gherkin", seen=str(error), remedy="Correct the file."
        ) from error
    feature = document.get("feature")
    if feature is None:
        raise ConfigurationError(
            str(path), expected="a feature", seen="none", remedy="Write one, or delete it."
        )
    return CataloguedFeature(
        file=path.relative_to(directory).as_posix(),
        name=feature["name"],
        description=textwrap.dedent(feature["description"]).strip(),
        line=feature["location"]["line"],
        scenarios=tuple(_scenarios(feature, tags=(), background=())),
    )


def _scenarios(
    parent: Mapping[str, Any], *, tags: tuple[str, ...], background: tuple[CataloguedStep, ...]
) -> Iterator[CataloguedScenario]:
    """Yield the scenarios of a feature or a rule."""
    tags = (*tags, *_tags(parent))
    for child in parent["children"]:
        if "background" in child:
            background = (*background, *_steps(child["background"]["steps"]))
        elif "rule" in child:
            yield from _scenarios(child["rule"], tags=tags, background=background)
        else:
            yield _scenario(child["scenario"], tags=tags, background=background)


def _scenario(
    scenario: Mapping[str, Any], *, tags: tuple[str, ...], background: tuple[CataloguedStep, ...]
) -> CataloguedScenario:
    tables = scenario["examples"]
    all_tags = (*tags, *_tags(scenario), *(tag for table in tables for tag in _tags(table)))
    return CataloguedScenario(
        title=scenario["name"],
        line=scenario["location"]["line"],
        tags=tuple(dict.fromkeys(all_tags)),
        steps=(*background, *_steps(scenario["steps"])),
        outline=bool(tables) or scenario["keyword"].strip() in {"Scenario Outline", "Scenario Template"},
        examples=tuple(row for table in tables for row in _rows(table)),
    )


def _steps(steps: Sequence[Mapping[str, Any]]) -> Iterator[CataloguedStep]:
    kind: StepKind = "given"
    for step in steps:
        kind = _KINDS.get(step["keywordType"], kind)
        yield CataloguedStep(
            keyword=step["keyword"].strip(),
            kind=kind,
            text=step["text"],
            line=step["location"]["line"],
            docstring=step["docString"]["content"] if "docString" in step else None,
            table=tuple(_cells(row) for row in step["dataTable"]["rows"]) if "dataTable" in step else (),
        )


def _rows(table: Mapping[str, Any]) -> Iterator[dict[str, str]]:
    if "tableHeader" not in table:
        return
    header = _cells(table["tableHeader"])
    for row in table["tableBody"]:
        yield dict(zip(header, _cells(row), strict=True))


def _cells(row: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple(cell["value"] for cell in row["cells"])


def _tags(node: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple(tag["name"].removeprefix("@") for tag in node["tags"])
