"""LocalStack, PostgreSQL, Redis and the monitoring in containers, on the cluster's network."""

from __future__ import annotations

import os
import secrets
from contextlib import closing
from functools import partial
from pathlib import Path

import psycopg2
import redis
import urllib3
from pydantic import SecretStr

from deployer.connections import ServerLogin
from deployer.files import replace_atomically
from deployer.servers import cache_client, connect_database
from environments.certificates import Issuer, pem, subject
from environments.embedded.access import Login
from environments.embedded.aws.localstack import ACCOUNT, FAULTS, REGION, SERVICES, TRAIL, AwsEndpoint
from environments.embedded.aws.plugins.mita_localstack import settings
from environments.embedded.aws.plugins.mita_localstack.access_keys import new_access_key, new_secret_key
from environments.embedded.databases.valkey import ADMINISTRATOR, users
from environments.kind.containers import Containers
from environments.kind.monitoring import Monitoring

CLUSTER_FILE = "localstack/cluster.json"
"""In the environment's directory: the cluster, as LocalStack's plug-ins read it."""

_AWS_PORT, _DATABASE_PORT, _CACHE_PORT = 4566, 5432, 6379
_MONITORING = "monitoring"
_DATABASE, _SUPERUSER = "mita", "postgres"
_CHECK_SECONDS = 5
_GIVEN = "/run/mita"
"""Where PostgreSQL's container sees its password and certificate."""
# What is lost when the machine stops is gone with the environment anyway.
_DATABASE_SETTINGS = ("fsync=off", "full_page_writes=off", "synchronous_commit=off")
# A failed statement is not repeated in the log: it may hold the password that it was to set.
_DATABASE_SECRECY = ("log_min_error_statement=panic",)


