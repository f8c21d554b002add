"""The bill of materials of an image, in CycloneDX' JSON form."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.output import make_outputter
from cyclonedx.schema import OutputFormat, SchemaVersion
from packageurl import PackageURL

from environments.kind.offline.debian import Package


@dataclass(frozen=True, slots=True)
class GoModule:
    """A Go module that was built into a program.

    Attributes:
        path: Its path.
        version: Its version; ``(devel)`` where it is our own.
    """

    path: str
    version: str


def modules(build_information: str) -> list[GoModule]:
    """Read what ``go version -m`` tells of a program; a replacement counts in place of what it replaces.

    A replacement by a directory has no version of its own: it is the module as it was, changed by us.
    """
    found: list[GoModule] = []
    for line in build_information.splitlines():
        kind, *rest = line.strip().split("\t")
        if kind in {"mod", "dep"} and len(rest) >= 2:  # noqa: PLR2004 - path, version
            found.append(GoModule(rest[0], rest[1]))
        elif kind == "=>" and found and len(rest) >= 2 and rest[1].startswith("v"):  # noqa: PLR2004
            found[-1] = GoModule(rest[0], rest[1])
    return sorted(set(found), key=lambda module: (module.path, module.version))


def write(
    path: Path,
    *,
    reference: str,
    digest: str,
    epoch: int,
    go: Iterable[GoModule] = (),
    debian: Iterable[Package] = (),
    python: Iterable[tuple[str, str]] = (),
    images: Sequence[str] = (),
) -> None:
    """Write the bill of one image; the same materials give the same bytes.

    Args:
        path: The file.
        reference: What the image is asked for by.
        digest: That of its inputs, which identifies the bill.
        epoch: The time that the bill bears.
        go: Modules in its programs.
        debian: Packages on its disk.
        python: Distributions that files were taken from, with their versions.
        images: References of the images that are in it.
    """
    bom = Bom(
        serial_number=uuid.uuid5(uuid.NAMESPACE_URL, f"{reference}@{digest}"),
        components=[
            *(_go(module) for module in go),
            *(_debian(package) for package in debian),
            *(_python(name, version) for name, version in python),
            *(_image(each) for each in images),
        ],
    )
    bom.metadata.timestamp = datetime.fromtimestamp(epoch, UTC)
    bom.metadata.component = _image(reference)
    bom.register_dependency(bom.metadata.component, bom.components)
    text = make_outputter(bom, OutputFormat.JSON, SchemaVersion.V1_6).output_as_string()
    # The library leaves the order of some of its sets to chance.
    path.write_text(json.dumps(_ordered(json.loads(text)), indent=2, sort_keys=True) + "\n", encoding="utf-8")


def component_names(path: Path) -> Iterator[str]:
    """Return the names of what a bill lists."""
    for component in json.loads(path.read_text(encoding="utf-8")).get("components", []):
        yield component["name"]


def _go(module: GoModule) -> Component:
    namespace, _, name = module.path.rpartition("/")
    return Component(
        name=module.path,
        version=module.version,
        bom_ref=f"go:{module.path}@{module.version}",
        purl=PackageURL("golang", namespace or None, name, module.version),
    )


def _debian(package: Package) -> Component:
    return Component(
        name=package.name,
        version=package.version,
        bom_ref=f"debian:{package.name}@{package.version}",
        purl=PackageURL(
            "deb", "debian", package.name, package.version, qualifiers={"arch": package.architecture}
        ),
    )


def _python(name: str, version: str) -> Component:
    return Component(
        name=name,
        version=version,
        bom_ref=f"python:{name}@{version}",
        purl=PackageURL("pypi", None, name, version),
    )


def _image(reference: str) -> Component:
    name, _, version = reference.rpartition(":")
    return Component(name=name, version=version, type=ComponentType.CONTAINER, bom_ref=f"image:{reference}")


def _ordered(value: object) -> object:
    if isinstance(value, dict):
        return {key: _ordered(each) for key, each in value.items()}
    if isinstance(value, list):
        return sorted((_ordered(each) for each in value), key=lambda each: json.dumps(each, sort_keys=True))
    return value
