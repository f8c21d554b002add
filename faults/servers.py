"""Faults of servers that are no pods."""

from __future__ import annotations

import threading
from contextlib import closing

import psycopg2

from deployer.connections import ServerLogin
from environments.disruption import Disruptable, Server


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
        self._thread = threading.Thread(target=self._restart, name="restart")

    def inject(self) -> None:
        """Restart it, meanwhile going on."""
        self._thread.start()

    def _restart(self) -> None:
        try:
            self._place.restart(self._server)
        except Exception as error:  # noqa: BLE001  told to whoever heals it
            self._error = error

    def unfelt(self) -> str | None:
        """Every connection to it was cut, once it is there again."""
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
        self._seconds = seconds
        self._thread = threading.Thread(target=place.freeze, args=(server, seconds), name="freeze")

    def inject(self) -> None:
        """Freeze it, meanwhile going on."""
        self._thread.start()

    def unfelt(self) -> str | None:
        """Whoever asks it meanwhile feels it; it is felt for certain when its time is over."""
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
        login = self._administrator
        connection = psycopg2.connect(
            host=login.host,
            port=login.port,
            user=login.username,
            password=login.password.get_secret_value(),
            dbname=login.database,
            connect_timeout=10,
        )
        with closing(connection), connection.cursor() as cursor:
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
