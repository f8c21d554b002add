"""Image references and the programs behind them."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from environments.embedded.node.images import Image, ImageTable, UnknownImageError, image_table

TABLE = ImageTable(
    {
        "mita-finance/mita": Image(entrypoint=("app",)),
        "registry:5000/tool": Image(entrypoint=("tool",), tags=frozenset({"v1"})),
    }
)


@pytest.mark.parametrize(
    "reference",
    [
        "mita-finance/mita",
        "mita-finance/mita:latest",
        "mita-finance/mita:v2",
        "docker.io/mita-finance/mita:v2",
        "mita-finance/mita@sha256:0123",
        "mita-finance/mita:v2@sha256:0123",
    ],
)
def test_any_tag_serves_where_the_table_names_none(reference: str) -> None:
    assert TABLE.find(reference).entrypoint == ("app",)


def test_a_registrys_port_is_no_tag() -> None:
    assert TABLE.find("registry:5000/tool:v1").entrypoint == ("tool",)


@pytest.mark.parametrize(
    "reference", ["registry:5000/tool", "registry:5000/tool:v2", "registry:5000/tool@sha256:1"]
)
def test_a_version_that_the_program_is_not_is_refused(reference: str) -> None:
    with pytest.raises(UnknownImageError, match="has it as v1"):
        TABLE.find(reference)


def test_an_unknown_image_is_refused_with_the_table_named() -> None:
    with pytest.raises(
        UnknownImageError, match=r'"nginx:1" .* environments/embedded/node/images.py has mita-fin'
    ):
        TABLE.find("nginx:1")


@pytest.mark.parametrize(
    ("command", "args", "argv"),
    [
        ([], [], ["serve", "--default"]),
        ([], ["--x"], ["serve", "--x"]),
        (["sh", "-c"], [], ["sh", "-c"]),
        (["sh", "-c"], ["true"], ["sh", "-c", "true"]),
    ],
)
def test_command_replaces_entrypoint_and_args_replace_arguments(
    command: list[str], args: list[str], argv: list[str]
) -> None:
    assert Image(entrypoint=("serve",), arguments=("--default",)).argv(command, args) == argv


def test_the_environments_own_images() -> None:
    table = image_table({"external-secrets": Path("/tools/external-secrets")})
    operator = table.find("ghcr.io/external-secrets/external-secrets:v0.9.9")
    assert operator.entrypoint == ("/tools/external-secrets",)
    assert operator.environment["WEBHOOK_BIND_ADDRESS"] == "0.0.0.0"  # noqa: S104  to be rewritten
    assert table.find("mita-finance/mita:latest").entrypoint == (sys.executable, "-m", "reference_app")
    assert table.find("mita-finance/probe").path.startswith(str(Path(sys.executable).parent))
    with pytest.raises(UnknownImageError):
        table.find("ghcr.io/external-secrets/external-secrets:v0.10.0")
