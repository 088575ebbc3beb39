"""The flow's clock, the watermark and what is noted of readings, each by itself."""

from __future__ import annotations

import logging

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flows.ingest.decode import decode
from flows.model.batch import Barrier, Batch
from flows.model.mark import Mark, newest_of
from flows.model.notes import Reading
from flows.runtime.pulse import Pulse
from flows.shards import clock_watch
from flows.shards.clock import Clock, Wall
from flows.shards.clock_watch import ClockWatch
from flows.shards.readings import Readings
from flows.shards.skew import Skew
from flows.shards.watermark import Watermark
from tests.support import logs
from tests.support.clocks import StillClock

NOON_S = 1_709_294_400
NOON_MS = NOON_S * 1000


# The clock


def test_the_clock_counts_on_by_ticks() -> None:
    clock = Clock(NOON_MS, 70)
    assert [clock.at(ticks) for ticks in (70, 1070, 900, 2070)] == [
        NOON_MS,
        NOON_MS + 1000,
        NOON_MS + 1000,
        NOON_MS + 2000,
    ]


def test_others_go_by_the_telling_that_took_the_shortest_time_and_do_not_drift() -> None:
    clock = Clock(NOON_MS + 600_000, 0)
    clock.hear(NOON_MS - 40, 0)
    clock.hear(NOON_MS + 1000 - 5, 1000)
    clock.hear(NOON_MS + 2000 - 300, 2000)
    assert clock.at(2000) == NOON_MS + 2000 - 5
    # These ticks are fast: after some tellings that is made good, without going back.
    for second in range(3, 20):
        clock.hear(NOON_MS + second * 1000 - second * 10, second * 1000)
    assert clock.at(19_000) <= NOON_MS + 19_000 - 120


def test_the_clock_begins_where_what_was_published_ends() -> None:
    clock = Clock(NOON_MS, 0)
    clock.reach(NOON_MS - 5000, 0)
    assert clock.at(0) == NOON_MS
    clock.reach(NOON_MS + 5000, 0)
    assert clock.at(1000) == NOON_MS + 6000


@pytest.mark.parametrize(
    ("set_by_ms", "seen_ms"), [(0, 0), (400, 0), (-20_000, -20_000), (3600_000, 3600_000)]
)
def test_a_step_of_the_wall_clock_is_seen(set_by_ms: int, seen_ms: int) -> None:
    wall = Wall(NOON_MS, 0)
    assert wall.look(NOON_MS + 1000, 1000) == 0
    assert wall.look(NOON_MS + 2000 + set_by_ms, 2000) == seen_ms
    assert wall.look(NOON_MS + 3000 + set_by_ms, 3000) == 0


class Bent(StillClock):
    """A flow's clock beside a wall clock that a test sets."""

    ahead_ms = 0
    stepped_ms = 0

    def step_ms(self) -> int:
        stepped_ms, self.stepped_ms = self.stepped_ms, 0
        return stepped_ms

    def wall_ahead_ms(self) -> int:
        return self.ahead_ms


