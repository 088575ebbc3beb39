"""Sessions: true session windows, which late clicks may extend or join.

A session of a visitor is a longest run of their clicks with no gap of more than 30 minutes. A batch's clicks
are first cut into runs. A run either extends the visitor's newest session or opens one:

    kept        [session 1]          [session 2]
    run                                    [run]          extends session 2
    late run               [run]                          closes both gaps: one session of all three

For visitors with a run that begins before their newest session, all sessions are taken up again, as runs, and
joined in the order of time.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from flows.metrics.metric import Metric, Part, Published, sums
from flows.model.columns import Ints
from flows.model.event_time import BUCKET_S, BUCKETS, covered_from_s
from flows.model.shard_clicks import AlignedBarrier, ShardClicks
from flows.windows.ring import Ring
from flows.windows.runs import GAP_NS, Runs, runs
from flows.windows.table import Table, Vacant


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
        # One row a session; clicks 0: vacant. `_newest[slot]` is 1 + the row of the visitor's newest session.
        self._rows = Table(slot=np.uint32, start_ns=np.int64, end_ns=np.int64, clicks=np.uint32)
        self._newest = Table(row=np.uint32)
        self._vacant = Vacant()
        self._swept_s = 0

    def add(self, item: ShardClicks) -> None:
        """Take in admitted clicks."""
        self._seen.clear(item.freed)
        if len(item):
            self._add(item)
        self._sweep(covered_from_s(item.newest_s))

    def _add(self, item: ShardClicks) -> None:
        slots = int(item.slot.max()) + 1
        self._seen.reserve(slots)
        self._newest.reserve(slots)
        self._seen.touch(item.slot)
        self._ring.add(item.slot, item.second, item.newest_s)
        self._join(self._with_reopened(runs(item.slot, item.time_ns)))

    def _sweep(self, covered_s: int) -> None:
        """Drop the sessions that no window holds and no click in time can reach."""
        if covered_s <= self._swept_s:
            return
        self._swept_s = covered_s
        self._drop(
            np.flatnonzero((self._rows["clicks"] > 0) & (self._rows["end_ns"] + GAP_NS < covered_s * 10**9))
        )

    def _drop(self, rows: Ints) -> None:
        slot = self._rows["slot"][rows]
        newest = self._newest["row"]
        newest[slot[newest[slot] == rows + 1]] = 0
        self._rows.clear(rows)
        self._vacant.give_back(rows)

    def _with_reopened(self, new: Runs) -> Runs:
        """Add the sessions of visitors with a run that begins before their newest; drop these as rows."""
        row = self._newest["row"][new.slot].astype(np.int64) - 1
        before = (row >= 0) & (new.start_ns < self._rows["start_ns"][row]) if len(self._rows) else row >= 0
        if not before.any():
            return new
        rows = np.flatnonzero((self._rows["clicks"] > 0) & np.isin(self._rows["slot"], new.slot[before]))
        old = Runs(*(self._rows[name][rows] for name in ("slot", "start_ns", "end_ns", "clicks")))
        self._drop(rows)
        return new.plus(old)

    def _join(self, new: Runs) -> None:
        """Join runs to the newest sessions of their visitors, each visitor's in order of time."""
        for run in new.in_turn():
            row = self._newest["row"][run.slot].astype(np.int64) - 1
            has = row >= 0
            if len(self._rows):
                has &= run.start_ns <= self._rows["end_ns"][row] + GAP_NS
            self._extend(row[has], run.take(has))
            self._open(run.take(~has))

    def _extend(self, rows: Ints, run: Runs) -> None:
        if len(rows):
            self._rows["end_ns"][rows] = np.maximum(self._rows["end_ns"][rows], run.end_ns)
            self._rows["clicks"][rows] = self._rows["clicks"][rows] + run.clicks.astype(np.uint32)
            self._rows.touch(rows)

    def _open(self, run: Runs) -> None:
        rows = self._vacant.take(len(run.slot))
        self._rows.reserve(self._vacant.used)
        for name in ("slot", "start_ns", "end_ns", "clicks"):
            self._rows[name][rows] = getattr(run, name)
        self._rows.touch(rows)
        self._newest["row"][run.slot] = rows + 1

    def report(self, as_of_s: int) -> SessionFigures:
        """Return the shard's figures."""
        end_ns, clicks = self._rows["end_ns"], self._rows["clicks"]
        rows = np.flatnonzero((clicks > 0) & (end_ns >= (as_of_s - self._window_s) * 10**9))
        duration_ns = end_ns[rows] - self._rows["start_ns"][rows]
        return SessionFigures(
            sessions=len(rows),
            active=int(np.count_nonzero(end_ns[rows] >= (as_of_s - self._active_s) * 10**9)),
            # Summed in two halves: whole sessions in ns may not fit one int64.
            duration_ns=int((duration_ns // 10**9).sum()) * 10**9 + int((duration_ns % 10**9).sum()),
            clicks=int(clicks[rows].sum()),
            single=int(np.count_nonzero(clicks[rows] == 1)),
            by_bucket=self._ring.report(as_of_s)[1],
        )

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
        lasted = {"lasted_ns": rows.pop("end_ns") - rows["start_ns"]}
        return {"seen": seen, "rows": rows | lasted} | self._ring.state()

    def load(self, part: Part) -> None:
        """Take in a part of the state."""
        self._ring.load(part)
        self._seen.load(part["seen"])
        rows = part["rows"]
        self._rows.load(rows | {"end_ns": rows["start_ns"] + rows["lasted_ns"]})

    def loaded(self) -> None:
        """All parts are in: find vacant rows and newest sessions again."""
        occupied = np.flatnonzero(self._rows["clicks"])
        self._vacant.find(self._rows["clicks"] > 0)
        by_end = occupied[np.argsort(self._rows["end_ns"][occupied], kind="stable")]
        slot = self._rows["slot"][by_end]
        self._newest = Table(row=np.uint32)
        self._newest.reserve(int(slot.max()) + 1 if len(slot) else 0)
        self._newest["row"][slot] = by_end + 1
