"""Turns what a container would see into what a plain process on the host can use.

A pod's process shares the host's file system and network interfaces.  Its volumes lie in
the pod's directory and it may listen only on the pod's own loopback address, so the
mount paths and listen addresses in its command, arguments, environment, probes and exec
sessions are replaced.  The rules, all of them:

- A mount path is replaced where it stands as a path of its own: at the start of the
  text, after a character that cannot belong to a path, or after ``file://``; and
  followed by ``/``, by the end, or by a character that cannot belong to a file name.
  Where several fit, the longest is taken.
- ``0.0.0.0`` is replaced by the pod's address, alone or before a port, but not as a network
  (``0.0.0.0/0``) or inside a longer number; ``[::]`` only before a port.
- ``:PORT`` and ``NAME=:PORT`` get the pod's address when they are the whole text.  Inside
  longer texts a colon and a number mean too many other things.

A text is rewritten once: the result may hold what looks like a mount path again.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

_WILDCARD = re.compile(r"(?<![\w.])(?:0\.0\.0\.0(?![\w/]|\.\w)|\[::\](?=:\d))")
_ONLY_PORT = re.compile(r"(?P<before>(?:-{0,2}[\w.-]+=)?):(?P<port>\d{1,5})")
_LAST_PORT = 65535


@dataclass(frozen=True, slots=True)
class Rewriter:
    """The rules with one container's paths and its pod's address.

    Attributes:
        paths: Mount paths, absolute and without a slash at the end, to where they lie on the host.
        address: The address that the pod's processes bind.
    """

    paths: Mapping[str, str]
    address: str
    _path: re.Pattern[str] | None = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        longest_first = sorted(self.paths, key=len, reverse=True)
        pattern = "|".join(map(re.escape, longest_first))
        compiled = re.compile(rf"(?:(?<![\w./~$*)}}\]\0-])|(?<=\bfile://))(?:{pattern})(?![\w.~*-])")
        object.__setattr__(self, "_path", compiled if pattern else None)

    def __call__(self, text: str) -> str:
        """Rewrite one argument or value."""
        only_port = _ONLY_PORT.fullmatch(text)
        if only_port and int(only_port["port"]) <= _LAST_PORT:
            return f"{only_port['before']}{self.address}:{only_port['port']}"
        if self._path is None:
            return _WILDCARD.sub(self.address, text)
        # One pass over the paths, then one over what lies between them: a directory on the
        # host whose name holds 0.0.0.0 is not an address.
        pieces: list[str] = []
        position = 0
        for match in self._path.finditer(text):
            pieces += [_WILDCARD.sub(self.address, text[position : match.start()]), self.paths[match[0]]]
            position = match.end()
        return "".join([*pieces, _WILDCARD.sub(self.address, text[position:])])
