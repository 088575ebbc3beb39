"""What becomes of a journey: who is on it now, who was lately, how many of those begun ended in an offer.

A journey counts for the share of offers once its limit is over, whatever it came to before:

    begun 12:00:10, offer 12:08:40, limit 30 min      counts from 12:30:10 on, with 510 seconds to the offer
    begun 12:01:00, given up 12:02:00                 counts from 12:31:00 on, without an offer
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np

from flows.journeys.log import Row
from flows.journeys.machine import Machine
from flows.journeys.table import INIT, OFFER, Journey
from flows.model.columns import Ints
from flows.windows.moments import Moments
from flows.windows.names import Names
from flows.windows.slices import Slices


class JourneyFigures(NamedTuple):
    """Of one journey and shard: visitors by state now; how often states were entered in the window; offers.

    `over` is how many of the journeys begun in the window have their limit behind them; `took_ns`, how long
    those of them took that ended in an offer.
    """

    now: dict[str, int]
    entered: dict[str, int]
    offers: dict[str, int]
    over: int
    took_ns: list[int]


class Tally:
    """What becomes of one journey in a shard, in [as_of - window_s, as_of)."""

    def __init__(self, journey: Journey, window_s: int) -> None:
        self._limit_ns, self._window_s = journey.limit_s * 10**9, window_s
        # States entered, and offers: (state, "") or (OFFER, name of the offer).
        self._names = Names[tuple[str, str]]()
        self._entered = Slices(window_s)
        self._begun, self._offers = Moments(window_s), Moments(window_s)
        self._saved = 0

    def add(self, rows: Sequence[Row], time_ns: Ints, newest_s: int) -> None:
        """Take in rows of the log, each of which has its click's time in `time_ns`."""
        keys = self._names.numbers([(row.state, row.offer) for row in rows])
        self._entered.add(time_ns // 10**9, keys, newest_s)
        self._begun.add([(row.first_ns, 0) for row in rows if row.left == INIT and not row.offer])
        self._offers.add(
            [
                (row.first_ns, max(time - row.first_ns, 0))
                for row, time in zip(rows, time_ns.tolist(), strict=True)
                if row.state == OFFER and not row.offer
            ]
        )

    def report(self, as_of_s: int, machine: Machine) -> JourneyFigures:
        """Return the figures; `machine` knows who is on the journey."""
        self._entered.advance(as_of_s)
        self._begun.advance(as_of_s)
        self._offers.advance(as_of_s)
        as_of_ns = as_of_s * 10**9
        from_ns, over_ns = as_of_ns - self._window_s * 10**9, as_of_ns - self._limit_ns + 1
        totals = self._entered.totals
        counts = {
            self._names.names[number]: int(totals[number]) for number in np.flatnonzero(totals).tolist()
        }
        return JourneyFigures(
            now=Counter(progress.state for progress in machine.on.values() if progress.first_ns >= over_ns),
            entered={state: number for (state, offer), number in counts.items() if not offer},
            offers={offer: number for (_, offer), number in counts.items() if offer},
            over=len(self._begun.numbers(from_ns, over_ns)),
            took_ns=self._offers.numbers(from_ns, over_ns).tolist(),
        )

    def changes(self, *, everything: bool) -> dict[str, Any]:
        """Return what changed since the last call, or all."""
        new, self._saved = self._names.names[0 if everything else self._saved :], len(self._names)
        return {
            "names": new,
            "entered": self._entered.changes(everything=everything),
            "begun": self._begun.changes(everything=everything),
            "offers": self._offers.changes(everything=everything),
        }

    def load(self, part: dict[str, Any]) -> None:
        """Take in what `changes` gave."""
        self._names.numbers(map(tuple, part["names"]))
        self._saved = len(self._names)
        self._entered.load(part["entered"])
        self._begun.load(part["begun"])
        self._offers.load(part["offers"])


def together(shards: Iterable[JourneyFigures]) -> JourneyFigures:
    """Put shards' figures together."""
    now: Counter[str] = Counter()
    entered: Counter[str] = Counter()
    offers: Counter[str] = Counter()
    over, took_ns = 0, []
    for shard in shards:
        now.update(shard.now)
        entered.update(shard.entered)
        offers.update(shard.offers)
        over += shard.over
        took_ns += shard.took_ns
    return JourneyFigures(now, entered, offers, over, took_ns)
