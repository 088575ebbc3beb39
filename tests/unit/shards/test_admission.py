"""The clock, late clicks, replays and gaps, on a wall clock of the test's own."""

from __future__ import annotations

import numpy as np
import pytest

from flows.model.batch import Barrier
from flows.model.columns import Columns, encoded
from flows.model.event_time import covered_from_s
from flows.model.lines import Lines
from flows.model.mark import NOTHING
from flows.model.shard_clicks import AlignedBarrier, Header, ShardClicks
from flows.shards.admission import Admission, GapError
from flows.shards.directory import Directory

HOUR_S = 3600
NOON_S = 1_709_208_000


def item(
    *seconds: int,
    start: int = 0,
    barrier: Barrier | None = None,
    read_ms: int = 0,
    until_s: int | None = None,
    source: str = "log",
    parts: int = 1,
) -> ShardClicks:
    """Return a batch of clicks at `seconds`, one position each."""
    time_ns = np.array(seconds, np.int64) * 10**9
    in_time = [second for second in seconds if until_s is None or second < until_s]
    names = encoded(f"user-{second}" for second in seconds)
    return ShardClicks(
        shard=0,
        header=Header(
            source=source,
            parts=parts,
            start=start,
            end=start + len(seconds),
            read_ms=read_ms,
            until_s=until_s,
            barrier=barrier,
            oldest_ns=min(in_time) * 10**9 if in_time else None,
            newest_ns=max(in_time) * 10**9 if in_time else None,
            ahead_s=tuple(sorted({*seconds} - {*in_time})),
        ),
        time_ns=time_ns,
        high_ns=np.maximum.accumulate(time_ns),
        row=np.arange(len(seconds), dtype=np.int32),
        lines=Lines([b""] * len(seconds), start, None),
        columns=Columns(visitor=names),
    )


def aligned_of(admitted: list[ShardClicks]) -> AlignedBarrier | None:
    [item] = admitted
    return item.aligned


def as_of(admitted: list[ShardClicks]) -> int | None:
    barrier = aligned_of(admitted)
    return None if barrier is None else barrier.as_of_s


def admission() -> Admission:
    return Admission({}, NOTHING)


def test_a_finite_source_never_drains_and_says_that_it_has_ended() -> None:
    gate = admission()
    gate.admit(item(NOON_S, barrier=Barrier(1)))
    last = aligned_of(gate.last(item(), stopped=False))
    assert last is not None
    assert (last.as_of_s, last.ended) == (NOON_S + 1, True)
    stopped = aligned_of(gate.last(item(), stopped=True))
    assert stopped is not None
    assert not stopped.ended


def test_a_click_ahead_of_the_clock_waits_and_then_enters() -> None:
    gate = admission()
    now = Barrier(1, NOON_S * 1000 + 1000, 0)
    at_noon = item(NOON_S, NOON_S + 240, barrier=now, read_ms=now.now_ms or 0, until_s=NOON_S + 1)
    [admitted] = gate.admit(at_noon)
    assert admitted.time_ns.tolist() == [NOON_S * 10**9]
    assert admitted.aligned is not None
    assert (admitted.aligned.as_of_s, admitted.aligned.ahead, admitted.ahead) == (NOON_S + 1, 1, 1)
    before = item(start=2, barrier=Barrier(2, (NOON_S + 240) * 1000, 0), until_s=NOON_S + 240)
    assert [len(each) for each in gate.admit(before)] == [0]
    due = item(start=2, barrier=Barrier(3, (NOON_S + 241) * 1000, 0), until_s=NOON_S + 241)
    waited, barrier = gate.admit(due)
    assert (waited.time_ns.tolist(), waited.due_s) == ([(NOON_S + 240) * 10**9], NOON_S + 240)
    assert barrier.aligned is not None
    assert (barrier.aligned.as_of_s, barrier.aligned.ahead) == (NOON_S + 241, 0)


