"""A gateway that listens where it is told to.

LocalStack's own listens on every address of the machine whatever ``GATEWAY_LISTEN``
says, goes on without a listener when the port is taken, and waits for ``localhost``
before it calls itself ready.
"""

from __future__ import annotations

import importlib
import os
import threading

from localstack import config
from localstack.config import HostAndPort
from localstack.runtime.runtime import LocalstackRuntime
from localstack.runtime.server.core import RuntimeServer, RuntimeServerPlugin
from localstack.runtime.server.twisted import TwistedRuntimeServer
from localstack.runtime.shutdown import SHUTDOWN_HANDLERS
from localstack.services.plugins import SERVICE_PLUGINS
from rolo.gateway import Gateway
from rolo.serving.twisted import HeaderPreservingWSGIResource, HeaderPreservingWSGIResponse, TwistedGateway
from twisted.internet import reactor
from twisted.web.server import NOT_DONE_YET, Request

from .settings import Settings

_MODULES = (
    *(f"moto.{name}.models" for name in ("iam", "kms", "secretsmanager", "sts")),
    *(f"localstack.services.{name}.provider" for name in ("iam", "kms", "secretsmanager", "sts")),
)

ABORT = "mita.abort"
"""Key in a request's environment of a function that resets its connection."""


class LoopbackServer(TwistedRuntimeServer):  # type: ignore[misc]  # LocalStack has no type information
    """LocalStack's server without TLS, on exactly the addresses of ``GATEWAY_LISTEN``."""

    def register(
        self, gateway: Gateway, listen: list[HostAndPort], ssl_creds: tuple[str, str] | None = None
    ) -> None:
        """Listen; what connects before `run` waits.

        Raises:
            CannotListenError: An address is taken.
            OSError: The settings cannot be read, or what they name cannot be made.
            ValueError: The settings are not valid.
        """
        del ssl_creds  # TLS between processes of one machine's loopback would protect nothing
        # LocalStack calls itself at `localhost`, where somebody else may listen.
        config.LOCALHOST = listen[0].host
        if settings := Settings.given():
            # Not in a hook of LocalStack's: one that fails is left out, and the door stays open.
            from .guard import Guard  # noqa: PLC0415  it needs LocalStack's handlers, which exist by now

            _import_services()
            Guard(settings).install(gateway)
            SHUTDOWN_HANDLERS.register(_end)
        site = TwistedGateway(gateway)
        served = site.resource.original
        served.original = _Resource(reactor, reactor.getThreadPool(), served.original._application)  # noqa: SLF001
        for address in listen:
            reactor.listenTCP(address.port, site, interface=address.host)
        LocalstackRuntime._wait_for_gateway = lambda _runtime: None  # noqa: SLF001  it asks localhost


def _import_services() -> None:
    """Import what the first calls would import, each in a thread of its own, and the rest one by one.

    Two threads that import modules which need each other in turn end in Python's _DeadlockError.
    """
    for name in _MODULES:
        importlib.import_module(name)
    SERVICE_PLUGINS._plugin_load_locks = _OneLock()  # noqa: SLF001  it has one for each service


class _OneLock(dict[str, threading.RLock]):
    """The same lock whatever the service."""

    def __init__(self) -> None:
        self._lock = threading.RLock()

    def __getitem__(self, _service: str) -> threading.RLock:
        return self._lock

    def __delitem__(self, _service: str) -> None:
        """Keep it: the next service needs it as well."""


def _end() -> None:
    """End at once: nothing of LocalStack's outlives it, and its own way waits seconds for each function."""
    from .function_process import kill_all  # noqa: PLC0415  only now: functions need more than a start does

    kill_all()
    os._exit(0)


class _Resource(HeaderPreservingWSGIResource):  # type: ignore[misc]  # as above
    def render(self, request: Request) -> int:
        response = HeaderPreservingWSGIResponse(self._reactor, self._threadpool, self._application, request)
        response.environ[ABORT] = lambda: reactor.callFromThread(request.transport.abortConnection)
        response.start()
        return int(NOT_DONE_YET)


class LoopbackServerPlugin(RuntimeServerPlugin):  # type: ignore[misc]  # as above
    """Makes the server, for ``GATEWAY_SERVER=loopback``."""

    name = "loopback"

    def load(self, *_args: object, **_kwargs: object) -> RuntimeServer:
        """Make the server."""
        return LoopbackServer()
