"""Sessions: true session windows, which late clicks may extend or join.

A session of a visitor is a longest run of their clicks with no gap of more than 30 minutes. A click extends
the session that it is not too far from, or opens one; where it closes the gap between two they become one:

    sessions    [1]           [2]             a visitor's newest is at hand, and each knows the one before
    click                        x            extends session 2
    click                               x     opens session 3
    late click         x                      extends session 2, which then joins session 1
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from flows.metrics.metric import Metric, Part, Published, sums
from flows.model.columns import Bools, Ints
from flows.model.event_time import BUCKET_S, BUCKETS, SESSION_GAP_S, covered_from_s
from flows.model.shard_clicks import AlignedBarrier, ShardClicks
from flows.runtime.compiled import compiled, entry
from flows.windows.ring import Ring
from flows.windows.table import Table, Vacant, grown

GAP_NS = SESSION_GAP_S * 10**9


@dataclass(frozen=True, slots=True)
class SessionFigures:
    """Of the sessions with a click in the window: how many, how many active, their length, their clicks.

    `single` are those of one click; `by_bucket` visitors by half hour, oldest first.
    """

    sessions: int
    active: int
    duration_ns: int
    clicks: int
    single: int
    by_bucket: list[int]


class Sessions(Metric[SessionFigures]):
    """Sessions with a click in [as_of - window_s, as_of), and distinct visitors per half-hour bucket.

    Those with a click in [as_of - active_s, as_of) are active.
    """

    frames = ("sessions",)

    def __init__(self, *, window_s: int, active_s: int) -> None:
        self._window_s, self._active_s = window_s, active_s

    def begin(self) -> None:
        """Make what a shard keeps, empty."""
        self._seen = Table(buckets=np.uint32)
        self._ring = Ring(self._seen, "buckets", slice_s=BUCKET_S, kept=BUCKETS)
        # One row a session; clicks 0: vacant. Rows are told by their number plus 1, as 0 is none: `before` is
        # the visitor's session before, and of their first the visitor, as -slot; `_newest` has their newest
        # by slot.
        self._rows = Table(start_ns=np.int64, end_ns=np.int64, clicks=np.uint32, before=np.int32)
        self._newest: Ints = np.zeros(0, np.uint32)
        self._vacant = Vacant()
        self._swept_s = 0

    def add(self, item: ShardClicks) -> None:
        """Take in admitted clicks."""
        self._seen.clear(item.freed)
        if len(item):
            self._seen.reserve(item.slots)
            self._seen.touch(item.slot)
            self._ring.add(item.slot, item.second, item.newest_s)
            self._join(item.slot, item.time_ns)
        self._sweep(covered_from_s(item.newest_s))

    def _join(self, slot: Ints, time_ns: Ints) -> None:
        if len(self._seen) > len(self._newest):
            self._newest = grown(self._newest, len(self._seen))
        rows, joined = self._rows, np.full(len(slot), -1)
        vacant = self._vacant.take(len(slot))
        rows.reserve(self._vacant.used)
        times_ns, links = (rows["start_ns"], rows["end_ns"]), (self._newest, rows["before"])
        opened = _join(slot, time_ns, *links, *times_ns, rows["clicks"], rows.changed, vacant, joined)
        self._vacant.give_back(vacant[opened:])
        self._drop(joined[joined >= 0])

    def _drop(self, rows: Ints) -> None:
        self._rows.clear(rows)
        self._vacant.give_back(rows)

    def _sweep(self, covered_s: int) -> None:
        """Drop the sessions that no window holds and no click in time can reach."""
        if covered_s <= self._swept_s:
            return
        self._swept_s = covered_s
        end_ns, before, from_ns = self._rows["end_ns"], self._rows["before"], covered_s * 10**9 - GAP_NS
        _unlink(self._newest, before, end_ns, from_ns)
        self._drop(np.flatnonzero((self._rows["clicks"] > 0) & (end_ns < from_ns)))

    def report(self, as_of_s: int) -> SessionFigures:
        """Return the shard's figures."""
        rows, found = self._rows, np.zeros(6, np.int64)
        from_ns, active_ns = (as_of_s - self._window_s) * 10**9, (as_of_s - self._active_s) * 10**9
        _figures(rows["start_ns"], rows["end_ns"], rows["clicks"], from_ns, active_ns, found)
        sessions, active, lasted_s, lasted_ns, clicks, single = found.tolist()
        duration_ns, by_bucket = lasted_s * 10**9 + lasted_ns, self._ring.report(as_of_s)[1]
        return SessionFigures(sessions, active, duration_ns, clicks, single, by_bucket)

    def publish(self, barrier: AlignedBarrier, shards: Sequence[SessionFigures]) -> Published:
        """Return the figures of all sessions, and one row a half hour, the last one still filling."""
        current = (barrier.as_of_s - 1) // BUCKET_S
        visitors = sums([shard.by_bucket for shard in shards])
        starts_ms = [(current - BUCKETS + 1 + i) * BUCKET_S * 1000 for i in range(BUCKETS)]
        rows = {"datetime": starts_ms, "userId": visitors, "count": visitors}
        sessions = sum(shard.sessions for shard in shards)

        def mean(total: float) -> float | None:
            return total / sessions if sessions else None

        numbers = {
            "sessions_8h": sessions,
            "sessions_active": sum(shard.active for shard in shards),
            "session_seconds_mean": mean(sum(shard.duration_ns for shard in shards) / 10**9),
            "session_clicks_mean": mean(sum(shard.clicks for shard in shards)),
            "session_bounce_share": mean(sum(shard.single for shard in shards)),
        }
        return Published(numbers, {self.frames[0]: rows})

    def changes(self, *, everything: bool) -> Part:
        """Return what changed, or all."""
        seen = self._seen.everything("buckets") if everything else self._seen.changes()
        rows = self._rows.everything("clicks") if everything else self._rows.changes()
        # Most sessions are of one click: how long they lasted is mostly zero, and takes next to nothing.
        end_ns = rows.pop("end_ns")
        rows["lasted_ns"] = end_ns - rows["start_ns"] if len(end_ns) else end_ns
        links = rows.pop("before")
        rows["slot"] = _slots(links, self._rows["before"]) if len(links) else []
        return {"seen": seen, "rows": rows} | self._ring.state()

    def load(self, part: Part) -> None:
        """Take in a part of the state."""
        self._ring.load(part)
        self._seen.load(part["seen"])
        rows = part["rows"]
        end_ns, before = rows["start_ns"] + rows["lasted_ns"], -np.asarray(rows["slot"], np.int32)
        self._rows.load(rows | {"end_ns": end_ns, "before": before})

    def loaded(self) -> None:
        """All parts are in: find vacant rows, newest sessions and those before again."""
        occupied = self._rows["clicks"] > 0
        self._vacant.find(occupied)
        rows = np.flatnonzero(occupied)
        slot = -self._rows["before"][rows]
        order = np.lexsort((self._rows["end_ns"][rows], slot))
        rows, slot = rows[order], slot[order]
        again = np.diff(slot, prepend=-1) == 0
        self._rows["before"][rows[again]] = rows[np.flatnonzero(again) - 1] + 1
        self._newest = np.zeros(int(slot.max(initial=0)) + 1, np.uint32)
        self._newest[slot] = rows + 1


