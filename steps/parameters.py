"""The words of the domain, as they stand in feature files."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

from parse import with_pattern  # type: ignore[import-untyped]  # published without types
from pytest_bdd import parsers


def version(text: str) -> tuple[int, ...]:
    """Read a version such as ``3.12``."""
    return tuple(int(part) for part in text.split("."))


def words(text: str) -> str:
    """Read small words, which a quotation or a number ends."""
    return text


def quoted(text: str) -> str:
    """Read what stands in quotation marks."""
    return text.strip('"')


def names(text: str) -> tuple[str, ...]:
    """Read a list such as ``username, password``."""
    return tuple(re.split(r",\s*", text.strip()))


_TYPES = {
    "Version": with_pattern(r"\d+\.\d+(?:\.\d+)?")(version),
    "Words": with_pattern(r"[a-z]+(?: [a-z]+)*")(words),
    "Quoted": with_pattern(r'"[^"]+"')(quoted),
}


def phrase(pattern: str, **choices: Iterable[str]) -> parsers.parse:
    """Return a parser for a step's text with the domain's words in it.

    ``{secret:Quoted}`` is what stands in quotation marks, ``{version:Version}`` a version,
    ``{what:Words}`` small words; ``{seconds:d}`` a number, as `parse` has it.

    Args:
        pattern: The text.
        choices: Types of the pattern's own: the texts of which one has to stand there.
    """
    return parsers.parse(pattern, _TYPES | {name: _one_of(texts) for name, texts in choices.items()})


def _one_of(texts: Iterable[str]) -> Callable[[str], str]:
    alternatives = "|".join(re.escape(text) for text in sorted(texts, key=len, reverse=True))
    parser: Callable[[str], str] = with_pattern(alternatives)(lambda text: text)
    return parser
