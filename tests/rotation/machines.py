"""Rotations in any order: steps repeated, out of turn, beside each other, failing and cut short."""

from __future__ import annotations

import io
import json
import traceback
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from pg8000.native import Connection

from rotation_errors import RotationError, UnexpectedError
from tests.rotation import gates
from tests.rotation.functions import (
    PREFIX,
    STEPS,
    Function,
    cache_function,
    database_function,
    jwt_function,
    new_id,
)
from tests.rotation.in_memory import CURRENT, PENDING, PREVIOUS, InMemorySecretsManager
from tests.rotation.runs import Died, Run
from tests.rotation.servers import Cache, Database

_MOST_RUNS = 3
_MOST_TOKENS = 4
_WHICH = st.integers(0, _MOST_TOKENS - 1)
_CONFIDENTIAL = ("password", "value", "connection_string")


class RotationMachine(RuleBasedStateMachine):
    """What holds for every secret; how its values are accepted is the subclass' affair."""

    def __init__(
        self,
        make: Callable[[pytest.MonkeyPatch, InMemorySecretsManager], Function],
        *,
        like_localstack: bool = False,
    ) -> None:
        super().__init__()
        self.patch = pytest.MonkeyPatch()
        self.store = InMemorySecretsManager(gate=Run.gate, like_localstack=like_localstack)
        self.function = make(self.patch, self.store)
        self.sent = gates.install(self.patch)
        self.log = io.StringIO()
        self.patch.setattr("rotation_protocol.sys", SimpleNamespace(stdout=self.log))
        self.runs: list[Run] = []
        self.tokens: list[str] = []
        self.current = self.function.secret.holder(CURRENT)
        self.previous_lives = False

    def accepts(self, text: str) -> bool:
        raise NotImplementedError

    def settle(self) -> None:
        """Wait until what the last check did is forgotten."""

    # What happens.

    @precondition(lambda self: len(self.tokens) < _MOST_TOKENS)
    @rule()
    def begin(self) -> None:
        self.tokens.append(self.function.begin())

    @rule()
    def abandon(self) -> None:
        self.store.abandon(self.function.secret.name)

    @precondition(lambda self: self.tokens)
    @rule(step=st.sampled_from(STEPS), which=_WHICH)
    def do(self, step: str, which: int) -> None:
        self.examine(self.function.start(step, self.tokens[which % len(self.tokens)]).to_the_end())

    @precondition(lambda self: self.tokens and len(self.runs) < _MOST_RUNS)
    @rule(step=st.sampled_from(STEPS), which=_WHICH)
    def start(self, step: str, which: int) -> None:
        self.runs.append(self.function.start(step, self.tokens[which % len(self.tokens)]))

    @precondition(lambda self: self.runs)
    @rule(which=_WHICH, places=st.integers(1, 12))
    def advance(self, which: int, places: int) -> None:
        run = self.runs[which % len(self.runs)]
        for _ in range(places):
            run.advance()
        self.forget_if_over(run)

    @precondition(lambda self: self.runs)
    @rule(which=_WHICH)
    def fail(self, which: int) -> None:
        run = self.runs[which % len(self.runs)]
        run.fail(gates.failure)
        self.forget_if_over(run)

    @precondition(lambda self: self.runs)
    @rule(which=_WHICH)
    def die(self, which: int) -> None:
        run = self.runs[which % len(self.runs)]
        run.die()
        self.forget_if_over(run)

    @rule(step=st.sampled_from(STEPS))
    def come_with_an_unknown_token(self, step: str) -> None:
        run = self.function.start(step, new_id()).to_the_end()
        self.examine(run)
        assert isinstance(run.error, RotationError)

    @precondition(lambda self: not self.runs)
    @rule()
    def rotate(self) -> None:
        """Whatever happened before: a rotation that nobody disturbs comes to its end."""
        pending = self.function.secret.holder(PENDING)
        if pending in {None, self.function.secret.holder(CURRENT)}:
            pending = self.function.begin()
        self.settle()
        # The server needs a moment to see that a run has died.
        self.patch.setenv("LOCK_SECONDS", "10")
        self.function.rotate(pending)
        self.patch.setenv("LOCK_SECONDS", "0")
        assert self.function.secret.holder(CURRENT) == pending

    def forget_if_over(self, run: Run) -> None:
        if run.over:
            self.runs.remove(run)
            self.examine(run)

    def examine(self, run: Run) -> None:
        """See that a run ended well, or with an error of ours that shows nothing."""
        assert isinstance(run.error, RotationError | Died | None), run
        assert not isinstance(run.error, UnexpectedError), run.error
        if run.error is not None:
            self.log.write("".join(traceback.format_exception(run.error, chain=True)))

    # What holds.

    @invariant()
    def one_version_is_current_and_accepted(self) -> None:
        assert len(self.function.secret.holders(CURRENT)) == 1
        assert self.accepts(self.function.secret.text(CURRENT))

    @invariant()
    def the_previous_one_is_accepted_until_the_next_credential_is_set(self) -> None:
        was_set = self.credential_was_set()
        if self.function.secret.holder(CURRENT) != self.current:
            self.current, self.previous_lives = self.function.secret.holder(CURRENT), True
        elif was_set:
            self.previous_lives = False
        if self.previous_lives:
            assert self.accepts(self.function.secret.text(PREVIOUS))

    def credential_was_set(self) -> bool:
        self.nothing_sent_holds_a_value()
        return self.sent.credential_was_set()

    def nothing_sent_holds_a_value(self) -> None:
        for value in self.values():
            assert not any(value in each for each in self.sent.texts)

    @invariant()
    def nothing_logged_holds_a_value(self) -> None:
        log = self.log.getvalue()
        for value in self.values():
            assert value not in log

    def values(self) -> list[str]:
        documents = [json.loads(text) for text in self.store.born]
        return [each[name] for each in documents for name in _CONFIDENTIAL if name in each]

    def teardown(self) -> None:
        try:
            while self.runs:
                self.die(0)
            self.rotate()
        finally:
            while self.runs:
                self.runs.pop().die()
            self.patch.undo()


