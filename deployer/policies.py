"""IAM policy documents: made from the desired state, compared by meaning."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import unquote

VERSION = "2012-10-17"
Document = dict[str, Any]

_LISTS = ("Action", "NotAction", "Resource", "NotResource")


def document(statements: Iterable[Mapping[str, Any]]) -> Document:
    """Return a policy document in its normal form."""
    return normal({"Version": VERSION, "Statement": [dict(each) for each in statements]})


def normal(policy: Document | str) -> Document:
    """Return the normal form of a document, so that documents of one meaning are equal.

    AWS keeps documents as they were written, or puts single values for lists of one and
    another order; a document may come as JSON text, percent-encoded or not.
    """
    plain = _loaded(policy) if isinstance(policy, str) else policy
    statements = plain.get("Statement", [])
    if isinstance(statements, dict):
        statements = [statements]
    ordered = sorted(
        (_statement(each) for each in statements), key=lambda each: json.dumps(each, sort_keys=True)
    )
    return {"Version": plain.get("Version", "2008-10-17"), "Statement": ordered}


def _loaded(text: str) -> Document:
    try:
        loaded: Document = json.loads(text)
    except ValueError:
        loaded = json.loads(unquote(text))
    return loaded


def _statement(statement: Mapping[str, Any]) -> dict[str, Any]:
    result: dict[str, Any] = {}
    for key, value in statement.items():
        if key in _LISTS:
            result[key] = _sorted_list(value)
        elif key in ("Principal", "NotPrincipal") and isinstance(value, Mapping):
            result[key] = {kind: _sorted_list(names) for kind, names in value.items()}
        elif key == "Condition":
            result[key] = {
                operator: {name: _sorted_list(values) for name, values in tests.items()}
                for operator, tests in value.items()
            }
        else:
            result[key] = value
    return result


def _sorted_list(value: Any) -> list[str]:  # noqa: ANN401  a JSON string or list of strings
    return sorted(str(each) for each in value) if isinstance(value, list) else [str(value)]
