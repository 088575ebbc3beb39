"""Each alert rule, by Prometheus' own tool: it fires when it should and is silent when it should be."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.k8s.manifests import named, rendered
from tests.k8s.tools import ROOT, needed, run

MINUTES = 45
# What a healthy flow shows: a board each second (scraped each minute), read up to the newest click.
HEALTHY = {
    "clicks_board_published_timestamp_seconds": "0+60x45",
    "clicks_board_as_of_timestamp_seconds": "0+60x45",
    "clicks_board_interval_seconds": "1x45",
    "clicks_boards_written_total": "0+60x45",
    "clicks_board_ahead_clicks": "20x45",
    "clicks_clock_slow": "0x45",
    "clicks_clock_difference_seconds": "0.5x45",
    "clicks_source_lag_records": "500x45",
    "clicks_accepted_total": "0+60000x45",
    "clicks_late_total": "0+60x45",
    'clicks_rejected_total{reason="not_json"}': "0+60x45",
    "clicks_redis_failures_total": "0x45",
    'clicks_snapshot_seconds_bucket{le="0.1"}': "0+60x45",
    'clicks_snapshot_seconds_bucket{le="1.0"}': "0+60x45",
    'clicks_snapshot_seconds_bucket{le="+Inf"}': "0+60x45",
}
# What is different when an alert is to fire; `_` is no sample.
TROUBLE: dict[str, dict[str, str]] = {
    "ClicksBoardStale": {
        "clicks_boards_written_total": "0+60x10 600x35",
        # An hour ahead, as a clock may have been.
        "clicks_board_published_timestamp_seconds": "3600+60x10 4200x35",
        "clicks_board_as_of_timestamp_seconds": "3600+60x10 4200x35",
    },
    "ClicksBoardAbsent": {
        name: "_x45"
        for name in HEALTHY
        if name.startswith("clicks_board") or name == "clicks_source_lag_records"
    },
    "ClicksBehind": {"clicks_board_as_of_timestamp_seconds": "-300+60x45"},
    "ClicksLagGrows": {"clicks_source_lag_records": "0+60000x45"},
    "ClicksSourceUnknown": {"clicks_source_lag_records": "_x45"},
    "ClicksRedisFailing": {"clicks_redis_failures_total": "0+6x45"},
    "ClicksRejected": {'clicks_rejected_total{reason="not_json"}': "0+1200x45"},
    "ClicksLate": {"clicks_late_total": "0+1200x45"},
    "ClicksAhead": {"clicks_board_ahead_clicks": "9000x45"},
    "ClicksClockSlow": {"clicks_clock_slow": "1x45"},
    "ClicksClocksDiffer": {"clicks_clock_difference_seconds": "-30x45"},
    "ClicksSnapshotSlow": {
        'clicks_snapshot_seconds_bucket{le="0.1"}': "0x45",
        'clicks_snapshot_seconds_bucket{le="1.0"}': "0+6x45",
        'clicks_snapshot_seconds_bucket{le="10.0"}': "0+60x45",
    },
}


@pytest.fixture(scope="module")
def rules() -> dict[str, Any]:
    """Return the rendered rules, in the form Prometheus itself reads."""
    groups = named(rendered("overlays/production"), "PrometheusRule", "flow")["spec"]["groups"]
    return {"groups": groups}


def alerts(rules: dict[str, Any]) -> list[str]:
    return [rule["alert"] for group in rules["groups"] for rule in group["rules"]]


def series(changed: dict[str, str]) -> list[dict[str, str]]:
    """Return input series of one pod in the flow's namespace."""
    found = []
    for name, values in (HEALTHY | changed).items():
        metric, _, labels = name.rstrip("}").partition("{")
        labels = ", ".join(filter(None, ['namespace="clicks", pod="clicks-0"', labels]))
        found.append({"series": f"{metric}{{{labels}}}", "values": values})
    return found


def firing(folder: Path, rules: dict[str, Any], changed: dict[str, str], wanted: list[str]) -> None:
    """Check by promtool that just the `wanted` alerts fire at the end."""
    (folder / "rules.yaml").write_text(yaml.safe_dump(rules))
    tests = [
        {
            "interval": "1m",
            "input_series": series(changed),
            "promql_expr_test": [
                {
                    "expr": 'count by (alertname) (ALERTS{alertstate="firing"})',
                    "eval_time": f"{MINUTES}m",
                    "exp_samples": [{"labels": f'{{alertname="{name}"}}', "value": 1} for name in wanted],
                }
            ],
        }
    ]
    (folder / "test.yaml").write_text(yaml.safe_dump({"rule_files": ["rules.yaml"], "tests": tests}))
    run(needed("promtool"), "test", "rules", folder / "test.yaml")


def test_prometheus_accepts_the_rules(tmp_path: Path, rules: dict[str, Any]) -> None:
    (tmp_path / "rules.yaml").write_text(yaml.safe_dump(rules))
    run(needed("promtool"), "check", "rules", tmp_path / "rules.yaml")


def test_a_healthy_flow_raises_no_alert(tmp_path: Path, rules: dict[str, Any]) -> None:
    firing(tmp_path, rules, {}, [])


@pytest.mark.parametrize("alert", TROUBLE)
def test_an_alert_fires_alone(tmp_path: Path, rules: dict[str, Any], alert: str) -> None:
    firing(tmp_path, rules, TROUBLE[alert], [alert])


def test_every_alert_is_tested_and_explained(rules: dict[str, Any]) -> None:
    assert sorted(alerts(rules)) == sorted(TROUBLE)
    guide = (ROOT / "k8s" / "README.md").read_text()
    assert [name for name in alerts(rules) if f"| `{name}` |" not in guide] == []
