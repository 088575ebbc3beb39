"""The machine of one journey: who is on it and how far, and what a click makes of that.

It knows of a click which rows of the table fit it (`Journey.fits`); what is left to compare is the click with
the journey so far.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from flows.journeys.log import Row
from flows.journeys.table import INIT, OFFER, Journey, Progress, Step

# A click that may move a journey: its visitor's slot, the rows that fit it, its time in nanoseconds, the
# codes of its category and product, and whether its visitor was forgotten before it, and so is in `init`.
Click = tuple[int, int, int, int, int, bool]


class _Choices(dict[int, list[Step]]):
    """The rows out of one state that fit a click, in their order, by the click's bits."""

    def __init__(self, journey: Journey, state: str) -> None:
        super().__init__()
        self._rows = [(1 << n, step) for n, step in enumerate(journey.steps, 1) if step.state == state]

    def __missing__(self, fits: int) -> list[Step]:
        self[fits] = rows = [step for bit, step in self._rows if fits & bit]
        return rows


class Machine:
    """The visitors of a shard who are on one journey, by their slot; `number` is the journey's."""

    def __init__(self, journey: Journey, number: int = 0) -> None:
        self.number = number
        self.on: dict[int, Progress] = {}
        self._limit_ns = journey.limit_s * 10**9
        # A state that the table does not know any more is left for `init`.
        states = {step.state for step in journey.steps}
        self._choices = {state: _Choices(journey, state) for state in states}
        self._unknown = _Choices(journey, "")
        self._changed: set[int] = set()

    def run(self, clicks: Iterable[Click], categories: Sequence[Any], products: Sequence[Any]) -> list[Row]:
        """Let clicks move their visitors on, in the order of their arrival.

        Returns a row of the log for each change of state, with the click's number in `clicks`.
        """
        on, begin = self.on, self._choices[INIT]
        entered = []
        for number, (slot, fits, time_ns, category, product, gone) in enumerate(clicks):
            progress = on.get(slot)
            if gone and progress is not None:
                self.leave(slot)
                progress = None
            if progress is None:
                rows = begin[fits]
                if not rows or rows[0].to == INIT:
                    continue
                left, first_ns, to = INIT, time_ns, rows[0].to
                if to != OFFER:
                    on[slot] = Progress(to, time_ns, categories[category], (products[product],))
            else:
                left, first_ns = progress.state, progress.first_ns
                to = self._next(progress, fits, time_ns, categories[category], products[product])
                if to == left:
                    continue
                if to in (INIT, OFFER):
                    del on[slot]
                else:
                    progress.state = to
                    progress.products += (products[product],)
            entered.append(Row(number, self.number, left, to, first_ns))
            self._changed.add(slot)
        return entered

    def _next(self, seen: Progress, fits: int, time_ns: int, category: str, product: str | None) -> str:
        if time_ns - seen.first_ns < self._limit_ns:
            for step in self._choices.get(seen.state, self._unknown)[fits]:
                if step.is_plain or step.goes_on(category, product, seen):
                    return step.to
        return INIT

    def leave(self, slot: int) -> None:
        """Take a visitor off the journey, without a step."""
        if self.on.pop(slot, None):
            self._changed.add(slot)

    def changes(self, *, everything: bool) -> list[tuple[int, Progress | None]]:
        """Return (visitor, how far on the journey if at all) of those that changed, or of all on it."""
        slots = list(self.on) if everything else self._changed
        self._changed = set()
        return [(slot, self.on.get(slot)) for slot in slots]

    def load(self, changes: list[Any]) -> None:
        """Take in what `changes` gave once."""
        for slot, progress in changes:
            if progress is None:
                self.on.pop(slot, None)
            else:
                self.on[slot] = msgspec.convert(progress, Progress)
