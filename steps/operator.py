"""Phase 2: the operator's release, its programs, its resource types, its identity and its stores."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping
from typing import Any

import yaml
from pytest_bdd import then, when

from deployer.cluster import Object, Resource
from deployer.desired import PRODUCTION
from deployer.helm import Helm, Release
from deployer.kinds.releases import not_rolled_out
from deployer.rendering import condition
from steps.focus import Focus
from steps.parameters import phrase
from steps.system import System

_GROUP = "external-secrets.io"
API = f"{_GROUP}/v1beta1"
_PROGRAMS = {
    "controller": "external-secrets",
    "webhook": "external-secrets-webhook",
    "certificate controller": "external-secrets-cert-controller",
}
_STORES = {"secret store": "SecretStore", "cluster secret store": "ClusterSecretStore"}
_ROLE_ANNOTATION = "eks.amazonaws.com/role-arn"
_GUIDES_SETTINGS: Mapping[str, Any] = {
    "installCRDs": True,
    "webhook": {"port": 9443},
    "certController": {"enable": True},
    "image": {"tag": "v0.9.9"},
}

Json = dict[str, Any]


# ---- releases


@when("the operator's release is examined", target_fixture="release_name")
def _release_examined(focus: Focus) -> str:
    for deployment in _PROGRAMS.values():
        focus.on("apps/v1", "Deployment", deployment, "external-secrets-system")
    return "external-secrets"


@then(phrase("it is deployed in the namespace {namespace:Quoted}"))
def _is_deployed(system: System, release_name: str, namespace: str) -> None:
    release = helm_release(system, release_name, namespace)
    assert release is not None, f"there is no release {release_name} in {namespace}"
    assert release.status == "deployed", f"it is {release.status}"


def helm_release(system: System, name: str, namespace: str) -> Release | None:
    """Ask Helm for a release."""
    connections = system.connections
    context = connections.cluster.context
    return Helm(connections.helm, kubeconfig=connections.kubeconfig, context=context).release(name, namespace)


def helm_values(system: System, name: str, namespace: str) -> Json:
    """Ask Helm for the values that a release was given."""
    connections = system.connections
    target = ("--kubeconfig", str(connections.kubeconfig), "--kube-context", connections.cluster.context)
    command = (str(connections.helm), "get", "values", name, "-n", namespace, "-o", "json", *target)
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 0, f"helm get values ended with {done.returncode}: {done.stderr.strip()}"
    values: Json = json.loads(done.stdout)
    return values


@then("it has the guide's settings")
def _has_guides_settings(system: System) -> None:
    values = helm_values(system, "external-secrets", "external-secrets-system")
    missing = [path for path, value in _leaves(_GUIDES_SETTINGS) if _at(values, path) != value]
    assert not missing, f"these settings are not the guide's: {', '.join('.'.join(path) for path in missing)}"


def _leaves(tree: Mapping[str, Any], path: tuple[str, ...] = ()) -> list[tuple[tuple[str, ...], Any]]:
    found: list[tuple[tuple[str, ...], Any]] = []
    for key, value in tree.items():
        inner = (*path, key)
        found += _leaves(value, inner) if isinstance(value, Mapping) else [(inner, value)]
    return found


def _at(tree: Any, path: tuple[str, ...]) -> Any:  # noqa: ANN401  any JSON
    for key in path:
        tree = tree.get(key) if isinstance(tree, Mapping) else None
    return tree


@then(phrase("every one of its programs runs from the image tagged {tag:Quoted}"))
def _programs_run_from(system: System, tag: str) -> None:
    for program, name in _PROGRAMS.items():
        pods = system.cluster.list(
            "v1", "Pod", "external-secrets-system", labelSelector=_selector(system, name)
        )
        running = [pod for pod in pods if pod["status"].get("phase") == "Running"]
        assert running, f"no pod of the {program} runs"
        images = {container["image"] for pod in running for container in pod["spec"]["containers"]}
        assert all(image.endswith(f":{tag}") for image in images), f"the {program} runs {images}"


def _selector(system: System, deployment: str) -> str:
    live = system.cluster.get(_manifest("apps/v1", "Deployment", deployment, "external-secrets-system"))
    assert live is not None, f"there is no deployment {deployment}"
    return ",".join(f"{key}={value}" for key, value in live["spec"]["selector"]["matchLabels"].items())


def _manifest(api_version: str, kind: str, name: str, namespace: str | None = None) -> Object:
    return Focus().on(api_version, kind, name, namespace)


@when(phrase("the operator's {program:Program} is examined", Program=_PROGRAMS), target_fixture="deployment")
def _program_examined(system: System, focus: Focus, program: str) -> Object | None:
    return system.cluster.get(
        focus.on("apps/v1", "Deployment", _PROGRAMS[program], "external-secrets-system")
    )


@then("all of its wanted replicas are available")
def _all_available(deployment: Object | None) -> None:
    assert deployment is not None, "there is no such deployment"
    assert deployment["spec"]["replicas"] >= 1, "no replica is wanted"
    assert not_rolled_out(deployment) is None, not_rolled_out(deployment)
    available = condition(deployment, "Available")
    assert available is not None
    assert available["status"] == "True", available.get("message")


# ---- resource types


@when("the operator's resource types are examined", target_fixture="definitions")
def _definitions_examined(system: System) -> dict[str, Object]:
    found = system.cluster.list("apiextensions.k8s.io/v1", "CustomResourceDefinition")
    return {each["spec"]["names"]["kind"]: each for each in found if each["spec"]["group"] == _GROUP}


@then("these are established:")
def _are_established(system: System, definitions: dict[str, Object], datatable: list[list[str]]) -> None:
    for (kind,) in datatable[1:]:
        assert kind in definitions, f"there is no resource type {kind}"
        established = condition(definitions[kind], "Established")
        assert established is not None, f"{kind} is not established"
        assert established["status"] == "True", f"{kind}: {established.get('message')}"
        version = definitions[kind]["status"]["storedVersions"][-1]
        served = system.cluster.resource(f"{_GROUP}/{version}", kind)
        assert isinstance(served, Resource), f"{kind} is established but not served"


# ---- identity


@when("the operator's identity in the cluster is examined", target_fixture="identity")
def _identity_examined(system: System, focus: Focus) -> tuple[Object | None, Object | None]:
    namespace, account = system.desired.roles[0].service_account.split("/")
    return (
        system.cluster.get(focus.on("v1", "Namespace", namespace)),
        system.cluster.get(focus.on("v1", "ServiceAccount", account, namespace)),
    )


@then("its namespace is there, with the declared labels")
def _namespace_as_declared(identity: tuple[Object | None, Object | None]) -> None:
    live, _ = identity
    assert live is not None, "its namespace is not there"
    file = PRODUCTION.parent / "artifacts/k8s/external-secrets/namespace.yaml"
    declared = yaml.safe_load(file.read_text(encoding="utf-8"))["metadata"]["labels"]
    assert declared.items() <= live["metadata"]["labels"].items()


@then("its service account names the operator's role")
def _account_names_the_role(system: System, identity: tuple[Object | None, Object | None]) -> None:
    _, account = identity
    assert account is not None, "its service account is not there"
    role = system.aws("iam").get_role(RoleName=system.desired.roles[0].name)["Role"]["Arn"]
    assert account["metadata"].get("annotations", {}).get(_ROLE_ANNOTATION) == role


@then("no pod gets a token of it without asking")
def _no_token_mounted(identity: tuple[Object | None, Object | None]) -> None:
    _, account = identity
    assert account is not None
    assert account.get("automountServiceAccountToken") is False


_SUBJECTS = {
    "the operator": "system:serviceaccount:external-secrets-system:external-secrets",
    "the operator's identity": "system:serviceaccount:mita-production:mita-external-secrets",
    "the application": "system:serviceaccount:mita-production:mita-production",
}
_DEEDS = {
    "make tokens of the operator's identity": {
        "verb": "create",
        "resource": "serviceaccounts",
        "subresource": "token",
        "name": "mita-external-secrets",
    },
    "write the application's secrets": {"verb": "update", "resource": "secrets"},
    "read the application's secrets": {"verb": "get", "resource": "secrets"},
}


@when(phrase("it is asked whether {who} may {deed}"), target_fixture="allowed")
def _asked_whether(system: System, who: str, deed: str) -> bool:
    answer = system.cluster.call(
        "POST",
        "/apis/authorization.k8s.io/v1/subjectaccessreviews",
        body={
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SubjectAccessReview",
            "spec": {
                "user": _SUBJECTS[who],
                "resourceAttributes": {"namespace": system.desired.namespace, **_DEEDS[deed]},
            },
        },
    )
    allowed: bool = answer["status"]["allowed"]
    return allowed


@then(phrase("the cluster answers {answer:Words}"))
def _answers(allowed: bool, answer: str) -> None:
    assert ("yes" if allowed else "no") == answer


# ---- stores


@when(phrase("the {store:Store} is examined", Store=_STORES), target_fixture="examined")
def _store_examined(system: System, focus: Focus, store: str) -> Object | None:
    namespace = system.desired.namespace if store == "secret store" else None
    return system.cluster.get(focus.on(API, _STORES[store], "mita-production-secrets", namespace))


@then("it is ready")
def _is_ready(examined: Object | None) -> None:
    assert examined is not None, "it is not there"
    ready = condition(examined, "Ready")
    assert ready is not None, "the operator has not looked at it"
    assert ready["status"] == "True", f"{ready.get('reason')}: {ready.get('message')}"
