"""The store in memory, served as AWS serves it, for functions in processes of their own."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from botocore.exceptions import ClientError

from tests.rotation.in_memory import InMemorySecretsManager


@contextmanager
def served(store: InMemorySecretsManager) -> Iterator[str]:
    """Serve the calls that the functions make; gives the URL."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            operation = self.headers["X-Amz-Target"].removeprefix("secretsmanager.")
            method = re.sub(r"(?<!^)(?=[A-Z])", "_", operation).lower()
            arguments = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            try:
                status, answer = 200, getattr(store, method)(**arguments)
            except ClientError as error:
                status, answer = 400, {"__type": error.response["Error"]["Code"], "message": "refused"}
            body = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/x-amz-json-1.1")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_arguments: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