@entry(
    "int32[::1], int64[::1], uint32[::1], int32[::1], int64[::1], int64[::1], uint32[::1], bool[::1], "
    "int64[::1], int64[::1]"
)
def _join(
    slot: Ints,
    time_ns: Ints,
    newest: Ints,
    before: Ints,
    start_ns: Ints,
    end_ns: Ints,
    clicks: Ints,
    changed: Bools,
    vacant: Ints,
    joined: Ints,
) -> int:
    """Let each click extend a session or open one, in a `vacant` row; returns how many are opened.

    `joined` gets the session, if any, that ended as that of a click joined it.
    """
    opened = 0
    for i in range(len(slot)):
        time, row, later = time_ns[i], int(newest[slot[i]]) - 1, -1
        while row >= 0 and time < start_ns[row] - GAP_NS:
            row, later = int(before[row]) - 1, row
        if row < 0 or time > end_ns[row] + GAP_NS:
            made = int(vacant[opened])
            opened += 1
            before[made], clicks[made] = row + 1 if row >= 0 else -slot[i], 0
            start_ns[made] = end_ns[made] = time
            if later < 0:
                newest[slot[i]] = made + 1
            else:
                before[later] = made + 1
            row = made
        clicks[row] += 1
        changed[row] = True
        start_ns[row], end_ns[row] = min(time, start_ns[row]), max(time, end_ns[row])
        earlier = int(before[row]) - 1
        if earlier >= 0 and start_ns[row] <= end_ns[earlier] + GAP_NS:
            start_ns[row], before[row] = start_ns[earlier], before[earlier]
            clicks[row] += clicks[earlier]
            joined[i] = earlier
    return opened


@entry("uint32[::1], int32[::1], int64[::1], int64")
def _unlink(newest: Ints, before: Ints, end_ns: Ints, from_ns: int) -> None:
    """Let nothing lead to a session that ended before `from_ns`."""
    for slot in range(len(newest)):
        if newest[slot] > 0 and end_ns[int(newest[slot]) - 1] < from_ns:
            newest[slot] = 0
    for row in range(len(before)):
        if before[row] > 0 and end_ns[before[row] - 1] < from_ns:
            before[row] = _visitor(before[row], before)


@compiled
def _visitor(link: int, before: Ints) -> int:
    """Return what is before the first of the sessions that `link` leads to: the visitor."""
    while link > 0:
        link = before[link - 1]
    return link


def _slots(links: Ints, before: Ints) -> Ints:
    """Return whose sessions they are that have `links` as what is before them."""
    visitors = links.astype(np.int64)
    _follow(visitors, before)
    return -visitors


@entry("int64[::1], int32[::1]")
def _follow(links: Ints, before: Ints) -> None:
    """Follow each link to its visitor."""
    for i in range(len(links)):
        links[i] = _visitor(links[i], before)


@entry("int64[::1], int64[::1], uint32[::1], int64, int64, int64[::1]")
def _figures(start_ns: Ints, end_ns: Ints, clicks: Ints, from_ns: int, active_ns: int, found: Ints) -> None:
    """Add up the sessions that ended at `from_ns` or later, as SessionFigures has them."""
    for row in range(len(clicks)):
        if clicks[row] > 0 and end_ns[row] >= from_ns:
            # In two sums: that of all nanoseconds may not fit one int64.
            lasted_ns = end_ns[row] - start_ns[row]
            found[0] += 1
            found[1] += end_ns[row] >= active_ns
            found[2] += lasted_ns // 10**9
            found[3] += lasted_ns % 10**9
            found[4] += clicks[row]
            found[5] += clicks[row] == 1
