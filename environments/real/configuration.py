"""What a real environment is described by: a TOML file, read into types."""

from __future__ import annotations

import shutil
import tomllib
from pathlib import Path
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from deployer.errors import ConfigurationError, MissingToolError
from environments.protocol import Capability

Text = Annotated[str, Field(min_length=1)]
Url = Annotated[str, Field(pattern=r"^https?://[^/\s]+[^\s]*$")]
RoleArn = Annotated[str, Field(pattern=r"^arn:aws[a-z-]*:iam::\d{12}:role/[\w+=,.@/-]+$")]

# Claimed for a real place they would open what belongs to the embedded one.
_NOT_CLAIMED = {Capability.CHANGES_ALLOWED, Capability.ETCD_ACCESS, Capability.CLUSTER_AUDIT}


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Aws(_Strict):
    """The account, and as whom it is asked.

    Attributes:
        account: Its id, twelve digits.
        region: Where everything lies.
        profile: Profile of the AWS configuration; boto3's own chain decides unless it is given.
        role: The role that smoke runs take on; none: as whoever the chain finds.
        deployment_role: The role that plans and deployments take on; likewise.
        deployers: Names of further roles and users that deploy, and so may read secrets.
    """

    account: Annotated[str, Field(pattern=r"^\d{12}$")]
    region: Annotated[str, Field(pattern=r"^[a-z]{2}(-[a-z]+)+-\d$")]
    profile: Text | None = None
    role: RoleArn | None = None
    deployment_role: RoleArn | None = None
    deployers: frozenset[Text] = frozenset()

    @model_validator(mode="after")
    def _roles_are_the_accounts(self) -> Self:
        for role in (self.role, self.deployment_role):
            if role is not None and role.split(":")[4] != self.account:
                raise ValueError(f"{role} is not of account {self.account}")
        return self


class ClusterSettings(_Strict):
    """The Kubernetes cluster.

    Attributes:
        name: As EKS knows it.
        context: The context of the kubeconfig that leads to it.
        kubeconfig: The file.
        oidc_issuer: URL of the issuer of its tokens, by which it is recognised.
        certificate_authority: PEM file of the authority behind the issuer's certificate; needed to
            deploy, and where that authority is not a public one.
    """

    name: Text
    context: Text
    kubeconfig: Path
    oidc_issuer: Annotated[str, Field(pattern=r"^https://\S+$")]
    certificate_authority: Path | None = None


class EndpointSettings(_Strict):
    """Where the running parts answer; what is left out, the environment does not have."""

    application: Url | None = None
    prometheus: Url | None = None
    grafana: Url | None = None
    slack: Url | None = None
    pagerduty: Url | None = None


class HelmSettings(_Strict):
    """Helm and the operator's chart."""

    program: Text = "helm"
    operator_chart: Text = "external-secrets"
    operator_version: Text | None = "0.9.9"
    operator_repository: Text | None = "https://charts.external-secrets.io"


class BudgetSettings(_Strict):
    """What a run that only reads may spend."""

    seconds: Annotated[float, Field(gt=0, le=3000)] = 300
    requests: Annotated[int, Field(gt=0, le=100_000)] = 2000


class Configuration(_Strict):
    """A real environment.

    Attributes:
        aws: The account.
        cluster: The cluster.
        endpoints: Where the running parts answer.
        helm: Helm.
        budget: What a run that only reads may spend.
        approvals: File of the approvals that a deployment needs.
        capabilities: What can be shown there, besides what follows from the endpoints.
    """

    aws: Aws
    cluster: ClusterSettings
    endpoints: EndpointSettings = EndpointSettings()
    helm: HelmSettings = HelmSettings()
    budget: BudgetSettings = BudgetSettings()
    approvals: Path = Path("approvals.toml")
    capabilities: frozenset[Capability] = frozenset()

    @model_validator(mode="after")
    def _claims_only_what_can_be(self) -> Self:
        claimed = sorted(self.capabilities & _NOT_CLAIMED)
        if claimed:
            raise ValueError(f"{', '.join(claimed)} cannot be claimed for a real environment")
        for name in ("prometheus", "grafana"):
            capability = {"prometheus": Capability.MONITORING, "grafana": Capability.GRAFANA}[name]
            if capability in self.capabilities and getattr(self.endpoints, name) is None:
                raise ValueError(f"{capability} needs endpoints.{name}")
        return self

    @property
    def shown(self) -> frozenset[Capability]:
        """Everything that can be shown there without a change."""
        found = set(self.capabilities)
        if self.endpoints.prometheus is not None:
            found.add(Capability.MONITORING)
        if self.endpoints.grafana is not None:
            found.add(Capability.GRAFANA)
        return frozenset(found)

    def require_helm(self) -> Path:
        """Find the Helm program.

        Raises:
            MissingToolError: It is not there.
        """
        found = shutil.which(self.helm.program)
        if found is None:
            raise MissingToolError(
                "Helm",
                expected=f"a program {self.helm.program}",
                seen="none on PATH",
                remedy="Install Helm, or name it as helm.program in the configuration.",
            )
        return Path(found).absolute()


def read_configuration(path: Path) -> Configuration:
    """Read a configuration; paths in it are relative to its own directory.

    Raises:
        ConfigurationError: It cannot be read, is no TOML, or describes no environment; the error
            names the key.
    """
    try:
        read = Configuration.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigurationError(
            f"configuration {path}",
            expected="a TOML file that can be read",
            seen=str(getattr(error, "strerror", None) or error),
            remedy="Write one with: mita init",
        ) from error
    except ValidationError as error:
        found = error.errors(include_url=False)
        first = next((each for each in found if each["type"] == "extra_forbidden"), found[0])
        where = ".".join(str(part) for part in first["loc"]) or "(whole file)"
        seen = "nothing" if first["type"] == "missing" else repr(first["input"])[:200]
        raise ConfigurationError(
            f"{path}: {where}", expected=first["msg"], seen=seen, remedy="Correct that key."
        ) from None

    def found_from(file: Path) -> Path:
        return (path.parent / file.expanduser()).absolute()

    authority = read.cluster.certificate_authority
    cluster = read.cluster.model_copy(
        update={
            "kubeconfig": found_from(read.cluster.kubeconfig),
            "certificate_authority": None if authority is None else found_from(authority),
        }
    )
    return read.model_copy(update={"cluster": cluster, "approvals": found_from(read.approvals)})
