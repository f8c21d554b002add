"""A layer's bytes depend on what is in it, and on nothing else."""

from __future__ import annotations

import hashlib
import os
import tarfile
from pathlib import Path

from environments.kind.offline.layer import Layer

EPOCH = 1_700_000_000


def members(path: Path) -> dict[str, tarfile.TarInfo]:
    with tarfile.open(path) as tar:
        return {member.name: member for member in tar.getmembers()}


def make_tree(root: Path, *, reverse: bool = False) -> Path:
    names = ["usr/bin/tool", "usr/lib/library", "etc/config"]
    for name in reversed(names) if reverse else names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
        path.chmod(0o755 if "bin" in name else 0o644)
    (root / "bin").symlink_to("usr/bin")
    return root


def test_the_same_files_give_the_same_bytes_whenever_and_in_whatever_order_they_were_made(
    tmp_path: Path,
) -> None:
    first = make_tree(tmp_path / "first")
    second = make_tree(tmp_path / "second", reverse=True)
    for path in second.rglob("*"):
        os.utime(path, (EPOCH + 5_000, EPOCH + 5_000), follow_symlinks=False)
    sums = []
    for root in (first, second):
        layer = Layer(EPOCH)
        layer.system(root)
        sums.append(layer.write(tmp_path / f"{root.name}.tar"))
    assert sums[0] == sums[1]
    assert sums[0] == hashlib.sha256((tmp_path / "first.tar").read_bytes()).hexdigest()


def test_a_change_of_a_mode_changes_the_bytes(tmp_path: Path) -> None:
    root = make_tree(tmp_path / "root")
    before, after = Layer(EPOCH), Layer(EPOCH)
    before.system(root)
    first = before.write(tmp_path / "before.tar")
    (root / "etc/config").chmod(0o600)
    after.system(root)
    assert after.write(tmp_path / "after.tar") != first


def test_a_system_keeps_old_times_links_and_modes(tmp_path: Path) -> None:
    root = make_tree(tmp_path / "root")
    os.utime(root / "etc/config", (1_600_000_000, 1_600_000_000))
    os.link(root / "usr/bin/tool", root / "usr/bin/zz")
    (root / "usr/bin/tool").chmod(0o4755)
    os.mkfifo(root / "etc/pipe")
    layer = Layer(EPOCH)
    layer.system(root)
    layer.write(tmp_path / "layer.tar")
    found = members(tmp_path / "layer.tar")
    assert found["etc/config"].mtime == 1_600_000_000
    assert found["usr/bin/tool"].mtime == EPOCH
    assert found["usr/bin/tool"].mode == 0o4755
    assert (found["usr/bin/zz"].islnk(), found["usr/bin/zz"].linkname) == (True, "usr/bin/tool")
    assert (found["bin"].issym(), found["bin"].linkname) == (True, "usr/bin")
    assert "etc/pipe" not in found


def test_what_is_left_out_stays_out_with_all_below_it(tmp_path: Path) -> None:
    layer = Layer(EPOCH)
    layer.system(make_tree(tmp_path / "root"), leave_out=lambda name: name in {"usr/lib", "bin"})
    layer.write(tmp_path / "layer.tar")
    assert set(members(tmp_path / "layer.tar")) == {"etc", "etc/config", "usr", "usr/bin", "usr/bin/tool"}


def test_what_we_add_is_roots_with_its_directories_before_it(tmp_path: Path) -> None:
    source = tmp_path / "program"
    source.write_bytes(b"binary")
    layer = Layer(EPOCH)
    layer.file("/usr/local/bin/program", source, mode=0o755)
    layer.file("/etc/text", b"text")
    layer.write(tmp_path / "layer.tar")
    with tarfile.open(tmp_path / "layer.tar") as tar:
        names = tar.getnames()
        content = tar.extractfile("usr/local/bin/program")
        assert content is not None
        assert content.read() == b"binary"
        assert {(member.uid, member.gid, member.mtime) for member in tar.getmembers()} == {(0, 0, EPOCH)}
    assert names == ["etc", "etc/text", "usr", "usr/local", "usr/local/bin", "usr/local/bin/program"]


def test_sources_are_executable_or_not_whatever_the_umask_of_their_checkout(tmp_path: Path) -> None:
    sums = []
    for name, mask in (("first", 0o022), ("second", 0o077)):
        root = tmp_path / name
        root.mkdir()
        for file, mode in (("script", 0o777), ("unit", 0o666)):
            (root / file).write_text(file)
            (root / file).chmod(mode & ~mask)
        (root / "link").symlink_to("unit")
        layer = Layer(EPOCH)
        layer.sources(root)
        sums.append(layer.write(tmp_path / f"{name}.tar"))
    assert sums[0] == sums[1]
    modes = {name: member.mode for name, member in members(tmp_path / "first.tar").items()}
    assert modes == {"link": 0o777, "script": 0o755, "unit": 0o644}
