from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

import deployer
from environments.embedded.toolchain import Tools
from reference_app.settings import Kind, Settings
from tests.artifacts.test_external_secrets import EXPECTED

CHART = Path(deployer.__file__).parent / "artifacts" / "k8s" / "mita"
GUIDE = (
    "image.tag=latest",
    "environment=production",
    "externalSecrets.enabled=true",
    "externalSecrets.secretStoreName=mita-production-secrets",
    "externalSecrets.secretKeyPrefix=mita-finance/production",
    "replicaCount=3",
    "resources.requests.cpu=500m",
    "resources.requests.memory=1Gi",
    "resources.limits.cpu=2000m",
    "resources.limits.memory=2Gi",
)

type Object = dict[str, Any]
type Render = Callable[..., dict[str, Object]]


@pytest.fixture(scope="session")
def helm(tools: Tools) -> Callable[..., subprocess.CompletedProcess[str]]:
    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run([str(tools["helm"]), *arguments], capture_output=True, text=True, check=False)

    return run


@pytest.fixture(scope="session")
def render(helm: Callable[..., subprocess.CompletedProcess[str]]) -> Render:
    """Render the chart; gives its objects by kind."""

    def run(*settings: str) -> dict[str, Object]:
        options = [option for setting in settings for option in ("--set", setting)]
        result = helm("template", "mita-production", str(CHART), "--namespace", "mita-production", *options)
        if result.returncode:
            raise ValueError(result.stderr)
        return {manifest["kind"]: manifest for manifest in yaml.safe_load_all(result.stdout)}

    return run


def _pod(objects: dict[str, Object]) -> Object:
    pod: Object = objects["Deployment"]["spec"]["template"]["spec"]
    return pod


def _environment(objects: dict[str, Object]) -> dict[str, Any]:
    variables = _pod(objects)["containers"][0]["env"]
    return {each["name"]: each.get("value", each.get("valueFrom")) for each in variables}


def test_it_passes_helms_own_lint(helm: Callable[..., subprocess.CompletedProcess[str]]) -> None:
    result = helm("lint", "--strict", str(CHART))
    assert result.returncode == 0, result.stdout
    assert "[WARNING]" not in result.stdout


def test_the_guides_values_are_the_charts_own(render: Render) -> None:
    """An upgrade with a single value, as in the guide's rollback, takes every other one from the chart."""
    assert render() == render(*GUIDE)


def test_the_objects_are_named_after_the_release(render: Render) -> None:
    objects = render(*GUIDE)
    assert set(objects) == {"Deployment", "Service", "ServiceAccount", "PodDisruptionBudget"}
    for manifest in objects.values():
        assert manifest["metadata"]["name"] == "mita-production"
        assert manifest["metadata"]["namespace"] == "mita-production"
    assert objects["Deployment"]["spec"]["template"]["metadata"]["labels"]["app"] == "mita-production"
    assert objects["Service"]["spec"]["selector"] == {"app": "mita-production"}
    assert objects["PodDisruptionBudget"]["spec"]["selector"]["matchLabels"] == {"app": "mita-production"}
    (port,) = objects["Service"]["spec"]["ports"]
    assert (port["port"], port["targetPort"]) == (8000, "http")


def test_the_deployment_follows_the_guide(render: Render) -> None:
    spec = render(*GUIDE)["Deployment"]["spec"]
    assert spec["replicas"] == 3
    assert spec["strategy"] == {
        "type": "RollingUpdate",
        "rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1},
    }
    (container,) = spec["template"]["spec"]["containers"]
    assert container["image"] == "mita-finance/mita:latest"
    assert container["resources"] == {
        "requests": {"cpu": "500m", "memory": "1Gi"},
        "limits": {"cpu": "2000m", "memory": "2Gi"},
    }


