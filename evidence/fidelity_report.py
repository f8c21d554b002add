"""The comparison of two environments as one HTML file, and in a few lines."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from evidence.fidelity import Fidelity
from evidence.model import write_atomically
from evidence.report import template


def write_fidelity(found: Fidelity, file: Path) -> Path:
    """Write the page, which needs no network."""
    return write_atomically(file, template("fidelity.html.j2").render(found=found))


def in_words(found: Fidelity) -> Iterator[str]:
    """Yield what a comparison came to, line by line."""
    one, other = found.environments
    alike = len(found.rows) - len(found.differing)
    yield (
        f"{one} and {other}: {alike} of {len(found.rows)} scenarios ended alike,"
        f" {len(found.differing)} did not."
    )
    for row in found.unexplained:
        yield f"  not explained: {row.scenario} ({one}: {row.ends[0]}, {other}: {row.ends[1]})"
    for environment in found.unrecorded:
        yield f"  The run does not say what {environment} can show, so no capability explains: make it anew."
    for each in found.stale:
        yield f"  explains nothing any more: {each.subject}"
