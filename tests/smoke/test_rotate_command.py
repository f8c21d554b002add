"""`mita rotate` in a deployed environment, as a shell sees it."""

from __future__ import annotations

import secrets
import signal
from collections.abc import Iterator
from typing import Any

import pytest

from deployer.eventually import eventually
from tests.cli.commands import failure_labels
from tests.smoke.conftest import Place

pytestmark = pytest.mark.embedded

_JWT = "auth/jwt-secret"
_FULL = "mita-finance/production/auth/jwt-secret"


@pytest.fixture(scope="module")
def manager(place: Place) -> Any:  # noqa: ANN401  boto3 client
    done = place.mita("deploy", "--rehearse", "--yes")  # mends what others planted
    assert done.returncode == 0, done.stderr
    return place.environment.aws("secretsmanager")


@pytest.fixture
def pending(manager: Any) -> Iterator[str]:  # noqa: ANN401  boto3 client
    """A version that somebody left pending by hand."""
    version = secrets.token_hex(16)
    value = manager.get_secret_value(SecretId=_FULL)["SecretString"]
    manager.put_secret_value(
        SecretId=_FULL, ClientRequestToken=version, SecretString=value, VersionStages=["AWSPENDING"]
    )
    yield version
    if _labelled(manager, "AWSPENDING") == version:
        manager.update_secret_version_stage(
            SecretId=_FULL, VersionStage="AWSPENDING", RemoveFromVersionId=version
        )


def _labelled(manager: Any, label: str) -> str | None:  # noqa: ANN401  boto3 client
    versions = manager.describe_secret(SecretId=_FULL)["VersionIdsToStages"]
    return next((version for version, labels in versions.items() if label in labels), None)


def test_a_secret_is_rotated_and_every_hop_is_told(place: Place, manager: Any) -> None:  # noqa: ANN401  boto3 client
    before = _labelled(manager, "AWSCURRENT")

    done = place.mita("rotate", _JWT)

    assert done.returncode == 0, done.stderr
    assert (_labelled(manager, "AWSPREVIOUS"), _labelled(manager, "AWSCURRENT") == before) == (before, False)
    for hop in ("createSecret", "setSecret", "testSecret", "finishSecret", "AWSCURRENT moved", "pod "):
        assert hop in done.stdout, hop


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (("no/such",), "no/such"),
        (("auth/jwt-previous-secret",), "one that nothing rotates"),
        ((_JWT, "--resume"), "a version left pending"),
        (("monitoring/sentry-dsn",), "which only its issuer can make"),
    ],
    ids=["unknown", "nothing rotates it", "nothing to resume", "no new value"],
)
@pytest.mark.usefixtures("manager")
def test_what_cannot_be_rotated_is_refused_with_the_reason(
    place: Place, arguments: tuple[str, ...], named: str
) -> None:
    done = place.mita("rotate", *arguments)

    assert done.returncode in (1, 2)
    assert failure_labels(done.stderr) == ["failed", "expected", "seen", "to do"]
    assert named in done.stderr


def test_a_secret_whose_rotation_is_not_configured_is_refused(place: Place, manager: Any) -> None:  # noqa: ANN401  boto3 client
    manager.cancel_rotate_secret(SecretId=_FULL)

    done = place.mita("rotate", _JWT)

    assert done.returncode == 1
    assert "mita deploy --through rotation" in done.stderr
    assert place.mita("deploy", "--through", "rotation", "--rehearse", "--yes").returncode == 0
    assert place.mita("rotate", _JWT).returncode == 0


def test_a_version_that_was_left_pending_is_finished_or_given_up(
    place: Place,
    manager: Any,  # noqa: ANN401  boto3 client
    pending: str,
) -> None:
    current = _labelled(manager, "AWSCURRENT")

    refused, both, given_up = (
        place.mita("rotate", _JWT, *options) for options in ((), ("--resume", "--abandon"), ("--abandon",))
    )

    assert (refused.returncode, both.returncode, given_up.returncode) == (1, 2, 0)
    assert f"version {pending} with AWSPENDING" in refused.stderr
    assert f"Version {pending} is given up." in given_up.stdout
    assert _labelled(manager, "AWSCURRENT") == current


def test_an_interrupted_rotation_says_how_to_go_on_and_goes_on_by_itself(place: Place, manager: Any) -> None:  # noqa: ANN401  boto3 client
    before = _labelled(manager, "AWSCURRENT")
    with place.mita.start("rotate", "database/primary") as process:
        assert process.stderr is not None
        said = ""
        while "createSecret" not in said:
            line = process.stderr.readline()
            assert line, f"it ended before its first step: {said}"
            said += line
        process.send_signal(signal.SIGINT)
        _, rest = process.communicate(timeout=60)

    assert process.returncode == 130
    assert "--resume" in rest
    assert "Traceback" not in rest
    assert _labelled(manager, "AWSCURRENT") == before, "another secret than the one that was asked for"

    def incomplete() -> str | None:
        done = place.mita("rotate", "database/primary", "--resume")
        nothing_pending = "expected  a version left pending" in done.stderr
        return None if done.returncode == 0 or nothing_pending else done.stderr

    eventually(incomplete, subject="the rotation", deadline=60, remedy="Read the function's log.")
    # It may have ended with nobody to tell the operator: a rotation that is followed brings all to rest.
    followed = place.mita("rotate", "database/primary")
    assert followed.returncode == 0, followed.stderr
