"""What the cache makes readable, and what it leaves alone."""

from __future__ import annotations

from pathlib import Path

from environments.embedded.toolchain.store import Store


def test_what_is_published_can_be_run_by_others_and_what_it_links_to_is_not_touched(tmp_path: Path) -> None:
    elsewhere = tmp_path / "python"
    elsewhere.touch(mode=0o500)
    store = Store(tmp_path / "cache")
    entry = store.entry("thing", "1", "0" * 64)

    def make(into: Path) -> None:
        (into / "program").touch(mode=0o700)
        (into / "link").symlink_to(elsewhere)

    with store.exclusive(lambda _step: None):
        store.publish(entry, make)

    assert (entry / "program").stat().st_mode & 0o777 == 0o755
    assert (entry / "link").is_symlink()
    assert elsewhere.stat().st_mode & 0o777 == 0o500