class Watched:
    """Sources that are called by a clock of the test's, and what the watch says when it ends the flow."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, alone: bool = True) -> None:
        self.clock, self.alone = Bent(NOON_MS), alone
        self.said: list[str] = []
        self._watch = ClockWatch(self.clock, Pulse())
        self._at_ms = 10**6
        monkeypatch.setattr(clock_watch, "ticks_ms", lambda: self._at_ms)
        monkeypatch.setattr(clock_watch, "fail", self.said.append)

    def call(self, sources: str, seconds: int) -> None:
        for _ in range(seconds):
            self._at_ms += 1000
            for source in sources:
                self._watch.called(source, self.alone)


def test_each_step_and_difference_is_one_line(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    watched = Watched(monkeypatch)
    caplog.set_level(logging.WARNING)
    watched.clock.ahead_ms = -30_000
    watched.call("ab", 3)
    watched.clock.stepped_ms, watched.clock.ahead_ms = 30_000, 0
    watched.call("ab", 3)
    assert [record.getMessage() for record in caplog.records] == [
        "this host's clock is 30.0 s behind the flow's: check NTP",
        "this host's clock was set forward by 30.0 s: the flow goes on by its own clock, which is 0.0 s "
        "behind it; if the new time is the right one, restart the flow to go by it",
    ]


@pytest.mark.parametrize(("back_ms", "ends"), [(3_600_000, True), (20_000, False)])
def test_a_flow_that_cannot_save_for_long_ends(
    back_ms: int, ends: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    watched = Watched(monkeypatch)
    watched.clock.stepped_ms = -back_ms
    watched.call("ab", 602)
    line = "nothing was saved for 10 minutes, since this host's clock was set back: "
    line += "start the flow again, it goes on where its state ends"
    assert set(watched.said) == ({line} if ends else set())


@pytest.mark.parametrize(
    ("alone", "sources", "back_ms", "after_s"),
    [
        (True, "b", 3_600_000, 6),  # `a` has ended its epoch and waits for `b` to
        (True, "b", 5_000, None),
        (True, "ab", 3_600_000, None),
        (False, "ab", 3_600_000, 1),  # other processes will wait for this one
        (False, "ab", 5_000, None),
    ],
)
def test_a_flow_that_waits_for_a_clock_that_was_set_back_ends(
    alone: bool, sources: str, back_ms: int, after_s: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    watched = Watched(monkeypatch, alone)
    watched.call("ab", 3)
    watched.clock.stepped_ms = -back_ms
    watched.call(sources, 20 if after_s is None else after_s - 1)
    assert watched.said == []
    watched.call(sources, 1)
    line = f"this host's clock was set back by {back_ms / 1000:.1f} s, and Bytewax waits for it: "
    line += "start the flow again, it goes on where its state ends"
    assert watched.said == ([] if after_s is None else [line])


# The watermark


@pytest.mark.parametrize(
    ("now_s", "all_read", "as_of_s"),
    [(0.5, True, 0), (1.5, True, 1), (1.9, False, 1), (61.5, True, 61), (61.5, False, 1)],
)
def test_windows_drain_by_the_time_that_passed_once_all_is_read(
    now_s: float, all_read: bool, as_of_s: int
) -> None:
    mark = Watermark(Mark())
    mark.observe(NOON_MS * 10**6, (), NOON_MS + 200)
    assert mark.advance(NOON_MS + int(now_s * 1000), [], all_read=all_read) == NOON_S + as_of_s


def test_clicks_that_come_minutes_late_move_windows_by_no_more_than_the_time_that_passed() -> None:
    mark = Watermark(Mark())
    mark.observe((NOON_MS - 1_200_000) * 10**6, (), NOON_MS)
    assert mark.advance(NOON_MS + 5000, [], all_read=True) == NOON_S - 1200 + 1 + 5


def test_a_restart_goes_on_where_the_watermark_stood_downtime_included() -> None:
    mark = Watermark(Mark(NOON_MS * 10**6, NOON_MS, NOON_S + 20))
    assert mark.advance(NOON_MS + 10_000, [], all_read=True) == NOON_S + 20
    assert mark.advance(NOON_MS + 60_000, [], all_read=True) == NOON_S + 60


marks = st.builds(
    Mark,
    st.integers(0, 3),
    st.integers(0, 3),
    st.integers(0, 3),
    st.sets(st.integers(0, 5)).map(lambda seconds: tuple(sorted(seconds))),
)


@given(st.lists(marks, max_size=4))
def test_marks_come_to_the_same_in_any_order(found: list[Mark]) -> None:
    assert (
        newest_of(found) == newest_of(found[::-1]) == newest_of([newest_of(found[:2]), newest_of(found[2:])])
    )


# Readings


class Kept:
    """Notes in a list."""

    def __init__(self) -> None:
        self.noted: list[Reading] = []

    def note(self, source: str, reading: Reading) -> None:
        self.noted.append(reading)

    def forget(self, source: str, position: int) -> None:
        self.noted = [reading for reading in self.noted if reading.start >= position]


def too_new_at(*read_ms: int) -> list[bytes]:
    return [logs.record_of(logs.click_of("a", (at_ms + 300_000) * 10**6 + 1)) for at_ms in read_ms]


@pytest.mark.parametrize("later_ms", [0, 2000, 4000])
def test_what_is_read_again_is_judged_by_the_clock_of_its_first_reading(later_ms: int) -> None:
    kept = Kept()
    records = too_new_at(NOON_MS, NOON_MS)
    first = Batch("t/0", 0, 2, records, NOON_MS, until_s=NOON_S)
    assert [len(decode(batch).rejected) for batch in Readings("t/0", [], kept).judged(first)] == [2]
    # Of what had not been read the clock is the one of now; batches begin and end where they like.
    again = Batch("t/0", 1, 4, records[1:] + too_new_at(NOON_MS, NOON_MS), NOON_MS + later_ms, until_s=NOON_S)
    again.barrier = Barrier(7)
    parts = Readings("t/0", kept.noted, kept).judged(again)
    assert [(part.start, part.end, part.read_ms) for part in parts] == [
        (1, 2, NOON_MS),
        (2, 4, NOON_MS + later_ms),
    ]
    assert [part.barrier for part in parts] == [None, again.barrier]
    assert [len(decode(part).rejected) for part in parts] == [1, 0 if later_ms else 2]


@given(
    st.lists(st.integers(0, 9), min_size=0, max_size=6),
    st.integers(0, 30),
    st.integers(1, 30),
    st.booleans(),
)
def test_cuts_lose_nothing(sizes: list[int], start: int, size: int, gaps: bool) -> None:
    known, at = [], 0
    for number, length in enumerate(sizes):
        known.append(Reading(at, at + length, number, number))
        at += length + number % 2
    places = range(start, start + size * (1 + gaps), 1 + gaps)
    records = [b"%d" % place for place in places]
    batch = Batch(
        "t", start, places[-1] + 1, records, 99, list(places) if gaps else None, 99, barrier=Barrier(1)
    )
    parts = Readings("t", [each for each in known if each.end > each.start], None).judged(batch)
    assert [record for part in parts for record in part.data] == records
    assert [part.start for part in parts[1:]] == [part.end for part in parts[:-1]]
    assert (parts[0].start, parts[-1].end) == (batch.start, places[-1] + 1)
    for part in parts:
        for record in part.data:
            own = [each.read_ms for each in known if each.start <= int(record) < each.end]
            assert part.read_ms == (own or [99])[0]


def test_notes_are_let_go_some_epochs_later() -> None:
    kept = Kept()
    readings = Readings("t", [], kept)
    for position in range(1, 8):
        readings.judged(Batch("t", position - 1, position, [b"{}"], NOON_MS))
        readings.forget(position)
    assert [reading.start for reading in kept.noted] == [4, 5, 6]


# A slow clock


def test_most_clicks_of_a_minute_ahead_mean_that_the_clock_is_slow(caplog: pytest.LogCaptureFixture) -> None:
    skew = Skew()
    steps = [(0, 0, 0), (60, 100, 40), (120, 120, 60), (180, 220, 80), (240, 229, 89)]
    found = [skew.is_slow(NOON_MS + second * 1000, read, ahead) for second, read, ahead in steps]
    assert found == [False, False, True, False, False]
    [said] = [record.getMessage() for record in caplog.records]
    assert said == (
        "20 of 20 clicks of the last minute are ahead of the flow's clock: it is slow; set the clock of its "
        "host (NTP), then restart the flow"
    )
