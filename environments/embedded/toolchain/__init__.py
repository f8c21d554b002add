"""The programs of the embedded environment: found where they are, built where they are not.

``ensure`` gives their paths; ``python -m environments.embedded.toolchain`` does the same
from a shell, ahead of time.
"""

from __future__ import annotations

from environments.embedded.toolchain.provision import ALL, Toolchain, Tools, ensure

__all__ = ["ALL", "Toolchain", "Tools", "ensure"]
