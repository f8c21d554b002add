"""Contract of the node and its proxies: who reaches a pod, and by which address."""

from __future__ import annotations

import asyncio
import base64
import http.client
from typing import Any

import pytest

from environments.embedded.node.api import ApiError
from tests.node.cluster import Namespace, eventually, is_ready, pod

pytestmark = [pytest.mark.embedded, pytest.mark.asyncio(loop_scope="session")]

# Answers every GET with its pod's name.
NAMED = """
import http.server, os
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        name = os.environ["HOSTNAME"].encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(name)))
        self.end_headers()
        self.wfile.write(name)
    def log_message(self, *_):
        pass
http.server.ThreadingHTTPServer(("0.0.0.0", 8000), Handler).serve_forever()
"""

# Refuses what is named "refused"; its certificate comes from a mounted Secret.
JUDGE = """
import http.server, json, ssl
class Handler(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        review = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        asked = review["request"]
        allowed = asked["name"] != "refused"
        answer = {"uid": asked["uid"], "allowed": allowed, "status": {"message": "not that one"}}
        body = json.dumps({**review, "response": answer}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *_):
        pass
server = http.server.ThreadingHTTPServer(("0.0.0.0", 8443), Handler)
tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
tls.load_cert_chain("/tls/tls.crt", "/tls/tls.key")
server.socket = tls.wrap_socket(server.socket, server_side=True)
server.serve_forever()
"""


def listens(port: int) -> dict[str, Any]:
    return {"tcpSocket": {"port": port}, "periodSeconds": 1}


async def make_service(namespace: Namespace, name: str, port: int, target: int) -> str:
    """Create a Service for the pods of its name; return where it is bound on the host.

    Only root can listen on a port below 1024; the API server does not need it for webhooks.
    """
    spec = {"selector": {"app": name}, "ports": [{"port": port, "targetPort": target}]}
    service = await namespace.create("services", {"metadata": {"name": name}, "spec": spec})
    return namespace.cluster.site.network.bound(service["spec"]["clusterIP"])


def answer(address: str, port: int) -> str:
    connection = http.client.HTTPConnection(address, port, timeout=5)
    try:
        connection.request("GET", "/")
        return connection.getresponse().read().decode()
    finally:
        connection.close()


async def test_a_service_is_reached_from_the_host_and_spreads_over_ready_pods(namespace: Namespace) -> None:
    template = pod("web", "-c", NAMED, container_readinessProbe=listens(8000))
    template["metadata"] = {"labels": {"app": "web"}}
    spec = {"replicas": 2, "selector": {"matchLabels": {"app": "web"}}, "template": template}
    await namespace.create("deployments", {"metadata": {"name": "web"}, "spec": spec})
    address = await make_service(namespace, "web", 8080, 8000)
    await namespace.wait("deployments", "web", lambda each: each["status"]["availableReplicas"] == 2)
    names = {each["metadata"]["name"] for each in await namespace.pods()}
    answered: set[str] = set()

    async def all_answered() -> bool:
        try:
            answered.add(await asyncio.to_thread(answer, address, 8080))
        except ConnectionError:  # the proxy learns of the endpoints a moment later
            return False
        return answered == names

    await eventually(all_answered, 10)
    await namespace.update("deployments", "web", {"spec": {"replicas": 0}})

    async def refused() -> bool:
        try:
            await asyncio.to_thread(answer, address, 8080)
        except ConnectionError:
            return True
        return False

    await eventually(refused, 15)


async def test_a_pod_reaches_a_service_by_the_variables_that_it_is_given(namespace: Namespace) -> None:
    await make_service(namespace, "web", 8080, 8000)
    probe = listens(8000)
    await namespace.pod(
        "web", "-c", NAMED, metadata={"labels": {"app": "web"}}, container_readinessProbe=probe
    )
    await namespace.wait("pods", "web", is_ready)
    ask = """
import os, time, urllib.request
url = f"http://{os.environ['WEB_SERVICE_HOST']}:{os.environ['WEB_SERVICE_PORT']}/"
for _ in range(100):
    try:
        print(urllib.request.urlopen(url).read().decode())
        break
    except OSError:
        time.sleep(0.1)
"""
    await namespace.pod("client", "-c", ask, restartPolicy="Never")
    await namespace.wait("pods", "client", lambda each: each["status"]["phase"] == "Succeeded")
    assert namespace.logs("client") == "web\n"


async def test_the_api_server_passes_requests_on_to_pods_and_services(namespace: Namespace) -> None:
    await make_service(namespace, "web", 8080, 8000)
    probe = listens(8000)
    await namespace.pod(
        "web", "-c", NAMED, metadata={"labels": {"app": "web"}}, container_readinessProbe=probe
    )
    await namespace.wait("pods", "web", is_ready)
    for path in (namespace.path("pods", "web:8000"), namespace.path("services", "web:8080")):

        async def passed_on(path: str = path) -> bool:
            return (await namespace.kubectl("get", "--raw", f"{path}/proxy/")).out == b"web"

        await eventually(passed_on, 10)


async def test_a_webhook_in_a_pod_is_really_called(namespace: Namespace) -> None:
    authority = namespace.cluster.plane.authority
    host = f"judge.{namespace.name}.svc"
    pair = authority.issue(host, names=(host,), usage="server")
    tls = {"tls.crt": pair.certificate.read_text(), "tls.key": pair.key.read_text()}
    await namespace.secret("tls", **tls)
    await make_service(namespace, "judge", 443, 8443)
    await namespace.pod(
        "judge",
        "-c",
        JUDGE,
        metadata={"labels": {"app": "judge"}},
        volumes=[{"name": "tls", "secret": {"secretName": "tls"}}],
        container_volumeMounts=[{"name": "tls", "mountPath": "/tls"}],
        container_readinessProbe={"tcpSocket": {"port": 8443}, "periodSeconds": 1},
    )
    await namespace.wait("pods", "judge", is_ready)
    path = "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations"
    await namespace.cluster.api.create(path, _configuration(namespace, authority.certificate.read_bytes()))
    try:

        async def refused() -> bool:
            try:
                await namespace.create("configmaps", {"metadata": {"name": "refused"}})
            except ApiError as error:
                return (
                    'admission webhook "judge.example.com" denied the request: not that one' in error.message
                )
            # The API server does not know of the webhook yet.
            await namespace.cluster.api.delete(namespace.path("configmaps", "refused"))
            return False

        await eventually(refused, 20)
        await namespace.create("configmaps", {"metadata": {"name": "allowed"}})
    finally:
        await namespace.cluster.api.delete(f"{path}/{namespace.name}")


def _configuration(namespace: Namespace, authority: bytes) -> dict[str, Any]:
    rule = {"apiGroups": [""], "apiVersions": ["v1"], "resources": ["configmaps"], "operations": ["CREATE"]}
    return {
        "metadata": {"name": namespace.name},
        "webhooks": [
            {
                "name": "judge.example.com",
                "rules": [rule],
                "clientConfig": {
                    "service": {"namespace": namespace.name, "name": "judge", "path": "/"},
                    "caBundle": base64.b64encode(authority).decode(),
                },
                "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace.name}},
                "admissionReviewVersions": ["v1"],
                "sideEffects": "None",
                "failurePolicy": "Fail",
                "timeoutSeconds": 5,
            }
        ],
    }
