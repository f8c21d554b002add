"""The control plane as its clients, and as strangers, see it."""

from __future__ import annotations

import asyncio
import base64
import json
import ssl
import stat
from pathlib import Path
from typing import Any

import aiohttp
import jwt
import pytest

from environments.embedded.control_plane import Authority, ControlPlane, KeyPair
from environments.embedded.node.api import Api, ApiError
from environments.embedded.site import Site

pytestmark = [pytest.mark.embedded, pytest.mark.asyncio(loop_scope="module")]

DEFAULT = "/api/v1/namespaces/default"
VALUE = "correct-horse-battery-staple"


def _tls(authority: Path, client: KeyPair | None = None) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=str(authority))
    if client is not None:
        context.load_cert_chain(client.certificate, client.key)
    return context


async def _get(url: str, tls: ssl.SSLContext) -> tuple[int, str]:
    async with aiohttp.ClientSession() as session, session.get(url, ssl=tls) as answer:
        return answer.status, await answer.text()


async def _appears(api: Api, path: str) -> dict[str, Any]:
    async with asyncio.timeout(30):
        while True:
            try:
                return await api.get(path)
            except ApiError as error:
                if error.reason != "NotFound":
                    raise
            await asyncio.sleep(0.05)


CLOSED = [
    "/",
    "/api",
    "/apis",
    "/version",
    "/healthz",
    "/readyz",
    "/metrics",
    "/openapi/v2",
    "/openid/v1/other",
    "/.well-known/openid-configuration/more",
    f"{DEFAULT}/secrets",
]


@pytest.mark.parametrize("path", CLOSED)
async def test_strangers_are_refused(plane: ControlPlane, path: str) -> None:
    status, _ = await _get(plane.url + path, _tls(plane.authority.certificate))
    assert status == 401


async def test_strangers_may_discover_the_issuer(plane: ControlPlane) -> None:
    tls = _tls(plane.authority.certificate)
    status, body = await _get(f"{plane.oidc_issuer}/.well-known/openid-configuration", tls)
    assert status == 200, body
    discovery = json.loads(body)
    assert discovery["issuer"] == plane.oidc_issuer
    assert discovery["jwks_uri"].startswith(plane.url)
    status, body = await _get(discovery["jwks_uri"], tls)
    assert status == 200, body
    assert len(json.loads(body)["keys"]) == 1


async def test_a_certificate_of_another_authority_is_refused(plane: ControlPlane, site: Site) -> None:
    stranger = Authority(site.run, "stranger").issue("administrator", ("system:masters",))
    friend = plane.authority.issue("administrator", ("system:masters",))
    url = f"{plane.url}/api/v1/namespaces"
    status, _ = await _get(url, _tls(plane.authority.certificate, stranger))
    assert status == 401
    status, _ = await _get(url, _tls(plane.authority.certificate, friend))
    assert status == 200


async def test_the_servers_certificate_is_not_taken_on_trust(plane: ControlPlane, site: Site) -> None:
    other = Authority(site.run, "other")
    with pytest.raises(aiohttp.ClientConnectorCertificateError):
        await _get(plane.url, _tls(other.certificate))


@pytest.mark.parametrize("show_a_certificate", [True, False])
async def test_etcd_is_closed_to_users_of_the_cluster(plane: ControlPlane, show_a_certificate: bool) -> None:
    user = plane.authority.issue("administrator", ("system:masters",)) if show_a_certificate else None
    with pytest.raises((aiohttp.ClientOSError, aiohttp.ServerDisconnectedError)):
        await _get(f"{plane.etcd.url}/health", _tls(plane.etcd.authority, user))


async def test_a_secret_is_encrypted_in_etcd_and_a_configmap_is_not(plane: ControlPlane, api: Api) -> None:
    meta = {"metadata": {"name": "at-rest"}}
    await api.create(f"{DEFAULT}/secrets", {**meta, "stringData": {"password": VALUE}})
    await api.create(f"{DEFAULT}/configmaps", {**meta, "data": {"plain": VALUE}})
    secret = await _stored(plane, "/registry/secrets/default/at-rest")
    assert secret.startswith(b"k8s:enc:secretbox:v1:run:")
    assert VALUE.encode() not in secret
    assert base64.b64encode(VALUE.encode()) not in secret
    configmap = await _stored(plane, "/registry/configmaps/default/at-rest")
    assert VALUE.encode() in configmap, "the value would be seen if it were there"


