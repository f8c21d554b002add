"""The table of images, and what decides each one."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import yaml

from deployer.errors import ConfigurationError
from environments.embedded.toolchain.artefact import Artefact
from environments.kind.offline import inputs
from environments.kind.offline.programs import PROGRAMS
from environments.kind.offline.table import TABLE, Table, load

CLUSTER = TABLE.parents[1] / "cluster.yaml"
NODE = inputs.FILES / "node"


@pytest.fixture
def table() -> Table:
    return load()


def changed(table: Table, name: str, **changes: object) -> Table:
    recipe = table.images[name].model_copy(update=changes)
    return table.model_copy(update={"images": {**table.images, name: recipe}})


def digest(table: Table, name: str) -> str:
    return inputs.image_digest(table, name, PROGRAMS)


def test_every_program_and_directory_of_the_table_is_there(table: Table) -> None:
    for recipe in table.images.values():
        assert set(recipe.programs) <= set(PROGRAMS)
        assert recipe.files is None or (inputs.FILES / recipe.files).is_dir()
        # What an image without packages starts is one of its programs.
        assert recipe.packages or recipe.entrypoint[0] in recipe.programs.values()


def test_tags_are_the_versions_of_what_is_in_the_images(table: Table) -> None:
    for recipe in table.images.values():
        versions = {PROGRAMS[name].version.removeprefix("v") for name in recipe.programs}
        # Of the programs of the monitoring, Prometheus gives the image its tag.
        assert not versions or recipe.reference.rpartition(":")[2].removeprefix("v") in versions


def test_the_cluster_asks_for_what_the_node_holds(table: Table) -> None:
    cluster = yaml.safe_load(CLUSTER.read_text())
    patches = [yaml.safe_load(patch) for patch in cluster["kubeadmConfigPatches"]]
    configuration = next(patch for patch in patches if patch["kind"] == "ClusterConfiguration")
    tags = {name: table.images[name].reference.rpartition(":")[2] for name in table.images["node"].images}
    assert configuration["etcd"]["local"]["imageTag"] == tags["etcd"]
    assert configuration["dns"]["imageTag"] == tags["coredns"]
    assert (NODE / "kind/version").read_text() == tags["kube-apiserver"] == tags["kube-proxy"]
    sandbox = re.search(
        r'^sandbox_image = "(.*)"$', (NODE / "etc/containerd/config.toml").read_text(), re.MULTILINE
    )
    assert sandbox is not None
    assert sandbox[1] == table.images["pause"].reference


def test_pods_are_where_the_cluster_says() -> None:
    subnet = yaml.safe_load(CLUSTER.read_text())["networking"]["podSubnet"]
    first, second, *_ = subnet.split(".")
    assert subnet == f"{first}.{second}.0.0/16"
    assert f"\npods={first}.{second}\n" in (NODE / "usr/local/bin/entrypoint").read_text()
    assert (
        "SUBNET"
        in json.loads((NODE / "kind/cni.conflist").read_text())["plugins"][0]["ipam"]["ranges"][0][0][
            "subnet"
        ]
    )


def test_an_image_comes_after_those_that_it_holds(table: Table) -> None:
    order = table.order(["node"])
    assert order[-1] == "node"
    assert set(order) == {"node", *table.images["node"].images}
    assert table.order(["pause"]) == ["pause"]


def test_a_name_that_is_not_in_the_table_is_refused(table: Table) -> None:
    with pytest.raises(ConfigurationError, match="seen nodes"):
        table.order(["nodes", "pause"])


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("pause", {"entrypoint": ("/pause", "-v")}),
        ("pause", {"reference": "mita.invalid/pause:2"}),
        ("external-secrets", {"certificates": False}),
        ("kube-proxy", {"packages": ("iptables",)}),
    ],
)
def test_what_makes_an_image_another_gives_it_another_digest(
    table: Table, name: str, changes: dict[str, object]
) -> None:
    after = changed(table, name, **changes)
    assert digest(after, name) != digest(table, name)
    assert digest(after, "etcd") == digest(table, "etcd")


def test_an_image_is_another_when_one_that_it_holds_is(table: Table) -> None:
    after = changed(table, "coredns", user="1:1")
    assert digest(after, "node") != digest(table, "node")


def test_an_image_is_another_when_its_files_are(table: Table, tmp_path: Path) -> None:
    (tmp_path / "node").mkdir()
    file = tmp_path / "node/script"
    file.write_text("echo")
    first = inputs.image_digest(table, "node", PROGRAMS, tmp_path)
    file.chmod(0o755)
    second = inputs.image_digest(table, "node", PROGRAMS, tmp_path)
    file.write_text("echo 2")
    third = inputs.image_digest(table, "node", PROGRAMS, tmp_path)
    assert len({first, second, third}) == 3


def test_a_root_is_the_same_from_whatever_mirror_and_in_whatever_order(table: Table) -> None:
    other = load(mirror="https://mirror.example/debian")
    assert other.debian.mirror == "https://mirror.example/debian"
    assert digest(other, "kube-proxy") == digest(table, "kube-proxy")
    first, second, third = (
        inputs.root_digest(table, table.images["kube-proxy"].model_copy(update={"packages": packages}))
        for packages in (("a", "b"), ("b", "a"), ("ab",))
    )
    assert first == second != third
    assert digest(changed(table, "kube-proxy", suite="trixie"), "kube-proxy") != digest(table, "kube-proxy")


def test_no_program_is_taken_from_path_into_an_image(table: Table) -> None:
    def asked(artefact: Artefact) -> object:
        return getattr(artefact, "ask", None)

    assert [name for name in inputs.needed_programs(table, table.images) if asked(PROGRAMS[name])] == []


@pytest.mark.parametrize(
    ("old", "new", "seen"),
    [
        ('reference = "mita.invalid/pause:1.0.0"', 'reference = "pause"', "images.pause.reference"),
        ('user = "65535:65535"', 'users = "65535:65535"', "images.pause.users"),
        ('images = ["coredns", ', 'images = ["core-dns", ', "node holds images that are not in the table"),
        ('reference = "registry.k8s.io/etcd:', 'reference = "registry.k8s.io/kube-scheduler:', "etcd"),
        ("epoch = ", "epoch = -", "epoch"),
        ("[debian]", "[debian", "Expected"),
    ],
)
def test_a_mistake_in_the_table_is_named(tmp_path: Path, old: str, new: str, seen: str) -> None:
    path = tmp_path / "images.toml"
    text = TABLE.read_text()
    assert old in text
    path.write_text(text.replace(old, new))
    if seen == "etcd":
        path.write_text(path.read_text().replace("kube-scheduler:v3.6.8", "kube-scheduler:v1.34.4"))
        seen = "more than one image is registry.k8s.io/kube-scheduler:v1.34.4"
    with pytest.raises(ConfigurationError, match=re.escape(seen)):
        load(path)


def test_a_mirror_that_is_no_address_is_refused() -> None:
    with pytest.raises(ConfigurationError, match=r"debian\.mirror"):
        load(mirror="mirror.example")
