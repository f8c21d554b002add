"""The exporter: ``python -m secret_exporter``, a pod of its own beside the operator."""

from __future__ import annotations

import logging
import os
import signal
import threading
from argparse import ArgumentParser, Namespace
from collections.abc import Callable
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config
from prometheus_client import CollectorRegistry, start_http_server

from secret_exporter.metrics import SnapshotCollector
from secret_exporter.sources import Key, Learnt, Operator, Reads, Secrets, Watcher, Webhook

_ACCOUNT = "/var/run/secrets/kubernetes.io/serviceaccount"
_WEBHOOK = "EXTERNAL_SECRETS_WEBHOOK_SERVICE"


def _arguments() -> Namespace:
    parser = ArgumentParser(prog="secret-exporter", description=__doc__)
    parser.add_argument("--listen", default="0.0.0.0:9100", help="address and port of /metrics")
    parser.add_argument("--every", type=float, default=60.0, help="seconds between two rounds")
    parser.add_argument("--prefix", required=True, help="what names of secrets begin with")
    parser.add_argument("--names", required=True, help="names below the prefix, with commas between")
    parser.add_argument("--key", required=True, help="alias of their key")
    parser.add_argument("--most-days", type=float, default=90.0, help="age of a secret without a schedule")
    parser.add_argument("--readers", required=True, help="ARNs that may read secrets, with commas between")
    parser.add_argument("--reads-seconds", type=float, default=900.0, help="how far back reads are counted")
    parser.add_argument("--namespace", required=True, help="namespace of the external secrets")
    parser.add_argument(
        "--account", type=Path, default=Path(_ACCOUNT), help="the service account's directory"
    )
    return parser.parse_args()


def _sources(arguments: Namespace) -> dict[str, Callable[[], Learnt]]:
    settings = Config(connect_timeout=5, read_timeout=10, retries={"max_attempts": 2})

    def client(service: str) -> Any:  # noqa: ANN401  boto3 clients have no common type
        return boto3.client(service, config=settings)  # type: ignore[call-overload]  # any of three services

    names = tuple(arguments.names.split(","))
    readers = frozenset(arguments.readers.split(","))
    server = f"https://{os.environ['KUBERNETES_SERVICE_HOST']}:{os.environ['KUBERNETES_SERVICE_PORT']}"
    return {
        "secrets-manager": Secrets(
            client("secretsmanager"),
            prefix=arguments.prefix,
            names=names,
            most_days=arguments.most_days,
        ),
        "kms": Key(client("kms"), alias=arguments.key),
        "cloudtrail": Reads(
            client("cloudtrail"),
            prefix=arguments.prefix,
            expected=readers,
            seconds=arguments.reads_seconds,
        ),
        "kubernetes": Operator(server, arguments.account, namespace=arguments.namespace),
        "webhook": Webhook(os.environ[f"{_WEBHOOK}_HOST"], int(os.environ[f"{_WEBHOOK}_PORT"])),
    }


def main() -> None:
    """Ask, show, and ask again until told to stop."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    logging.getLogger("botocore").setLevel(logging.WARNING)
    arguments = _arguments()
    stopped = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopped.set())
    watcher = Watcher(_sources(arguments))
    watcher.ask()  # so that whoever finds the port open finds something to read
    registry = CollectorRegistry()
    registry.register(SnapshotCollector(lambda: watcher.newest))
    host, _, port = arguments.listen.rpartition(":")
    start_http_server(int(port), host, registry=registry)
    while not stopped.wait(arguments.every):
        watcher.ask()


if __name__ == "__main__":
    main()
