"""A whole flow on a clock of the test's own, without servers: partitions, shards and a board, kills included.

Everything between a broker and Redis is the flow's own code. What stands in is time (`Host`), a broker's
partitions (`Log`), the disk (`Disk`) and Bytewax, which calls operators in turn.
"""

from __future__ import annotations

import copy
import json
import threading
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from random import Random
from typing import Any
from unittest import mock

from confluent_kafka import Message

from flows.entries.entry import Entries
from flows.entries.outbox import Receipts
from flows.ingest.decode import decode
from flows.ingest.split import by_age, by_page, by_visitor
from flows.journeys.metric import Journeys
from flows.journeys.table import JOURNEYS, judge
from flows.kafka.buffer import Buffer, Taken
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
from flows.model.batch import Batch
from flows.model.board import Board
from flows.model.mark import Mark
from flows.model.notes import Reading
from flows.operators.admitted import _AdmissionLogic
from flows.operators.board import _BoardLogic
from flows.operators.shards import Shards
from flows.operators.windowed import _MetricLogic
from flows.shards.clock import Clock, FlowClock
from flows.shards.directory import Directory
from flows.shards.opening import Opening
from flows.sources import opening_partition
from flows.sources.barriers import Barriers
from flows.sources.kafka import KafkaPartition
from flows.sources.opening_partition import OpeningPartition
from flows.state.store import NOTHING, Header, Shown

TOPIC = "t"
EVERY_MS = 1000
METRICS: dict[str, tuple[str, Metric[Any]]] = {
    "visitors": ("people", Visitors(window_s=900)),
    "sessions": ("people", Sessions(window_s=8 * 3600, active_s=1800)),
    "devices": ("people", Devices(window_s=600)),
    "categories": ("people", Categories(window_s=3600, top=100)),
    "totals": ("visits", Totals(Receipts())),
    "journeys": ("people", Journeys(Receipts(), JOURNEYS, window_s=3600)),
    "looking_at": ("people", LookingAt(window_s=300, top=10)),
    "audience": ("people", Audience(window_s=900, top=10)),
    "bots": ("visits", Bots(window_s=3600, visitors_s=900, top=10)),
    "trending": ("views", Trending(window_s=3600, recent_s=900)),
    "pages": ("views", Pages(window_s=3600, top=10)),
    "latest": ("newest", Latest(window_s=3600)),
    "raw": ("newest", Raw(window_s=3600)),
}
FIRST_ONLY = ("newest", "latest", "raw")


@dataclass
class Record:
    """A record of a partition."""

    at: int
    data: bytes

    def message(self) -> Message:
        """Return it as Kafka's client does; its timestamp is of no use, and nothing may depend on it."""
        of_no_use = 1, self.at * 7919 % 3_000_000_000_000
        return Message(offset=self.at, value=self.data, leader_epoch=0, timestamp=of_no_use)


class Log:
    """The partitions of a topic, as a reader shows them; `known_ms` is when each record was first taken."""

    def __init__(self, partitions: int) -> None:
        self.partitions = list(range(partitions))
        self.records: list[list[Record]] = [[] for _ in self.partitions]
        self.read_ms: dict[tuple[int, int], int] = {}

    def append(self, partition: int, data: bytes) -> None:
        self.records[partition].append(Record(len(self.records[partition]), data))


class Reader:
    """What a KafkaPartition reads from."""

    def __init__(self, log: Log, starts: dict[int, int]) -> None:
        self._log, self._next = log, dict(starts)
        self.partitions = log.partitions

    def name(self, number: int) -> str:
        return f"{TOPIC}/{number}"

    def take(self, number: int, *, everything: bool) -> Taken | None:
        buffer = Buffer(self._next[number])
        messages = self._log.records[number][self._next[number] :]
        if messages and everything:
            buffer.add([record.message() for record in messages])
            self._next[number] = buffer.end
        return buffer.empty()[0] if everything else None

    def lag(self, number: int, position: int) -> int:
        return len(self._log.records[number]) - position

    def check_end(self, number: int, reach: int) -> None:
        assert len(self._log.records[number]) >= reach

    def commit(self, number: int, offset: int, epoch: int | None = None) -> None:
        pass

    def close(self, number: int) -> None:
        pass


