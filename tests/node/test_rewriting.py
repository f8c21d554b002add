"""Paths and addresses of a container, rewritten for the host."""

from __future__ import annotations

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from environments.embedded.node.rewriting import Rewriter

SECRETS = "/run/pods/1/volumes/secrets"
DATABASE = "/run/pods/1/volumes/database"
TEMPORARY = "/tmp/run/pods/1/volumes/tmp"  # noqa: S108  on purpose under one of the mount paths
rewrite = Rewriter(
    paths={"/etc/mita": SECRETS, "/etc/mita/database": DATABASE, "/tmp": TEMPORARY},  # noqa: S108
    address="127.70.64.9",
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("/etc/mita", SECRETS),
        ("/etc/mita/", f"{SECRETS}/"),
        ("/etc/mita/key", f"{SECRETS}/key"),
        ("--file=/etc/mita/key", f"--file={SECRETS}/key"),
        ("/etc/mita/database/url", f"{DATABASE}/url"),
        ("/etc/mita/database2/url", f"{SECRETS}/database2/url"),
        ("a:/etc/mita:/tmp", f"a:{SECRETS}:{TEMPORARY}"),
        ("cat '/etc/mita/a' \"/tmp/b\";ls /tmp", f"cat '{SECRETS}/a' \"{TEMPORARY}/b\";ls {TEMPORARY}"),
        ("file:///etc/mita/key", f"file://{SECRETS}/key"),
        ("open('/etc/mita/x')\nopen('/tmp')", f"open('{SECRETS}/x')\nopen('{TEMPORARY}')"),
    ],
)
def test_mount_paths_lead_to_the_pods_directory(text: str, expected: str) -> None:
    assert rewrite(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "/etc/mita.conf",
        "/etc/mita-2/key",
        "/etc/mitadata",
        "/usr/etc/mita/key",
        "../etc/mita",
        "$HOME/tmp",
        "${HOME}/tmp",
        "~/tmp",
        "https://example.com/tmp/x",
        "\x007\x00/tmp",
        "relative/tmp",
        "etc/mita",
        "",
    ],
)
def test_other_paths_stay(text: str) -> None:
    assert rewrite(text) == text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0.0.0.0", "127.70.64.9"),  # noqa: S104  rewritten, not bound
        ("0.0.0.0:8000", "127.70.64.9:8000"),
        ("--host=0.0.0.0", "--host=127.70.64.9"),
        ("http://0.0.0.0:8000/x", "http://127.70.64.9:8000/x"),
        ("serve --bind '0.0.0.0' --port 1", "serve --bind '127.70.64.9' --port 1"),
        ("listens on 0.0.0.0.", "listens on 127.70.64.9."),
        ("0.0.0.0:8000,0.0.0.0:8001", "127.70.64.9:8000,127.70.64.9:8001"),
        (":8080", "127.70.64.9:8080"),
        (":0", "127.70.64.9:0"),
        ("--metrics-addr=:8080", "--metrics-addr=127.70.64.9:8080"),
        ("-listen=:65535", "-listen=127.70.64.9:65535"),
        ("LISTEN=:80", "LISTEN=127.70.64.9:80"),
        ("[::]:8080", "127.70.64.9:8080"),
        ("--addr=[::]:8080", "--addr=127.70.64.9:8080"),
    ],
)
def test_listen_addresses_become_the_pods(text: str, expected: str) -> None:
    assert rewrite(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "0.0.0.0/0",
        "10.0.0.0",
        "10.0.0.0.0:1",
        "0.0.0.01",
        "0.0.0.0.1",
        "x[::]",
        "12:30",
        ":65536",
        "--range=:100000",
        "{'a' :8080}",
        "image:8080",
        "127.0.0.1:8080",
        "::1",
    ],
)
def test_what_only_looks_like_a_listen_address_stays(text: str) -> None:
    assert rewrite(text) == text


def test_a_rewritten_path_is_not_searched_again() -> None:
    nested = Rewriter(paths={"/m": "/m/0.0.0.0/m"}, address="127.70.64.9")
    assert nested("/m:/m 0.0.0.0") == "/m/0.0.0.0/m:/m/0.0.0.0/m 127.70.64.9"


def test_without_volumes_only_addresses_change() -> None:
    bare = Rewriter(paths={}, address="127.70.64.9")
    assert bare("--log=/tmp/x --host=0.0.0.0") == "--log=/tmp/x --host=127.70.64.9"


NAME = st.text("abcxyz019_-.", min_size=1, max_size=6).filter(lambda name: name not in {".", ".."})
MOUNT = st.lists(NAME, min_size=1, max_size=3).map(lambda parts: "/" + "/".join(parts))
BEFORE = st.sampled_from(["", "--file=", "a,", "'", '"', "file://", "x=y ", "(", ":", "\n"])
AFTER = st.sampled_from(["", "/", "/deep/file.txt", "'", ",b", ":rest", " more", ")", "\n"])


@given(mounts=st.sets(MOUNT, min_size=1, max_size=4), before=BEFORE, after=AFTER, data=st.data())
def test_any_mount_path_is_found_wherever_a_path_may_stand(
    mounts: set[str], before: str, after: str, data: st.DataObject
) -> None:
    mount = data.draw(st.sampled_from(sorted(mounts)))
    assume(not any(other.startswith(f"{mount}/") for other in mounts))
    hosts = {path: f"/host/{number}" for number, path in enumerate(sorted(mounts))}
    rewritten = Rewriter(paths=hosts, address="127.70.64.9")(f"{before}{mount}{after}")
    assert rewritten == f"{before}{hosts[mount]}{after}"


@given(mount=MOUNT, text=st.text("abc/. =:,[]019", max_size=30))
def test_text_without_the_mount_path_or_an_address_never_changes(mount: str, text: str) -> None:
    assume(mount not in text and "0.0.0.0" not in text and "[::]" not in text)  # noqa: S104
    assume("=:" not in text and not text.startswith(":"))
    assert Rewriter(paths={mount: "/host"}, address="127.70.64.9")(text) == text


@given(text=st.text(max_size=40))
def test_every_change_is_one_of_the_known_replacements(text: str) -> None:
    rewriter = Rewriter(paths={"/m": "<path>"}, address="<address>")
    changed = rewriter(text)
    restored = changed.replace("<path>", "/m")
    if changed != text:
        assert "<path>" in changed or "<address>" in changed
    if "<address>" not in changed:
        assert restored == text
