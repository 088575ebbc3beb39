"""Metric: what every metric of the board is; each has a module in this package.

Each shard has a copy that takes in the shard's clicks. When a board is due the copies report, and one more
puts their figures together:

    clicks of shard 0 ──► add, add, ... report ──► figures ─┐
    clicks of shard 1 ──► add, add, ... report ──► figures ─┴─► publish ──► numbers and tables in Redis

A metric knows neither Bytewax nor RocksDB nor the clock. `changes` and `load` carry what it keeps to disk and
back; added to a flow that has state it begins empty.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from copy import copy
from heapq import nsmallest
from typing import Any, ClassVar, Generic, NamedTuple, TypeVar

from flows.entries.entry import Entries
from flows.model.shard_clicks import AlignedBarrier, ShardClicks

Figures = TypeVar("Figures")
Name = TypeVar("Name", str, tuple[str, str])
Self = TypeVar("Self", bound="Metric[Any]")
# What goes to disk: arrays, numbers, strings, bytes, lists and dicts of these.
Part = dict[str, Any]
# A table of the board: the cells of its columns.
Frame = Mapping[str, Sequence[Any]]


class Published(NamedTuple):
    """What a metric gives to the board: figures of the key `board`, and tables by their own keys."""

    numbers: Mapping[str, Any] = {}
    frames: Mapping[str, Frame] = {}


class Metric(ABC, Generic[Figures]):
    """One metric: made with its windows (`Pages(window_s=3600)`), then copied for each shard."""

    # The keys in Redis of the tables that it publishes.
    frames: ClassVar[tuple[str, ...]] = ()

    def for_shard(self: Self) -> Self:
        """Return a copy that keeps nothing yet."""
        own = copy(self)
        own.begin()
        return own

    @abstractmethod
    def begin(self) -> None:
        """Make what a shard keeps, empty."""

    @abstractmethod
    def add(self, item: ShardClicks) -> None:
        """Take in admitted clicks; forget the visitors of `item.freed` first."""

    @abstractmethod
    def report(self, as_of_s: int) -> Figures:
        """Return the shard's figures for windows that end at `as_of_s` (seconds since 1970), exclusive."""

    @abstractmethod
    def publish(self, barrier: AlignedBarrier, shards: Sequence[Figures]) -> Published:
        """Put together what all shards report; their order does not matter."""

    @abstractmethod
    def changes(self, *, everything: bool) -> Part:
        """Return what changed since the last call, or all there is."""

    @abstractmethod
    def load(self, part: Part) -> None:
        """Take in what `changes` gave once; parts come in the order in which they were given."""

    def loaded(self) -> None:
        """Find again what follows from the parts, now that all are in; called also if there were none."""
        return

    def entries(self) -> list[Entries]:
        """Return the stream entries made since the last call."""
        return []


def sums(lists: Sequence[Sequence[int]]) -> list[int]:
    """Return the sums of lists of one length, place by place."""
    return [sum(column) for column in zip(*lists, strict=True)]


def added(shards: Iterable[Mapping[str, int]]) -> Counter[str]:
    """Return the counts of all shards together."""
    total: Counter[str] = Counter()
    for shard in shards:
        total.update(shard)
    return total


def ranked(counts: Mapping[Name, int], top: int) -> list[tuple[Name, int]]:
    """Return the `top` names with the highest counts, ties by name."""
    return nsmallest(top, counts.items(), key=lambda item: (-item[1], item[0]))
