"""The dashboard's file, and what it shows."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
import yaml

from deployer import dashboard
from deployer.desired import ROOT
from deployer.progress import silent
from environments.embedded import toolchain

RULES = ROOT / "artifacts" / "monitoring" / "secret-management" / "prometheus-rules.yaml"


def test_the_file_is_what_the_code_makes() -> None:
    assert dashboard.FILE.read_text(encoding="utf-8") == dashboard.text(), "run python -m deployer.dashboard"


def test_it_is_in_the_form_that_grafanas_api_takes() -> None:
    document = json.loads(dashboard.text())
    assert set(document) == {"dashboard", "overwrite", "message"}
    assert document["dashboard"]["uid"] == "mita-secret-management"
    assert "id" not in document["dashboard"], "an id is another Grafana's"


def test_every_panel_has_a_title_of_its_own_a_place_and_one_query() -> None:
    panels = json.loads(dashboard.text())["dashboard"]["panels"]
    assert len({panel["title"] for panel in panels}) == len(panels) == len(dashboard.VIEWS)
    places = {(panel["gridPos"]["x"], panel["gridPos"]["y"]) for panel in panels}
    assert len(places) == len(panels)
    assert all(len(found) == 1 for found in dashboard.expressions().values())


def test_prometheus_understands_every_query(tmp_path: Path) -> None:
    rules = [
        {"record": f"panel:{number}", "expr": expression}
        for number, (expression,) in enumerate(dashboard.expressions().values())
    ]
    file = tmp_path / "rules.yaml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "panels", "rules": rules}]}))
    promtool = toolchain.ensure(silent, ("promtool",))["promtool"]
    done = subprocess.run((promtool, "check", "rules", file), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("view", dashboard.VIEWS, ids=lambda view: view.title)
def test_what_a_panel_takes_from_the_rules_is_recorded_there(view: dashboard.View) -> None:
    if view.expression.startswith("mita:"):
        assert f"record: {view.expression}\n" in RULES.read_text(encoding="utf-8")