def test_what_waits_survives_with_the_state_and_is_saved_once() -> None:
    gate = admission()
    gate.admit(item(NOON_S, NOON_S + 5, read_ms=NOON_S * 1000, until_s=NOON_S + 1))
    part = gate.waiting.changes(everything=False)
    assert [second for second, _ in part["waiting"]] == [NOON_S + 5]
    assert gate.waiting.changes(everything=False)["waiting"] == []
    again = Admission(gate.positions, gate.watermark.mark)
    again.waiting.load(part)
    waited, _ = again.admit(item(start=2, barrier=Barrier(1, (NOON_S + 9) * 1000, 0), until_s=NOON_S + 9))
    assert waited.second.tolist() == [NOON_S + 5]
    assert waited.position.tolist() == [1]


def test_a_beat_waits_for_every_partition_and_knows_the_lag_only_if_all_do() -> None:
    gate = admission()
    assert aligned_of(gate.admit(item(NOON_S, source="a", parts=2, barrier=Barrier(4, 0, 10)))) is None
    barrier = aligned_of(gate.admit(item(NOON_S, source="b", parts=2, barrier=Barrier(5, 0, 5))))
    assert barrier is not None
    assert (barrier.level, barrier.lag, barrier.positions) == (4, 15, {"a": 1, "b": 1})
    assert gate.admit(item(source="b", start=1, parts=2, barrier=Barrier(6, 0, None))) == []
    behind, level = gate.admit(item(source="a", start=1, parts=2, barrier=Barrier(6, 0, 1)))
    assert (behind.header.source, behind.aligned) == ("a", None)
    assert level.aligned is not None
    assert (level.header.source, level.aligned.level, level.aligned.lag) == ("b", 6, None)


@pytest.mark.parametrize(("applied", "kept"), [(0, 4), (1, 3), (3, 1), (4, 0), (9, 0)])
def test_what_was_applied_is_skipped(applied: int, kept: int) -> None:
    gate = Admission({"log": applied}, NOTHING)
    [admitted] = gate.admit(item(*range(NOON_S, NOON_S + 4)))
    assert admitted.time_ns.tolist() == [second * 10**9 for second in range(NOON_S + 4 - kept, NOON_S + 4)]
    assert gate.positions == {"log": max(applied, 4)}


def test_a_gap_stops() -> None:
    with pytest.raises(GapError, match="log continues at 5, state ends at 4"):
        Admission({"log": 4}, NOTHING).admit(item(NOON_S, start=5))


@pytest.mark.parametrize("seconds_before", [1, 0])
def test_a_click_is_late_when_no_window_covers_it_at_its_arrival(seconds_before: int) -> None:
    edge_s = covered_from_s(NOON_S)
    assert edge_s == NOON_S - 8 * HOUR_S
    [admitted] = admission().admit(item(edge_s - 1, NOON_S, edge_s - seconds_before, NOON_S + 1))
    assert (admitted.late, len(admitted)) == (seconds_before, 4 - seconds_before)


def test_slots_are_kept_while_needed_then_used_again() -> None:
    directory = Directory()

    def number(*seconds: int, newest_s: int) -> ShardClicks:
        batch = item(*seconds)
        batch.newest_s = newest_s
        directory.number(batch)
        return batch

    first = number(NOON_S, NOON_S + 1, newest_s=NOON_S + 1)
    assert first.slot.tolist() == [0, 1]
    later_s = NOON_S + 9 * HOUR_S
    # The first visitor clicks in the batch that frees: their slot stays for this once.
    freeing = number(NOON_S, later_s, newest_s=later_s + HOUR_S)
    assert (freeing.slot.tolist(), freeing.freed.tolist()) == ([0, 2], [1])
    assert number(NOON_S + 2, newest_s=later_s + HOUR_S).slot.tolist() == [1]
    assert number(later_s, newest_s=later_s + 2 * HOUR_S).freed.tolist() == [0, 1]
    assert len(directory) == 1


def test_a_directory_survives_its_parts() -> None:
    directory = Directory()
    directory.number(item(NOON_S, NOON_S + 1))
    parts = [directory.changes(everything=False)]
    directory.number(item(NOON_S + 2, NOON_S))
    parts.append(directory.changes(everything=False))
    for loaded_parts in (parts, [directory.changes(everything=True)]):
        loaded = Directory()
        for part in loaded_parts:
            loaded.load(part)
        loaded.loaded()
        again = item(NOON_S, NOON_S + 1, NOON_S + 2)
        loaded.number(again)
        assert again.slot.tolist() == [0, 1, 2]
        assert len(loaded) == 3
