from __future__ import annotations

import asyncio

import pytest

from reference_app.handover import Handover, NothingHeldError


class Closed(list[str]):
    async def close(self, resource: str) -> None:
        self.append(resource)


async def _settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_there_is_nothing_before_the_first_resource() -> None:
    handover = Handover[str](Closed().close)
    with pytest.raises(NothingHeldError), handover.use():
        pass


async def test_the_old_resource_is_closed_after_its_last_user() -> None:
    closed = Closed()
    handover = Handover[str](closed.close)
    handover.replace("old")
    with handover.use() as first:
        with handover.use() as second:
            handover.replace("new")
            assert (first, second) == ("old", "old")
            with handover.use() as third:
                assert third == "new"
        await _settle()
        assert closed == []
    await _settle()
    assert closed == ["old"]


async def test_an_unused_resource_is_closed_at_once() -> None:
    closed = Closed()
    handover = Handover[str](closed.close)
    handover.replace("old")
    handover.replace("new")
    await _settle()
    assert closed == ["old"]


async def test_closing_waits_for_every_resource() -> None:
    closed = Closed()
    handover = Handover[str](closed.close)
    handover.replace("old")
    with handover.use():
        handover.replace("new")
        closing = asyncio.create_task(handover.close())
        await _settle()
        assert not closing.done()
    await closing
    assert sorted(closed) == ["new", "old"]
