"""Wildcards and variables of IAM policies."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache

type Values = tuple[str, ...]
type Context = Mapping[str, Values]
"""What is known of a request: condition keys in lower case, each with its values."""

_SEGMENTS = 6
_VARIABLE = re.compile(r"\$\{([^}]*)\}")
_LITERALS = {"*", "?", "$"}


def wildcard(pattern: str, *, ignore_case: bool = False) -> re.Pattern[str]:
    """Compile a pattern in which ``*`` stands for any characters and ``?`` for one."""
    return _compiled(((pattern, True),), ignore_case)


def expanded(text: str, context: Context) -> tuple[tuple[str, bool], ...] | None:
    """Put a request's values in the place of policy variables such as ``${aws:username}``.

    Args:
        text: As it stands in a policy of version 2012-10-17.
        context: The request's values.

    Returns:
        Pieces of text, each with whether wildcards in it count (a variable's value stands
        for itself), or None when a variable has no single value and no default: what holds
        it then matches nothing.
    """
    if "${" not in text:
        return ((text, True),) if text else ()
    pieces: list[tuple[str, bool]] = []
    position = 0
    for variable in _VARIABLE.finditer(text):
        pieces.append((text[position : variable.start()], True))
        value = _value(variable[1], context)
        if value is None:
            return None
        pieces.append((value, False))
        position = variable.end()
    pieces.append((text[position:], True))
    return tuple(piece for piece in pieces if piece[0])


def _value(variable: str, context: Context) -> str | None:
    if variable in _LITERALS:
        return variable
    name, comma, default = variable.partition(",")
    values = context.get(name.strip().lower(), ())
    if len(values) == 1:
        return values[0]
    return default.strip().strip("'") if comma and not values else None


def matches(pattern: tuple[tuple[str, bool], ...], value: str, *, ignore_case: bool = False) -> bool:
    """Tell whether a value matches an expanded pattern."""
    return _compiled(pattern, ignore_case).fullmatch(value) is not None


def matches_arn(pattern: tuple[tuple[str, bool], ...], arn: str) -> bool:
    """Tell whether an ARN matches an expanded pattern, each of its six segments by itself."""
    if pattern == (("*", True),):
        return True
    wanted, seen = _segments(pattern), arn.split(":", _SEGMENTS - 1)
    if len(wanted) != _SEGMENTS or len(seen) != _SEGMENTS:
        return False
    return all(matches(tuple(part), value) for part, value in zip(wanted, seen, strict=True))


def _segments(pattern: tuple[tuple[str, bool], ...]) -> list[list[tuple[str, bool]]]:
    segments: list[list[tuple[str, bool]]] = [[]]
    for text, wild in pattern:
        parts = text.split(":") if wild else [text]
        for number, part in enumerate(parts):
            if number and len(segments) < _SEGMENTS:
                segments.append([])
            elif number:
                segments[-1].append((":", False))
            if part:
                segments[-1].append((part, wild))
    return segments


@lru_cache(maxsize=4096)
def _compiled(pattern: tuple[tuple[str, bool], ...], ignore_case: bool) -> re.Pattern[str]:
    # What stands between stars; a star within a variable's value is a character like others.
    parts = [""]
    for text, wild in pattern:
        first, *others = text.split("*") if wild else [text]
        parts[-1] += _expression(first) if wild else re.escape(first)
        parts += [_expression(each) for each in others]
    first, *others = parts
    expression = first
    if others:
        # The first place of each part that fits is as good as any later one, so no other is ever tried:
        # else a pattern with many stars would take for ever.
        middle = "".join(f"(?>.*?{part})" for part in others[:-1] if part)
        expression += f"{middle}.*{others[-1]}"
    return re.compile(expression, re.DOTALL | (re.IGNORECASE if ignore_case else 0))


def _expression(text: str) -> str:
    return "".join("." if char == "?" else re.escape(char) for char in text)
