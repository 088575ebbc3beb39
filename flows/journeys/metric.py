"""Journeys: the state machine that follows each visitor through a table of steps, logs them and makes offers.

Of most clicks a first look tells that they move nobody. Only those of visitors who are on a journey, or may
begin one, go through the machine (`flows.journeys.machine`), in the order of their arrival. The table is in
`flows.journeys.table`, the log in `flows.journeys.log`.
"""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median
from typing import Any

import numpy as np

from flows.entries.entry import Entries
from flows.entries.outbox import Outbox, Receipts
from flows.journeys.log import Row, entries_of, rows_of
from flows.journeys.machine import Machine
from flows.journeys.table import INIT, OFFER, Journey, fits_column
from flows.journeys.tally import JourneyFigures, Tally, together
from flows.metrics.metric import Metric, Part, Published
from flows.model.columns import Bools, Ints
from flows.model.event_time import SESSION_GAP_S
from flows.model.shard_clicks import AlignedBarrier, ShardClicks
from flows.runtime.compiled import entry
from flows.windows.table import Table, grown


class Journeys(Metric[list[JourneyFigures]]):
    """Follows the visitors of a shard; tells what became of journeys in [as_of - window_s, as_of).

    Clicks without gender or age are ignored, and so are page refreshes.

    A visitor without a click for more than 30 minutes, or for the longest limit of a journey if that is more,
    can take no step any more and is forgotten: their next click finds them in `init`, and refreshes nothing.
    """

    frames = ("journeys",)

    def __init__(self, receipts: Receipts, journeys: Sequence[Journey], *, window_s: int) -> None:
        self._receipts, self._journeys, self._window_s = receipts, journeys, window_s
        self._forget_ns = max([SESSION_GAP_S, *(journey.limit_s for journey in journeys)]) * 10**9

    def begin(self) -> None:
        """Make what a shard keeps, empty."""
        self._machines = [Machine(journey, number) for number, journey in enumerate(self._journeys)]
        self._tallies = [Tally(journey, self._window_s) for journey in self._journeys]
        self._outbox = Outbox(self._receipts)
        self._table = Table(last_ns=np.int64, product=np.uint64)
        self._busy: Bools = np.zeros(0, bool)

    def add(self, item: ShardClicks) -> None:
        """Take in admitted clicks."""
        self._forget(item.freed)
        fits = [item.columns.ints(fits_column(number)) for number in range(len(self._machines))]
        if fits and len(item):
            self._reserve(item.slots)
            clicks, gone = self._looked_at(item, fits)
            if len(clicks):
                self._look_at(item, clicks, fits, gone)

    def _reserve(self, slots: int) -> None:
        self._table.reserve(slots)
        if len(self._table) > len(self._busy):
            self._busy = grown(self._busy, len(self._table))

    def _forget(self, slots: Ints) -> None:
        self._table.clear(slots)
        known = slots[slots < len(self._busy)]
        for slot in known[self._busy[known]].tolist():
            for machine in self._machines:
                machine.leave(slot)
        self._busy[known] = False

    def _looked_at(self, item: ShardClicks, fits: list[Ints]) -> tuple[Ints, Bools]:
        """Return which clicks may move their visitor, and which of these find the visitor forgotten."""
        begins = [bits & journey.leaving(INIT) for bits, journey in zip(fits, self._journeys, strict=True)]
        may_begin = np.logical_or.reduce([bits != 0 for bits in begins])
        product, last_ns = item.words("product"), self._table["last_ns"]
        of_clicks = item.slot, item.time_ns, product.codes, product.hashes(item.header.key)[0]
        kept = last_ns, self._table["product"], self._table.changed, self._busy
        clicks, gone = np.empty(len(item), np.int64), np.empty(len(item), bool)
        count = _first_look(*of_clicks, fits[0] != 0, may_begin, *kept, self._forget_ns, clicks, gone)
        return clicks[:count], gone[:count]

    def _look_at(self, item: ShardClicks, clicks: Ints, fits: list[Ints], gone: Bools) -> None:
        """Let clicks move their visitors on; `gone`: those that find their visitor forgotten."""
        slots = item.slot[clicks].tolist()
        category, product = item.words("category"), item.words("product")
        columns = item.time_ns[clicks], category.codes[clicks], product.codes[clicks], gone
        looked = [column.tolist() for column in columns]
        steps = [
            step
            for machine, bits in zip(self._machines, fits, strict=True)
            for step in machine.run(
                zip(slots, bits[clicks].tolist(), *looked, strict=True), category.words, product.words
            )
        ]
        log = rows_of(sorted(steps), self._journeys, item.words("gender").take(clicks))
        if log:
            self._outbox.put(entries_of(log, item, clicks))
            self._count(log, item, clicks)
        self._busy[item.slot[clicks]] = np.logical_or.reduce(
            [np.fromiter(map(machine.on.__contains__, slots), bool, len(slots)) for machine in self._machines]
        )

    def _count(self, log: list[Row], item: ShardClicks, clicks: Ints) -> None:
        for number, tally in enumerate(self._tallies):
            rows = [row for row in log if row.journey == number]
            tally.add(rows, item.time_ns[clicks[[row.click for row in rows]]], item.newest_s)

    def report(self, as_of_s: int) -> list[JourneyFigures]:
        """Return the figures of each journey."""
        pairs = zip(self._tallies, self._machines, strict=True)
        return [tally.report(as_of_s, machine) for tally, machine in pairs]

    def publish(self, barrier: AlignedBarrier, shards: Sequence[list[JourneyFigures]]) -> Published:
        """Return a row for each state of each journey, and what all journeys come to."""
        figures = [together(of_journey) for of_journey in zip(*shards, strict=True)]
        rows = [
            (
                journey.name,
                state,
                found.now[state] if state in journey.between else None,
                found.entered[state],
            )
            for journey, found in zip(self._journeys, figures, strict=False)
            for state in (*journey.between, OFFER, INIT)
        ]
        frame = {
            name: [row[place] for row in rows]
            for place, name in enumerate(("journey", "state", "now", "entered_1h"))
        }
        return Published(_numbers(together(figures)), {self.frames[0]: frame})

    def entries(self) -> list[Entries]:
        """Return the stream entries made since the last call (after a restart also those not yet written)."""
        return self._outbox.entries()

    def changes(self, *, everything: bool) -> Part:
        """Return what changed, or all."""
        part = self._table.everything("last_ns") if everything else self._table.changes()
        part["on"] = [machine.changes(everything=everything) for machine in self._machines]
        part["tallies"] = {
            str(number): tally.changes(everything=everything) for number, tally in enumerate(self._tallies)
        }
        part["outbox"] = self._outbox.changes(everything=everything)
        return part

    def load(self, part: Part) -> None:
        """Take in a part of the state."""
        self._table.load(part)
        self._reserve(len(self._table))
        for machine, changes in zip(self._machines, part["on"], strict=False):
            machine.load(changes)
        # State of a version that did not tally yet has none.
        tallies = part.get("tallies", {})
        for number, tally in enumerate(self._tallies[: len(tallies)]):
            tally.load(tallies[str(number)])
        self._outbox.load(part["outbox"])

    def loaded(self) -> None:
        """All parts are in: note who is on a journey."""
        for machine in self._machines:
            self._busy[list(machine.on)] = True


