"""The HTTP interface."""

from __future__ import annotations

import json
import time
from contextlib import AbstractAsyncContextManager

import jwt
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from reference_app.application import Application
from reference_app.handover import NothingHeldError
from reference_app.metrics import CONTENT_TYPE

_LARGEST_BODY = 64 * 1024


def asgi(application: Application) -> ASGIApp:
    """Return the ASGI application: the routes, measured."""

    def lifespan(_starlette: Starlette) -> AbstractAsyncContextManager[None]:
        return application.running()

    pages = _Pages(application)
    routes = [
        Route("/health", pages.health, methods=["GET"]),
        Route("/health/ready", pages.ready, methods=["GET"]),
        Route("/api/auth/test", pages.authenticate, methods=["POST"]),
        Route("/metrics", pages.metrics, methods=["GET"]),
    ]
    starlette = Starlette(routes=routes, lifespan=lifespan, max_body_size=_LARGEST_BODY)
    return _Measured(starlette, application, frozenset(route.path for route in routes))


class _Pages:
    def __init__(self, application: Application) -> None:
        self._application = application

    async def health(self, _request: Request) -> Response:
        settings = self._application.settings
        return JSONResponse(
            {
                "status": "ok",
                "version": settings.version,
                "environment": settings.environment,
                "uptime_seconds": round(self._application.uptime_seconds, 3),
            }
        )

    async def ready(self, _request: Request) -> Response:
        if self._application.draining:
            return JSONResponse({"status": "not ready", "failing": ["draining"]}, status_code=503)
        checks = await self._application.readiness()
        failing = sorted(part for part, result in checks.items() if result != "ok")
        if failing:
            return JSONResponse(
                {"status": "not ready", "failing": failing, "checks": checks}, status_code=503
            )
        return JSONResponse({"status": "ready", "checks": checks})

    async def authenticate(self, request: Request) -> Response:
        try:
            body = json.loads(await request.body())
        except ValueError:
            return _error(400, "the body is not JSON")
        if not isinstance(body, dict) or body.get("test") is not True:
            return _error(422, 'the body is not {"test": true}')
        header = request.headers.get("authorization")
        try:
            token, issued = self._token(header)
            key = self._application.tokens.verify(token)
        except NothingHeldError:
            return _error(503, "no signing key yet")
        except jwt.InvalidTokenError as error:
            return _error(401, f"token refused: {type(error).__name__}", {"www-authenticate": "Bearer"})
        return JSONResponse({"authenticated": True, "key": key, "issued_here": issued})

    async def metrics(self, _request: Request) -> Response:
        return Response(self._application.metrics.exposition(), headers={"content-type": CONTENT_TYPE})

    def _token(self, header: str | None) -> tuple[str, bool]:
        if header is None:
            return self._application.tokens.issue("self-test"), True
        scheme, _, token = header.partition(" ")
        if scheme.lower() != "bearer":
            raise jwt.InvalidTokenError
        return token.strip(), False


def _error(status: int, detail: str, headers: dict[str, str] | None = None) -> Response:
    return JSONResponse({"error": detail}, status_code=status, headers=headers)


class _Measured:
    """Counts and times every request; while draining, asks each client to connect elsewhere next time."""

    def __init__(self, inner: ASGIApp, application: Application, routes: frozenset[str]) -> None:
        self._inner = inner
        self._application = application
        self._routes = routes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._inner(scope, receive, send)
            return
        started = time.perf_counter()
        status = 500

        async def observed(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                if self._application.draining:
                    message["headers"] = [*message.get("headers", ()), (b"connection", b"close")]
            await send(message)

        try:
            await self._inner(scope, receive, observed)
        finally:
            route = scope["path"] if scope["path"] in self._routes else "other"
            metrics = self._application.metrics
            metrics.requests.labels(route, status).inc()
            metrics.latency.labels(route).observe(time.perf_counter() - started)
