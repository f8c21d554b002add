"""What the commands show: progress on a terminal or as lines, and errors in four lines."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Iterator

import click
from rich.console import Console
from rich.status import Status

from deployer.errors import MitaError
from deployer.progress import Progress, Step

_LINE_SECONDS = 10.0
_MARKS = {"done": "[green]✓[/]", "failed": "[red]✗[/]"}


@contextlib.contextmanager
def progress() -> Iterator[Progress]:
    """Show progress on standard error: what is under way in one moving line, what is done above it.

    Where standard error is no terminal, every step is a line, and of what only advances
    one line in ten seconds.
    """
    console = Console(stderr=True, highlight=False)
    if not console.is_terminal:
        yield _Lines()
        return
    with console.status("") as status:
        yield _Screen(console, status)


class _Lines:
    def __init__(self) -> None:
        self._began = time.monotonic()
        self._written: dict[str, float] = {}

    def __call__(self, step: Step, /) -> None:
        now = time.monotonic()
        if step.fraction is not None and now - self._written.get(step.subject, 0.0) < _LINE_SECONDS:
            return
        self._written[step.subject] = now
        share = "" if step.fraction is None or step.state != "progress" else f"{step.fraction:.0%} "
        text = f"{now - self._began:6.1f} s  {step.subject}: {step.state} {share}{step.detail}"
        click.echo(text.rstrip(), err=True)


class _Screen:
    def __init__(self, console: Console, status: Status) -> None:
        self._console = console
        self._status = status
        self._active: dict[str, str] = {}

    def __call__(self, step: Step, /) -> None:
        if step.state in _MARKS:
            self._active.pop(step.subject, None)
            self._console.print(f"{_MARKS[step.state]} {_plain(step.subject)}  [dim]{_plain(step.detail)}[/]")
        else:
            share = "" if step.fraction is None else f" {step.fraction:.0%}"
            self._active[step.subject] = f"{step.subject}{share} {step.detail}".strip()
        # An empty text would leave the last one standing.
        self._status.update(_plain(" · ".join(self._active.values())) or " ")


def _plain(text: str) -> str:
    return text.replace("[", r"\[")


def show_error(error: MitaError, *, answer: bool = False) -> None:
    """Explain a failure in four short lines: on standard error, or as a command's answer."""
    for label, text in (
        ("failed", error.subject),
        ("expected", error.expected),
        ("seen", error.seen),
        ("to do", error.remedy),
    ):
        first, *more = text.splitlines() or [""]
        click.echo(f"{click.style(f'{label:9}', bold=True)} {first}", err=not answer)
        for line in more:
            click.echo(f"{'':9} {line}", err=not answer)
    sys.stderr.flush()
