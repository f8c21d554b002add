"""Text that looks like a secret, found by detect-secrets, less what is only a name.

detect-secrets' keyword detector takes whatever stands behind words like *secret* or
*password*, and in manifests of this project those are names of secrets most of the time.
It takes no value without quotation marks in Dockerfiles and scripts, and no password of a URL
without a user's name: those are looked for here.
"""

from __future__ import annotations

import math
import re
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from pathlib import Path

from detect_secrets.core.plugins.util import get_mapping_from_secret_type_to_class
from detect_secrets.core.potential_secret import PotentialSecret
from detect_secrets.core.scan import scan_file, scan_line
from detect_secrets.settings import Settings, transient_settings

from deployer.compliance.facts import Sources, Suspect
from deployer.fingerprint import Fingerprints
from deployer.secret_forms import FORMS

_LEFT_OUT = {"IPPublicDetector"}  # an address is no secret
_KEYWORD = "Secret Keyword"
_PASSWORD_OF_URL = "Password of a URL"  # noqa: S105  what it is called
# What a secret is called, never what it is: paths, references and placeholders, and words joined by signs.
_REFERENCE = re.compile(
    r"\{\w+\}|[A-Z_]+|/[\w./-]+|\$\{?[A-Za-z_]\w*\}?|\$\(\w+\)|.*\{\{.*\}\}.*|.*\$\{\w+\}.*"
)
_WORDS = re.compile(r"[A-Za-z]+(?:[-_./: ]+[A-Za-z]+)+")
_WORD = re.compile(r"[A-Za-z]+")
_PROSE = 3  # spaces; more of them than in any password that a program takes
_SHORTEST = 8
_ENTROPY = "High Entropy String"  # how the names of those detectors end
_CONFIDENTIAL = re.compile(
    r"pass(word|wd|phrase)?|secret|token|credential|api_?key|private_?key|dsn", re.IGNORECASE
)
_POINTER = re.compile(
    r"[_-](file|path|dir|directory|name|namespace|url|endpoint|seconds|days)$", re.IGNORECASE
)
_SKIPPED = {
    *(".git", ".venv", "node_modules", "__pycache__", ".tox", ".hypothesis"),
    *(".mypy_cache", ".ruff_cache", ".pytest_cache", ".import_linter_cache"),
}
_LARGEST = 1_000_000  # bytes; a larger file is data
_TOKEN = re.compile(r"(?=.*\d)(?=.*[A-Za-z])[A-Za-z0-9+/=_-]{20,}")  # in one piece, of letters and digits
# What image builds and shells set, and what a URL lets in.
_SET = re.compile(r"(?:ENV|ARG|export)\s+([A-Za-z_]\w*)[= ]([^\s\"'#]+)")
_URL = re.compile(r"\w+://[^/\s:@]*:([^/\s@]+)@")
_ALLOWED = "pragma: allowlist secret"
_RANDOM = 3.8  # bits a character; names and addresses have less

# detect-secrets keeps its settings in one place for the whole process.
_ONE_AT_A_TIME = threading.Lock()


def search_trees(trees: tuple[Path, ...], fingerprints: Fingerprints) -> Sources:
    """Search the text files of source trees."""
    files = [(tree, file) for tree in trees for file in _files(tree)]
    found: dict[str, Suspect] = {}  # one a line is enough
    with _ONE_AT_A_TIME, _settings():
        for tree, file in files:
            shown = file.relative_to(tree.parent) if file != tree else Path(file.name)
            for number, kind, value in (*_detected(file), *_set(file)):
                place = f"{shown}:{number}"
                found.setdefault(place, Suspect(place, kind, fingerprints.short(value)))
    return Sources(files=len(files), suspects=tuple(found.values()))


def _detected(file: Path) -> Iterator[tuple[int, str, str]]:
    for secret in scan_file(str(file)):
        if not _only_a_name(secret):
            yield secret.line_number, secret.type, secret.secret_value or secret.secret_hash


def _set(file: Path) -> Iterator[tuple[int, str, str]]:
    for number, line in enumerate(file.read_text(errors="replace").splitlines(), 1):
        if _ALLOWED in line:
            continue
        for name, value in _SET.findall(line):
            if _is_literal(name, value):
                yield number, _KEYWORD, value
        yield from ((number, _PASSWORD_OF_URL, value) for value in _passwords(line))


def _passwords(text: str) -> list[str]:
    return [value for value in _URL.findall(text) if _could_be_secret(value)]


def _files(tree: Path) -> Iterator[Path]:
    if tree.is_file():
        yield tree
        return
    for path in sorted(tree.rglob("*")):
        ours = _SKIPPED.isdisjoint(path.relative_to(tree).parts) and not path.is_symlink()
        if ours and path.is_file() and path.stat().st_size <= _LARGEST:
            yield path


def search_values(values: Mapping[str, tuple[str, str]], fingerprints: Fingerprints) -> tuple[Suspect, ...]:
    """Search named values, such as environment variables.

    Args:
        values: Name and value by the place that they stand in.
        fingerprints: Stands for what is found.
    """
    found: list[Suspect] = []
    with _ONE_AT_A_TIME, _settings():
        for place, (name, value) in values.items():
            for line in value.splitlines():
                kind = _kind(name, line)
                if kind is not None:
                    found.append(Suspect(place, kind, fingerprints.short(value)))
                    break
    return tuple(found)


def _kind(name: str, value: str) -> str | None:
    if _is_literal(name, value):
        return _KEYWORD
    if _passwords(value):
        return _PASSWORD_OF_URL
    # A line on its own is searched without a measure for randomness; so that is measured here.
    for secret in scan_line(f'{name} = "{value}"'):
        if secret.type != _KEYWORD and not secret.type.endswith(_ENTROPY):
            return secret.type
    return _ENTROPY if _TOKEN.fullmatch(value) and _entropy(value) > _RANDOM else None


def _is_literal(name: str, value: str) -> bool:
    named_so = _CONFIDENTIAL.search(name) is not None and _POINTER.search(name) is None
    return named_so and _could_be_secret(value)


def _entropy(text: str) -> float:
    return -sum(share * math.log2(share) for share in (text.count(sign) / len(text) for sign in set(text)))


def _could_be_secret(value: str) -> bool:
    return (
        len(value) >= _SHORTEST
        and not value.isdigit()
        and value not in FORMS
        and not any(pattern.fullmatch(value) for pattern in (_REFERENCE, _WORDS))
    )


def _only_a_name(secret: PotentialSecret) -> bool:
    """Tell whether a file's line only names something, as most lines with such words do."""
    if secret.type != _KEYWORD:
        return False
    value = secret.secret_value or ""
    single = _WORD.fullmatch(value) is not None
    return single or value.count(" ") > _PROSE or not _could_be_secret(value)


def _settings() -> AbstractContextManager[Settings]:
    known: Iterable[type] = get_mapping_from_secret_type_to_class().values()
    plugins = [{"name": each.__name__} for each in known]
    return transient_settings({"plugins_used": [each for each in plugins if each["name"] not in _LEFT_OUT]})
