"""``python -m reference_app``."""

from __future__ import annotations

import ctypes
import gc
import os
import sys

from reference_app import logs
from reference_app.application import Application
from reference_app.server import Server
from reference_app.settings import Settings


def main() -> None:
    """Serve until told to end; a wrong setting ends the process with code 2 and one line."""
    try:
        settings = Settings.from_environment(os.environ)
    except ValueError as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(2)
    logs.configure()
    server = Server(Application(settings))
    _return_unused_memory()
    server.run()


def _return_unused_memory() -> None:
    # Importing leaves about a quarter of the process' memory free but not returned; glibc gives it back.
    gc.collect()
    gc.freeze()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim:
        trim(0)


if __name__ == "__main__":
    main()
