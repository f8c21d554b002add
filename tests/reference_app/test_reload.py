from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from reference_app.metrics import Fingerprints, Metrics
from reference_app.reload import Reloader, required
from reference_app.settings import Kind
from tests.reference_app.mounts import MountedSecret
from tests.reference_app.process import eventually


class LoginRefusedError(Exception):
    pass


class Recorder:
    """A consumer whose server accepts what it is told to accept."""

    login_errors: tuple[type[Exception], ...] = (LoginRefusedError,)

    def __init__(self, *accepted: str) -> None:
        self.accepted = set(accepted)
        self.current = ""
        self.tries = 0

    async def adopt(self, values: Mapping[str, str]) -> dict[str, str]:
        self.tries += 1
        await asyncio.sleep(0)
        password = required(values, "password")
        if password not in self.accepted:
            raise LoginRefusedError(password)
        self.current = password
        return {"password": password}

    async def use(self) -> str:
        if self.current not in self.accepted:
            raise LoginRefusedError
        return self.current


@pytest.fixture
def secret(tmp_path: Path) -> MountedSecret:
    return MountedSecret(tmp_path / "secret")


@pytest.fixture
def metrics() -> Metrics:
    return Metrics(Fingerprints("key"))


def _reloader(secret: MountedSecret, consumer: Recorder, metrics: Metrics) -> Reloader:
    return Reloader(Kind.DATABASE, secret.path, consumer, metrics, poll_seconds=0.01)


@contextlib.contextmanager
def _following(reloader: Reloader) -> Iterator[None]:
    task = asyncio.create_task(reloader.follow())
    try:
        yield
        assert not task.done(), "following never ends by itself"
    finally:
        task.cancel()


async def test_every_generation_is_taken_as_it_appears(secret: MountedSecret, metrics: Metrics) -> None:
    consumer = Recorder("one", "two")

    async def uses(password: str) -> None:
        async def check() -> str | None:
            return None if consumer.current == password else consumer.current

        await eventually(check)

    with _following(_reloader(secret, consumer, metrics)):
        for password in ("one", "two"):
            secret.write({"password": password})
            await uses(password)
    assert consumer.tries == 2
    text = metrics.exposition().decode()
    assert 'mita_credential_generation{kind="database"} 2.0' in text
    assert text.count("mita_credential_info{") == 1, "the fingerprint before is no longer shown"


async def test_a_refused_generation_leaves_the_one_before_in_use_and_is_tried_again(
    secret: MountedSecret, metrics: Metrics, caplog: pytest.LogCaptureFixture
) -> None:
    consumer = Recorder("good")
    secret.write({"password": "good"})
    reloader = _reloader(secret, consumer, metrics)
    with _following(reloader):
        await eventually(lambda: _is(consumer, "good"))
        secret.write({"password": "bad-password"})

        async def tried_again() -> str | None:
            return None if consumer.tries >= 3 else f"{consumer.tries} tries"

        await eventually(tried_again)
        assert consumer.current == "good"
        text = metrics.exposition().decode()
        assert 'mita_credential_pending{kind="database"} 1.0' in text
        assert "bad-password" not in caplog.text
        consumer.accepted.add("bad-password")
        await eventually(lambda: _is(consumer, "bad-password"))
    assert 'mita_credential_pending{kind="database"} 0.0' in metrics.exposition().decode()


async def test_the_same_refusal_is_logged_once(
    secret: MountedSecret, metrics: Metrics, caplog: pytest.LogCaptureFixture
) -> None:
    secret.write({"user": "only"})
    reloader = _reloader(secret, Recorder(), metrics)
    for _ in range(5):
        assert not await reloader.reload()
    refusals = [record for record in caplog.records if record.message == "credentials refused"]
    assert [record.__dict__["fields"]["error"] for record in refusals] == ["MissingKeyError(password)"]


async def test_a_refused_login_is_retried_once_with_the_files_read_again(
    secret: MountedSecret, metrics: Metrics
) -> None:
    consumer = Recorder("old")
    secret.write({"password": "old"})
    reloader = _reloader(secret, consumer, metrics)
    assert await reloader.reload()
    secret.write({"password": "new"})
    consumer.accepted = {"new"}
    answers = await asyncio.gather(*(reloader.attempt(consumer.use) for _ in range(20)))
    assert set(answers) == {"new"}
    assert consumer.tries == 2, "one of the operations reads the files for all of them"
    assert 'mita_login_failures_total{kind="database"} 20.0' in metrics.exposition().decode()


async def test_a_login_refused_twice_is_the_callers_to_know(secret: MountedSecret, metrics: Metrics) -> None:
    consumer = Recorder("old")
    secret.write({"password": "old"})
    reloader = _reloader(secret, consumer, metrics)
    assert await reloader.reload()
    consumer.accepted = set()
    with pytest.raises(LoginRefusedError):
        await reloader.attempt(consumer.use)


async def _is(consumer: Recorder, password: str) -> str | None:
    return None if consumer.current == password else consumer.current
