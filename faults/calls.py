"""Faults of calls of AWS."""

from __future__ import annotations

import threading

from environments.disruption import Disruptable, Trouble, Troubled

_LOOK_SECONDS = 0.05


class CallsTroubled:
    """Calls of AWS are refused, or late.

    Args:
        place: Where.
        what: What goes wrong, for a person.
        troubles: What happens to which calls.
    """

    undo = None  # the calls are left alone when whoever troubles them is gone

    def __init__(self, place: Disruptable, what: str, *troubles: Trouble) -> None:
        self.what = what
        self._place = place
        self._troubles = troubles
        self._active: list[Troubled] = []

    @property
    def struck(self) -> int:
        """How many calls were hit."""
        return sum(each.struck() for each in self._active)

    def inject(self) -> None:
        """Begin to trouble them."""
        self._active = [self._place.trouble(each) for each in self._troubles]

    def unfelt(self) -> str | None:
        """A call was hit."""
        return None if self.struck else "no call was hit"

    def heal(self) -> None:
        """Leave them alone."""
        for each in self._active:
            each.end()


class FunctionKilled:
    """The process of a rotation function is killed while a call of it is under way.

    The call is made late, so that there is time to kill the process.

    Args:
        place: Where.
        what: What goes wrong, for a person.
        function: The function's name.
        call: The call, and by how much it is late.
    """

    undo = None

    def __init__(self, place: Disruptable, what: str, function: str, call: Trouble) -> None:
        self.what = what
        self._place = place
        self._function = function
        self._killed = 0
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._lie_in_wait, name="function-killer", daemon=True)
        self._calls = CallsTroubled(place, what, call)

    def inject(self) -> None:
        """Make the calls late, and wait for the one meanwhile."""
        self._calls.inject()
        self._thread.start()

    def _lie_in_wait(self) -> None:
        while not self._killed and not self._over.wait(_LOOK_SECONDS):
            if self._calls.struck:
                self._killed = self._place.end_function(self._function)

    def unfelt(self) -> str | None:
        """A process was killed."""
        if self._killed:
            return None
        return "no process of it was there to be killed" if self._calls.struck else "it did not come so far"

    def heal(self) -> None:
        """Let the calls be on time again."""
        self._over.set()
        self._thread.join()
        self._calls.heal()
