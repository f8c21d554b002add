"""LocalStack as a process of the environment."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import aiohttp
from pydantic import SecretStr

from deployer.connections import ClusterIdentity
from environments.embedded.aws.installation import NAME, PLUGINS, function_python
from environments.embedded.aws.plugins.mita_localstack import settings
from environments.embedded.aws.plugins.mita_localstack.access_keys import new_access_key, new_secret_key
from environments.embedded.network import Network
from environments.embedded.processes import ProcessSpec
from environments.embedded.run_directory import RunDirectory
from environments.embedded.site import Site

ACCOUNT = "000000000000"
REGION = "us-east-1"
PORT = 4566
SERVICES = ("kms", "secretsmanager", "iam", "sts", "lambda", "s3", "logs", "cloudwatch", "sns", "ssm")
TRAIL = "logs/cloudtrail.log"
FAULTS = "aws.sock"
IDLE_SECONDS = 60
"""How long a function's process waits for the next invocation before it is ended."""

_CLUSTER = f"{NAME}/cluster.json"
_CHECK_SECONDS = 5


@dataclass(frozen=True, slots=True)
class AwsEndpoint:
    """Where AWS' stand-in answers, and the administrator's credentials for it.

    Attributes:
        url: Base URL of every service.
        region: The region that its resources are in.
        access_key: The administrator's access key id.
        secret_key: The administrator's secret access key.
    """

    url: str
    region: str
    access_key: str
    secret_key: SecretStr

    def credentials(self) -> str:
        """Return the administrator's credentials in the form of the AWS programs' file."""
        return (
            "[default]\n"
            f"aws_access_key_id = {self.access_key}\n"
            f"aws_secret_access_key = {self.secret_key.get_secret_value()}\n"
        )

    def variables(self, credentials: Path) -> dict[str, str]:
        """Return what leads the AWS programs here; `credentials` is where those lie."""
        return {
            "AWS_ENDPOINT_URL": self.url,
            "AWS_SHARED_CREDENTIALS_FILE": str(credentials),
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_PROFILE": "default",
            "AWS_REGION": self.region,
            "AWS_DEFAULT_REGION": self.region,
        }


async def start_localstack(site: Site, *, cluster: ClusterIdentity | None = None) -> AwsEndpoint:
    """Start LocalStack and wait until it answers.

    Its services load at their first call.  Calls are recorded in `TRAIL`, and faults are
    set through the socket `FAULTS`, both in the run directory.

    Args:
        site: Where; its tools include ``localstack``, the interpreter from `ensure_localstack`.
        cluster: The cluster whose tokens it takes; `introduce_cluster` can name it later as well.

    Raises:
        NotReadyError: It ended or did not answer in time.
        ConfigurationError: The run directory cannot be written to.
    """
    address = f"{site.network.loopback(Network.AWS)}:{PORT}"
    endpoint = AwsEndpoint(
        f"http://{address}", REGION, new_access_key(ACCOUNT, temporary=False), SecretStr(new_secret_key())
    )
    if cluster is not None:
        introduce_cluster(site.run, cluster)

    async def missing() -> str | None:
        try:
            async with (
                aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(_CHECK_SECONDS)) as session,
                session.get(f"{endpoint.url}/_localstack/health") as answer,
            ):
                return None if answer.ok else f"its health is status {answer.status}"
        except (aiohttp.ClientError, TimeoutError):
            return f"nothing answers at {endpoint.url}"

    await site.supervisor.start(
        ProcessSpec(
            name=NAME,
            argv=(str(site.tools[NAME]), "-m", "localstack.runtime.main"),
            environment=_environment(site, address, _settings(site.run, endpoint, site.tools[NAME])),
            directory=site.run.directory(NAME),
            log=site.run.logs / f"{NAME}.log",
            ready=missing,
        )
    )
    return endpoint