class Servers:
    """The servers of one environment.

    Args:
        containers: Where each runs.
        home: The environment's directory.
    """

    def __init__(self, containers: Containers, home: Path) -> None:
        self._containers = containers
        self._home = home

    def start_aws(self, image: str) -> AwsEndpoint:
        """Start LocalStack, whose audit trail and fault socket lie in the environment's directory.

        Raises:
            NotReadyError: It does not answer.
        """
        directory = self._directory("localstack")
        (self._home / TRAIL).parent.mkdir(exist_ok=True)
        key, secret = new_access_key(ACCOUNT, temporary=False), SecretStr(new_secret_key())
        given = settings.Settings(
            account=ACCOUNT,
            region=REGION,
            access_key=key,
            secret_key=secret,
            cluster=self._home / CLUSTER_FILE,
            trail=self._home / TRAIL,
            faults=self._home / FAULTS,
            function_python=Path("/usr/local/bin/function-python"),
        )
        file = directory / "settings.json"
        file.touch(0o600)
        file.write_text(given.model_dump_json())
        host = self._containers.start(
            "localstack",
            image,
            # It hands out URLs, and has to know its own address for that.
            entrypoint=["sh", "-c"],
            command=['LOCALSTACK_HOST="$(hostname -i):4566" exec python3 -m localstack.runtime.main'],
            user=f"{os.getuid()}:{os.getgid()}",
            mounted=[(self._home, str(self._home), "rw")],
            environment={
                settings.VARIABLE: str(file),
                "SERVICES": ",".join(SERVICES),
                "HOME": "/tmp",  # noqa: S108 - the container's own
                "FILESYSTEM_ROOT": "/tmp/localstack",  # noqa: S108 - the container's own
                "CLEAR_TMP_FOLDER": "0",
            },
        )
        url = f"http://{host}:{_AWS_PORT}"

        self._containers.wait("localstack", lambda: _unready(f"{url}/_localstack/health"))
        return AwsEndpoint(url, REGION, key, secret)

    def start_database(self, image: str, issuer: Issuer) -> Login:
        """Start PostgreSQL with an empty database, and return its superuser's login.

        Args:
            image: Its image.
            issuer: Of the certificate that it shows.

        Raises:
            NotReadyError: It does not take the login.
        """
        password = secrets.token_urlsafe(32)
        directory = self._directory("postgresql")
        file = directory / "password"
        file.write_text(password)
        file.chmod(0o644)  # for the server's own user; the directory above is closed to others
        options = [word for each in (*_DATABASE_SETTINGS, *_DATABASE_SECRECY) for word in ("-c", each)]
        host = self._containers.start(
            "postgresql",
            image,
            command=options,
            mounted=[(directory, _GIVEN, "ro")],
            environment={
                "POSTGRES_USER": _SUPERUSER,
                "POSTGRES_DB": _DATABASE,
                "POSTGRES_PASSWORD_FILE": f"{_GIVEN}/password",
                "TLS_DIRECTORY": _GIVEN,
            },
        )
        login = Login(
            host=host,
            port=_DATABASE_PORT,
            username=_SUPERUSER,
            password=SecretStr(password),
            database=_DATABASE,
            authority=_certify(directory, host, issuer),
        )

        def refused() -> str | None:
            try:
                try_database(login.login())
            except psycopg2.Error as error:
                return f"{host}:{_DATABASE_PORT} does not take the superuser's login: {type(error).__name__}"
            return None

        self._containers.wait("postgresql", refused)
        file.unlink()
        return login

    def start_cache(self, image: str, issuer: Issuer) -> Login:
        """Start Redis, and return its administrator's login; the user ``default`` is off until provisioned.

        Args:
            image: Its image.
            issuer: Of the certificate that it shows.

        Raises:
            NotReadyError: It does not take the login.
        """
        password = SecretStr(secrets.token_urlsafe(32))
        directory = self._directory("redis")
        (directory / "users.acl").write_text(users(password))
        (directory / "redis.conf").write_text(
            f"bind 0.0.0.0\nport 0\ntls-port {_CACHE_PORT}\nprotected-mode no\ndaemonize no\ndir /data\n"
            "tls-cert-file /data/tls.crt\ntls-key-file /data/tls.key\ntls-ca-cert-file /data/authority.crt\n"
            'tls-auth-clients no\ntls-protocols "TLSv1.2 TLSv1.3"\n'
            'aclfile /data/users.acl\nsave ""\nappendonly no\n'
            # What it would keep of commands may hold the passwords that they set.
            "slowlog-log-slower-than -1\n"
        )
        host = self._containers.start(
            "redis",
            image,
            entrypoint=["sh", "-c"],
            command=["until [ -s /data/tls.key ]; do sleep 0.1; done; exec redis-server /data/redis.conf"],
            user=f"{os.getuid()}:{os.getgid()}",
            mounted=[(directory, "/data", "rw")],
        )

        login = Login(
            host=host,
            port=_CACHE_PORT,
            username=ADMINISTRATOR,
            password=password,
            authority=_certify(directory, host, issuer),
        )

        def refused() -> str | None:
            try:
                try_cache(login.login())
            except (OSError, redis.RedisError) as error:
                return f"{host}:{_CACHE_PORT} does not take the administrator's login: {type(error).__name__}"
            return None

        self._containers.wait("redis", refused)
        return login

    def start_monitoring(self, image: str, monitoring: Monitoring, node: str) -> None:
        """Start the monitoring within a node's network, from which pods are reached.

        Args:
            image: Its image.
            monitoring: Its files, and where it listens.
            node: Name of the node's container.

        Raises:
            NotReadyError: Prometheus or Alertmanager does not answer.
        """
        self._containers.start(
            _MONITORING,
            image,
            command=["--host", monitoring.host, str(monitoring.directory)],
            user=f"{os.getuid()}:{os.getgid()}",
            mounted=[(monitoring.directory, str(monitoring.directory), "rw")],
            beside=node,
        )
        for url in (monitoring.prometheus, monitoring.alertmanager):
            self._containers.wait(_MONITORING, partial(_unready, f"{url}/-/ready"))

    def _directory(self, name: str) -> Path:
        directory = self._home / name
        directory.mkdir()
        return directory


def _unready(url: str) -> str | None:
    try:
        answer = urllib3.request("GET", url, timeout=_CHECK_SECONDS, retries=False)
    except urllib3.exceptions.HTTPError as error:
        return f"nothing answers at {url}: {type(error).__name__}"
    return None if answer.status == 200 else f"{url} answers {answer.status}"  # noqa: PLR2004 - HTTP


def _certify(directory: Path, address: str, issuer: Issuer) -> Path:
    """Write a server's certificate and key, for which it waits, and return the file of their authority."""
    issued = issuer.issue(subject(directory.name), usage="server", addresses=[address])
    authority = directory / "authority.crt"
    replace_atomically(authority, pem(issuer.certificate).decode())
    replace_atomically(directory / "tls.crt", issued.certificate.decode())
    replace_atomically(directory / "tls.key", issued.key.decode())  # at last: it is waited for
    return authority


def try_database(server: ServerLogin) -> None:
    """Log in on PostgreSQL.

    Raises:
        psycopg2.Error: It does not answer, or refuses the login.
    """
    connect_database(server).close()


def try_cache(server: ServerLogin) -> None:
    """Log in on Redis.

    Raises:
        RedisError: It refuses the login.
        OSError: It does not answer.
    """
    password = server.password.get_secret_value()
    with closing(cache_client(server, username=server.username, password=password)) as client:
        client.ping()
