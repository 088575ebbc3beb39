"""What holds for every metric: state brings back what was there, and the order of shards does not matter."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pytest

from flows.entries.outbox import Receipts
from flows.journeys.metric import Journeys
from flows.journeys.table import JOURNEYS
from flows.metrics.audience import Audience
from flows.metrics.bots import Bots
from flows.metrics.categories import Categories
from flows.metrics.devices import Devices
from flows.metrics.latest import Latest, Raw
from flows.metrics.looking_at import LookingAt
from flows.metrics.metric import Metric
from flows.metrics.pages import Pages
from flows.metrics.sessions import Sessions
from flows.metrics.totals import Totals
from flows.metrics.trending import Trending
from flows.metrics.visitors import Visitors
from flows.model.packing import decode, encode
from tests.unit.metrics.shard import NOON_S, Click, OneShard, published

METRICS: dict[str, Callable[[], Metric[Any]]] = {
    "visitors": lambda: Visitors(window_s=900),
    "sessions": lambda: Sessions(window_s=8 * 3600, active_s=1800),
    "devices": lambda: Devices(window_s=600),
    "pages": lambda: Pages(window_s=3600, top=10),
    "looking_at": lambda: LookingAt(window_s=300, top=2),
    "audience": lambda: Audience(window_s=900, top=2),
    "trending": lambda: Trending(window_s=3600, recent_s=900),
    "bots": lambda: Bots(window_s=3600, visitors_s=900, top=2),
    "journeys": lambda: Journeys(Receipts(), JOURNEYS, window_s=3600),
    "categories": lambda: Categories(window_s=3600, top=3),
    "totals": lambda: Totals(Receipts()),
    "latest": lambda: Latest(window_s=3600),
    "raw": lambda: Raw(window_s=3600),
}
# What is of one shard alone: these of the first, a page of the one that its product belongs to.
OF_ONE_SHARD = ("latest", "raw", "pages", "trending")


def batches(rng: random.Random) -> list[list[Click]]:
    """Return random clicks of some hours, mostly in order."""
    found, now_s = [], NOON_S
    for _ in range(12):
        batch = []
        for _ in range(rng.randrange(1, 30)):
            now_s += rng.randrange(0, 120)
            fields = {
                "product": rng.choice(["P1", "P2", "P3"]),
                "category": rng.choice(["clothing", "shoes", *"abcd"]),
                "device": rng.choice(["Desktop", "Mobile", "TV", None]),
                "title": rng.choice(["t1", "t2", None]),
                "country": rng.choice(["Chile", "Peru", "Chad", "Unknown"]),
                "gender": rng.choice(["F", "M", "X", None]),
                "age": rng.choice([None, 17.5, 30, 35, 35, 130]),
                "bot": rng.choice([None, None, None, "curl", "Googlebot"]),
            }
            batch.append((now_s - rng.choice([0, 0, 0, 900, 4000]), rng.choice("uvwxyz"), fields))
        found.append(batch)
    return found


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("name", METRICS)
def test_what_is_loaded_is_what_was_saved(name: str, seed: int) -> None:
    """Parts go through the codec; the metric that took them in goes on as the one that gave them."""
    rng = random.Random(seed)
    lived = OneShard(METRICS[name]())
    parts: list[bytes] = []
    for number, batch in enumerate(batches(rng)):
        lived.take(batch)
        if rng.random() < 0.6:
            everything = number == 0 or rng.random() < 0.2
            parts = [] if everything else parts
            parts.append(encode(lived.metric.changes(everything=everything or not parts)))
    parts.append(encode(lived.metric.changes(everything=not parts)))
    loaded = METRICS[name]().for_shard()
    for part in parts:
        loaded.load(decode(part))
    loaded.loaded()
    at_s = NOON_S + 5 * 3600
    assert published(loaded, at_s, [loaded.report(at_s)]) == lived.board(at_s)


@pytest.mark.parametrize("name", [name for name in METRICS if name not in OF_ONE_SHARD])
def test_the_order_of_shards_does_not_matter(name: str) -> None:
    rng = random.Random(1)
    shards = [OneShard(METRICS[name]()) for _ in range(4)]
    for shard in shards:
        for batch in batches(rng):
            shard.take(batch)
    at_s = NOON_S + 3600
    figures = [shard.metric.report(at_s) for shard in shards]
    expected = published(METRICS[name](), at_s, figures)
    for _ in range(5):
        rng.shuffle(figures)
        assert published(METRICS[name](), at_s, figures) == expected


def test_copies_keep_nothing_of_each_other() -> None:
    metric = Categories(window_s=3600, top=3)
    first, second = OneShard(metric), OneShard(metric)
    first.take([(NOON_S, "alice", {"category": "books"})])
    assert second.metric.report(NOON_S + 1) == {}
