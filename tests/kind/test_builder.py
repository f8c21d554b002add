"""Images are made once, from what the table says, and are the same when they are made again."""

from __future__ import annotations

import json
import os
import tarfile
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from deployer.errors import ConfigurationError, MissingToolError
from deployer.progress import Step
from environments.embedded.toolchain.artefact import Artefact
from environments.kind.offline import debian
from environments.kind.offline.builder import Builder
from environments.kind.offline.table import Recipe, Table
from tests.toolchain import hello


@dataclass
class Place:
    root: Path
    go_caches: Path
    programs: dict[str, Artefact]
    steps: list[Step] = field(default_factory=list)

    def builder(self, *, cache: str = "cache", **images: Recipe) -> Builder:
        table = Table(
            epoch=1_700_000_000,
            debian={"suite": "bookworm", "mirror": "http://mirror.invalid/debian"},  # type: ignore[arg-type]
            images=images,
        )
        if not (self.root / cache).exists():
            (self.root / cache).mkdir(mode=0o755)
            (self.root / cache / "go").symlink_to(self.go_caches)
        return Builder(self.root / cache, table, self.programs)

    def made(self) -> list[str]:
        """Return which images were made, in their order."""
        return [step.subject for step in self.steps if step.state == "started" and step.subject != "hello"]


TOOL = Recipe(
    reference="mita.invalid/tool:v1.0.0",
    programs={"hello": "/tool"},
    entrypoint=("/tool",),
    certificates=True,
)
HOLDER = Recipe(reference="mita.invalid/holder:v1", entrypoint=("/none",), images=("one",))


@pytest.fixture
def place(pinned: Path, proxy: str, go_caches: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    monkeypatch.setenv("GOPROXY", proxy)
    monkeypatch.setenv("GOSUMDB", "off")
    # pytest's own directories are closed to other users; the cache must not be.
    with tempfile.TemporaryDirectory(prefix="images-") as name:
        root = Path(name)
        root.chmod(0o755)
        yield Place(root, go_caches, {"hello": hello.program(pinned)})


def files(archive: Path) -> dict[str, bytes]:
    """Return the files of an image with one layer."""
    with tarfile.open(archive) as outer:
        manifest = outer.extractfile("manifest.json")
        assert manifest is not None
        (entry,) = json.loads(manifest.read())
        (layer,) = entry["Layers"]
        with tarfile.open(fileobj=outer.extractfile(layer)) as tar:
            found = {member.name: tar.extractfile(member) for member in tar.getmembers() if member.isfile()}
            return {name: stream.read() for name, stream in found.items() if stream is not None}


def test_an_image_holds_its_programs_and_its_bill_what_they_were_made_of(place: Place) -> None:
    (image,) = place.builder(one=TOOL).build(place.steps.append, ["one"])
    content = files(image.archive)
    assert b"hello version" in content["tool"]
    assert b"BEGIN CERTIFICATE" in content["etc/ssl/certs/ca-certificates.crt"]
    listed = {component["name"] for component in json.loads(image.bill.read_text())["components"]}
    assert {"certifi", hello.MODULE} <= listed


def test_an_image_holds_others_that_were_made_before_it(place: Place) -> None:
    one, holder = place.builder(holder=HOLDER, one=TOOL).build(place.steps.append, ["holder"])
    assert place.made() == ["one", "holder"]
    assert files(holder.archive) == {"kind/images/one.tar": one.archive.read_bytes()}
    assert '"mita.invalid/tool"' in holder.bill.read_text()


def test_what_is_in_the_cache_is_not_made_again(place: Place) -> None:
    place.builder(one=TOOL).build(place.steps.append, ["one"])
    place.steps.clear()
    place.builder(one=TOOL).build(place.steps.append, ["one"])
    assert place.steps == []
    changed = TOOL.model_copy(update={"user": "1:1"})
    place.builder(one=changed).build(place.steps.append, ["one"])
    assert place.made() == ["one"]


def test_another_cache_gets_the_same_bytes(place: Place) -> None:
    images = [
        image
        for cache in ("first", "second")
        for image in place.builder(cache=cache, holder=HOLDER, one=TOOL).build(place.steps.append, ["holder"])
    ]
    for first, second in zip(images[:2], images[2:], strict=True):
        assert first.archive != second.archive
        assert first.archive.read_bytes() == second.archive.read_bytes()
        assert first.bill.read_bytes() == second.bill.read_bytes()


def test_no_image_is_left_without_a_bill(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("environments.kind.offline.bill.modules", lambda _answer: [])
    builder = place.builder(one=TOOL)
    with pytest.raises(MissingToolError, match="tells what it was built from"):
        builder.build(place.steps.append, ["one"])
    assert not builder.image("one").exists()


def test_images_on_debian_packages_need_root(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(debian, "_NEEDED", ())
    monkeypatch.setattr(debian, "_KEYRING", place.root)
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    recipe = TOOL.model_copy(update={"packages": ("iptables",)})
    with pytest.raises(ConfigurationError, match="root, whom debootstrap needs; seen user id 1000"):
        place.builder(one=recipe).build(place.steps.append, ["one"])


def test_a_missing_debootstrap_is_named_with_its_package(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(debian, "_NEEDED", ("no-such-debootstrap",))
    recipe = TOOL.model_copy(update={"packages": ("iptables",)})
    with pytest.raises(MissingToolError, match="apt-get install debootstrap"):
        place.builder(one=recipe).build(place.steps.append, ["one"])


def test_a_root_is_taken_over_without_the_machine_that_made_it(tmp_path: Path) -> None:
    for name in (
        *("etc/resolv.conf", "etc/machine-id", "etc/hostname", "etc/passwd", "etc/passwd-"),
        *("var/lib/dbus/machine-id", "var/lib/made/secret", "var/lib/made.not"),
        *(
            "var/log/apt/term.log",
            "var/cache/apt/archives/a.deb",
            "var/lib/dpkg/status",
            "var/lib/dpkg/status-old",
        ),
        *("usr/share/doc/a/copyright", "usr/share/doc/a/changelog.gz", "usr/share/doc/a/examples/copyright"),
        *("usr/share/man/man1/a.1.gz", "tmp/left", "debootstrap/log", "usr/bin/a"),
    ):
        path = tmp_path / "root" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    debian.as_layer(tmp_path / "root", 1, without=["/var/lib/made"]).write(tmp_path / "layer.tar")
    with tarfile.open(tmp_path / "layer.tar") as tar:
        kept = {member.name for member in tar.getmembers() if member.isfile()}
        directories = {member.name for member in tar.getmembers() if member.isdir()}
    assert kept == {
        "etc/passwd",
        "etc/passwd-",
        "var/lib/dpkg/status",
        "var/lib/made.not",
        "usr/share/doc/a/copyright",
        "usr/bin/a",
    }
    assert {"tmp", "var/log", "var/cache/apt"} <= directories
    assert "usr/share/man" not in directories