def introduce_cluster(
    run: RunDirectory,
    cluster: ClusterIdentity,
    *,
    endpoint: str | None = None,
    version: str = "1.36",
    encryption_key: str | None = None,
) -> None:
    """Tell LocalStack of the cluster: whose tokens IAM takes, and what EKS describes.

    It may run already or not; the cluster's issuer is asked at the first token.

    Args:
        run: LocalStack's run.
        cluster: The cluster.
        endpoint: URL of its API server, if that is not its issuer as well.
        version: Kubernetes version.
        encryption_key: ARN by which EKS names the key that encrypts the cluster's secrets.  By
            default one that KMS does not know: the API server has the key in its own configuration.

    Raises:
        ConfigurationError: The run directory cannot be written to.
    """
    told = described(cluster, endpoint=endpoint, version=version, encryption_key=encryption_key)
    run.write(_CLUSTER, told.model_dump_json())


def described(
    cluster: ClusterIdentity,
    *,
    endpoint: str | None = None,
    version: str,
    encryption_key: str | None = None,
) -> settings.Cluster:
    """Return a cluster as LocalStack's plug-ins read it; the arguments are those of `introduce_cluster`."""
    return settings.Cluster(
        name=cluster.name,
        endpoint=endpoint or cluster.oidc_issuer,
        certificate_authority=cluster.certificate_authority,
        oidc_issuer=cluster.oidc_issuer,
        version=version,
        encryption_key=encryption_key
        or f"arn:aws:kms:{REGION}:{ACCOUNT}:alias/{cluster.name}-encryption-at-rest",
    )


def operator_variables(url: str) -> list[dict[str, str]]:
    """Return the variables by which the operator asks here in place of AWS, as its chart takes them.

    Args:
        url: Base URL of every service.
    """
    return [{"name": f"AWS_{service}_ENDPOINT", "value": url} for service in ("SECRETSMANAGER", "STS")]


def _settings(run: RunDirectory, endpoint: AwsEndpoint, localstack: Path) -> Path:
    given = settings.Settings(
        account=ACCOUNT,
        region=endpoint.region,
        access_key=endpoint.access_key,
        secret_key=endpoint.secret_key,
        cluster=run.root / _CLUSTER,
        trail=run.root / TRAIL,
        faults=run.root / FAULTS,
        function_python=function_python(localstack),
    )
    return run.write(f"{NAME}/settings.json", given.model_dump_json())


def _environment(site: Site, address: str, given: Path) -> dict[str, str]:
    """Return settings that keep its files in the run directory and its traffic on this machine."""
    return {
        "PATH": "/usr/local/bin:/usr/bin:/bin",
        "LANG": "C.UTF-8",
        # The plug-ins as they are now; their installation tells LocalStack only where to begin.
        "PYTHONPATH": str(PLUGINS),
        settings.VARIABLE: str(given),
        "GATEWAY_LISTEN": address,
        "GATEWAY_SERVER": "loopback",  # ours: LocalStack's own listens on all addresses, and serves anybody
        "LOCALSTACK_HOST": address,  # in the URLs that it hands out
        "SERVICES": ",".join(SERVICES),
        "STRICT_SERVICE_LOADING": "1",
        "LAMBDA_RUNTIME_EXECUTOR": "process",  # ours: LocalStack's own needs Docker
        "LAMBDA_KEEPALIVE_MS": str(IDLE_SECONDS * 1000),
        "HOME": str(site.run.directory(NAME, "home")),
        "TMPDIR": str(site.run.directory(NAME, "temporary")),
        "FILESYSTEM_ROOT": str(site.run.directory(NAME, "files")),
        "OVERRIDE_IN_DOCKER": "0",  # where it finds itself in a container, it takes no other root than /
        "CLEAR_TMP_FOLDER": "0",  # the run directory goes as a whole, sooner than LocalStack clears its part
        # Everything that would look for the outside: telemetry, a certificate from a server
        # of its makers, its own DNS, and a ping to where Docker's bridge might be.
        "DISABLE_EVENTS": "1",
        "SKIP_SSL_CERT_DOWNLOAD": "1",
        "DNS_ADDRESS": "0",
        "DOCKER_BRIDGE_IP": site.network.loopback(Network.AWS),
    }
