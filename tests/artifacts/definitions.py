"""Checks objects against the operator's own resource definitions, as an API server does."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import yaml

type Object = dict[str, Any]


class Definitions:
    """The schemas of a set of CustomResourceDefinitions."""

    def __init__(self, directory: Path) -> None:
        self._schemas: dict[tuple[str, str], Object] = {}
        for path in sorted(directory.glob("*.yaml")):
            for name, schema in _schemas(path):
                self._schemas[name] = _strict(schema)

    def errors(self, manifest: Object) -> list[str]:
        """Return what is wrong with an object; unknown fields are wrong too."""
        schema = self._schemas[manifest["apiVersion"], manifest["kind"]]
        found = jsonschema.Draft7Validator(schema).iter_errors(manifest)
        return [f"{error.json_path}: {error.message}" for error in found]


def _schemas(path: Path) -> Iterator[tuple[tuple[str, str], Object]]:
    # The chart's templates guard each definition by values; lines of the template language are no YAML.
    lines = [line for line in path.read_text().splitlines() if "{{" not in line]
    for definition in yaml.safe_load_all("\n".join(lines)):
        spec = definition["spec"]
        for version in spec["versions"]:
            name = (f"{spec['group']}/{version['name']}", spec["names"]["kind"])
            yield name, version["schema"]["openAPIV3Schema"]


def _strict(schema: Object) -> Object:
    """Refuse fields that are not in the schema, as kubectl's strict validation does."""
    strict = dict(schema)
    if strict.get("x-kubernetes-int-or-string"):
        return {"type": ["integer", "string"]}
    properties = strict.get("properties")
    if isinstance(properties, dict):
        strict["properties"] = {name: _strict(inner) for name, inner in properties.items()}
        if not strict.get("x-kubernetes-preserve-unknown-fields"):
            strict["additionalProperties"] = False
    elif isinstance(strict.get("additionalProperties"), dict):
        strict["additionalProperties"] = _strict(strict["additionalProperties"])
    if isinstance(strict.get("items"), dict):
        strict["items"] = _strict(strict["items"])
    return strict
