"""Contract of the node: what reaches a container by variables, and who it is to the API server."""

from __future__ import annotations

import json

import pytest

from tests.node.cluster import Namespace, encoded, status_of

pytestmark = [pytest.mark.embedded, pytest.mark.asyncio(loop_scope="session")]

PRINT_ENVIRONMENT = "import json, os; print(json.dumps(dict(os.environ)))"


async def printed(namespace: Namespace, name: str) -> dict[str, str]:
    await namespace.wait("pods", name, lambda pod: pod["status"]["phase"] == "Succeeded")
    environment: dict[str, str] = json.loads(namespace.logs(name))
    return environment


async def test_every_kind_of_variable(namespace: Namespace) -> None:
    await namespace.secret("s", password="0.0.0.0/p", host="db")
    await namespace.create("configmaps", {"metadata": {"name": "m"}, "data": {"level": "debug"}})
    await namespace.create("services", {"metadata": {"name": "my-db"}, "spec": {"ports": [{"port": 5432}]}})
    secret = {"secretKeyRef": {"name": "s", "key": "password"}}
    await namespace.pod(
        "env",
        "-c",
        PRINT_ENVIRONMENT,
        "$(URL)",
        metadata={"labels": {"app": "x"}},
        restartPolicy="Never",
        volumes=[{"name": "v", "emptyDir": {}}],
        container_volumeMounts=[{"name": "v", "mountPath": "/data"}],
        container_resources={"limits": {"memory": "64Mi"}, "requests": {"cpu": "1m", "memory": "1Mi"}},
        container_envFrom=[{"secretRef": {"name": "s"}, "prefix": "S_"}],
        container_env=[
            {"name": "PASSWORD", "valueFrom": secret},
            {"name": "LEVEL", "valueFrom": {"configMapKeyRef": {"name": "m", "key": "level"}}},
            {"name": "NONE", "valueFrom": {"configMapKeyRef": {"name": "n", "key": "k", "optional": True}}},
            {"name": "URL", "value": "pg://u:$(PASSWORD)@h?file=/data/ca"},
            {"name": "LISTEN", "value": "0.0.0.0:8000"},
            {"name": "APP", "valueFrom": {"fieldRef": {"fieldPath": "metadata.labels['app']"}}},
            {"name": "IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}},
            {"name": "MEMORY", "valueFrom": {"resourceFieldRef": {"resource": "limits.memory"}}},
        ],
    )
    environment = await printed(namespace, "env")
    pod = await namespace.get("pods", "env")
    site = namespace.cluster.site
    address = site.network.bound(pod["status"]["podIP"])
    data = namespace.cluster.volume(pod, "v")
    expected = {
        "PASSWORD": "0.0.0.0/p",
        "S_password": "0.0.0.0/p",
        "S_host": "db",
        "LEVEL": "debug",
        "URL": f"pg://u:0.0.0.0/p@h?file={data}/ca",
        "LISTEN": f"{address}:8000",
        "APP": "x",
        "IP": address,
        "MEMORY": str(64 * 2**20),
        "HOSTNAME": "env",
        "KUBERNETES_SERVICE_HOST": site.network.loopback("0.1"),
        "KUBERNETES_SERVICE_PORT": "6443",
        "MY_DB_SERVICE_PORT": "5432",
    }
    assert {name: environment.get(name) for name in expected} == expected
    assert environment["MY_DB_SERVICE_HOST"].startswith(f"127.{site.network.number}.")
    assert "NONE" not in environment
    for name in ("HOME", "TMPDIR", "KUBECONFIG"):
        assert environment[name].startswith(str(site.run.root / "pods" / pod["metadata"]["uid"]))


async def test_a_container_waits_for_the_secret_of_a_variable(namespace: Namespace) -> None:
    reference = {"secretKeyRef": {"name": "late", "key": "k"}}
    await namespace.pod(
        "waits",
        "-c",
        PRINT_ENVIRONMENT,
        restartPolicy="Never",
        container_env=[{"name": "V", "valueFrom": reference}],
    )
    pod = await namespace.wait("pods", "waits", lambda pod: status_of(pod)["state"]["waiting"].get("message"))
    waiting = status_of(pod)["state"]["waiting"]
    assert waiting == {"reason": "CreateContainerConfigError", "message": 'secret "late" not found'}
    await namespace.secret("late", other="x")
    await namespace.wait(
        "pods", "waits", lambda pod: "couldn't find key k" in status_of(pod)["state"]["waiting"]["message"]
    )
    await namespace.update("secrets", "late", {"data": encoded({"k": "v"})})
    assert (await printed(namespace, "waits"))["V"] == "v"


async def test_without_service_links_only_the_api_server_is_told(namespace: Namespace) -> None:
    await namespace.create("services", {"metadata": {"name": "db"}, "spec": {"ports": [{"port": 1}]}})
    await namespace.pod("bare", "-c", PRINT_ENVIRONMENT, restartPolicy="Never", enableServiceLinks=False)
    environment = await printed(namespace, "bare")
    assert "DB_SERVICE_HOST" not in environment
    assert "KUBERNETES_SERVICE_HOST" in environment


async def test_a_client_in_the_pod_is_its_service_account(namespace: Namespace) -> None:
    script = """
import json, os, ssl, urllib.request, yaml
config = yaml.safe_load(open(os.environ["KUBECONFIG"]))
cluster = config["clusters"][0]["cluster"]
token = open(config["users"][0]["user"]["tokenFile"]).read()
trust = ssl.create_default_context(cafile=cluster["certificate-authority"])
review = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
request = urllib.request.Request(
    cluster["server"] + "/apis/authentication.k8s.io/v1/selfsubjectreviews",
    data=json.dumps(review).encode(),
    headers={"Authorization": f"Bearer {token}", "Content-Type": "application/json"},
)
print(json.load(urllib.request.urlopen(request, context=trust))["status"]["userInfo"]["username"])
"""
    await namespace.pod("client", "-c", script, restartPolicy="Never")
    await namespace.wait("pods", "client", lambda pod: pod["status"]["phase"] == "Succeeded")
    assert namespace.logs("client") == f"system:serviceaccount:{namespace.name}:default\n"


async def test_without_a_token_there_is_no_kubeconfig(namespace: Namespace) -> None:
    await namespace.pod(
        "none", "-c", PRINT_ENVIRONMENT, restartPolicy="Never", automountServiceAccountToken=False
    )
    assert "KUBECONFIG" not in await printed(namespace, "none")
