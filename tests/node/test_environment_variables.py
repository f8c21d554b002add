"""A container's environment and arguments."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from environments.embedded.node.downward import Surroundings
from environments.embedded.node.environment_variables import Variables, compose, expand, service_variables
from environments.embedded.node.referents import MissingReferentError, Referent, referents

SURROUNDINGS = Surroundings("127.70.64.1", "127.70.0.10", {})
OBJECTS = {
    Referent("Secret", "s"): {"data": {"password": base64.b64encode(b"p/m:0.0.0.0").decode()}},
    Referent("ConfigMap", "m"): {"data": {"directory": "/m/x"}, "binaryData": {"raw": "AAH/"}},
}


def rewrite(text: str) -> str:
    return text.replace("/m", "/host/m")


def composed(*env: dict[str, Any], env_from: tuple[dict[str, Any], ...] = (), **options: Any) -> Variables:  # noqa: ANN401
    container = {"name": "c", "env": list(env), "envFrom": list(env_from)}
    pod = {"metadata": {"name": "p", "namespace": "n", "uid": "u"}, "spec": {"containers": [container]}}
    return compose(
        container,
        pod,
        image=options.get("image", {}),
        services=options.get("services", {}),
        lookup=OBJECTS.get,
        surroundings=SURROUNDINGS,
    )


def secret(name: str = "s", key: str = "password", **more: bool) -> dict[str, Any]:
    return {"secretKeyRef": {"name": name, "key": key, **more}}


def config(name: str = "m", key: str = "directory", **more: bool) -> dict[str, Any]:
    return {"configMapKeyRef": {"name": name, "key": key, **more}}


@pytest.mark.parametrize(
    ("text", "expanded"),
    [
        ("$(A)", "1"),
        ("x$(A)$(B)y", "x1$(A)y"),
        ("$(NONE)", "$(NONE)"),
        ("$$(A)", "$(A)"),
        ("$$$(A)", "$1"),
        ("$A ${A} $", "$A ${A} $"),
        ("$(A", "$(A"),
        ("$()", "$()"),
        ("cost: $$5", "cost: $5"),
    ],
)
def test_expansion(text: str, expanded: str) -> None:
    assert expand(text, {"A": "1", "B": "$(A)"}) == expanded


@given(st.text(alphabet="$()AB x", max_size=20))
def test_doubling_every_dollar_protects_any_text(text: str) -> None:
    assert expand(text.replace("$", "$$"), {"A": "1", "": "2"}) == text


def test_literals_are_rewritten_and_see_earlier_ones_only() -> None:
    variables = composed(
        {"name": "LATE", "value": "$(DIR)"},
        {"name": "DIR", "value": "/m/a"},
        {"name": "FILE", "value": "$(DIR)/f"},
        {"name": "EMPTY"},
    )
    assert variables.environment(rewrite) == {
        "LATE": "$(DIR)",
        "DIR": "/host/m/a",
        "FILE": "/host/m/a/f",
        "EMPTY": "",
    }


def test_a_secrets_value_is_never_rewritten_not_even_inside_others() -> None:
    variables = composed(
        {"name": "PW", "valueFrom": secret()}, {"name": "URL", "value": "pg://u:$(PW)@h?ca=/m/ca"}
    )
    environment = variables.environment(rewrite)
    assert environment == {"PW": "p/m:0.0.0.0", "URL": "pg://u:p/m:0.0.0.0@h?ca=/host/m/ca"}
    assert variables.expanded(["--url=$(URL)"], rewrite) == ["--url=pg://u:p/m:0.0.0.0@h?ca=/host/m/ca"]
    assert "p/m:" not in repr(variables)


def test_config_maps_fields_and_services() -> None:
    variables = composed(
        {"name": "DIR", "valueFrom": config()},
        {"name": "IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}},
        {"name": "API", "value": "https://$(DB_SERVICE_HOST)"},
        services={"DB_SERVICE_HOST": "127.70.128.5"},
    )
    assert variables.environment(rewrite) == {
        "DB_SERVICE_HOST": "127.70.128.5",
        "DIR": "/host/m/x",
        "IP": "127.70.64.1",
        "API": "https://127.70.128.5",
    }


def test_env_overrides_env_from_overrides_services_overrides_the_image() -> None:
    variables = composed(
        {"name": "password", "value": "env"},
        env_from=({"secretRef": {"name": "s"}}, {"prefix": "X_", "configMapRef": {"name": "m"}}),
        services={"X_directory": "service"},
        image={"X_directory": "image", "ONLY_IMAGE": "/m"},
    )
    environment = variables.environment(rewrite)
    assert (environment["password"], environment["X_directory"]) == ("env", "/host/m/x")
    assert environment["ONLY_IMAGE"] == "/host/m"
    assert variables.expanded(["$(ONLY_IMAGE)$(X_directory)"], rewrite) == ["$(ONLY_IMAGE)/host/m/x"]


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        (secret("none"), 'secret "none" not found'),
        (config("none"), 'configmap "none" not found'),
        (secret(key="k"), "couldn't find key k in Secret n/s"),
        (config(key="k"), "couldn't find key k in ConfigMap n/m"),
    ],
)
def test_a_missing_referent_is_named_unless_optional(entry: dict[str, Any], message: str) -> None:
    with pytest.raises(MissingReferentError) as caught:
        composed({"name": "V", "valueFrom": entry})
    assert str(caught.value) == message
    reference = {key: {**value, "optional": True} for key, value in entry.items()}
    assert composed({"name": "V", "valueFrom": reference}).environment(rewrite) == {}


def test_an_optional_env_from_may_be_absent() -> None:
    assert composed(env_from=({"secretRef": {"name": "none", "optional": True}},)).own == {}
    with pytest.raises(MissingReferentError):
        composed(env_from=({"secretRef": {"name": "none"}},))


def test_services_are_told_as_links() -> None:
    service = {
        "metadata": {"name": "my-db"},
        "spec": {
            "clusterIP": "10.70.128.5",
            "ports": [{"name": "sql-main", "port": 5432}, {"name": "m", "port": 80, "protocol": "UDP"}],
        },
    }
    headless = {"metadata": {"name": "h"}, "spec": {"clusterIP": "None", "ports": [{"port": 1}]}}
    external = {"metadata": {"name": "e"}, "spec": {"type": "ExternalName"}}
    told = service_variables(
        [service, headless, external], lambda address: "127" + address.removeprefix("10")
    )
    assert told == {
        "MY_DB_SERVICE_HOST": "127.70.128.5",
        "MY_DB_SERVICE_PORT": "5432",
        "MY_DB_SERVICE_PORT_SQL_MAIN": "5432",
        "MY_DB_SERVICE_PORT_M": "80",
        "MY_DB_PORT": "tcp://127.70.128.5:5432",
        "MY_DB_PORT_5432_TCP": "tcp://127.70.128.5:5432",
        "MY_DB_PORT_5432_TCP_PROTO": "tcp",
        "MY_DB_PORT_5432_TCP_PORT": "5432",
        "MY_DB_PORT_5432_TCP_ADDR": "127.70.128.5",
        "MY_DB_PORT_80_UDP": "udp://127.70.128.5:80",
        "MY_DB_PORT_80_UDP_PROTO": "udp",
        "MY_DB_PORT_80_UDP_PORT": "80",
        "MY_DB_PORT_80_UDP_ADDR": "127.70.128.5",
    }


def test_every_referent_of_a_pod_is_named() -> None:
    spec = {
        "volumes": [
            {"name": "a", "secret": {"secretName": "s1"}},
            {"name": "b", "configMap": {"name": "m1"}},
            {
                "name": "c",
                "projected": {"sources": [{"secret": {"name": "s2"}}, {"configMap": {"name": "m2"}}]},
            },
            {"name": "d", "emptyDir": {}},
        ],
        "initContainers": [{"name": "i", "env": [{"name": "V", "valueFrom": secret("s3")}]}],
        "containers": [
            {
                "name": "c",
                "env": [{"name": "V", "value": "x"}, {"name": "W", "valueFrom": config("m3")}],
                "envFrom": [{"secretRef": {"name": "s4"}}, {"configMapRef": {"name": "m4"}}],
            }
        ],
    }
    secrets = {Referent("Secret", f"s{number}") for number in range(1, 5)}
    assert referents(spec) == secrets | {Referent("ConfigMap", f"m{number}") for number in range(1, 5)}
