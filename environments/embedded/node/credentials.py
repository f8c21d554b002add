"""Reads the server, the authority and the client certificate out of a kubeconfig."""

from __future__ import annotations

import base64
import ssl
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from deployer.errors import ConfigurationError


@dataclass(frozen=True, slots=True)
class Credentials:
    """How to reach an API server as somebody.

    Attributes:
        server: Base URL, without a slash at its end.
        tls: Verifies the server's certificate and presents the client's.
    """

    server: str
    tls: ssl.SSLContext


def load_kubeconfig(path: Path) -> Credentials:
    """Read the current context of a kubeconfig whose user has a client certificate.

    Raises:
        ConfigurationError: The file lacks the context or one of its parts.
    """
    try:
        document = yaml.safe_load(path.read_text())
        context = _named(document["contexts"], document["current-context"])["context"]
        cluster = _named(document["clusters"], context["cluster"])["cluster"]
        user = _named(document["users"], context["user"])["user"]
        tls = ssl.create_default_context(cadata=_content(cluster, "certificate-authority", path).decode())
        _present(tls, user, path)
        return Credentials(server=cluster["server"].rstrip("/"), tls=tls)
    except (OSError, KeyError, TypeError, StopIteration, yaml.YAMLError) as error:
        raise ConfigurationError(
            f"kubeconfig {path}",
            expected="a current context with a server, its authority and a client certificate",
            seen=f"{type(error).__name__}: {error}",
            remedy="Start the environment again: it writes this file anew.",
        ) from error


def _named(entries: list[dict[str, Any]], name: str) -> dict[str, Any]:
    return next(entry for entry in entries if entry["name"] == name)


def _content(part: dict[str, str], field: str, path: Path) -> bytes:
    """Return what a field holds inline, or what the file that it names holds."""
    if f"{field}-data" in part:
        return base64.b64decode(part[f"{field}-data"])
    return (path.parent / part[field]).read_bytes()


def _present(tls: ssl.SSLContext, user: dict[str, Any], path: Path) -> None:
    """Load the client's certificate and key; OpenSSL takes them from files only."""
    with tempfile.NamedTemporaryFile(prefix="mita-client-", suffix=".pem") as file:
        file.write(_content(user, "client-certificate", path) + b"\n" + _content(user, "client-key", path))
        file.flush()
        tls.load_cert_chain(file.name)
