"""PostgreSQL: a cluster made anew for each run, with a random password for its superuser."""

from __future__ import annotations

import asyncio
import os
import secrets
import signal
import stat
from pathlib import Path

import asyncpg
from pydantic import SecretStr

from deployer.connections import ServerLogin
from deployer.errors import ConfigurationError, NotReadyError
from environments.embedded.databases.account import Account, database_account
from environments.embedded.databases.programs import postgresql_programs
from environments.embedded.network import Network
from environments.embedded.processes import Process, ProcessSpec
from environments.embedded.processes.sweep import RUN_VARIABLE
from environments.embedded.site import Site

NAME = "postgresql"
PORT = 5432
DATABASE = "mita"

_SUPERUSER = "postgres"
_CHECK_SECONDS = 5.0
_SETTINGS = {
    "port": str(PORT),
    # Nobody gets in but by the address and a password.
    "unix_socket_directories": "",
    # What is lost when the machine stops is gone with the run anyway.
    "fsync": "off",
    "full_page_writes": "off",
    "synchronous_commit": "off",
    # Shared memory that is a file of the cluster is gone with it, even after SIGKILL.
    "dynamic_shared_memory_type": "mmap",
    # A failed statement is not repeated in the log: it may hold the password that it was to set.
    "log_min_error_statement": "panic",
    # Fewer processes on a small machine.
    "io_method": "sync",
    "max_logical_replication_workers": "0",
    "shared_buffers": "32MB",
}


async def start_postgresql(site: Site) -> ServerLogin:
    """Make a cluster, start PostgreSQL on it and make the empty database ``mita``.

    Logins are the deployer's to provision.

    Args:
        site: Where.

    Returns:
        The superuser's login.

    Raises:
        ConfigurationError: Root's unprivileged account cannot reach the run directory.
        NotReadyError: The cluster cannot be made, or the server ended or did not answer in time.
    """
    account = database_account()
    programs = await asyncio.to_thread(postgresql_programs, account)
    password = SecretStr(secrets.token_urlsafe(32))
    host = site.network.loopback(Network.DATABASE)
    home = _home(site, account)
    await _make_cluster(site, programs, home, password, account)

    async def connect() -> asyncpg.Connection[asyncpg.Record]:
        return await asyncpg.connect(
            host=host,
            port=PORT,
            user=_SUPERUSER,
            password=password.get_secret_value(),
            database=_SUPERUSER,
            timeout=_CHECK_SECONDS,
            ssl=False,
        )

    async def missing() -> str | None:
        try:
            connection = await connect()
        except (OSError, TimeoutError, asyncpg.PostgresError) as error:
            return f"{host}:{PORT} does not take the superuser's login: {type(error).__name__}"
        await connection.close()
        return None

    settings = {"listen_addresses": host, **_SETTINGS}
    await site.supervisor.start(
        ProcessSpec(
            name=NAME,
            argv=(
                str(programs / "postgres"),
                "-D",
                str(home / "data"),
                *(word for name, value in settings.items() for word in ("-c", f"{name}={value}")),
            ),
            environment=_ENVIRONMENT,
            directory=home,
            log=site.run.logs / f"{NAME}.log",
            ready=missing,
            # The fast shutdown: TERM would wait until every client has gone.
            stop_signal=signal.SIGINT,
            user=account.user if account else None,
            group=account.group if account else None,
        )
    )
    connection = await connect()
    try:
        await connection.execute(f"CREATE DATABASE {DATABASE}")
    finally:
        await connection.close()
    return ServerLogin(host, PORT, _SUPERUSER, password, DATABASE)


_ENVIRONMENT = {"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8", "LC_ALL": "C.UTF-8", "TZ": "UTC"}


def _home(site: Site, account: Account | None) -> Path:
    home = site.run.directory(NAME)
    if account is not None:
        os.chown(home, account.user, account.group)
        if (closed := account.obstacle(home)) is not None:
            raise ConfigurationError(
                str(closed),
                expected=f"a directory that user {account.user}, whom PostgreSQL runs as, can pass through",
                seen=f"it is closed to others (mode {stat.S_IMODE(closed.stat().st_mode):o})",
                remedy="Set MITA_STATE to a directory that is not below it, or do not run as root.",
            )
    return home


async def _make_cluster(
    site: Site, programs: Path, home: Path, password: SecretStr, account: Account | None
) -> None:
    log = site.run.logs / "initdb.log"
    password_file = site.run.write(f"{NAME}/password", password.get_secret_value())
    if account is not None:
        os.chown(password_file, account.user, account.group)
    specification = ProcessSpec(
        name="initdb",
        argv=(
            *(str(programs / "initdb"), "--pgdata", str(home / "data"), "--username", _SUPERUSER),
            *("--pwfile", str(password_file), "--auth", "scram-sha-256"),
            *("--encoding", "UTF8", "--locale", "C.UTF-8", "--no-sync", "--no-instructions"),
        ),
        environment=_ENVIRONMENT,
        directory=home,
        log=log,
        user=account.user if account else None,
        group=account.group if account else None,
    )
    process = Process.create(specification, {**_ENVIRONMENT, RUN_VARIABLE: site.run.run_id})
    try:
        code = await process.wait()
    except BaseException:
        await asyncio.shield(process.kill())
        raise
    finally:
        password_file.unlink()
    if code != 0:
        raise NotReadyError(
            "initdb",
            expected="it to make a PostgreSQL cluster",
            seen=f"it {process.outcome()}; the last lines of its log:\n{process.log_tail()}",
            remedy=f"Read {log}.",
        )