class Host:
    """A machine: ticks that count on, and a wall clock that anyone may set. Milliseconds."""

    def __init__(self, wall_ms: int, ticks_ms: int) -> None:
        self.wall_ms, self.ticks_ms = wall_ms, ticks_ms
        self.start()

    def start(self) -> None:
        """Start the process anew."""
        self.clock = Clock(self.wall_ms, self.ticks_ms)

    def pass_ms(self, ms: int) -> None:
        self.wall_ms += ms
        self.ticks_ms += ms

    def now_ms(self) -> int:
        return self.clock.at(self.ticks_ms)


@dataclass
class Disk:
    """What outlives a kill: the state of a shard, as one write an epoch, and the notes."""

    parts: dict[str, list[Any]] = field(default_factory=lambda: defaultdict(list))
    positions: dict[str, int] = field(default_factory=dict)
    mark: Mark = field(default_factory=Mark)
    epoch: int = -1
    shown: Shown = NOTHING.shown
    readings: dict[str, dict[int, Reading]] = field(default_factory=lambda: defaultdict(dict))

    def header(self) -> Header:
        readings = {source: list(found.values()) for source, found in self.readings.items()}
        return Header({}, self.epoch, self.positions, self.mark, self.shown, readings, {}, {})


class Shard:
    """A shard of the running process, on its disk."""

    def __init__(self, number: int, disk: Disk, operators: int) -> None:
        self.number, self._disk, self._operators = number, disk, operators
        self.positions, self.mark = dict(disk.positions), disk.mark
        self._saved: dict[str, Any] = {}
        self._position: tuple[dict[str, int], Mark] = {}, Mark()

    def load(self, operator: str) -> list[Any]:
        return copy.deepcopy(self._disk.parts[operator])

    def save_position(self, positions: dict[str, int], mark: Mark) -> None:
        self._position = dict(positions), mark

    def save(self, operator: str, changes: Callable[..., dict[str, Any]]) -> None:
        self._saved[operator] = copy.deepcopy(changes(everything=not self._disk.parts[operator]))
        if len(self._saved) == self._operators:
            for name, part in self._saved.items():
                self._disk.parts[name].append(part)
            self._disk.positions, self._disk.mark = self._position
            self._disk.epoch += 1
            self._saved = {}

    def show(self, positions: dict[str, int], mark: Mark) -> None:
        self._disk.shown = Shown(dict(positions), mark)

    def note(self, source: str, reading: Reading) -> None:
        self._disk.readings[source][reading.start] = reading

    def fly(self, source: str, flight: object) -> None:
        """Forget it: here nothing is killed while it takes a record in; see test_quarantine."""

    def forget(self, source: str, position: int) -> None:
        kept = self._disk.readings[source]
        self._disk.readings[source] = {start: each for start, each in kept.items() if start >= position}


class State:
    """The shards of the running process."""

    log, crowded = "", False

    def __init__(self, disks: list[Disk]) -> None:
        self.shards = [
            Shard(number, disk, 3 + len(METRICS) if number == 0 else 2 + len(METRICS) - 2)
            for number, disk in enumerate(disks)
        ]
        self.reports = sum(1 if name in FIRST_ONLY else len(disks) for name in METRICS)

        self.turn = threading.Lock()

    def shard(self, number: int) -> Shard:
        return self.shards[number]

    def watch(self, waiting: object) -> None:
        pass

    def before_saving(self, do: object) -> None:
        pass


class Meeting:
    """What the cluster would tell: the keys of shards, and what all had applied."""

    workers = 1
    clock = FlowClock()
    shard_here = 0
    ended = False

    every_ms = EVERY_MS

    def may_look_ahead(self) -> bool:
        return True

    def called(self, source: object) -> None:
        """Watch no clock: the simulation has one of its own."""

    def move(self) -> None:
        """Let no worker rest: the simulation has none."""

    def begin_decoding(self, batch: Batch) -> None:
        """Decode nothing ahead: it is read, and waits."""

    def __init__(self, disks: list[Disk]) -> None:
        self.shards = len(disks)
        self.opening = Opening({number: disk.header() for number, disk in enumerate(disks)})

    def shard_keys(self) -> list[str]:
        return [str(number) for number in range(self.shards)]


