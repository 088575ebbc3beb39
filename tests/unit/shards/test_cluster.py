"""What runs where, what crosses between processes, and barriers that cut all partitions alike."""

from __future__ import annotations

import pickle
from dataclasses import replace
from itertools import count
from queue import Queue
from random import Random
from typing import Any

import numpy as np
import pytest

from flows.ingest.decode import decode
from flows.ingest.split import by_age, by_page, by_visitor
from flows.journeys.table import JOURNEYS, judge
from flows.model.batch import Barrier, Batch
from flows.model.columns import Ints, Words
from flows.model.mark import Mark
from flows.model.shard_clicks import ShardClicks
from flows.model.wire import packed, unpacked
from flows.shards.admission import Admission
from flows.shards.alignment import Alignment
from flows.shards.cluster import Announcement
from flows.shards.opening import Opening
from flows.shards.routing import key_on, route
from flows.state.store import NOTHING, Header, Shown
from tests.support import logs
from tests.support.clocks import cluster_of
from tests.unit.shards.test_admission import NOON_S, item

# Routing


def test_the_hash_is_that_of_bytewax() -> None:
    # Of which worker of three got the keys 0000 to 0015, as Bytewax 0.21.1 ran.
    workers = [0, 1, 1, 2, 1, 0, 0, 2, 0, 2, 0, 2, 0, 0, 0, 0]
    assert [route(f"{number:04d}") % 3 for number in range(16)] == workers


@pytest.mark.parametrize("workers", [1, 2, 3, 7, 64])
def test_shards_are_spread_evenly(workers: int) -> None:
    cluster = cluster_of(128)
    cluster.join(0, workers)
    assert [route(key) % workers for key in cluster.shard_keys()] == [n % workers for n in range(128)]
    assert len(set(cluster.shard_keys())) == 128
    assert sorted(n for worker in range(workers) for n in cluster.shards_of(worker)) == list(range(128))
    assert route(cluster.board_key) % workers == workers - 1
    assert key_on("a", 0, 1) == "a"


# Where reading begins


def header(newest_ns: int = 0, took_ms: int = 0, **positions: int) -> Header:
    return NOTHING._replace(epoch=3, positions=positions, mark=Mark(newest_ns, took_ms))


def test_the_source_begins_at_the_least_position_and_is_whole_at_the_largest() -> None:
    opening = Opening({0: header(5, 70, a=3, b=9), 1: header(5, 80, a=7, b=2)})
    assert [(opening.applied(name), opening.reach(name)) for name in "abc"] == [(3, 7), (2, 9), (None, 0)]
    # Of one click read twice the first reading counts.
    assert opening.mark == Mark(5, 70)
    shown = Opening({0: header(a=3)._replace(shown=Shown({"a": 8}, Mark(as_of_s=9)))})
    assert (shown.applied("a"), shown.reach("a"), shown.mark.as_of_s) == (3, 8, 9)
    assert opening.missing == []


def test_a_shard_that_has_nothing_is_missing_unless_all_have_nothing() -> None:
    opening = Opening({0: header(5, 70, a=3), 1: NOTHING, 2: header(b=1)})
    assert (opening.applied("a"), opening.reach("a"), opening.missing) == (None, 3, [1])
    fresh = Opening({0: NOTHING, 1: NOTHING})
    assert (fresh.applied("a"), fresh.reach("a"), fresh.missing, fresh.mark) == (None, 0, [], Mark())


def test_opening_is_known_once_every_worker_has_told(caplog: pytest.LogCaptureFixture) -> None:
    cluster = cluster_of(3)
    for worker in (0, 1):
        cluster.join(worker, 2)
    cluster.learn(Announcement(0, {0: header(a=1), 2: NOTHING}))
    cluster.learn(Announcement(1, {0: header(a=1), 2: NOTHING}))
    assert cluster.opening is None
    cluster.learn(Announcement(1, {1: header(a=2)}))
    assert cluster.opening is not None
    assert cluster.opening.missing == [2]
    cluster.learn(Announcement(0, {1: header(a=2)}))
    said = [record.getMessage() for record in caplog.records]
    assert said == ["no state of shards 2 where they run now: rebuilding them from the source"]