async def _stored(plane: ControlPlane, key: str) -> bytes:
    tls = _tls(plane.etcd.authority, plane.etcd.client)
    body = {"key": base64.b64encode(key.encode()).decode()}
    async with (
        aiohttp.ClientSession() as session,
        session.post(f"{plane.etcd.url}/v3/kv/range", json=body, ssl=tls) as answer,
    ):
        assert answer.status == 200
        [stored] = (await answer.json(content_type=None))["kvs"]
        return base64.b64decode(stored["value"])


async def test_reading_a_secret_is_audited_without_its_value(plane: ControlPlane, api: Api) -> None:
    await api.create(
        f"{DEFAULT}/secrets", {"metadata": {"name": "audited"}, "stringData": {"password": VALUE}}
    )
    token = await _token(api, "sts.amazonaws.com")
    async with Api.from_kubeconfig(plane.kubeconfig("reader", ("system:masters",))) as reader:
        read = await reader.get(f"{DEFAULT}/secrets/audited")
    assert read["data"]["password"] == base64.b64encode(VALUE.encode()).decode()
    text = plane.audit_log.read_text()
    [record] = [
        record
        for record in map(json.loads, text.splitlines())
        if record["verb"] == "get" and record.get("objectRef", {}).get("name") == "audited"
    ]
    assert record["user"]["username"] == "reader"
    assert record["objectRef"]["resource"] == "secrets"
    assert record["level"] == "Metadata"
    assert not {"requestObject", "responseObject"} & record.keys()
    for leak in (VALUE, base64.b64encode(VALUE.encode()).decode(), token):
        assert leak not in text


async def test_a_change_of_rights_is_audited_with_its_content(plane: ControlPlane) -> None:
    bindings = [
        record
        for record in map(json.loads, plane.audit_log.read_text().splitlines())
        if record.get("objectRef", {}).get("name") == "mita:service-account-issuer-discovery"
    ]
    assert bindings[0]["requestObject"]["subjects"][0]["name"] == "system:unauthenticated"


async def _token(api: Api, audience: str) -> str:
    answer = await api.create(
        f"{DEFAULT}/serviceaccounts/default/token",
        {
            "apiVersion": "authentication.k8s.io/v1",
            "kind": "TokenRequest",
            "spec": {"audiences": [audience], "expirationSeconds": 600},
        },
    )
    return str(answer["status"]["token"])


async def test_a_token_for_aws_verifies_against_the_published_keys(plane: ControlPlane, api: Api) -> None:
    token = await _token(api, "sts.amazonaws.com")
    _, body = await _get(f"{plane.oidc_issuer}/openid/v1/jwks", _tls(plane.authority.certificate))
    keys = jwt.PyJWKSet.from_json(body)
    key = keys[jwt.get_unverified_header(token)["kid"]]
    claims = jwt.decode(
        token, key, algorithms=["ES256"], audience="sts.amazonaws.com", issuer=plane.oidc_issuer
    )
    assert claims["sub"] == "system:serviceaccount:default:default"
    with pytest.raises(jwt.InvalidAudienceError):
        jwt.decode(token, key, algorithms=["ES256"], audience="another", issuer=plane.oidc_issuer)


async def test_a_token_for_aws_does_not_open_the_cluster(plane: ControlPlane, api: Api) -> None:
    async def status(token: str) -> int:
        async with (
            aiohttp.ClientSession() as session,
            session.get(
                f"{plane.url}/api",
                ssl=_tls(plane.authority.certificate),
                headers={"Authorization": f"Bearer {token}"},
            ) as answer,
        ):
            return answer.status

    assert await status(await _token(api, "sts.amazonaws.com")) == 401
    assert await status(await _token(api, plane.oidc_issuer)) == 200


async def test_a_node_may_be_itself_and_no_other(plane: ControlPlane, api: Api) -> None:
    secret = {"metadata": {"name": "not-the-nodes"}, "stringData": {"password": VALUE}}
    await api.create(f"{DEFAULT}/secrets", secret)
    kubeconfig = plane.kubeconfig("system:node:itself", ("system:nodes",))
    async with Api.from_kubeconfig(kubeconfig) as node:
        await node.create("/api/v1/nodes", {"metadata": {"name": "itself"}})
        with pytest.raises(ApiError, match="403"):
            await node.create("/api/v1/nodes", {"metadata": {"name": "another"}})
        with pytest.raises(ApiError, match="403"):
            await node.get(f"{DEFAULT}/secrets/not-the-nodes")
    await api.delete("/api/v1/nodes/itself")


