"""Secret values: kept out of what is written, and searched for in what was."""

from __future__ import annotations

import base64
import html
import json
import mmap
import re
import threading
import urllib.parse
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import SecretStr

# A shorter value would be found by chance, in words that have nothing to do with it.
SHORTEST = 8

_TOLD_BY = 4096  # bytes that tell a text from anything else


@dataclass(frozen=True, slots=True)
class Leak:
    """A secret value found where it must not be.

    Attributes:
        place: The file, process or object that shows it.
        name: What the value is called; never the value.
        where: The line of a text, the byte of anything else, the number of a process.
    """

    place: str
    name: str
    where: str = ""


class Redactor:
    """Knows the secret values of a run in every form in which they may be written.

    A value is known raw, in base64 at each of the three alignments that a longer text
    can give it, percent-encoded, hexadecimal, and escaped for JSON (once and twice, with and without
    the characters that Go escapes in addition), for HTML and for Python.
    """

    def __init__(self) -> None:
        self._values: set[str] = set()
        self._names: dict[str, str] = {}
        # By their first characters, so that a text is read once however many values are known.
        self._beginnings: dict[str, tuple[str, ...]] = {}
        self._registering = threading.Lock()

    def register(self, name: str, value: SecretStr | str) -> None:
        """Take note of a value, so that it is kept out of every later text.

        Args:
            name: What to show in the value's place.
            value: The value.

        Raises:
            ValueError: The value is shorter than `SHORTEST` characters, too short to be told from chance.
        """
        text = value.get_secret_value() if isinstance(value, SecretStr) else value
        if len(text) < SHORTEST:
            msg = f"{name} has {len(text)} characters, too few to be searched for"
            raise ValueError(msg)
        with self._registering:
            if text in self._values:
                return
            self._values.add(text)
            for form in _forms(text) - self._names.keys():
                self._names[form] = name
                beginning = form[:SHORTEST]
                # The longest first: a value may begin as a shorter one does.
                known = (*self._beginnings.get(beginning, ()), form)
                self._beginnings[beginning] = tuple(sorted(known, key=len, reverse=True))

    def redact(self, text: str) -> str:
        """Return the text with each known value replaced by its name."""
        beginnings, parts, rest, position = self._beginnings, [], 0, 0
        while position <= len(text) - SHORTEST:
            for form in beginnings.get(text[position : position + SHORTEST], ()):
                if text.startswith(form, position):
                    parts += [text[rest:position], f"[{self._names[form]}]"]
                    rest = position = position + len(form)
                    break
            else:
                position += 1
        return "".join([*parts, text[rest:]])

    def find(self, text: str | bytes) -> tuple[str, ...]:
        """Name the known values that a text shows, each once."""
        data = text.encode(errors="surrogateescape") if isinstance(text, str) else text
        return self._find(data)

    def search(self, paths: Iterable[Path]) -> Iterator[Leak]:
        """Search files, and directories with everything below them, for known values.

        A file that disappears during the search is passed over.

        Raises:
            OSError: A file cannot be read.
        """
        for path in paths:
            files = sorted(path.rglob("*")) if path.is_dir() else [path]
            for file in files:
                if file.is_file() and not file.is_symlink():
                    yield from self._find_in_file(file)

    def cleanse(self, directory: Path) -> tuple[Leak, ...]:
        """Replace the known values in the files below a directory, and name what was there.

        Raises:
            OSError: A file cannot be read or replaced.
        """
        leaks = tuple(self.search([directory]))
        for place in {leak.place for leak in leaks}:
            file = Path(place)
            file.write_text(self.redact(file.read_text(errors="replace")))
        return leaks

    def _find_in_file(self, file: Path) -> tuple[Leak, ...]:
        try:
            with file.open("rb") as stream, mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as data:
                places = self._positions(data)
                return tuple(Leak(str(file), name, _where(data, places[name])) for name in sorted(places))
        except FileNotFoundError:
            return ()
        except ValueError:  # an empty file cannot be mapped
            return ()

    def _positions(self, data: mmap.mmap) -> dict[str, int]:
        """Return where each known value shows first."""
        places: dict[str, int] = {}
        for form, name in self._names.items():
            position = data.find(form.encode())
            if position >= 0:
                places[name] = min(position, places.get(name, position))
        return places

    def _find(self, data: bytes) -> tuple[str, ...]:
        return tuple(sorted({name for form, name in self._names.items() if data.find(form.encode()) >= 0}))


def redact_strings(value: Any, redact: Callable[[str], str]) -> Any:  # noqa: ANN401  any value that JSON can hold
    """Return a value as JSON has it with every text in it redacted; the names of fields stay."""
    if isinstance(value, str):
        return redact(value)
    if isinstance(value, dict):
        return {key: redact_strings(entry, redact) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [redact_strings(entry, redact) for entry in value]
    return value


def _where(data: mmap.mmap, position: int) -> str:
    if b"\0" in data[:_TOLD_BY]:
        return f"byte {position}"
    return f"line {data[:position].count(b'\n') + 1}"


def _forms(value: str) -> set[str]:
    raw = value.encode()
    once = json.dumps(value)[1:-1]
    unescaped = json.dumps(value, ensure_ascii=False)[1:-1]
    go = once.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
    forms = {
        value,
        once,
        unescaped,
        go,
        once.replace("/", "\\/"),
        html.escape(value),
        repr(value)[1:-1],
        raw.hex(),
    }
    forms |= {json.dumps(form)[1:-1] for form in (once, unescaped, go)}
    for safe in ("", "/", "/+", ":@/?&=+"):
        quoted = urllib.parse.quote(value, safe=safe)
        forms |= {quoted, re.sub(r"%[0-9A-F]{2}", lambda code: code[0].lower(), quoted)}
    forms.add(urllib.parse.quote_plus(value))
    for offset in range(3):
        forms |= _base64_forms(raw, offset)
    return forms


def _base64_forms(raw: bytes, offset: int) -> set[str]:
    """Return what base64 shows of a value that begins `offset` bytes into a group of three."""
    first = -(-offset * 8 // 6)
    last = (offset + len(raw)) * 8 // 6
    padded = bytes(offset) + raw
    return {encode(padded).decode()[first:last] for encode in (base64.b64encode, base64.urlsafe_b64encode)}
