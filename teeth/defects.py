"""The catalogue of planted defects."""

from __future__ import annotations

from teeth.defect import Defect, Edit

_FUNCTIONS = "deployer/artifacts/infrastructure/lambda/secret-rotation"
_RULES = "deployer/artifacts/monitoring/secret-management/prometheus-rules.yaml"
_ROTATES = "A database rotation gives the idle login a new password and leaves the other one alone"
_TURNED_AWAY = "A new value that the database turns away is found by the test, and never becomes current"
_NOT_BLIND = "The judgement of a history is not blind: <a violation> is found"
_TROUBLE = "Secrets Manager has trouble while the <credential> credential rotates: <trouble>"

ROTATION = (
    Defect(
        "testSecret does nothing",
        (
            Edit(
                f"{_FUNCTIONS}/rotation_protocol.py",
                "        else:\n            rotation.prove(secret, current, pending)",
                "        elif request.step is Step.FINISH:\n"
                "            rotation.prove(secret, current, pending)",
            ),
        ),
        _TURNED_AWAY,
        "it fails, and the reason names testSecret",
    ),
    Defect(
        "the label moves before the value is tested",
        (
            Edit(
                f"{_FUNCTIONS}/rotation_protocol.py",
                "        if request.step is Step.FINISH:\n            secret.promote",
                "        if request.step is not Step.TEST:\n            secret.promote",
            ),
        ),
        _TURNED_AWAY,
        "it fails, and the reason names testSecret",
    ),
    Defect(
        "createSecret cannot be repeated",
        (
            Edit(
                f"{_FUNCTIONS}/rotation_protocol.py",
                "            if pending is not None:",
                "            if False:",
            ),
            Edit(
                f"{_FUNCTIONS}/secrets_manager.py",
                '("PutSecretValue", "ResourceExistsException")',
                '("PutSecretValue")',
            ),
        ),
        _TURNED_AWAY,
        "the rotation can be resumed once the database lets that login in again",
    ),
    Defect(
        "the password in use is changed",
        (
            Edit(
                f"{_FUNCTIONS}/database_rotation.py",
                "return next(each for each in self._logins if each != login)",
                "return login",
            ),
            Edit(f"{_FUNCTIONS}/database_rotation.py", "if count == 0:", "if True:"),
        ),
        _ROTATES,
        'the secret "database/primary" is rotated',
    ),
    Defect(
        "the cache forgets the current password when the next one comes",
        (
            Edit(
                f"{_FUNCTIONS}/redis_rotation.py",
                "wanted = [_digest(current), _digest(pending)]",
                "wanted = [_digest(pending)]",
            ),
        ),
        "The <credential> credential rotates while 100 users work",
        'the secret "cache/redis-auth" is rotated',
        ("Redis", "cache/redis-auth"),
    ),
    Defect(
        "the function does not keep the previous JWT secret",
        (
            Edit(
                f"{_FUNCTIONS}/jwt_rotation.py",
                "self._previous.promote(current.id, instead_of=held.id)",
                "pass",
            ),
        ),
        "A JWT rotation makes the current secret the previous one, and sessions survive",
        'the secret "auth/jwt-secret" is rotated',
    ),
    Defect(
        "the operator is not told of a rotation",
        (
            Edit(
                "deployer/rotation/rotator.py",
                "if nudge and (why := consumers.nudge()) is not None:",
                'if nudge and (why := "") is not None:',
            ),
        ),
        "All credentials rotate back to back while 100 users work",
        "every pod used the new value within 2 seconds",
    ),
)

APPLICATION = (
    Defect(
        "the application drops the previous JWT secret",
        (Edit("reference_app/tokens.py", 'if values.get("jwt-previous-secret"):', "if False:"),),
        "A JWT rotation makes the current secret the previous one, and sessions survive",
        "the session that began before is still accepted",
    ),
    Defect(
        "the application does not reload its credentials",
        (
            Edit(
                "reference_app/reload.py",
                "return self._applied is not None and self._applied.marker == name",
                "return self._applied is not None",
            ),
        ),
        "A change in Secrets Manager reaches the running application without a restart",
        "within 180 seconds every pod accepts tokens that are signed with it",
    ),
    Defect(
        "the application accepts whatever token",
        (
            Edit(
                "reference_app/tokens.py",
                "jwt.decode(token, key, algorithms=[_ALGORITHM])",
                'jwt.decode(token, key, algorithms=[_ALGORITHM], options={"verify_signature": False})',
            ),
        ),
        "A token <that cannot be trusted> is refused",
        "it is refused with status 401",
        ("signed with an unknown secret",),
    ),
    Defect(
        "the application logs its credentials",
        (
            Edit(
                "reference_app/reload.py",
                "generation=generation.marker)\n        return True",
                "generation=generation.marker, **generation.values)\n        return True",
            ),
        ),
        "No secret value shows in anything that the run has written",
        "no secret value is found anywhere",
    ),
    Defect(
        "two pods of the application are deployed instead of three",
        (Edit("deployer/production.toml", "replicaCount = 3", "replicaCount = 2"),),
        "Three pods of the application are ready",
        "3 of them are ready",
    ),
)

