"""Phase 3 on real servers: values born, stored, opened, kept, and never written anywhere else."""

import base64
import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psycopg2
import pytest
import redis
from pydantic import SecretStr

from deployer.changes import Action
from deployer.deployment import Deployment
from deployer.desired import Desired, read
from deployer.errors import ConfigurationError, RefusedError
from deployer.progress import Step
from deployer.supplied import rehearsed
from tests.deployer.conftest import Place

pytestmark = pytest.mark.embedded
PREFIX = "mita-finance/production/"
Make = Callable[..., Deployment]


def cluster_last() -> Desired:
    """The desired state with all that needs nodes put off to phase 4."""
    desired = read()
    later = {"phase": 4}
    return desired.model_copy(
        update={
            "releases": tuple(each.model_copy(update=later) for each in desired.releases),
            "manifests": tuple(each.model_copy(update=later) for each in desired.manifests),
        }
    )


@pytest.fixture
def born() -> dict[str, str]:
    """Every value that a deployment told of, by its name."""
    return {}


@pytest.fixture
def steps() -> list[Step]:
    """Every step that a deployment told of."""
    return []


@pytest.fixture
def make(place: Place, tmp_path: Path, born: dict[str, str], steps: list[Step]) -> Make:
    """Make a deployment with the values that an operator would give."""

    def make(**options: Any) -> Deployment:  # noqa: ANN401  those of Deployment
        def note(name: str, value: SecretStr) -> None:
            born[name] = value.get_secret_value()

        given = {"supplied": rehearsed(read(), account="000000000000"), **options}
        return Deployment(
            place.connections,
            cluster_last(),
            receipts=tmp_path,
            on_secret=note,
            progress=steps.append,
            **given,
        )

    return make


def value(place: Place, name: str) -> dict[str, Any]:
    answer = place.aws("secretsmanager").get_secret_value(SecretId=PREFIX + name)
    stored: dict[str, Any] = json.loads(answer["SecretString"])
    return stored


def versions(place: Place) -> dict[str, str]:
    listed = place.aws("secretsmanager").list_secrets()["SecretList"]
    return {
        each["Name"]: version
        for each in listed
        for version, stages in each["SecretVersionsToStages"].items()
        if "AWSCURRENT" in stages
    }


def store(place: Place, name: str, **fields: object) -> None:
    text = json.dumps(value(place, name) | fields)
    place.aws("secretsmanager").put_secret_value(SecretId=PREFIX + name, SecretString=text)


def test_the_stored_values_open_the_servers(make: Make, place: Place) -> None:
    deployment = make()
    deployment.apply(deployment.plan(3))
    database = value(place, "database/primary")
    url = database["connection_string"].replace("postgresql+asyncpg://", "postgresql://")
    connection = psycopg2.connect(url)
    with connection, connection.cursor() as cursor:
        cursor.execute("select session_user, current_user, current_database()")
        assert cursor.fetchone() == ("mita_app", "mita_owner", "mita")
    connection.close()
    cache = redis.Redis.from_url(value(place, "cache/redis-auth")["connection_string"])
    assert cache.ping()
    cache.close()
    deployment.verify(3)


def test_populating_again_replaces_nothing(make: Make, place: Place) -> None:
    first = make()
    first.apply(first.plan(3))
    before = versions(place)
    assert len(before) == 8
    again = make()  # with other values of the operator's
    plan = again.plan(3)
    assert plan.pending == ()
    again.apply(plan)
    assert versions(place) == before


def test_no_value_is_written_but_to_its_store(
    make: Make, tmp_path: Path, born: dict[str, str], steps: list[Step]
) -> None:
    deployment = make()
    plan = deployment.plan(3)
    deployment.apply(plan)
    again = deployment.plan(3, replace=["auth/jwt-secret"])
    written = "\n".join(
        [plan.to_json(), again.to_json(), repr(plan), repr(steps)]
        + [each.read_text(encoding="utf-8") for each in tmp_path.rglob("*") if each.is_file()]
    )
    assert "secret-value/auth/jwt-secret" in written
    values = {name: each for name, each in born.items() if each != "apikey"}  # SendGrid's public user name
    assert len(values) >= 10
    for name, each in values.items():
        forms = {each, quote(each, safe=""), json.dumps(each)[1:-1], base64.b64encode(each.encode()).decode()}
        assert not [form for form in forms if form in written], name


