"""Kubernetes objects as plain mappings: read, server-side applied, deleted.

The kubernetes client keeps connection, certificates and credentials; objects stay the
JSON that they are, so that what is compared is what the server said.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode

import urllib3
from kubernetes.client import ApiClient

FIELD_MANAGER = "mita-deployer"
TIMEOUT = 30.0  # seconds a call

Object = dict[str, Any]

NOT_FOUND = 404
UNPROCESSABLE = 422
WEBHOOK_SILENT = (
    "failed calling webhook"  # how the API server's message begins when a webhook cannot be reached
)


class ClusterError(Exception):
    """The API server refused a call.

    Attributes:
        status: HTTP status.
        reason: Machine-readable reason, such as ``NotFound``.
        message: The server's message.
    """

    def __init__(self, status: int, reason: str, message: str) -> None:
        super().__init__(status, reason, message)
        self.status = status
        self.reason = reason
        self.message = message

    def __str__(self) -> str:
        return f"HTTP {self.status} {self.reason}: {self.message}"


@dataclass(frozen=True, slots=True)
class Resource:
    """Where the API serves a kind of objects."""

    api_version: str
    kind: str
    plural: str
    namespaced: bool


UNREACHABLE = (ClusterError, urllib3.exceptions.HTTPError)
"""What a call may end with while the API server, or a webhook of it, is away."""


class Cluster:
    """The cluster's API, for any kind that it serves."""

    def __init__(self, client: ApiClient) -> None:
        self._client = client
        self._served: dict[str, tuple[Resource, ...]] = {}
        self._lock = threading.Lock()

    def call(
        self, method: str, path: str, *, body: object = None, content: str = "json", **query: str
    ) -> Any:  # noqa: ANN401  any JSON
        """Send one request and return the JSON of its answer.

        Raises:
            ClusterError: The answer is an error.
        """
        return json.loads(self._send(method, path, body=body, content=content, query=query))

    def text(self, path: str) -> str:
        """Read what is served as text, such as a pod's own page.

        Raises:
            ClusterError: The answer is an error.
        """
        return self._send("GET", path, body=None, content="json", query={}, accept="*/*").decode()

    def _send(
        self,
        method: str,
        path: str,
        *,
        body: object,
        content: str,
        query: Mapping[str, str],
        accept: str = "application/json",
    ) -> bytes:
        if query:
            path += "?" + urlencode(query)
        headers = {"Accept": accept, "Content-Type": f"application/{content}"}
        parameters = self._client.param_serialize(
            method, path, header_params=headers, body=body, auth_settings=["BearerToken"]
        )
        response = self._client.call_api(*parameters, _request_timeout=TIMEOUT)
        data: bytes = response.read()  # type: ignore[no-untyped-call]  # the client's REST layer has no types
        if not 200 <= response.status <= 299:  # noqa: PLR2004  HTTP's range of success
            raise _error(response.status, data)
        return data

    def resource(self, api_version: str, kind: str) -> Resource | None:
        """Find where a kind is served; None when the cluster does not serve it (yet)."""
        with self._lock:
            served = self._served.get(api_version, ())
        found = next((each for each in served if each.kind == kind), None)
        if found is not None:
            return found
        try:
            listed = self.call("GET", _group_path(api_version))["resources"]
        except ClusterError as error:
            if error.status == NOT_FOUND:
                return None
            raise
        served = tuple(
            Resource(api_version, each["kind"], each["name"], each["namespaced"])
            for each in listed
            if "/" not in each["name"]
        )
        with self._lock:
            self._served[api_version] = served
        return next((each for each in served if each.kind == kind), None)

    def get(self, manifest: Mapping[str, Any]) -> Object | None:
        """Read the live object that a manifest names; None when there is none or its kind is not served."""
        path = self._path(manifest)
        if path is None:
            return None
        try:
            found: Object = self.call("GET", path)
        except ClusterError as error:
            if error.status == NOT_FOUND:
                return None
            raise
        return found

    def list(self, api_version: str, kind: str, namespace: str | None = None, **query: str) -> list[Object]:
        """List the objects of a kind; empty when the kind is not served."""
        resource = self.resource(api_version, kind)
        if resource is None:
            return []
        path = _collection(resource, namespace)
        return [{"apiVersion": api_version, "kind": kind} | each for each in self._pages(path, query)]

    def _pages(self, path: str, query: Mapping[str, str]) -> Iterator[Object]:
        following = ""
        while True:
            page = self.call(
                "GET", path, limit="500", **({"continue": following} if following else {}), **query
            )
            yield from page["items"]
            following = page["metadata"].get("continue", "")
            if not following:
                return

    def apply(self, manifest: Mapping[str, Any], *, dry_run: bool = False) -> Object:
        """Apply a manifest on the server, as the one field manager; return the object that results.

        Raises:
            ClusterError: The server refuses it, or does not serve its kind.
        """
        path = self._path(manifest)
        if path is None:
            kind = f"{manifest['apiVersion']} {manifest['kind']}"
            raise ClusterError(NOT_FOUND, "NotServed", f"the cluster does not serve {kind}")
        query = {"fieldManager": FIELD_MANAGER, "force": "true"} | ({"dryRun": "All"} if dry_run else {})
        applied: Object = self.call("PATCH", path, body=dict(manifest), content="apply-patch+yaml", **query)
        return applied

    def delete(self, manifest: Mapping[str, Any]) -> None:
        """Delete the object that a manifest names, its dependents after it; absence is success."""
        path = self._path(manifest)
        try:
            if path is not None:
                self.call("DELETE", path, body={"propagationPolicy": "Foreground"})
        except ClusterError as error:
            if error.status != NOT_FOUND:
                raise

    def nudge(self, manifest: Mapping[str, Any], annotations: Mapping[str, str]) -> None:
        """Annotate an object so that its controller looks at it now."""
        path = self._path(manifest)
        if path is not None:
            body = {"metadata": {"annotations": dict(annotations)}}
            self.call("PATCH", path, body=body, content="merge-patch+json", fieldManager="mita-nudge")

    def _path(self, manifest: Mapping[str, Any]) -> str | None:
        resource = self.resource(manifest["apiVersion"], manifest["kind"])
        if resource is None:
            return None
        metadata = manifest["metadata"]
        return f"{_collection(resource, metadata.get('namespace'))}/{quote(metadata['name'], safe='')}"


def _group_path(api_version: str) -> str:
    return f"/apis/{api_version}" if "/" in api_version else f"/api/{api_version}"


def _collection(resource: Resource, namespace: str | None) -> str:
    root = _group_path(resource.api_version)
    if resource.namespaced and namespace is not None:
        return f"{root}/namespaces/{quote(namespace, safe='')}/{resource.plural}"
    return f"{root}/{resource.plural}"


def _error(status: int, data: bytes) -> ClusterError:
    try:
        answer = json.loads(data)
        return ClusterError(status, answer.get("reason", ""), answer.get("message", ""))
    except (ValueError, AttributeError):
        return ClusterError(status, "", data[:200].decode(errors="replace"))


def name_of(manifest: Mapping[str, Any]) -> str:
    """Return ``Kind/namespace/name``, or ``Kind/name`` for an object without a namespace."""
    metadata = manifest["metadata"]
    parts = (manifest["kind"], metadata.get("namespace"), metadata["name"])
    return "/".join(part for part in parts if part)