@entry(
    "int32[::1], int64[::1], int32[::1], uint64[::1], bool[::1], bool[::1], int64[::1], uint64[::1], "
    "bool[::1], bool[::1], int64, int64[::1], bool[::1]"
)
def _first_look(
    slot: Ints,
    time_ns: Ints,
    code: Ints,
    hashes: Ints,
    counts: Bools,
    may_begin: Bools,
    last_ns: Ints,
    product: Ints,
    changed: Bools,
    busy: Bools,
    forget_ns: int,
    clicks: Ints,
    gone: Bools,
) -> int:
    """Note the `clicks` of visitors who are on a journey or may begin one, unless they refresh a page.

    Kept of visitors are the product of their last click and the time of their newest. Returns how many.
    """
    count = 0
    for i in range(len(slot)):
        if not counts[i]:
            continue
        visitor, viewed = slot[i], hashes[code[i]]
        forgotten = time_ns[i] - last_ns[visitor] > forget_ns
        refresh = viewed != 0 and viewed == product[visitor] and not forgotten
        last_ns[visitor], product[visitor] = max(time_ns[i], last_ns[visitor]), viewed
        changed[visitor] = True
        if (busy[visitor] or may_begin[i]) and not refresh:
            busy[visitor] = True
            clicks[count], gone[count] = i, forgotten
            count += 1
    return count


def _numbers(figures: JourneyFigures) -> dict[str, Any]:
    """Return the board's figures; a share or a median of nothing is unknown."""
    numbers: dict[str, Any] = {
        "offers_1h": sum(figures.offers.values()),
        "offers": dict(sorted(figures.offers.items())),
        "journeys_over_1h": figures.over,
    }
    if figures.over:
        numbers["journeys_offer_share"] = len(figures.took_ns) / figures.over
    if figures.took_ns:
        numbers["journeys_offer_seconds"] = median(figures.took_ns) / 10**9
    return numbers
