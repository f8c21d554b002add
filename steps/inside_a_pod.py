"""Phase 4: the guide's checks from inside a pod of the application, as `kubectl exec` makes them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

import yaml
from kubernetes.client import CoreV1Api
from kubernetes.stream import stream
from pytest_bdd import given, then, when

from deployer.eventually import eventually
from deployer.kinds.releases import not_rolled_out
from steps.application import NAME, deployment_of, is_ready, pods_of
from steps.focus import Focus
from steps.parameters import phrase
from steps.system import System, text_of

_DEADLINE = 30  # seconds
_ERROR_CHANNEL = 3
_ROLLOUT_SECONDS = 120.0
_IN_ENVIRONMENT = ("database/primary", "cache/redis-auth")
_LET_IN = "let in as "

# The guide's own programs, which say in addition as whom the server let them in.
_OWN_CREDENTIALS: Mapping[str, str] = {
    "database": """
import os, psycopg2
conn = psycopg2.connect(os.environ["DATABASE_URL"])
cursor = conn.cursor()
cursor.execute("SELECT session_user")
print("let in as", cursor.fetchone()[0])
conn.close()
""",
    "cache": """
import os, redis
r = redis.from_url(os.environ["REDIS_URL"])
r.ping()
print("let in as", r.acl_whoami())
""",
}
# The wrong password is made inside the pod; all else is what the programs above use.
_WRONG_PASSWORD: Mapping[str, str] = {
    "database": """
import os, secrets, psycopg2
from psycopg2.extensions import make_dsn
psycopg2.connect(make_dsn(os.environ["DATABASE_URL"], password=secrets.token_urlsafe(24)))
""",
    "cache": """
import os, secrets, redis
pool = redis.ConnectionPool.from_url(os.environ["REDIS_URL"])
pool.connection_kwargs["password"] = secrets.token_urlsafe(24)
redis.Redis(connection_pool=pool).ping()
""",
}
# What psycopg2 and redis-py say when it is the server that refused, and for the password.
_REFUSALS = {
    "database": "FATAL:  password authentication failed",
    "cache": "redis.exceptions.AuthenticationError",
}


@dataclass(frozen=True, slots=True)
class Ended:
    """How a program in a pod ended.

    Attributes:
        pod: Where it ran.
        code: Its exit code.
        output: What it wrote to standard output.
        errors: What it wrote to standard error.
    """

    pod: str
    code: int
    output: str
    errors: str


def run_inside(system: System, command: list[str]) -> Ended:
    """Run a program in the first ready pod of the application.

    Raises:
        AssertionError: No pod is ready, or the program does not end in time.
    """
    pod = next((each["metadata"]["name"] for each in pods_of(system) if is_ready(each)), None)
    assert pod is not None, "no pod of the application is ready"
    # A client of its own: `stream` changes how its client sends requests while it lasts.
    with system.environment.kubernetes() as client:
        channels = stream(
            CoreV1Api(client).connect_get_namespaced_pod_exec,
            pod,
            system.desired.namespace,
            command=command,
            stdout=True,
            stderr=True,
            stdin=False,
            tty=False,
            _preload_content=False,
        )
        try:
            channels.run_forever(timeout=_DEADLINE)
            assert not channels.is_open(), f"the program in {pod} has not ended within {_DEADLINE} s"
            status = yaml.safe_load(channels.read_channel(_ERROR_CHANNEL))
            return Ended(pod, _exit_code(status), channels.read_stdout(), channels.read_stderr())
        finally:
            channels.close()


def _exit_code(status: Mapping[str, object]) -> int:
    if status["status"] == "Success":
        return 0
    assert status.get("reason") == "NonZeroExitCode", f"the program could not be run: {status.get('message')}"
    details = status["details"]
    assert isinstance(details, Mapping)
    return int(details["causes"][0]["message"])


@given("the application was rolled out after the last rotation")
def _rolled_out_since(system: System) -> None:
    """Roll it out anew where need be: a pod's environment is that of its beginning, unlike what it mounts."""
    manager = system.aws("secretsmanager")
    described = [manager.describe_secret(SecretId=system.full_name(name)) for name in _IN_ENVIRONMENT]
    rotated = [each["LastRotatedDate"] for each in described if "LastRotatedDate" in each]
    pods = [datetime.fromisoformat(pod["status"]["startTime"]) for pod in pods_of(system)]
    if not rotated or min(pods) > max(rotated):
        return
    deployment = deployment_of(system)
    namespace, name = system.desired.namespace, deployment["metadata"]["name"]
    stamp = {"kubectl.kubernetes.io/restartedAt": datetime.now(UTC).isoformat()}
    system.cluster.call(
        "PATCH",
        f"/apis/apps/v1/namespaces/{namespace}/deployments/{name}",
        body={"spec": {"template": {"metadata": {"annotations": stamp}}}},
        content="strategic-merge-patch+json",
    )
    eventually(
        lambda: not_rolled_out(deployment_of(system)),
        subject=f"rollout of {name}",
        deadline=_ROLLOUT_SECONDS,
        remedy="Look at its pods.",
    )


@when(
    phrase(
        "a pod of the application connects to the {service:Service} with its own credentials",
        Service=_REFUSALS,
    ),
    target_fixture="ended",
)
def _with_own_credentials(system: System, focus: Focus, service: str) -> Ended:
    return _python(system, focus, _OWN_CREDENTIALS[service])


@when(
    phrase(
        "a pod of the application connects to the {service:Service} with a wrong password", Service=_REFUSALS
    ),
    target_fixture="ended",
)
def _with_wrong_password(system: System, focus: Focus, service: str) -> Ended:
    return _python(system, focus, _WRONG_PASSWORD[service])


def _python(system: System, focus: Focus, program: str) -> Ended:
    focus.on("apps/v1", "Deployment", NAME, system.desired.namespace)
    ended = run_inside(system, ["python", "-c", program])
    focus.on("v1", "Pod", ended.pod, system.desired.namespace)
    return ended


@then(phrase("the {service:Service} lets it in", Service=_REFUSALS))
def _lets_it_in(system: System, ended: Ended, service: str) -> None:
    assert ended.code == 0, f"the program in {ended.pod} ended with {ended.code}: {_last(ended.errors)}"
    login = {
        "database": lambda: text_of(system.stored("database/primary")["username"]),
        "cache": lambda: system.desired.cache.user,
    }[service]()
    assert ended.output.strip() == _LET_IN + login, f"it says: {ended.output.strip()}"


@then(phrase("the {service:Service} turns it away", Service=_REFUSALS))
def _turns_it_away(ended: Ended, service: str) -> None:
    assert ended.code != 0, "it was let in"
    assert _REFUSALS[service] in ended.errors, f"it failed for another reason: {_last(ended.errors)}"


def _last(text: str) -> str:
    return next((line for line in reversed(text.splitlines()) if line.strip()), "it said nothing")