def test_a_missing_value_is_named_and_nothing_is_changed(make: Make, place: Place) -> None:
    deployment = make(supplied={})
    with pytest.raises(ConfigurationError, match=r"4 missing.*MITA_SENTRY_DSN"):
        deployment.apply(deployment.plan(3))
    assert place.aws("kms").list_keys()["Keys"] == []


def test_a_live_value_is_replaced_only_when_named(make: Make, place: Place) -> None:
    deployment = make()
    deployment.apply(deployment.plan(3))
    store(place, "auth/jwt-secret", value="changeme")
    plan = deployment.plan(3)
    assert [(each.action, each.object) for each in plan.pending] == [
        (Action.REPLACE, "secret-value/auth/jwt-secret")
    ]
    with pytest.raises(RefusedError, match=r"replace secret-value/auth/jwt-secret \(value is a placeholder"):
        deployment.apply(plan)
    assert value(place, "auth/jwt-secret")["value"] == "changeme"
    deployment.apply(deployment.plan(3, replace=["auth/jwt-secret"]))
    assert len(value(place, "auth/jwt-secret")["value"]) == 43
    assert deployment.plan(3).pending == ()


def test_a_connection_string_that_disagrees_is_made_anew_from_its_parts(make: Make, place: Place) -> None:
    deployment = make()
    deployment.apply(deployment.plan(3))
    before = value(place, "cache/redis-auth")
    store(place, "cache/redis-auth", connection_string="redis://:x@elsewhere:6379/0")
    plan = deployment.plan(3)
    assert "secret-value/cache/redis-auth" in {each.object for each in plan.pending}
    assert not plan.refused
    deployment.apply(plan)
    assert value(place, "cache/redis-auth") == before


def test_a_login_that_no_longer_opens_is_mended_without_a_new_value(make: Make, place: Place) -> None:
    deployment = make()
    deployment.apply(deployment.plan(3))
    before = versions(place)
    server = place.connections.database
    assert server is not None
    connection = psycopg2.connect(
        host=server.host, port=server.port, user=server.username,
        password=server.password.get_secret_value(), dbname="postgres",
    )  # fmt: skip
    with connection, connection.cursor() as cursor:
        cursor.execute("ALTER ROLE mita_app PASSWORD 'another'")
        cursor.execute("GRANT CONNECT ON DATABASE mita TO PUBLIC")
    connection.close()
    (change,) = deployment.plan(3).pending
    assert (change.action, change.object) == (Action.UPDATE, "database-login/mita")
    assert {each.path for each in change.details} == {
        "accepts the stored login",
        "database.public may connect",
    }
    deployment.apply(deployment.plan(3))
    assert deployment.plan(3).pending == ()
    assert versions(place) == before


def test_a_cache_without_password_is_found_and_closed(make: Make, place: Place) -> None:
    deployment = make()
    deployment.apply(deployment.plan(3))
    server = place.connections.cache
    assert server is not None
    administrator = redis.Redis(
        host=server.host, port=server.port, username=server.username,
        password=server.password.get_secret_value(),
    )  # fmt: skip
    administrator.execute_command("ACL SETUSER", "default", "nopass")  # type: ignore[no-untyped-call]  # no types
    administrator.close()
    (change,) = deployment.plan(3).pending
    assert change.object == "cache-login/default"
    deployment.apply(deployment.plan(3))
    stranger = redis.Redis(host=server.host, port=server.port)
    with pytest.raises(redis.AuthenticationError):
        stranger.ping()
    stranger.close()


def test_a_plan_without_changes_asks_little(make: Make, place: Place) -> None:
    deployment = make()
    deployment.apply(deployment.plan(3))
    place.calls.clear()
    assert deployment.plan(3).pending == ()
    calls = Counter(call.split(":")[0] for call in place.calls)
    # Of Secrets Manager: one listing of secrets, and two calls for each of three kinds that look at values.
    assert calls == {"kms": 4, "secretsmanager": 7, "iam": 2}
