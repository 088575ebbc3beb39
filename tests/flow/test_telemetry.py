"""What Prometheus scrapes of a running flow, and what the dashboard and the alerts ask of it."""

from __future__ import annotations

import functools
import json
import re
import signal
from collections import defaultdict
from pathlib import Path
from typing import Any

import promql_parser
import pytest
import redis
import yaml
from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families

from flows import __version__
from tests.support import logs
from tests.support.brokers import Broker
from tests.support.processes import Flow
from tests.support.servers import RedisServer, wait_until

K8S = Path(__file__).parents[2] / "k8s"
DASHBOARD = K8S / "grafana" / "clicks.json"
UNITS = ("seconds", "bytes", "clicks", "records", "entries", "info", "slow")


class Scrape:
    """What all processes of a flow serve at one time."""

    def __init__(self, flow: Flow) -> None:
        texts = [flow.metrics(number) for number in range(len(flow.ports))]
        self.families: list[Metric] = [f for text in texts for f in text_string_to_metric_families(text)]

    @property
    def names(self) -> set[str]:
        """The names of all series, and of those that a metric would have if there were any."""
        names = {sample.name for family in self.families for sample in family.samples}
        return names | {f"{f.name}_total" if f.type == "counter" else f.name for f in self.families}

    def values(self, name: str) -> dict[str, float]:
        """Return a metric's sum over the processes, by reason; without one the reason is ""."""
        sums: dict[str, float] = defaultdict(float)
        for family in self.families:
            for sample in family.samples:
                if sample.name == name:
                    sums[sample.labels.get("reason", "")] += sample.value
        return dict(sums)

    def value(self, name: str) -> float:
        """Return the sum over the processes of a metric without reasons."""
        return self.values(name)[""]


Seen = list[tuple[Scrape, dict[str, Any]]]


@pytest.fixture(scope="module")
def at_rest(tmp_path_factory: pytest.TempPathFactory) -> Seen:
    """Return what a flow of two processes that has read all of a topic shows, and what after a restart."""
    records = logs.random_log(4, clicks=4000, visitors=200, large=False, broken=0.05)
    folder = tmp_path_factory.mktemp("flow")
    with Broker() as broker, RedisServer() as server:
        broker.create("clicks", 2)
        producer = broker.producer()
        for number, record in enumerate(records):
            producer.produce("clicks", record, partition=number % 2)
        producer.flush()
        environment = {"CLICKS_SOURCE": f"kafka:{broker.address}/clicks", "REDIS_URL": server.url}
        environment |= {"CLICKS_SHARDS": "3"}
        seen: Seen = []
        for _ in range(2):
            server.restart()
            with Flow(folder, environment, 2) as flow, server.client() as client:
                wait_until(functools.partial(show, flow, client, len(records), seen), "all is shown", 30)
                flow.signal(signal.SIGTERM)
                assert flow.end() == [0, 0], flow.output
    return seen


def show(flow: Flow, client: redis.Redis, records: int, seen: Seen) -> bool:
    """Add a scrape and the board it is of to `seen`; returns False until all is read and saved."""
    scrape, board = Scrape(flow), json.loads(client.get("board") or "{}")
    at_s = scrape.values("clicks_board_published_timestamp_seconds").get("")
    of_one = at_s is not None and at_s == board.get("published_at", 0) / 1000
    saved = scrape.value("clicks_snapshot_seconds_count") >= 3 and scrape.value("clicks_state_bytes") > 10_000
    done = of_one and saved and sum(board["positions"].values()) == records
    if done:
        seen.append((scrape, board))
    return done


def test_gauges_are_those_of_the_board(at_rest: Seen) -> None:
    for scrape, board in at_rest:
        assert scrape.value("clicks_board_as_of_timestamp_seconds") == board["as_of"] / 1000
        assert scrape.value("clicks_board_interval_seconds") == 1
        assert scrape.value("clicks_board_accepted_clicks") == board["clicks_total"] > 1000
        assert scrape.value("clicks_board_late_clicks") == board["late_total"] > 10
        assert scrape.values("clicks_board_rejected_records") == board["rejected"]
        assert len(board["rejected"]) > 3
        assert scrape.value("clicks_board_dropped_entries") == 0
        assert scrape.values("clicks_source_lag_records").get("") == board.get("lag")


