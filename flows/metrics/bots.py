"""Bots: how many there are, which, and how much they click, beside the people whom all else is about."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from flows.ingest.bots import kind_of
from flows.metrics.by_word import ByWord
from flows.metrics.metric import Frame, Metric, Part, Published, added, ranked
from flows.metrics.visitors import VisitorFigures, Visitors
from flows.model.shard_clicks import AlignedBarrier, ShardClicks

# What clicks of no bot are counted under.
PEOPLE = ""


class BotFigures(NamedTuple):
    """Distinct visitors that are bots, with their minutes; clicks by the name of the bot, PEOPLE's too."""

    visitors: VisitorFigures
    clicks: Mapping[str, int]


class _ByName(ByWord):
    column = "bot"


class Bots(Metric[BotFigures]):
    """Clicks in [as_of - window_s, as_of) of all and of bots, and of the `top` busiest bots by name.

    Also distinct visitors that are bots in [as_of - visitors_s, as_of), and their clicks by clock minute.
    """

    frames = ("bots", "bot_minutes")

    def __init__(self, *, window_s: int, visitors_s: int, top: int) -> None:
        self._window_s, self._visitors_s, self._top = window_s, visitors_s, top

    def begin(self) -> None:
        """Make what a shard keeps, empty."""
        self._visitors = Visitors(window_s=self._visitors_s).for_shard()
        self._clicks = _ByName(window_s=self._window_s, top=self._top).for_shard()

    def add(self, item: ShardClicks) -> None:
        """Take in admitted clicks, of people too."""
        self._visitors.add(item.bots())
        self._clicks.add(item)

    def report(self, as_of_s: int) -> BotFigures:
        """Return the shard's figures."""
        return BotFigures(self._visitors.report(as_of_s), self._clicks.report(as_of_s))

    def publish(self, barrier: AlignedBarrier, shards: Sequence[BotFigures]) -> Published:
        """Return how many bots there are and how much they click, the busiest, and a row a minute."""
        of_visitors = Visitors(window_s=self._visitors_s).publish(
            barrier, [shard.visitors for shard in shards]
        )
        minutes = of_visitors.frames[Visitors.frames[0]]
        clicks = added(shard.clicks for shard in shards)
        everybody = sum(clicks.values())
        people = clicks.pop(PEOPLE, 0)
        top = ranked(clicks, self._top)
        names: Frame = {
            "name": [name for name, _ in top],
            "kind": [kind_of(name) for name, _ in top],
            "clicks": [number for _, number in top],
        }
        numbers = {
            "clicks_1h": everybody,
            "bot_clicks_1h": everybody - people,
            "bot_visitors_15m": of_visitors.numbers["visitors_15m"],
        }
        rows: Frame = {name: minutes[name] for name in ("datetime", "count")}
        return Published(numbers, {self.frames[0]: names, self.frames[1]: rows})

    def changes(self, *, everything: bool) -> Part:
        """Return what changed, or all."""
        return {
            "visitors": self._visitors.changes(everything=everything),
            "clicks": self._clicks.changes(everything=everything),
        }

    def load(self, part: Part) -> None:
        """Take in a part of the state."""
        self._visitors.load(part["visitors"])
        self._clicks.load(part["clicks"])