DEPLOYER = (
    Defect(
        "any service account of the cluster may take the operator's role",
        (
            Edit(
                "deployer/kinds/roles.py",
                'f"{host}:aud": role.audience, f"{host}:sub": role.subject',
                'f"{host}:aud": role.audience',
            ),
        ),
        "The operator's role stays closed to <a token that proves nothing>",
        "AWS refuses it as not trusted",
        ("a token of another service account, made for AWS", "not trusted"),
    ),
    Defect(
        "a removed tag of a role is not drift",
        (
            Edit(
                "deployer/kinds/roles.py",
                "{tag: value for tag, value in state.tags.items() if tag in self._desired.tags}",
                "self._desired.tags",
            ),
        ),
        "Drift made by hand is found, shown and mended",
        "the plan showed that the operator's role differs in its tags",
        ("removed a tag of the operator's role", "operator's role", "tags"),
    ),
    Defect(
        "a plan that takes something away is allowed",
        (Edit("deployer/plan.py", "        if self.refused:", "        if False:"),),
        "A plan that would destroy a secret is refused and says which",
        "it is refused, and the loss is named",
    ),
    Defect(
        "what is supplied takes the place of a live value",
        (
            Edit(
                "deployer/kinds/values.py",
                "        if name in self._to_replace:",
                "        given = self._given(secret).items()\n"
                "        if name in self._to_replace or (\n"
                "            stored.fields and any(stored.fields.get(key) != value for key, value in given)\n"
                "        ):",
            ),
        ),
        "Populating again never replaces a live value",
        "the secrets are populated again",
    ),
    Defect(
        "a percent sign goes into a connection string as it is",
        (
            Edit(
                "deployer/shapes.py",
                'quote(str(_text(value)), safe="")',
                'quote(str(_text(value)), safe="%")',
            ),
        ),
        "A password with <character> survives its connection string",
        "a client reads the same password out of it",
        ("a percent sign", "database"),
    ),
    Defect(
        "an approval that has lapsed counts",
        (Edit("deployer/approvals.py", "approval.lapse(today)", "None"),),
        "Production is refused when an approval no longer holds",
        'it is refused, and the reason is "security approval"',
        ("security approval",),
    ),
    Defect(
        "a rollback leaves the application as it is",
        (
            Edit(
                "deployer/rollback.py",
                'self._patch(self._application, patch, "json-patch+json")',
                "pass",
            ),
        ),
        "The application returns to its previous revision",
        "the application is as it was before the change",
    ),
    Defect(
        "the validator does not look at the key's rotation",
        (
            Edit(
                "deployer/compliance/checks/aws.py",
                '(Violation(_name(key), "AWS does not rotate it"),)',
                "()",
            ),
        ),
        "A violation is found by its own control alone, and is gone when it is mended",
        'at first the control "key-rotation" failed, and no other',
        ("the key is no longer rotated", "key-rotation"),
    ),
)

WATCH = (
    Defect(
        "the alert on failing synchronisation waits for a status that does not exist",
        (Edit(_RULES, 'status="False"}) == 1', 'status="Falsch"}) == 1'),),
        "An alert fires for its fault, reaches whom it should, and ends with the fault",
        "AWS does not have what an external secret asks for",
        ("AWS does not have what an external secret asks for", "SecretSyncFailing"),
    ),
    Defect(
        "the cluster's store is not encrypted",
        (
            Edit(
                "environments/embedded/control_plane/configuration.py",
                '"providers": [{"secretbox"',
                '"providers": [{"identity": {}}, {"secretbox"',
            ),
        ),
        "The cluster's own store holds the values encrypted",
        "no secret value is found anywhere",
    ),
    Defect(
        "readers who are not meant to are not looked for",
        (Edit("evidence/readers.py", "if reading.reader not in expected:", "if False:"),),
        "A service account that is not meant to read the cluster's secrets is found by name",
        "that reader is named as unexpected",
    ),
    Defect(
        "a moment without an accepted credential is overlooked",
        (Edit("evidence/checkers.py", "        if not any(accepted.values()):", "        if False:"),),
        _NOT_BLIND,
        "what is found is no credential gap",
        ("a moment without an accepted credential", "no credential gap"),
    ),
    Defect(
        "a steady state that does not return is overlooked",
        (Edit("evidence/checkers.py", "for when, probes in course.quiet():", "for when, probes in ():"),),
        _NOT_BLIND,
        "what is found is steady state around faults",
        ("a steady state that does not return", "steady state around faults"),
    ),
    Defect(
        "a fault is carried out without effect",
        (
            Edit(
                "faults/calls.py",
                "[self._place.trouble(each) for each in self._troubles]",
                "[]",
            ),
        ),
        _TROUBLE,
        'the secret "database/primary" is rotated while Secrets Manager throttles the operator',
        ("database", "database/primary", "Secrets Manager throttles the operator"),
    ),
    Defect(
        "a fault is not healed",
        (Edit("faults/injection.py", "        self.fault.heal()\n", ""),),
        _TROUBLE,
        'the secret "cache/redis-auth" is rotated while Secrets Manager fails for the rotation function',
        ("Redis", "cache/redis-auth", "Secrets Manager fails for the rotation function"),
    ),
)

DEFECTS = (*ROTATION, *APPLICATION, *DEPLOYER, *WATCH)
