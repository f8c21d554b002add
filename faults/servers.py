"""Faults of servers that are no pods."""

from __future__ import annotations

import threading
from contextlib import closing

from deployer.connections import ServerLogin
from deployer.servers import connect_database
from environments.disruption import Disruptable, Server

_UNUSED = "nobody was connected to it"


class Restarted:
    """A server ends and starts anew.

    Args:
        place: Where.
        server: Which.
    """

    undo = None  # the environment starts it, whatever becomes of us

    def __init__(self, place: Disruptable, server: Server) -> None:
        self.what = f"{server} restarts"
        self._place = place
        self._server = server
        self._error: Exception | None = None
        self._connections = 0
        self._thread = threading.Thread(target=self._restart, name="restart")

    def inject(self) -> None:
        """Restart it, meanwhile going on."""
        self._connections = self._place.connected(self._server)
        self._thread.start()

    def _restart(self) -> None:
        try:
            self._place.restart(self._server)
        except Exception as error:  # noqa: BLE001  told to whoever heals it
            self._error = error

    def unfelt(self) -> str | None:
        """Every connection to it was cut, once it is there again."""
        if not self._connections:
            return _UNUSED
        return "it has not restarted yet" if self._thread.is_alive() or self._error else None

    def heal(self) -> None:
        """Wait until it is there again.

        Raises:
            MitaError: It did not become ready.
        """
        self._thread.join()
        if self._error is not None:
            raise self._error


class Frozen:
    """A server does not answer for some seconds; connections stay open.

    Args:
        place: Where.
        server: Which.
        seconds: For how long.
    """

    undo = None  # the environment lets it go on by itself

    def __init__(self, place: Disruptable, server: Server, seconds: float) -> None:
        self.what = f"{server} does not answer for {seconds:g} s"
        self._place = place
        self._server = server
        self._connections = 0
        self._seconds = seconds
        self._thread = threading.Thread(target=place.freeze, args=(server, seconds), name="freeze")

    def inject(self) -> None:
        """Freeze it, meanwhile going on."""
        self._connections = self._place.connected(self._server)
        self._thread.start()

    def unfelt(self) -> str | None:
        """Whoever is connected feels it; for certain when its time is over."""
        if not self._connections:
            return _UNUSED
        return "it is still frozen" if self._thread.is_alive() else None

    def heal(self) -> None:
        """Wait until it goes on."""
        self._thread.join()


class ConnectionsCut:
    """Every connection of the application to the database is cut.

    Args:
        administrator: Login that may cut them.
        logins: Whose connections are cut.
    """

    what = "the connections between application and database are cut"
    undo = None  # cut once, they are made anew

    def __init__(self, administrator: ServerLogin, logins: tuple[str, ...]) -> None:
        self._administrator = administrator
        self._logins = logins
        self._cut = 0

    def inject(self) -> None:
        """Cut them."""
        with closing(connect_database(self._administrator)) as connection, connection.cursor() as cursor:
            cursor.execute(
                "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE usename = ANY(%s)",
                (list(self._logins),),
            )
            row = cursor.fetchone()
            self._cut = int(row[0]) if row else 0

    def unfelt(self) -> str | None:
        """Some were there to be cut."""
        return None if self._cut else "there was no connection"

    def heal(self) -> None:
        """There is nothing to undo."""
