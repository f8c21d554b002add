"""Defects to plant in the functions, each with the test that must notice it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Defect:
    """A change of a source, as text that occurs there once.

    Attributes:
        name: What is wrong then.
        module: The source's name.
        right: The text as it is.
        wrong: What takes its place.
        test: The test that must fail, as pytest names it below ``tests/rotation``.
    """

    name: str
    module: str
    right: str
    wrong: str
    test: str


DEFECTS = (
    Defect(
        "testSecret is skipped for the database",
        "database_rotation",
        "refusal = self._refusal(version)\n        if refusal is not None:",
        "refusal = None\n        if refusal is not None:",
        "test_database.py::test_a_login_that_is_refused_is_not_promoted",
    ),
    Defect(
        "testSecret is skipped for the cache",
        "redis_rotation",
        "def _accepted(self, version: Version) -> None:\n        try:",
        "def _accepted(self, version: Version) -> None:\n        return\n        try:",
        "test_redis.py::test_a_password_that_is_refused_is_not_promoted",
    ),
    Defect(
        "the previous signing secret is dropped",
        "jwt_rotation",
        "self._previous.promote(current.id, instead_of=held.id)",
        "pass",
        "test_jwt.py::test_the_current_value_becomes_the_previous_one",
    ),
    Defect(
        "the new signing secret does not wait for the previous one",
        "jwt_rotation",
        'if held.text_of("value") != current.text_of("value"):',
        "if False:",
        "test_jwt.py::test_the_new_value_is_not_current_before_the_old_one_is_kept",
    ),
    Defect(
        "a late run takes the previous signing secret back",
        "jwt_rotation",
        "promote(current.id, instead_of=held.id)",
        "promote(current.id, instead_of=self._previous.current().id)",
        "test_jwt.py::test_a_late_run_does_not_bring_an_older_value_back",
    ),
    Defect(
        "an overtaken rotation of the signing secret goes on",
        "jwt_rotation",
        "if description.holder(CURRENT) != current.id or description.holder(PENDING) != pending.id:",
        "if False:",
        "test_jwt.py::test_a_late_run_does_not_bring_an_older_value_back",
    ),
    Defect(
        "createSecret makes another value each time",
        "rotation_protocol",
        "if pending is not None:",
        "if False:",
        "test_protocol.py::test_a_value_once_made_is_kept",
    ),
    Defect(
        "the label moves before the value is tested",
        "rotation_protocol",
        "if request.step is Step.FINISH:\n            secret.promote",
        "if request.step is not Step.TEST:\n            secret.promote",
        "test_protocol.py::test_only_the_last_step_moves_the_label",
    ),
    Defect(
        "the label moves from whatever has it",
        "rotation_protocol",
        "secret.promote(request.token, instead_of=current.id)",
        "secret.promote(request.token, instead_of=secret.current().id)",
        "test_jwt.py::test_a_late_end_of_a_rotation_leaves_nobody_without_a_key",
    ),
    Defect(
        "any version is taken for a pending one",
        "rotation_protocol",
        "if CURRENT not in labels and PENDING not in labels:",
        "if False:",
        "test_protocol.py::test_a_version_with_another_label_is_refused",
    ),
    Defect(
        "a rotation that was disabled goes on",
        "rotation_protocol",
        "if not description.rotates:",
        "if False:",
        "test_protocol.py::test_a_secret_that_does_not_rotate_is_refused",
    ),
    Defect(
        "a value is logged",
        "rotation_protocol",
        "_log(facts, outcome=outcome, started=started)",
        "_log(facts, outcome=outcome, started=started, value=secret.current().text)",
        "test_protocol.py::test_no_value_is_logged",
    ),
    Defect(
        "an unforeseen error is repeated",
        "rotation_protocol",
        'expected="to be done",\n            seen=type(error).__name__,',
        'expected="to be done",\n            seen=f"{type(error).__name__}: {error}",',
        "test_protocol.py::test_an_unforeseen_error_shows_its_type_and_place_only",
    ),
    Defect(
        "a password in use is changed",
        "database_rotation",
        "if count == 0:",
        "if True:",
        "test_database.py::test_a_password_in_use_is_not_changed",
    ),
    Defect(
        "a gap: the current login gets the new password",
        "database_rotation",
        "return next(each for each in self._logins if each != login)",
        "return login",
        "test_database.py::test_the_other_login_becomes_current_and_the_first_goes_on",
    ),
    Defect(
        "a gap: the current password of the cache goes at once",
        "redis_rotation",
        "wanted = [_digest(current), _digest(pending)]",
        "wanted = [_digest(pending)]",
        "test_redis.py::test_the_last_two_passwords_are_accepted",
    ),
    Defect(
        "passwords of the cache pile up",
        "redis_rotation",
        'rules += [f"!{each}" for each in user["passwords"] if each not in wanted]',
        "pass",
        "test_redis.py::test_the_last_two_passwords_are_accepted",
    ),
    Defect(
        "rotations of the database do not take turns",
        "database_rotation",
        'administrator.run("SELECT pg_advisory_lock(:key)", key=key)',
        'administrator.run("SELECT :key", key=str(key))',
        "test_database.py::test_two_rotations_at_once_take_turns",
    ),
    Defect(
        "rotations of the cache do not take turns",
        "redis_rotation",
        "            self._lock(administrator, key, mine, description)\n",
        "",
        "test_redis.py::test_two_rotations_at_once_take_turns",
    ),
    Defect(
        "a dead run of the cache's keeps its turn",
        "redis_rotation",
        "if holder is not None and not administrator.client_list(client_id=[holder]):",
        "if False:",
        "test_redis.py::test_what_a_dead_run_held_is_taken_over",
    ),
    Defect(
        "a password travels in a statement",
        "database_rotation",
        'verifier = scram_verifier(pending.text_of("password"))',
        'verifier = pending.text_of("password")',
        "test_database.py::test_no_statement_holds_a_password",
    ),
    Defect(
        "a password travels in a command",
        "redis_rotation",
        'rules = [f"#{each}" for each in wanted]',
        "rules = [f\">{each.text_of('password')}\" for each in (current, pending)]",
        "test_redis.py::test_no_command_holds_a_password",
    ),
    Defect(
        "a pending version may name another server",
        "database_rotation",
        "if fields.get(name) != current.fields().get(name):",
        "if False:",
        "test_database.py::test_a_pending_version_for_something_else_is_refused",
    ),
    Defect(
        "a supplied value is not looked at",
        "external_rotation",
        "            if fault is not None:\n",
        "            if False:\n",
        "test_external.py::test_a_value_of_another_form_is_refused",
    ),
)
