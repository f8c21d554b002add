"""Where faults are set and cleared: a socket that only the environment's owner can open.

A request is one JSON object on a line, and so is its answer.  Faults belong to the
connection that set them, and are cleared when it ends, however it ends.
"""

from __future__ import annotations

import json
import os
import socketserver
import threading
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from .faults import Fault, Faults

_LONGEST_LINE = 65536


class FaultServer(socketserver.ThreadingUnixStreamServer):
    """Serves a set of faults.

    Args:
        path: Of the socket; made so that others cannot open it.
        faults: What is served.
    """

    daemon_threads = True
    block_on_close = False

    def __init__(self, path: Path, faults: Faults) -> None:
        self.faults = faults
        path.unlink(missing_ok=True)
        before = os.umask(0o177)
        try:
            super().__init__(str(path), _Connection)
        finally:
            os.umask(before)

    def start(self) -> None:
        """Serve in a thread of its own, until the process ends."""
        threading.Thread(target=self.serve_forever, name="faults", daemon=True).start()


class _Connection(socketserver.StreamRequestHandler):
    server: FaultServer

    def handle(self) -> None:
        mine: set[str] = set()
        try:
            while line := self.rfile.readline(_LONGEST_LINE):
                answer = self._answer(line, mine)
                self.wfile.write(json.dumps(answer).encode() + b"\n")
        except OSError:
            pass  # it ended; what matters then comes next
        finally:
            for fault_id in mine:
                self.server.faults.remove(fault_id)

    def _answer(self, line: bytes, mine: set[str]) -> dict[str, Any]:
        faults = self.server.faults
        try:
            request = json.loads(line)
            match request["ask"]:
                case "add":
                    fault_id = faults.add(Fault.model_validate(request["fault"]))
                    mine.add(fault_id)
                    return {"id": fault_id}
                case "remove":
                    mine.discard(request["id"])
                    return {"removed": faults.remove(request["id"])}
                case "list":
                    return {"faults": [each.model_dump() for each in faults.active()]}
                case unknown:
                    return {"error": f"nobody can be asked to {unknown!r}"}
        except ValidationError as error:
            return {"error": f"not a fault: {error.errors(include_url=False, include_input=False)}"}
        except (ValueError, TypeError, KeyError, RecursionError) as error:
            return {"error": f"not a request: {type(error).__name__}"}