def test_the_key_is_drawn_once_and_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    kept = header()._replace(format={"key": 77})
    assert Opening({0: NOTHING, 1: NOTHING}, 5).key == 5
    assert Opening({0: NOTHING, 1: kept}, 5).key == 77
    monkeypatch.setattr("flows.shards.cluster.fail", fail_with)
    cluster = cluster_of(2)
    cluster.join(0, 1)
    opened: list[int] = []
    cluster.opened = opened.append
    cluster.learn(Announcement(0, {0: NOTHING}, drawn=5))
    cluster.learn(Announcement(0, {1: NOTHING}))
    assert opened == [5]
    again = cluster_of(2)
    again.join(0, 1)
    again.learn(Announcement(0, {0: NOTHING}, drawn=5))
    again.learn(Announcement(0, {1: NOTHING}, key=6))
    assert again.opening is not None
    assert again.opening.key == 6, "the one in a state directory, before the one drawn"
    mixed = cluster_of(2)
    mixed.join(0, 1)
    line = "shards 0 and 1 hold state of different flows: put those of one flow together, or set CLICKS_STATE"
    with pytest.raises(AssertionError, match=line):
        mixed.learn(Announcement(0, {0: kept, 1: header()._replace(format={"key": 78})}))


def fail_with(message: str) -> None:
    raise AssertionError(message)


def test_another_routing_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("flows.shards.cluster.fail", fail_with)
    cluster = cluster_of(1)
    cluster.join(1, 2)
    with pytest.raises(AssertionError, match="routes keys in another way: install the version in req"):
        cluster.learn(Announcement(0, {0: NOTHING}))


LINE = "other processes have not answered, one may have ended: start all again"


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch) -> Queue[str]:
    """Return the lines with which a cluster gives up."""
    lines: Queue[str] = Queue()
    monkeypatch.setattr("flows.shards.cluster.fail", lines.put)
    monkeypatch.setattr("flows.shards.cluster.ANSWER_S", 0.05)
    return lines


def test_who_is_not_answered_gives_up(said: Queue[str]) -> None:
    answered = cluster_of(1)
    answered.join(0, 1)
    answered.learn(Announcement(0, {0: NOTHING}))
    answered._await_answers()
    assert said.empty()
    cluster_of(2).await_answers()
    assert said.get(timeout=10) == LINE


# Alignment


def interleaved(rng: Random, streams: list[list[ShardClicks]]) -> list[ShardClicks]:
    """Return the items of all streams in some order that keeps each stream's own."""
    turns = [number for number, stream in enumerate(streams) for _ in stream]
    rng.shuffle(turns)
    left = [iter(stream) for stream in streams]
    return [next(left[turn]) for turn in turns]


def stream(rng: Random, source: str, parts: int) -> list[ShardClicks]:
    """Return items of one click each; barriers skip numbers, and stand on some items only."""
    numbers = count(1)
    items = []
    for start in range(60):
        number = next(numbers) if rng.random() < 0.5 else None
        if rng.random() < 0.2:
            next(numbers)
        barrier = None if number is None else Barrier(number, 1000 * number, 1)
        second = NOON_S + start * 40 + rng.randrange(20)
        items.append(
            item(second, start=start, source=source, parts=parts, barrier=barrier, read_ms=number or 0)
        )
    return items


@pytest.mark.parametrize("parts", [1, 2, 5])
def test_beats_do_not_depend_on_the_order_of_arrival(parts: int) -> None:
    rng = Random(parts)
    streams = [stream(rng, f"log/{number}", parts) for number in range(parts)]

    def run(shard: Random) -> list[tuple[Any, ...]]:
        gate = Admission({}, Mark())
        admitted = [each for one in interleaved(shard, streams) for each in gate.admit(replace(one))]
        admitted += gate.last(item(parts=parts), stopped=True)
        for number in range(parts):
            own = [each.header.start for each in admitted if each.header.source == f"log/{number}"]
            assert own == list(range(60))
        return [
            (barrier.level, barrier.as_of_s, barrier.positions)
            for each in admitted
            if (barrier := each.aligned) is not None
        ]

    barriers = run(Random(0))
    assert len(barriers) >= 10
    assert [barrier[0] for barrier in barriers] == sorted({barrier[0] for barrier in barriers})
    for seed in range(1, 20):
        assert run(Random(seed)) == barriers


def test_nothing_is_held_of_one_partition_or_without_markers() -> None:
    alone = Alignment()
    for start in range(3):
        [(_, due)] = alone.take(item(NOON_S, start=start, barrier=Barrier(start)))
        assert due
    both = Alignment()
    for name in "abab":
        assert len(list(both.take(item(NOON_S, source=name, parts=2)))) == 1
    assert both.rest() == []