class DatabaseMachine(RotationMachine):
    """Logins on PostgreSQL, with clients that use them."""

    def __init__(self, database: Database, *, like_localstack: bool = False) -> None:
        self.database = database
        self.clients: list[tuple[Connection, str, object]] = []
        super().__init__(
            lambda patch, store: database_function(patch, store, database), like_localstack=like_localstack
        )

    def accepts(self, text: str) -> bool:
        accepted = self.database.accepts(text)
        login = json.loads(text)["username"]
        self.database.wait_for_sessions(login, sum(each == login for _, each, _ in self.clients))
        return accepted

    def settle(self) -> None:
        for connection, _, _ in self.clients:
            connection.close()
        self.clients.clear()
        for login in ("mita_app", "mita_app_clone"):
            self.database.wait_for_sessions(login, 0)

    @precondition(lambda self: not self.runs and len(self.clients) < _MOST_RUNS)
    @rule(label=st.sampled_from((CURRENT, PREVIOUS)))
    def come_as_a_client(self, label: str) -> None:
        if label == CURRENT or self.previous_lives:
            value = json.loads(self.function.secret.text(label))
            login = value["username"]
            connection = self.database.connect(login, value["password"])
            self.clients.append((connection, login, self.database.verifier(login)))

    @precondition(lambda self: self.clients)
    @rule()
    def leave(self) -> None:
        connection, login, _ = self.clients.pop()
        connection.close()
        self.database.wait_for_sessions(login, sum(each == login for _, each, _ in self.clients))

    @invariant()
    def no_password_in_use_changes(self) -> None:
        for connection, login, verifier in self.clients:
            assert connection.run("SELECT 1") == [[1]]
            assert self.database.verifier(login) == verifier

    def teardown(self) -> None:
        try:
            super().teardown()
        finally:
            for connection, _, _ in self.clients:
                connection.close()


class CacheMachine(RotationMachine):
    """Passwords on Valkey."""

    def __init__(self, cache: Cache, *, like_localstack: bool = False) -> None:
        self.cache = cache
        super().__init__(
            lambda patch, store: cache_function(patch, store, cache), like_localstack=like_localstack
        )

    def accepts(self, text: str) -> bool:
        return self.cache.accepts(text)


class JwtMachine(RotationMachine):
    """Keys that sign tokens: accepted are the current one and the one that is held beside it."""

    def __init__(self) -> None:
        super().__init__(jwt_function)
        self.held = self._held()

    def _held(self) -> Any:  # noqa: ANN401  a JSON value
        return json.loads(self.store.secrets[f"{PREFIX}auth/jwt-previous-secret"].text(CURRENT))["value"]

    def accepts(self, text: str) -> bool:
        current = json.loads(self.function.secret.text(CURRENT))["value"]
        return json.loads(text)["value"] in {current, self._held()}

    def credential_was_set(self) -> bool:
        before, self.held = self.held, self._held()
        return bool(before != self.held)

    @invariant()
    def nothing_older_comes_back(self) -> None:
        secret = self.function.secret
        if secret.holder(PREVIOUS) is not None:
            lately = {json.loads(secret.text(label))["value"] for label in (CURRENT, PREVIOUS)}
            assert self._held() in lately