class Run:
    """One life of the flow, from a start to a kill."""

    def __init__(self, log: Log, hosts: list[Host], disks: list[Disk], rng: Random) -> None:
        self._log, self._hosts, self._rng = log, hosts, rng
        state: Any = State(disks)
        cluster: Any = Meeting(disks)
        opening = cluster.opening
        for host in hosts:
            host.start()
        self.meet()
        for host in hosts:
            host.clock.reach(opening.clock_ms, host.ticks_ms)
        starts = {n: opening.applied(f"{TOPIC}/{n}") or 0 for n in log.partitions}
        reader: Any = Reader(log, starts)
        self._partitions = [
            OpeningPartition(cluster, state, self._opener(reader, n, starts[n]), None) for n in log.partitions
        ]
        self._split = {
            "visits": by_visitor(cluster.shard_keys, judge(JOURNEYS)),
            "views": by_page(cluster.shard_keys),
            "newest": by_age(cluster.shard_keys),
        }
        self._admit: dict[str, dict[str, Any]] = {}
        self._metrics: dict[str, list[tuple[str, Any]]] = {}
        for shard, key in enumerate(cluster.shard_keys()):
            names = [name for name in self._split if shard == 0 or name not in FIRST_ONLY]
            self._admit[key] = {
                name: _AdmissionLogic(name, state, Directory() if name == "visits" else None)
                for name in names
            }
            self._metrics[key] = [
                (of, _MetricLogic(name, metric.for_shard(), state))
                for name, (of, metric) in METRICS.items()
                if shard == 0 or name not in FIRST_ONLY
            ]
        self._board = _BoardLogic(Shards(cluster, state, {name: each for name, (_, each) in METRICS.items()}))
        self._awake = False

    def _opener(self, reader: Any, number: int, start: int) -> Callable[[Opening], Any]:
        clock: Any = self._hosts[number % len(self._hosts)]

        def open_part(opening: Opening) -> KafkaPartition:
            reach = opening.reach(f"{TOPIC}/{number}")
            return KafkaPartition(reader, number, start, reach, clock, Barriers(EVERY_MS), lambda at: at)

        return open_part

    def meet(self) -> None:
        """Let the first host tell the others its clock, which takes a moment."""
        for host in self._hosts[1:]:
            host.clock.hear(self._hosts[0].now_ms() - self._rng.randrange(30), host.ticks_ms)

    def step(self) -> list[Board]:
        """Read what there is of every partition, in any order; returns the boards made of it."""
        boards: list[Board] = []
        for number in self._rng.sample(self._log.partitions, len(self._log.partitions)):
            while batches := self._next(self._partitions[number]):
                for batch in batches:
                    self._note(number, batch)
                    boards += self._pass_on(batch)
        return boards

    def _next(self, partition: OpeningPartition) -> list[Batch]:
        """Return the next batch; now and then, the one after it is read already."""
        large = {bytes: 1, list: self._rng.choice([1, 1000])}
        with mock.patch.object(opening_partition, "LARGE", large):
            return list(partition.next_batch())

    def _note(self, number: int, batch: Batch) -> None:
        for offset in range(batch.start, batch.end):
            self._log.read_ms.setdefault((number, offset), batch.read_ms)

    def _pass_on(self, batch: Batch) -> Iterator[Board]:
        self._awake = True
        clicks = decode(batch)
        for name, split in self._split.items():
            for key, item in split(clicks):
                admitted, _ = self._admit[key][name].on_batch([item])
                yield from self._apply(key, name, list(admitted))

    def _apply(self, key: str, name: str, admitted: list[Any]) -> Iterator[Board]:
        people = [item.people() for item in admitted] if name == "visits" else []
        items = {name: admitted, "people": people}
        for of, metric in self._metrics[key]:
            if items.get(of):
                reports, _ = metric.on_batch(items[of])
                boards, _ = self._board.on_batch([each for each in reports if not _is_entries(each)])
                yield from boards

    def save(self, shards: int) -> None:
        """End an epoch, in which `shards` of them save; Bytewax asks only those that had items."""
        for partition in self._partitions:
            partition.snapshot()
        awake, self._awake = self._awake, False
        for key in list(self._admit)[: shards * awake]:
            for logic in (*self._admit[key].values(), *(metric for _, metric in self._metrics[key])):
                logic.snapshot()


def _is_entries(given: Any) -> bool:
    return isinstance(given, list) and all(isinstance(each, Entries) for each in given)


def figures(board: Board) -> dict[str, Any]:
    """Return what a board shows, its frames as lists of rows."""
    found = {key: json.loads(text) for key, text in board.values.items()}
    return {key: value if key == "board" else _rows(value) for key, value in found.items()}


def _rows(frame: dict[str, dict[str, Any]]) -> list[dict[str, Any]]:
    numbers = next(iter(frame.values()), {})
    return [{name: column[number] for name, column in frame.items()} for number in numbers]