async def test_the_service_proxy_sees_endpoints_and_no_secrets(plane: ControlPlane) -> None:
    async with Api.from_kubeconfig(plane.kubeconfig("system:kube-proxy")) as proxy:
        services = await proxy.list("/api/v1/services")
        assert "kubernetes" in [service["metadata"]["name"] for service in services["items"]]
        await proxy.list("/apis/discovery.k8s.io/v1/endpointslices")
        with pytest.raises(ApiError, match="403"):
            await proxy.list("/api/v1/secrets")


async def test_addresses_are_the_environments_own(site: Site, api: Api) -> None:
    service = await api.get(f"{DEFAULT}/services/kubernetes")
    assert service["spec"]["clusterIP"] == site.network.recorded("128.1")
    slices = await api.get("/apis/discovery.k8s.io/v1/namespaces/default/endpointslices/kubernetes")
    assert slices["endpoints"][0]["addresses"] == [site.network.recorded("0.1")]


async def test_the_scheduler_considers_pods(api: Api) -> None:
    pod = {
        "metadata": {"name": "nowhere"},
        "spec": {"containers": [{"name": "c", "image": "i"}], "nodeSelector": {"no": "such"}},
    }
    await api.create(f"{DEFAULT}/pods", pod)
    async with asyncio.timeout(30):
        async for event in api.watch(f"{DEFAULT}/pods", fieldSelector="metadata.name=nowhere"):
            if conditions := event.object.get("status", {}).get("conditions"):
                [condition] = conditions
                break
    assert (condition["type"], condition["reason"]) == ("PodScheduled", "Unschedulable")
    await api.delete(f"{DEFAULT}/pods/nowhere")


async def test_calls_to_a_node_go_through_the_egress_proxy(site: Site, api: Api) -> None:
    asked: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.set_result((await reader.readline()).decode())
        writer.write(b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n")
        writer.close()

    await api.create("/api/v1/nodes", {"metadata": {"name": "far"}})
    address = {"type": "InternalIP", "address": site.network.recorded("0.10")}
    status = {
        "addresses": [{"type": "Hostname", "address": "far.example"}, address],
        "daemonEndpoints": {"kubeletEndpoint": {"Port": 10250}},
    }
    await api.patch("/api/v1/nodes/far/status", {"status": status}, content_type="merge")
    async with await asyncio.start_unix_server(refuse, site.run.root / "egress.sock"):
        with pytest.raises(ApiError):
            await api.get("/api/v1/nodes/far/proxy/healthz")
        assert (await asked).startswith(f"CONNECT {site.network.recorded('0.10')}:10250 ")
    await api.delete("/api/v1/nodes/far")


async def test_every_file_of_the_run_is_closed(site: Site, plane: ControlPlane) -> None:
    assert plane.audit_log.is_file()
    modes = {
        path.relative_to(site.run.root): stat.S_IMODE(path.stat().st_mode)
        for path in site.run.root.rglob("*")
        if path.is_file()
    }
    assert len(modes) > 20
    assert {path: mode for path, mode in modes.items() if mode & 0o077} == {}


async def test_nothing_goes_unverified(site: Site) -> None:
    assert site.supervisor.processes
    for process in site.supervisor.processes.values():
        assert not [word for word in process.spec.argv if "insecure" in word]
    for path in site.run.root.rglob("*.yaml"):
        assert "insecure-skip-tls-verify" not in path.read_text()


async def test_the_api_server_restarts_and_everything_goes_on(site: Site, api: Api) -> None:
    await api.create(f"{DEFAULT}/configmaps", {"metadata": {"name": "before"}, "data": {"a": "b"}})
    before = site.supervisor.processes["kube-apiserver"].pid
    await site.supervisor.restart("kube-apiserver")
    assert site.supervisor.processes["kube-apiserver"].pid != before
    assert (await api.get(f"{DEFAULT}/configmaps/before"))["data"] == {"a": "b"}
    await api.create("/api/v1/namespaces", {"metadata": {"name": "after"}})
    # Made by the controller-manager, which so has found its way back.
    await _appears(api, "/api/v1/namespaces/after/serviceaccounts/default")