def test_counters_of_all_processes_are_what_they_did(
    at_rest: Seen,
) -> None:
    (first, board), (second, _) = at_rest
    # Of people and of bots, which the board has apart.
    assert first.value("clicks_accepted_total") == board["clicks_total"] + board["bot_clicks_total"]
    assert first.value("clicks_late_total") == board["late_total"] + board["bot_late_total"]
    assert first.values("clicks_rejected_total") == board["rejected"]
    assert first.value("clicks_boards_written_total") == first.value("clicks_redis_write_seconds_count") > 0
    assert first.value("clicks_redis_failures_total") == 0
    assert first.value("clicks_reports_total") >= 3 * first.value("clicks_boards_written_total")
    assert first.value("clicks_snapshot_seconds_count") >= 3
    assert first.value("clicks_state_bytes") > 10_000
    assert first.value("clicks_build_info") == 2
    # The second start found everything done.
    assert second.value("clicks_accepted_total") == second.value("clicks_late_total") == 0
    assert second.values("clicks_rejected_total") == {}
    assert second.value("clicks_state_bytes") > 10_000


def test_names_follow_the_conventions(at_rest: Seen) -> None:
    ours = [family for family in at_rest[0][0].families if family.name.startswith("clicks_")]
    guide = (K8S.parent / "OPERATING.md").read_text()
    for family in ours:
        name = f"{family.name}_total" if family.type == "counter" else family.name
        assert f"`{name}" in guide, name
        assert re.fullmatch("[a-z_]+", family.name)
        assert family.documentation
        assert family.type == "counter" or family.name.endswith(UNITS), family.name
        assert not family.name.endswith(("_total", "_count", "_sum", "_bucket"))
        assert family.type == "counter" or not any(s.name.endswith("_total") for s in family.samples)
    [version] = {s.labels["version"] for f in ours for s in f.samples if f.name == "clicks_build_info"}
    assert version == __version__


def asked() -> dict[str, str]:
    """Return every expression of the dashboard and of the alert rules, by what asks."""
    panels = json.loads(DASHBOARD.read_text())["panels"]
    found = {
        f"{panel['title']} {target['refId']}": target["expr"]
        for panel in panels
        for target in panel.get("targets", [])
    }
    for path in K8S.rglob("*.yaml"):
        for document in yaml.safe_load_all(path.read_text()):
            if isinstance(document, dict) and document.get("kind") == "PrometheusRule":
                rules = [rule for group in document["spec"]["groups"] for rule in group["rules"]]
                found |= {rule["alert"]: rule["expr"] for rule in rules}
    return found


def names_in(expression: str) -> set[str]:
    """Return the metrics that an expression asks for; raises ValueError if it is none."""
    names: set[str] = set()

    def visit(node: Any) -> bool:
        if isinstance(node, promql_parser.VectorSelector):
            names.add(str(node.name))
        return True

    text = expression.replace("$__rate_interval", "5m").replace("$job", "clicks")
    promql_parser.walk(promql_parser.parse(text), visit)
    return names


def test_what_is_asked_is_there(at_rest: Seen) -> None:
    exposed = at_rest[0][0].names
    expressions = asked()
    assert len(expressions) > 20
    assert {
        what: names_in(text) - exposed for what, text in expressions.items() if names_in(text) - exposed
    } == {}
    ours = {name for name in exposed if name.startswith("clicks_")}
    shown = {name for text in expressions.values() for name in names_in(text)}
    derived = ("_bucket", "_count", "_sum", "clicks_redis_write_seconds", "clicks_snapshot_seconds")
    assert {name for name in ours - shown if not name.endswith(derived)} <= {"clicks_board_interval_seconds"}


def test_the_dashboard_is_whole() -> None:
    dashboard = json.loads(DASHBOARD.read_text())
    panels = dashboard["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    assert [variable["name"] for variable in dashboard["templating"]["list"]] == ["datasource", "job"]
    taken: set[tuple[int, int]] = set()
    for panel in panels:
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken, panel["title"]
        assert max(x for x, _ in cells) < 24
        taken |= cells
        for target in panel.get("targets", []):
            assert target["datasource"]["uid"] == "${datasource}"
            assert 'job=~"$job"' in target["expr"]