def test_the_application_is_told_what_the_pod_mounts(render: Render) -> None:
    """The application's own reading of the environment has to meet the mounts."""
    objects = render(*GUIDE)
    plain = {name: value for name, value in _environment(objects).items() if isinstance(value, str)}
    settings = Settings.from_environment(plain)
    mounts = {each["name"]: each["mountPath"] for each in _pod(objects)["containers"][0]["volumeMounts"]}
    assert {str(kind): str(path) for kind, path in settings.directories.items()} == mounts
    assert all(each["readOnly"] for each in _pod(objects)["containers"][0]["volumeMounts"])
    assert settings.port == _pod(objects)["containers"][0]["ports"][0]["containerPort"]
    assert (settings.version, settings.environment) == ("latest", "production")


def test_credentials_come_from_the_operators_secrets(render: Render) -> None:
    objects = render(*GUIDE)
    volumes = {each["name"]: each["secret"] for each in _pod(objects)["volumes"]}
    assert set(volumes) == set(Kind)
    assert {each["secretName"] for each in volumes.values()} == set(EXPECTED)
    assert all("items" not in each for each in volumes.values())
    environment = _environment(objects)
    assert environment["DATABASE_URL"] == {
        "secretKeyRef": {"name": "mita-production-database-credentials", "key": "DATABASE_URL"}
    }
    assert environment["REDIS_URL"] == {
        "secretKeyRef": {"name": "mita-production-cache-credentials", "key": "REDIS_URL"}
    }


def test_without_external_secrets_the_legacy_secret_gives_the_same_files(render: Render) -> None:
    """The guide's rollback sets this one value and nothing else."""
    objects = render("externalSecrets.enabled=false")
    volumes = {each["name"]: each["secret"] for each in _pod(objects)["volumes"]}
    assert {each["secretName"] for each in volumes.values()} == {"mita-production-legacy-secrets"}
    files = {name: {item["path"] for item in each["items"]} for name, each in volumes.items()}
    assert files == {
        "database": {"DATABASE_URL"},
        "cache": {"REDIS_URL"},
        "auth": {"jwt-secret", "jwt-previous-secret"},
        "app": {"secret-key"},
        "external": {"openai-api-key", "sentry-dsn"},
        "notifications": {"username", "password"},
    }
    documented = (CHART / "values.yaml").read_text()
    for each in volumes.values():
        for item in each["items"]:
            assert item["key"] in documented
    names = {_environment(objects)[name]["secretKeyRef"]["name"] for name in ("DATABASE_URL", "REDIS_URL")}
    assert names == {"mita-production-legacy-secrets"}


def test_only_the_source_of_credentials_differs_between_both(render: Render) -> None:
    def without_sources(objects: dict[str, Object]) -> dict[str, Object]:
        pod = objects["Deployment"]["spec"]["template"]
        pod["metadata"].pop("annotations")
        pod["spec"].pop("volumes")
        variables = pod["spec"]["containers"][0]["env"]
        pod["spec"]["containers"][0]["env"] = [each for each in variables if "value" in each]
        return objects

    assert without_sources(render()) == without_sources(render("externalSecrets.enabled=false"))


@pytest.mark.parametrize(
    ("setting", "field"),
    [
        ("externalSecrets.secretStoreName=", "/externalSecrets/secretStoreName"),
        ("externalSecrets.secretStoreName=null", "secretStoreName"),
        ("externalSecrets.secretKeyPrefix=", "/externalSecrets/secretKeyPrefix"),
        ("externalSecrets.secretKeyPrefix=/mita/", "/externalSecrets/secretKeyPrefix"),
        ("externalSecrets.enabled=maybe", "/externalSecrets/enabled"),
        ("replicaCount=many", "/replicaCount"),
        ("replicaCont=3", "replicaCont"),
        ("image.tag=", "/image/tag"),
        ("resources.requests.cpu=lots", "/resources/requests/cpu"),
        ("shutdown.drainSeconds=-1", "/shutdown/drainSeconds"),
    ],
)
def test_a_wrong_value_is_named(render: Render, setting: str, field: str) -> None:
    with pytest.raises(ValueError, match="don't meet the specifications of the schema") as refused:
        render(setting)
    assert field in str(refused.value)


