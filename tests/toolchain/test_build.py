"""Real builds of a tiny module: what is built, when, and what a failure tells."""

from __future__ import annotations

import errno
import os
import subprocess
from pathlib import Path

import pytest

from deployer.errors import ConfigurationError, MissingToolError
from environments.embedded.toolchain import Toolchain
from environments.embedded.toolchain.patch import Patch
from environments.embedded.toolchain.program import Program
from tests.toolchain import hello
from tests.toolchain.conftest import Room

NOBODY = 65534

GREETING = Patch(
    module=hello.MODULE, file="greeting/greeting.go", old='\treturn "to all"', new='\treturn "to us"'
)


def _said(path: Path) -> str:
    return subprocess.run([path], capture_output=True, text=True, check=True).stderr.strip()


def test_builds_what_is_nowhere_with_the_pinned_version_stamped(room: Room) -> None:
    path = room.ensure()["hello"]
    assert _said(path) == "hello version v1.2.3 to all"
    assert path.name == "hello"
    assert path.parent.name.startswith("hello-v1.2.3-")
    assert [(step.subject, step.state) for step in room.steps if step.state != "progress"] == [
        ("hello", "started"),
        ("hello", "done"),
    ]
    assert "about 10 s" in room.steps[0].detail


def test_builds_only_once(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    first = room.ensure()
    monkeypatch.setattr(subprocess, "Popen", None)  # nothing at all is run
    assert dict(room.ensure()) == dict(first)


def test_what_was_built_runs_for_other_users_whatever_the_umask(room: Room) -> None:
    before = os.umask(0o077)
    try:
        path = room.ensure()["hello"]
    finally:
        os.umask(before)
    assert path.stat().st_mode & 0o755 == 0o755
    if os.geteuid() == 0:
        subprocess.run([path], user=NOBODY, group=NOBODY, extra_groups=(), check=True)


@pytest.mark.parametrize("changed", ["go.mod", "go.sum", "stamps", "patch"])
def test_builds_again_when_an_input_differs(room: Room, changed: str) -> None:
    first = room.ensure()["hello"]
    changes: dict[str, object] = {}
    if changed == "stamps":
        changes = {"stamps": ("main.version=other",)}
    elif changed == "patch":
        changes = {"patch": GREETING}
    else:
        with (room.module / changed).open("a") as file:
            file.write("// more\n" if changed == "go.mod" else "\n")
    second = room.ensure(**changes)["hello"]
    assert second != first
    assert first.exists()
    assert len(room.go.builds()) == 2


def test_builds_again_when_somebody_took_the_program_out_of_its_entry(room: Room) -> None:
    path = room.ensure()["hello"]
    path.rename(path.with_name("taken"))
    assert room.ensure()["hello"] == path
    assert [each.name for each in path.parent.iterdir()] == ["hello"]


def test_a_build_needs_room_in_the_cache_only(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", "/nowhere")
    assert room.ensure()["hello"].exists()


def test_a_patch_changes_one_line_and_the_program_tells(room: Room) -> None:
    path = room.ensure(patch=GREETING)["hello"]
    assert _said(path) == "hello version v1.2.3 to us"
    told = subprocess.run(["go", "version", "-m", path], capture_output=True, text=True, check=True).stdout
    assert "=>\t./patched" in told
    assert str(room.cache).encode() not in path.read_bytes()


def test_a_patch_whose_line_is_gone_is_refused(room: Room) -> None:
    patch = Patch(module=hello.MODULE, file="greeting/greeting.go", old='\treturn "to some"', new="")
    with pytest.raises(MissingToolError) as failure:
        room.ensure(patch=patch)
    assert "to some" in failure.value.expected
    assert "0 times" in failure.value.seen
    assert room.entries() == []


def test_the_same_inputs_give_the_same_bytes_in_another_cache(room: Room, tmp_path: Path) -> None:
    first = room.ensure(patch=GREETING)["hello"]
    program = hello.program(room.module, patch=GREETING)
    second = Toolchain(tmp_path, {"hello": program}).ensure(room.steps.append, ["hello"])["hello"]
    assert first.read_bytes() == second.read_bytes()


def test_a_failing_build_shows_its_last_lines_and_its_log(room: Room) -> None:
    with pytest.raises(MissingToolError) as failure:
        room.ensure(package=f"{hello.MODULE}/cmd/broken")
    assert failure.value.subject == "hello"
    assert "undefined: missing" in failure.value.seen
    log = room.cache / "toolchain" / "logs" / "hello.log"
    assert str(log) in failure.value.seen
    assert "undefined: missing" in log.read_text()
    assert room.entries() == []
    assert room.steps[-1].state == "failed"


def test_a_download_that_is_not_what_was_pinned_is_refused(room: Room, tmp_path: Path) -> None:
    sums = room.module / "go.sum"
    lines = sums.read_text().splitlines()
    sums.write_text("\n".join(f"{line.rsplit(':', 1)[0]}:{'A' * 43}=" for line in lines) + "\n")
    toolchain = Toolchain(tmp_path, {"hello": hello.program(room.module)})
    with pytest.raises(MissingToolError) as failure:
        toolchain.ensure(room.steps.append, ["hello"])
    assert "do not use it" in failure.value.remedy


def test_a_proxy_out_of_reach_is_named_in_the_remedy(
    room: Room, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GOPROXY", "http://127.0.0.1:1")
    toolchain = Toolchain(tmp_path, {"hello": hello.program(room.module)})
    with pytest.raises(MissingToolError) as failure:
        toolchain.ensure(room.steps.append, ["hello"])
    assert "GOPROXY" in failure.value.remedy


def test_a_name_that_is_not_in_the_catalogue_is_refused(room: Room) -> None:
    toolchain = Toolchain(room.cache, {"hello": hello.program(room.module)})
    with pytest.raises(ConfigurationError) as failure:
        toolchain.ensure(room.steps.append, ["helo"])
    assert failure.value.seen == "helo"


def test_a_cache_that_cannot_be_written_is_named(room: Room) -> None:
    toolchain = Toolchain(room.module / "go.mod", {"hello": hello.program(room.module)})
    with pytest.raises(ConfigurationError) as failure:
        toolchain.ensure(room.steps.append, ["hello"])
    assert failure.value.subject == f"cache {room.module / 'go.mod'}"
    assert "MITA_CACHE" in failure.value.remedy


def test_a_read_only_cache_serves_what_is_in_it_and_nothing_more(room: Room) -> None:
    path = room.ensure()["hello"]
    directories = [room.cache, room.cache / "toolchain"]
    for directory in directories:
        directory.chmod(0o555)
    root = os.geteuid() == 0
    if root:
        os.seteuid(NOBODY)  # modes do not stop root
    try:
        assert room.ensure()["hello"] == path
        with pytest.raises(ConfigurationError) as failure:
            room.ensure(stamps=())
    finally:
        if root:
            os.seteuid(0)
        for directory in directories:
            directory.chmod(0o755)
    assert "Permission denied" in failure.value.seen


def test_a_full_disk_tells_where_and_what_is_free(room: Room, tmp_path: Path) -> None:
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=4m", "toolchain-test", str(tmp_path)],
        capture_output=True,
        check=False,
    )
    if mounted.returncode != 0:
        pytest.skip("mounting a small file system takes root")
    try:
        toolchain = Toolchain(tmp_path, {"hello": hello.program(room.module)})
        with pytest.raises(ConfigurationError) as failure:
            toolchain.ensure(room.steps.append, ["hello"])
    finally:
        subprocess.run(["umount", str(tmp_path)], check=True)
    assert failure.value.subject == f"cache {tmp_path}"
    assert "0.0 GiB free" in failure.value.seen
    assert "MITA_CACHE" in failure.value.remedy
    assert any("0.0 GiB free" in step.detail for step in room.steps), "told before the build as well"


def test_a_disk_that_is_full_for_us_is_told_alike(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_arguments: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(Program, "make", full)
    with pytest.raises(ConfigurationError) as failure:
        room.ensure()
    assert "no space left" in failure.value.seen
    assert room.entries() == []


def test_other_errors_of_the_system_are_not_blamed_on_the_cache(
    room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_arguments: object) -> None:
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    monkeypatch.setattr(Program, "make", broken)
    with pytest.raises(OSError, match="Too many open files"):
        room.ensure()
