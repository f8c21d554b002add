"""A minimal Debian with some packages, as a layer that is the same for the same packages."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from deployer.errors import ConfigurationError, MissingToolError
from environments.embedded.toolchain import child, failures
from environments.kind.offline.layer import Layer
from environments.kind.offline.table import Debian

_KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
_NEEDED = ("debootstrap", "unshare")

# Left by the machine that builds, by the hour of the build, or by nobody's wish.
_LEFT_OUT = (
    "debootstrap",
    "etc/hostname",
    "etc/machine-id",
    "etc/resolv.conf",
    "usr/share/info",
    "usr/share/locale",
    "usr/share/man",
    "var/cache/ldconfig/aux-cache",
    "var/lib/dbus/machine-id",
    "var/lib/systemd/catalog/database",
)
# What is in these comes and goes; the directories stay.
_EMPTIED = (
    "dev",
    "proc",
    "run",
    "sys",
    "tmp",
    "var/cache/apt",
    "var/cache/debconf",
    "var/lib/apt/lists",
    "var/log",
    "var/tmp",
)
_DOCUMENTS = "usr/share/doc/"
_LICENCE = re.compile(r"usr/share/doc/[^/]+/copyright")


@dataclass(frozen=True, slots=True)
class Package:
    """A Debian package that is in a root.

    Attributes:
        name: Its name.
        version: Its version.
        architecture: Its architecture.
    """

    name: str
    version: str
    architecture: str


def bootstrap(
    debian: Debian,
    packages: Sequence[str],
    root: Path,
    *,
    epoch: int,
    log: Path,
    tick: Callable[[float], None],
) -> list[Package]:
    """Make the root of a Debian in a directory that does not exist yet.

    Args:
        debian: Where from.
        packages: In addition to the essential ones and to apt.
        root: The directory.
        epoch: For what packages stamp when they are set up.
        log: Takes debootstrap's output.
        tick: Called every second with the seconds since the start.

    Returns:
        What was installed.

    Raises:
        ConfigurationError: The user is not root.
        MissingToolError: debootstrap is missing, or it failed.
    """
    _require()
    code = child.run(
        [
            # Whatever ends it, its mounts end with the name space.
            *("unshare", "--mount", "--propagation", "private"),
            *("sh", "-c", 'umask 022 && exec "$@"', "sh"),
            *("debootstrap", "--variant=minbase", "--force-check-gpg", f"--keyring={_KEYRING}"),
            f"--include={','.join(sorted(packages))}",
            *(debian.suite, str(root), *([debian.mirror] if debian.mirror else [])),
        ],
        directory=root.parent,
        environment={
            **os.environ,
            "SOURCE_DATE_EPOCH": str(epoch),
            "DEBIAN_FRONTEND": "noninteractive",
            "LC_ALL": "C",
        },
        log=log,
        tick=tick,
    )
    if code != 0:
        raise MissingToolError(
            f"Debian {debian.suite} with {', '.join(packages)}",
            expected=f"debootstrap to make it from {debian.mirror or 'the mirror of its choice'}",
            seen=f"exit code {code}: {failures.last_lines(log.read_text(errors='replace'))} (log: {log})",
            remedy="Read the log; --debian-mirror names another mirror.",
        )
    return installed((root / "var/lib/dpkg/status").read_text(encoding="utf-8"))


def as_layer(root: Path, epoch: int, *, without: Collection[str] = ()) -> Layer:
    """Take what packages brought, and nothing of the machine and the hour.

    Args:
        root: A Debian's.
        epoch: The latest time that a file bears.
        without: What else stays out: absolute paths in the image.
    """
    unwanted = {path.lstrip("/") for path in without}
    layer = Layer(epoch)
    layer.system(root, leave_out=lambda name: name in unwanted or _leaves_out(name))
    return layer


def installed(status: str) -> list[Package]:
    """Read dpkg's status file; what is not installed is not returned."""
    found = []
    for paragraph in status.split("\n\n"):
        fields = dict(_fields(paragraph.splitlines()))
        if fields.get("Status", "").endswith(" installed"):
            found.append(Package(fields["Package"], fields["Version"], fields["Architecture"]))
    return sorted(found, key=lambda package: package.name)


def _fields(lines: Iterable[str]) -> Iterable[tuple[str, str]]:
    for line in lines:
        name, separator, value = line.partition(": ")
        if separator and not line.startswith(" "):
            yield name, value


def _leaves_out(name: str) -> bool:
    if name in _LEFT_OUT or name.endswith(("-old", ".dpkg-old")):
        return True
    if name.startswith(_DOCUMENTS):
        # Of what a package says of itself only its licence stays.
        return "/" in name.removeprefix(_DOCUMENTS) and not _LICENCE.fullmatch(name)
    return any(name.startswith(f"{directory}/") for directory in _EMPTIED)


def _require() -> None:
    if missing := [tool for tool in _NEEDED if shutil.which(tool) is None]:
        raise MissingToolError(
            missing[0],
            expected="it on PATH, to make the roots of Debian images",
            seen="nothing of this name",
            remedy="Install it: apt-get install debootstrap util-linux.",
        )
    if not _KEYRING.exists():
        raise MissingToolError(
            str(_KEYRING),
            expected="the keys that Debian signs with",
            seen="no such file",
            remedy="Install them: apt-get install debian-archive-keyring.",
        )
    if os.geteuid() != 0:
        raise ConfigurationError(
            "images on Debian packages",
            expected="root, whom debootstrap needs",
            seen=f"user id {os.geteuid()}",
            remedy="Build them as root, or only those that are not on Debian packages: mita images list.",
        )
