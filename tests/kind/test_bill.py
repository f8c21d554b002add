"""Bills of materials."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from environments.kind.offline import bill
from environments.kind.offline.bill import GoModule
from environments.kind.offline.debian import Package, installed

INFORMATION = """\
/cache/tool: go1.26.0
\tpath\texample.com/tool/cmd/tool
\tmod\texample.com/tool\t(devel)\t
\tdep\tk8s.io/api\tv0.0.0\th1:abc=
\t=>\tk8s.io/api\tv0.34.4\th1:def=
\tdep\texample.com/patched\tv1.2.3
\t=>\t./patched\t(devel)\t
\tdep\texample.com/a\tv1.0.0\th1:ghi=
\tbuild\t-trimpath=true
"""
STATUS = """\
Package: zlib1g
Status: install ok installed
Architecture: amd64
Description: compression
 Version: not a field
Version: 1:1.2.13

Package: gone
Status: deinstall ok config-files
Architecture: amd64
Version: 1

Package: adduser
Status: install ok installed
Architecture: all
Version: 3.134
"""


def written(path: Path, *, digest: str = "0123") -> bytes:
    bill.write(
        path,
        reference="registry.example/tool:v1",
        digest=digest,
        epoch=1_700_000_000,
        go=set(bill.modules(INFORMATION)),
        debian=installed(STATUS),
        python=[("certifi", "2026.1.1")],
        images=["registry.example/other:v2"],
    )
    return path.read_bytes()


def test_modules_are_those_that_were_really_built_in() -> None:
    assert bill.modules(INFORMATION) == [
        GoModule("example.com/a", "v1.0.0"),
        GoModule("example.com/patched", "v1.2.3"),
        GoModule("example.com/tool", "(devel)"),
        GoModule("k8s.io/api", "v0.34.4"),
    ]


def test_packages_are_those_that_are_installed() -> None:
    assert installed(STATUS) == [Package("adduser", "3.134", "all"), Package("zlib1g", "1:1.2.13", "amd64")]


@pytest.mark.filterwarnings("error")
def test_a_bill_lists_every_material_and_is_valid(tmp_path: Path) -> None:
    text = written(tmp_path / "bill.json").decode()
    content = json.loads(text)
    assert {component.get("purl", component["name"]) for component in content["components"]} == {
        "pkg:golang/example.com/a@v1.0.0",
        "pkg:golang/example.com/patched@v1.2.3",
        "pkg:golang/example.com/tool@%28devel%29",
        "pkg:golang/k8s.io/api@v0.34.4",
        "pkg:deb/debian/adduser@3.134?arch=all",
        "pkg:deb/debian/zlib1g@1:1.2.13?arch=amd64",
        "pkg:pypi/certifi@2026.1.1",
        "registry.example/other",
    }
    assert content["metadata"]["component"]["name"] == "registry.example/tool"
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is None


def test_the_same_materials_give_the_same_bill(tmp_path: Path) -> None:
    assert written(tmp_path / "first.json") == written(tmp_path / "second.json")
    assert written(tmp_path / "third.json", digest="4567") != written(tmp_path / "first.json")
