"""Grafana's dashboard of secret management, made with Grafana's own SDK.

``python -m deployer.dashboard`` writes it anew; a test holds the file to this module.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from grafana_foundation_sdk.builders.dashboard import Dashboard
from grafana_foundation_sdk.builders.prometheus import Dataquery
from grafana_foundation_sdk.builders.stat import Panel as Stat
from grafana_foundation_sdk.builders.timeseries import Panel as TimeSeries
from grafana_foundation_sdk.cog.encoder import JSONEncoder

from deployer.desired import ROOT

UID = "mita-secret-management"
FILE = ROOT / "artifacts" / "monitoring" / "secret-management" / "grafana-dashboard.json"

_STAT_WIDTH, _GRAPH_WIDTH = 6, 12  # of 24
_STAT_HEIGHT, _GRAPH_HEIGHT = 4, 8


@dataclass(frozen=True, slots=True)
class View:
    """A panel.

    Attributes:
        title: What it shows.
        expression: Prometheus' expression.
        unit: Grafana's name of its unit.
        legend: How each line is called; empty for one number.
    """

    title: str
    expression: str
    unit: str = "short"
    legend: str = ""


VIEWS = (
    View("External secrets that are ready", "mita:external_secrets_ready:ratio", "percentunit"),
    View("Operators that answer", 'sum(up{job="external-secrets-controller"})'),
    View("The key may be used", "min(mita_secret_key_enabled)", "bool_yes_no"),
    View("Alerts that fire", 'count(ALERTS{alertstate="firing"}) or vector(0)'),
    View("Secrets whose rotation waits", "sum(mita_secret_rotation_pending)"),
    View("Unexpected reads", "sum(mita_secret_unexpected_reads) or vector(0)"),
    View(
        "Until the webhook's certificate ends",
        "min(mita_secret_webhook_certificate_end_timestamp_seconds) - time()",
        "s",
    ),
    View("Sources that the exporter cannot ask", "count(mita_secret_exporter_source_up == 0) or vector(0)"),
    View("Age of secrets", "mita:secret_age:seconds", "s", "{{secret}}"),
    View("Until the next rotation", "mita:next_rotation:seconds", "s", "{{secret}}"),
    View("Since the last sync", "mita:external_secret_sync_age:seconds", "s", "{{name}}"),
    View(
        "The operator's calls to AWS",
        "sum by (call, status) (rate(externalsecret_provider_api_calls_count[5m]))",
        "ops",
        "{{call}} {{status}}",
    ),
    View("Pods on an old credential", "sum by (kind) (mita_credential_pending)", legend="{{kind}}"),
    View("Refused logins", "sum by (kind) (rate(mita_login_failures_total[5m]))", "ops", "{{kind}}"),
    View("Answers of the application", "mita:http_requests:rate5m", "reqps", "{{status}}"),
    View("Latency, 95th percentile", "mita:http_request_duration:p95_5m", "s", "all routes"),
)


def document() -> dict[str, Any]:
    """Return the dashboard in the form that ``POST /api/dashboards/db`` takes."""
    board = (
        Dashboard("MITA secret management")
        .uid(UID)
        .tags(["mita", "secrets"])
        .refresh("30s")
        .time("now-6h", "now")
    )
    for view in VIEWS:
        # No data source is named, so that it is Grafana's default one wherever it is imported.
        target = Dataquery().expr(view.expression).ref_id("A").legend_format(view.legend)
        if view.legend:
            graph = TimeSeries().title(view.title).unit(view.unit).span(_GRAPH_WIDTH).height(_GRAPH_HEIGHT)
            board.with_panel(graph.with_target(target))
        else:
            stat = Stat().title(view.title).unit(view.unit).span(_STAT_WIDTH).height(_STAT_HEIGHT)
            board.with_panel(stat.with_target(target.instant()))
    made = _without_nothing(json.loads(json.dumps(board.build(), cls=JSONEncoder)))
    return {"dashboard": made, "overwrite": True, "message": "Deployed with MITA's secret management"}


def _without_nothing(value: Any) -> Any:  # noqa: ANN401  any JSON
    """Leave out what the SDK was not told, which it writes as null."""
    if isinstance(value, dict):
        return {key: _without_nothing(each) for key, each in value.items() if each is not None}
    return [_without_nothing(each) for each in value] if isinstance(value, list) else value


def text() -> str:
    """Return the file's text."""
    return json.dumps(document(), indent=2, sort_keys=True) + "\n"


def expressions(file: Path = FILE) -> dict[str, list[str]]:
    """Return the expressions of each panel of a dashboard's file, by the panel's title."""
    board = json.loads(file.read_text(encoding="utf-8"))["dashboard"]
    return {
        panel["title"]: [target["expr"] for target in panel.get("targets", [])] for panel in board["panels"]
    }


if __name__ == "__main__":
    FILE.write_text(text(), encoding="utf-8")
