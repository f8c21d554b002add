"""Feature files as Cucumber messages have them: documents, and the pickles that they expand to."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from evidence.catalogue import CataloguedFeature, CataloguedScenario, CataloguedStep, StepKind
from evidence.model import ScenarioResult

_LANGUAGE = "en"
_KINDS: Mapping[str, StepKind] = {"given": "given", "when": "when", "then": "then"}
_TYPES = {"given": "Context", "when": "Action", "then": "Outcome"}


class Numbers:
    """Makes identifiers: the same ones whenever the same results are written."""

    def __init__(self) -> None:
        self._last = 0

    def next(self) -> str:
        """Return an identifier that no other thing has."""
        self._last += 1
        return str(self._last)


class Document:
    """A feature file as a run's results have it.

    The steps of a background stand at the head of each scenario, as they are run.

    Attributes:
        content: The Gherkin document.
    """

    def __init__(
        self, feature: CataloguedFeature, numbers: Numbers, results: Iterable[ScenarioResult]
    ) -> None:
        self._feature = feature
        self._numbers = numbers
        self._nodes: dict[tuple[str, int], Mapping[str, Any]] = {}
        scenarios = {_key(scenario): scenario for scenario in feature.scenarios}
        for result in results:  # one that no feature file accounts for is shown where it says that it stood
            scenarios.setdefault(_key(result), _stray(result, feature.line))
        for key, scenario in scenarios.items():
            self._nodes[key] = self._scenario(scenario)
        children = [{"scenario": node} for node in self._nodes.values()]
        self.content: dict[str, Any] = {
            "uri": feature.file,
            "comments": [],
            "feature": {
                "location": {"line": feature.line},
                "tags": [],
                "language": _LANGUAGE,
                "keyword": "Feature",
                "name": feature.name,
                "description": feature.description,
                "children": children,
            },
        }

    def pickle(self, result: ScenarioResult) -> dict[str, Any]:
        """Return one run of a scenario, examples filled in."""
        node = self._nodes[_key(result)]
        steps = [
            {
                "id": self._numbers.next(),
                "text": step.text,
                "astNodeIds": [source["id"]],
                "type": source["keywordType"],
                **({"argument": {"dataTable": _pickle_table(step.table)}} if step.table else {}),
            }
            for step, source in zip(result.steps, node["steps"], strict=True)
        ]
        tags = {tag["name"]: tag["id"] for tag in node["tags"]}
        return {
            "id": self._numbers.next(),
            "uri": self._feature.file,
            "name": result.title,
            "language": _LANGUAGE,
            "steps": steps,
            "tags": [{"name": name, "astNodeId": identifier} for name, identifier in tags.items()],
            "astNodeIds": [node["id"], *self._row(node, result.example)],
        }

    def _scenario(self, scenario: CataloguedScenario) -> dict[str, Any]:
        here = {"line": scenario.line}
        return {
            "id": self._numbers.next(),
            "location": here,
            "tags": [
                {"id": self._numbers.next(), "name": f"@{tag}", "location": here} for tag in scenario.tags
            ],
            "keyword": "Scenario Outline" if scenario.outline else "Scenario",
            "name": scenario.title,
            "description": "",
            "steps": [self._step(step) for step in scenario.steps],
            "examples": [self._examples(scenario)] if scenario.examples else [],
        }

    def _step(self, step: CataloguedStep) -> dict[str, Any]:
        here = {"line": step.line}
        node: dict[str, Any] = {
            "id": self._numbers.next(),
            "location": here,
            "keyword": f"{step.keyword} ",
            "keywordType": _TYPES[step.kind],
            "text": step.text,
        }
        if step.table:
            node["dataTable"] = {"location": here, "rows": [self._cells(row, here) for row in step.table]}
        if step.docstring is not None:
            node["docString"] = {"location": here, "content": step.docstring, "delimiter": '"""'}
        return node

    def _examples(self, scenario: CataloguedScenario) -> dict[str, Any]:
        """Return all rows as one table, which stands where the outline begins: more is not known of it."""
        here = {"line": scenario.line}
        header = tuple(dict.fromkeys(name for row in scenario.examples for name in row))
        return {
            "id": self._numbers.next(),
            "location": here,
            "tags": [],
            "keyword": "Examples",
            "name": "",
            "description": "",
            "tableHeader": self._cells(header, here),
            "tableBody": [
                self._cells([row.get(name, "") for name in header], here) for row in scenario.examples
            ],
        }

    def _cells(self, row: Iterable[str], here: Mapping[str, int]) -> dict[str, Any]:
        cells = [{"location": here, "value": cell} for cell in row]
        return {"id": self._numbers.next(), "location": here, "cells": cells}

    @staticmethod
    def _row(node: Mapping[str, Any], example: Mapping[str, str]) -> list[str]:
        for table in node["examples"]:
            header = [cell["value"] for cell in table["tableHeader"]["cells"]]
            for row in table["tableBody"]:
                values = [cell["value"] for cell in row["cells"]]
                if {k: v for k, v in zip(header, values, strict=True) if k in example} == dict(example):
                    return [row["id"]]
        return []


def _pickle_table(table: Sequence[Sequence[str]]) -> dict[str, Any]:
    return {"rows": [{"cells": [{"value": cell} for cell in row]} for row in table]}


def _key(scenario: CataloguedScenario | ScenarioResult) -> tuple[str, int]:
    return scenario.title, len(scenario.steps)


def _stray(result: ScenarioResult, line: int) -> CataloguedScenario:
    kind: StepKind = "given"
    steps = []
    for step in result.steps:
        kind = _KINDS.get(step.keyword.lower(), kind)
        steps.append(
            CataloguedStep(keyword=step.keyword, kind=kind, text=step.text, line=line, table=step.table)
        )
    return CataloguedScenario(title=result.title, line=line, tags=result.tags, steps=tuple(steps))