def test_without_external_secrets_the_store_need_not_be_named(render: Render) -> None:
    assert render(
        "externalSecrets.enabled=false",
        "externalSecrets.secretStoreName=",
        "externalSecrets.secretKeyPrefix=",
    )


def test_the_pods_say_where_their_credentials_come_from(render: Render) -> None:
    def annotations(*settings: str) -> Object:
        found: Object = render(*settings)["Deployment"]["spec"]["template"]["metadata"]["annotations"]
        return found

    assert annotations(*GUIDE) == {
        "mita.finance/secret-store": "mita-production-secrets",
        "mita.finance/secret-key-prefix": "mita-finance/production",
    }
    assert annotations("externalSecrets.enabled=false") == {
        "mita.finance/legacy-secret": "mita-production-legacy-secrets"
    }


def test_the_pod_satisfies_the_restricted_standard(render: Render) -> None:
    objects = render(*GUIDE)
    pod = _pod(objects)
    assert pod["automountServiceAccountToken"] is False
    assert objects["ServiceAccount"]["automountServiceAccountToken"] is False
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["runAsUser"] > 0
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert pod["containers"][0]["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert {each["secret"]["defaultMode"] for each in pod["volumes"]} == {0o440}


def test_probes_ask_what_they_are_for(render: Render) -> None:
    (container,) = _pod(render(*GUIDE))["containers"]
    paths = {
        name: container[f"{name}Probe"]["httpGet"]["path"] for name in ("startup", "liveness", "readiness")
    }
    assert paths == {"startup": "/health", "liveness": "/health", "readiness": "/health/ready"}


def test_the_pod_has_time_to_end(render: Render) -> None:
    objects = render("shutdown.drainSeconds=7", "shutdown.graceSeconds=11")
    assert _pod(objects)["terminationGracePeriodSeconds"] == 7 + 11 + 5
    settings = {name: value for name, value in _environment(objects).items() if name.endswith("_SECONDS")}
    assert settings == {"MITA_DRAIN_SECONDS": "7", "MITA_GRACE_SECONDS": "11"}


def test_replicas_are_spread_by_preference_only(render: Render) -> None:
    constraints = _pod(render(*GUIDE))["topologySpreadConstraints"]
    assert {each["whenUnsatisfiable"] for each in constraints} == {"ScheduleAnyway"}


@pytest.mark.parametrize(("replicas", "budget"), [(3, True), (2, False), (1, False)])
def test_a_budget_never_forbids_every_disruption(render: Render, replicas: int, *, budget: bool) -> None:
    objects = render(f"replicaCount={replicas}")
    assert ("PodDisruptionBudget" in objects) is budget
    if budget:
        assert objects["PodDisruptionBudget"]["spec"]["minAvailable"] == 2


def test_an_authority_of_one_s_own_is_mounted_and_verified_by(render: Render) -> None:
    objects = render("trust.configMap=kube-root-ca.crt")
    (mounted,) = (each for each in _pod(objects)["containers"][0]["volumeMounts"] if each["name"] == "trust")
    (volume,) = (each for each in _pod(objects)["volumes"] if each["name"] == "trust")
    assert volume["configMap"]["name"] == "kube-root-ca.crt"
    file = f"{mounted['mountPath']}/{volume['configMap']['items'][0]['path']}"
    environment = _environment(objects)
    assert (environment["PGSSLMODE"], environment["PGSSLROOTCERT"]) == ("verify-full", file)
    assert environment["SSL_CERT_FILE"] == file
    assert "SSL_CERT_FILE" not in _environment(render(*GUIDE))


def test_other_environments_add_their_own_variables(render: Render) -> None:
    environment = _environment(render("extraEnv[0].name=MITA_FINGERPRINT_KEY", "extraEnv[0].value=key"))
    assert environment["MITA_FINGERPRINT_KEY"] == "key"
