"""A metric in one shard, without a flow: clicks that are drawn go in, what would be on the board comes out.

A drawing has a row a visitor and a character a step of time; a character that is no dot is a click, and says
when it arrives: 1 first, then 2, and so on. So this is a late click between two others:

    alice   1..3..2
"""

from __future__ import annotations

from typing import Any

import numpy as np

from flows.journeys.table import JOURNEYS, judge
from flows.metrics.metric import Metric, Published
from flows.model.columns import Columns, encoded
from flows.model.fields import WORDS
from flows.model.lines import Lines
from flows.model.recent import RecentClick
from flows.model.shard_clicks import AlignedBarrier, Header, ShardClicks
from flows.shards.directory import Directory

NOON_S = 1_709_208_000
Click = tuple[int, str, dict[str, Any]]


def drawn(picture: str, step_s: int) -> list[Click]:
    """Return the clicks of a drawing in the order of arrival: (second, visitor, no fields)."""
    found = []
    for row in picture.strip().splitlines():
        visitor, steps = row.split()
        found += [(step, NOON_S + at * step_s, visitor) for at, step in enumerate(steps) if step != "."]
    return [(second, visitor, {}) for _, second, visitor in sorted(found)]


class OneShard:
    """A shard of one metric; each `take` is a batch."""

    def __init__(self, metric: Metric[Any]) -> None:
        self.metric = metric.for_shard()
        self._directory = Directory()
        self._newest_s = self._clicks = 0

    def take(self, clicks: list[Click]) -> None:
        """Take in clicks (second, visitor, fields by their columns) in the order of arrival."""
        columns = {
            field.column: encoded(fields.get(field.column, field.missing) for _, _, fields in clicks)
            for field in WORDS
        }
        columns["visitor"] = encoded(visitor for _, visitor, _ in clicks)
        columns["bot"] = encoded(fields.get("bot") for _, _, fields in clicks)
        ages = [fields.get("age") for _, _, fields in clicks]
        found = Columns(columns) | {"age": np.array(ages, np.float64)}
        time_ns = np.array([second for second, _, _ in clicks], np.int64) * 10**9
        self._newest_s = max([self._newest_s, *(second for second, _, _ in clicks)])
        item = ShardClicks(
            shard=0,
            header=Header(
                source="log",
                parts=1,
                start=self._clicks,
                end=self._clicks + len(clicks),
                read_ms=0,
                until_s=None,
                barrier=None,
                oldest_ns=None,
                newest_ns=None,
            ),
            time_ns=time_ns,
            high_ns=np.maximum.accumulate(time_ns),
            row=np.arange(len(clicks), dtype=np.int32),
            lines=Lines([b""] * len(clicks), self._clicks, None),
            columns=Columns(found | judge(JOURNEYS)(Columns(found))),
            newest_s=self._newest_s,
            recent=[
                RecentClick(second * 10**9, self._clicks + at, 0, visitor, b"{}", bool(fields.get("bot")))
                for at, (second, visitor, fields) in enumerate(clicks)
            ],
        )
        self._clicks += len(clicks)
        self._directory.number(item)
        self.metric.add(item)

    def board(self, as_of_s: int) -> Published:
        """Return what is published as of a second."""
        return published(self.metric, as_of_s, [self.metric.report(as_of_s)])


def published(metric: Metric[Any], as_of_s: int, figures: list[Any]) -> Published:
    """Put shards' figures together."""
    return metric.publish(AlignedBarrier(level=1, as_of_s=as_of_s), figures)


def rows(frame: Any) -> list[tuple[Any, ...]]:
    """Return a table's rows."""
    return list(zip(*frame.values(), strict=True))
