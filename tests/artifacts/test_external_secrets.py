from __future__ import annotations

import copy
from pathlib import Path
from string import Template
from typing import Any

import pytest
import yaml

import deployer
from environments.embedded.toolchain import Tools
from tests.artifacts.definitions import Definitions

DIRECTORY = Path(deployer.__file__).parent / "artifacts" / "k8s" / "external-secrets"
FILES = ("namespace.yaml", "service-account.yaml", "secret-stores.yaml", "mita-secrets.yaml")
VALUES = {
    "ROLE_ARN": "arn:aws:iam::000000000000:role/mita-production-external-secrets",
    "REGION": "us-east-1",
    "SECRET_PREFIX": "mita-finance/production",
    "REFRESH_INTERVAL": "1m",
    "STORE_NAME": "mita-production-secrets",
}

# Which keys each Kubernetes secret gets, and from which property of which secret at AWS.
EXPECTED = {
    "mita-production-database-credentials": {
        key: ("database/primary", key)
        for key in ("username", "password", "host", "port", "database", "connection_string")
    },
    "mita-production-auth-secrets": {
        "jwt-secret": ("auth/jwt-secret", "value"),
        "jwt-previous-secret": ("auth/jwt-previous-secret", "value"),
    },
    "mita-production-app-secrets": {"secret-key": ("app/secret-key", "value")},
    "mita-production-cache-credentials": {
        key: ("cache/redis-auth", key) for key in ("password", "host", "port", "connection_string")
    },
    "mita-production-external-services": {
        "openai-api-key": ("external/openai-api-key", "value"),
        "sentry-dsn": ("monitoring/sentry-dsn", "value"),
    },
    "mita-production-notification-credentials": {
        key: ("notifications/smtp-credentials", key) for key in ("username", "password")
    },
}

type Object = dict[str, Any]


def rendered(*files: str) -> list[Object]:
    texts = [Template((DIRECTORY / file).read_text()).substitute(VALUES) for file in files]
    return [manifest for text in texts for manifest in yaml.safe_load_all(text)]


@pytest.fixture(scope="module")
def definitions(tools: Tools) -> Definitions:
    return Definitions(tools.operator_chart / "templates" / "crds")


@pytest.fixture
def external_secrets() -> dict[str, Object]:
    return {manifest["metadata"]["name"]: manifest for manifest in rendered("mita-secrets.yaml")}


def test_nothing_but_the_documented_placeholders_has_to_be_filled_in() -> None:
    wanted = {name for file in FILES for name in Template((DIRECTORY / file).read_text()).get_identifiers()}
    assert wanted == set(VALUES)


def test_every_object_of_the_operator_fits_its_definition(definitions: Definitions) -> None:
    checked = 0
    for manifest in rendered(*FILES):
        if manifest["apiVersion"].startswith("external-secrets.io/"):
            assert definitions.errors(manifest) == [], manifest["metadata"]["name"]
            checked += 1
    assert checked == 2 + len(EXPECTED)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("spec", "target", "creationPolicy"), "Sometimes"),
        (("spec", "refreshIntervall"), "1m"),
        (("spec", "data", 0, "remoteRef", "property"), 1),
        (("spec", "data", 0, "remoteRef", "name"), "x"),
    ],
    ids=["value outside its enumeration", "misspelt field", "wrong type", "unknown inner field"],
)
def test_the_check_against_the_definitions_sees_mistakes(
    definitions: Definitions, external_secrets: dict[str, Object], path: tuple[str | int, ...], value: object
) -> None:
    broken = copy.deepcopy(external_secrets["mita-production-app-secrets"])
    inner: Any = broken
    for step in path[:-1]:
        inner = inner[step]
    inner[path[-1]] = value
    assert len(definitions.errors(broken)) == 1


def test_the_kubernetes_secrets_have_the_documented_keys(external_secrets: dict[str, Object]) -> None:
    found = {
        manifest["spec"]["target"]["name"]: {
            entry["secretKey"]: (
                entry["remoteRef"]["key"].removeprefix(f"{VALUES['SECRET_PREFIX']}/"),
                entry["remoteRef"]["property"],
            )
            for entry in manifest["spec"]["data"]
        }
        for manifest in external_secrets.values()
    }
    assert found == EXPECTED


def test_every_secret_is_owned_kept_and_refreshed(external_secrets: dict[str, Object]) -> None:
    for manifest in external_secrets.values():
        spec = manifest["spec"]
        assert manifest["metadata"]["namespace"] == "mita-production"
        assert spec["refreshInterval"] == VALUES["REFRESH_INTERVAL"]
        assert spec["secretStoreRef"] == {"kind": "SecretStore", "name": VALUES["STORE_NAME"]}
        assert (spec["target"]["creationPolicy"], spec["target"]["deletionPolicy"]) == ("Owner", "Retain")


def test_the_connection_urls_come_on_top_of_the_other_keys(external_secrets: dict[str, Object]) -> None:
    templates = {
        key: (manifest["spec"]["target"]["template"]["mergePolicy"], text)
        for manifest in external_secrets.values()
        for key, text in manifest["spec"]["target"].get("template", {}).get("data", {}).items()
    }
    assert templates == {
        "DATABASE_URL": (
            "Merge",
            '{{ .connection_string | replace "postgresql+asyncpg://" "postgresql://" }}',
        ),
        "REDIS_URL": ("Merge", "{{ .connection_string }}"),
    }


def test_the_current_signing_secret_is_read_before_the_previous_one(
    external_secrets: dict[str, Object],
) -> None:
    """The operator reads in this order; a rotation writes in the other, so none of both is ever missed."""
    entries = external_secrets["mita-production-auth-secrets"]["spec"]["data"]
    assert [entry["secretKey"] for entry in entries] == ["jwt-secret", "jwt-previous-secret"]


def test_the_stores_read_with_the_one_account_that_names_the_role() -> None:
    (account,) = rendered("service-account.yaml")
    assert (account["kind"], account["metadata"]["name"]) == ("ServiceAccount", "mita-external-secrets")
    assert account["metadata"]["annotations"] == {"eks.amazonaws.com/role-arn": VALUES["ROLE_ARN"]}
    assert account["automountServiceAccountToken"] is False
    stores = {manifest["kind"]: manifest for manifest in rendered("secret-stores.yaml")}
    assert set(stores) == {"ClusterSecretStore", "SecretStore"}
    for kind, store in stores.items():
        aws = store["spec"]["provider"]["aws"]
        reference = {"name": account["metadata"]["name"]}
        if kind == "ClusterSecretStore":
            reference["namespace"] = account["metadata"]["namespace"]
        assert store["metadata"]["name"] == VALUES["STORE_NAME"]
        assert (aws["service"], aws["region"]) == ("SecretsManager", VALUES["REGION"])
        assert aws["auth"] == {"jwt": {"serviceAccountRef": reference}}


def test_the_cluster_wide_store_serves_this_namespace_only() -> None:
    (store,) = (
        manifest for manifest in rendered("secret-stores.yaml") if manifest["kind"] == "ClusterSecretStore"
    )
    assert store["spec"]["conditions"] == [{"namespaces": ["mita-production"]}]