def test_partitions_that_begin_a_beat_apart_come_into_step() -> None:
    both, cuts = Alignment(), []
    numbers = {"a": 0, "b": 0}
    for name, number in [("a", 1), ("b", 2), ("a", 2), ("a", 3), ("b", 3), ("b", 4), ("a", 4)]:
        for taken, due in both.take(item(NOON_S, source=name, parts=2, barrier=Barrier(number))):
            assert taken.header.barrier is not None
            numbers[taken.header.source] = taken.header.barrier.number
            if due:
                cuts.append(tuple(numbers.values()))
    assert cuts == [(1, 2), (2, 2), (3, 3), (4, 4)]


def test_a_beat_that_is_not_whole_gives_no_board() -> None:
    gate = Admission({}, Mark())
    first = Barrier(1, 1000, complete=False)
    assert [each.aligned for each in gate.admit(item(NOON_S, barrier=first))] == [None]
    assert [each.aligned for each in gate.last(item(), stopped=True)] == [None]
    [last] = gate.last(item(), stopped=False)
    assert last.aligned is not None


def test_shards_agree_although_only_some_had_applied_the_newest_click() -> None:
    newest = Mark(NOON_S * 10**9, NOON_S * 1000)
    barrier = Barrier(1, (NOON_S + 61) * 1000, 0, known=newest)
    ahead, rebuilt = Admission({"log": 7}, newest), Admission({}, Mark())
    barriers = [gate.admit(item(start=7, barrier=barrier))[0].aligned for gate in (ahead, rebuilt)]
    assert [barrier and barrier.as_of_s for barrier in barriers] == [NOON_S + 61] * 2


# What crosses


def same(column: Any, other: Any) -> bool:
    if isinstance(column, Words):
        return [column.words[code] for code in column.codes] == [other.words[code] for code in other.codes]
    floats = column.dtype.kind == "f"
    return column.dtype == other.dtype and np.array_equal(column, other, equal_nan=floats)


@pytest.mark.parametrize(
    "column",
    [
        np.array([], np.int64),
        np.array([5, 5, 5], np.int64),
        np.array([-3, 1 << 62, 7], np.int64),
        np.array([(1 << 64) - 1, 0], np.uint64),
        np.array([1, 300], np.int32),
        Words(np.array([2, 0, 2], np.int32), ["é\U0001f6cd", "", None]),
        Words(np.array([5, 3], np.int32), ["a", "b", "c", None, "e", "f"]),
        Words(np.array([], np.int32), ["a"]),
    ],
)
def test_a_column_survives(column: Ints | Words) -> None:
    assert same(column, unpacked(packed(column)))


@pytest.mark.parametrize("as_block", [False, True])
def test_an_item_survives_and_takes_few_bytes(as_block: bool) -> None:
    records = logs.random_log(4, clicks=3000, large=False)
    data = b"\n".join(records) if as_block else records
    batch = Batch(
        "log", 1000, 1000 + len(data), data, 10**12, barrier=Barrier(3, 4, None, Mark(5, 6, 7, (8,)))
    )
    batch.read_ms = logs.MIDNIGHT // 10**6
    clicks = decode(batch)
    cluster = cluster_of(4)
    for items in (
        by_visitor(cluster.shard_keys, judge(JOURNEYS))(clicks),
        by_page(cluster.shard_keys)(clicks),
        by_age(cluster.shard_keys)(clicks),
    ):
        for _, sent in items:
            data_sent = pickle.dumps(sent, 4)
            assert pickle.dumps(sent, 4) == data_sent
            came = pickle.loads(data_sent)
            assert (came.shard, came.header) == (sent.shard, sent.header)
            assert (list(came.rejected.kept()), came.recent) == (list(sent.rejected.kept()), sent.recent)
            assert came.position.tolist() == sent.position.tolist()
            assert came.position.tolist() == [came.lines.position(row) for row in came.row.tolist()]
            assert same(sent.time_ns, came.time_ns)
            assert same(sent.high_ns, came.high_ns)
            assert sent.columns.keys() == came.columns.keys()
            for name, column in sent.columns.items():
                assert same(column, came.columns[name]), name
            extra = sum(len(r.record) + 100 for r in sent.rejected.kept()) + sum(
                len(n.record) + 100 for n in sent.recent
            )
            assert len(data_sent) < 100 * len(sent) + extra + 1500
