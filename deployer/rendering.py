"""Manifests with their few placeholders filled in, and server-side answers compared."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from string import Template
from typing import Any

import yaml

from deployer.changes import HIDDEN, Difference, differences
from deployer.cluster import Object
from deployer.errors import ConfigurationError

try:
    from yaml import CSafeLoader as Loader
except ImportError:  # a PyYAML built without libyaml: the same, ten times slower
    from yaml import SafeLoader as Loader  # type: ignore[assignment]

# Written by the server or by controllers, and different at every look.
_SERVERS_OWN = ("managedFields", "resourceVersion", "generation", "uid", "creationTimestamp", "selfLink")


def documents(text: str, source: str) -> list[Object]:
    """Parse the objects of a YAML text.

    Raises:
        ConfigurationError: The text is no YAML, or a document is no Kubernetes object.
    """
    try:
        found = [each for each in yaml.load_all(text, Loader=Loader) if each is not None]
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f"line {mark.line + 1}" if mark else "the text"
        raise _unusable(source, "YAML", f"{getattr(error, 'problem', 'an error')} at {where}") from None
    for each in found:
        if not isinstance(each, dict) or not {"apiVersion", "kind", "metadata"} <= each.keys():
            raise _unusable(source, "objects with apiVersion, kind and metadata", "a document without them")
    return found


def render(path: Path, values: Mapping[str, str]) -> list[Object]:
    """Read a manifest file and fill in its ``${NAME}`` placeholders.

    Raises:
        ConfigurationError: The file cannot be read, is no YAML, or has a placeholder that
            nothing fills in.
    """
    return documents(filled_in(path, values), str(path))


def filled_in(path: Path, values: Mapping[str, str]) -> str:
    """Return a manifest file's text with its placeholders filled in.

    Raises:
        ConfigurationError: The file cannot be read, or has a placeholder that nothing fills in.
    """
    try:
        return Template(path.read_text(encoding="utf-8")).substitute(values)
    except OSError as error:
        raise _unusable(str(path), "a readable file", error.strerror or "none") from error
    except KeyError as error:
        known = ", ".join(f"${{{name}}}" for name in sorted(values))
        raise _unusable(str(path), f"no placeholder but {known}", f"${{{error.args[0]}}}") from None
    except ValueError as error:
        raise _unusable(str(path), "placeholders as ${NAME} and $$ for a dollar sign", str(error)) from None


def _unusable(source: str, expected: str, seen: str) -> ConfigurationError:
    return ConfigurationError(source, expected=expected, seen=seen, remedy="Correct the manifest.")


def drift(live: Mapping[str, Any], applied: Mapping[str, Any]) -> tuple[Difference, ...]:
    """Compare a live object with what the server says that applying would make of it.

    Status and what the server writes itself do not count; of a Secret's data only the
    names of the keys are shown.
    """
    found = differences(_comparable(live), _comparable(applied))
    if live.get("kind") != "Secret":
        return found
    return tuple(
        Difference(each.path, HIDDEN, HIDDEN) if each.path.startswith(("data", "stringData")) else each
        for each in found
    )


def _comparable(item: Mapping[str, Any]) -> dict[str, Any]:
    metadata = {key: value for key, value in item["metadata"].items() if key not in _SERVERS_OWN}
    return {key: value for key, value in item.items() if key != "status"} | {"metadata": metadata}


def condition(item: Mapping[str, Any], kind: str) -> Mapping[str, Any] | None:
    """Return a condition of an object's status by its type."""
    conditions: Sequence[Mapping[str, Any]] = item.get("status", {}).get("conditions", [])
    return next((each for each in conditions if each["type"] == kind), None)
