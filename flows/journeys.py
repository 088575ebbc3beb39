"""Journeys: the state machine that follows each visitor through a table of steps, logs them and makes offers.

The machine decides on columns first: only the clicks of visitors who are on a journey, or whose click could
begin one, are looked at one by one, in the order of their arrival. The table is in `flows.journey_table`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import astuple
from typing import Any, NamedTuple

import numpy as np

from flows.admission import SESSION_GAP_S
from flows.columns import UNKNOWN, Ints
from flows.items import Entry
from flows.journey_table import ANY, INIT, JOURNEYS, OFFER, Journey, Progress
from flows.outbox import Outbox, Receipts
from flows.split import ShardClicks
from flows.table import Table, grown

FORGET_NS = SESSION_GAP_S * 10**9


class _Click(NamedTuple):
    slot: int
    time_ns: int
    row: int
    sub: int
    user: str
    product: str | None
    category: str
    gender: str
    age: float


class Journeys:
    """Follows the visitors of a shard. Clicks without gender or age are ignored, and so are page refreshes.

    A visitor without a click for more than 30 minutes can take no step any more and is forgotten: their next
    click finds them in `init`, and is a refresh of nothing.
    """

    def __init__(self, receipts: Receipts | None = None, journeys: Sequence[Journey] = JOURNEYS) -> None:
        self._journeys = journeys
        self._rows = [journey.by_state() for journey in journeys]
        self._outbox = Outbox(receipts or Receipts())
        self._table = Table(last_ns=np.int64, product=np.uint64)
        self._on: dict[tuple[int, int], Progress] = {}
        self._busy: Ints = np.zeros(0, bool)
        self._changed: set[tuple[int, int]] = set()

    def add(self, item: ShardClicks) -> None:
        """Take in admitted clicks."""
        self._forget(item.freed)
        counted = _counted(item)
        if not counted.any():
            return
        self._reserve(int(item.slot.max()) + 1)
        begins = self._may_begin(item) & counted
        followed = self._busy.copy()
        followed[item.slot[begins]] = True
        one_by_one = followed[item.slot] & counted
        self._table.touch(item.slot[counted])
        self._pass_by(item, np.flatnonzero(counted & ~one_by_one))
        self._follow(item, np.flatnonzero(one_by_one), begins)

    def _reserve(self, slots: int) -> None:
        self._table.reserve(slots)
        if len(self._table) > len(self._busy):
            self._busy = grown(self._busy, len(self._table))

    def _forget(self, slots: Ints) -> None:
        self._table.clear(slots)
        known = slots[slots < len(self._busy)]
        for slot in known[self._busy[known]].tolist():
            self._leave_all(slot)

    def _may_begin(self, item: ShardClicks) -> Ints:
        """Return for each click whether a step of any journey leads out of `init` by it, as columns."""
        begins = np.zeros(len(item), bool)
        for journey in self._journeys:
            for step in journey.steps:
                if step.state == INIT:
                    begins |= step.columns(
                        item.columns["category"], item.columns["gender"], item.columns["age"]
                    )
        return begins

    def _pass_by(self, item: ShardClicks, rows: Ints) -> None:
        """Remember the last product of visitors on no journey."""
        slot = item.slot[rows]
        self._table["product"][slot] = item.columns["product_hash"][rows]
        np.maximum.at(self._table["last_ns"], slot, item.time_ns[rows])

    def _follow(self, item: ShardClicks, rows: Ints, begins: Ints) -> None:
        """Look at the clicks `rows` one by one; `begins` tells which clicks may begin a journey."""
        if not len(rows):
            return
        slots = np.unique(item.slot[rows])
        columns = self._table["last_ns"], self._table["product"]
        # By visitor, the newest time and the last product: plain numbers, since numpy's are slow one by one.
        at = (column[slots].tolist() for column in columns)
        last = {slot: list(values) for slot, *values in zip(slots.tolist(), *at, strict=True)}
        click_of = _clicks(item, rows)
        quick = item.slot, item.time_ns, item.columns["product_hash"], begins
        for i, (slot, time_ns, product, may_begin) in enumerate(
            zip(*(column[rows].tolist() for column in quick), strict=True)
        ):
            visitor = last[slot]
            if time_ns - visitor[0] > FORGET_NS:
                self._leave_all(slot)
                visitor[1] = 0
            refresh = product != 0 and product == visitor[1]
            visitor[:] = max(time_ns, visitor[0]), product
            if not refresh and (may_begin or self._busy[slot]):
                click = click_of(i)
                self._outbox.begin(item, click.row, click.sub, click.time_ns)
                for number, journey in enumerate(self._journeys):
                    self._step(number, journey, click)
        for column, values in zip(columns, zip(*last.values(), strict=True), strict=True):
            column[slots] = values

    def _step(self, number: int, journey: Journey, click: _Click) -> None:
        progress = self._on.get((click.slot, number))
        state = progress.state if progress else INIT
        if progress and click.time_ns - progress.first_ns >= journey.limit_s * 10**9:
            to = INIT
        else:
            to = self._next_state(number, state, click, progress)
        if to == state:
            return
        self._log(
            click, to, f"entered state {to}][Event: clicked {click.product}][Category: {click.category}"
        )
        if to == OFFER:
            self._offer(journey, click)
        self._move(number, click, progress, to)

    def _next_state(self, number: int, state: str, click: _Click, progress: Progress | None) -> str:
        rows = self._rows[number][state]
        for step in rows.get(click.category) or rows[ANY]:
            if step.fits(click.category, click.product, click.gender, click.age, progress):
                return step.to
        return INIT

    def _move(self, number: int, click: _Click, progress: Progress | None, to: str) -> None:
        key = click.slot, number
        if to in (INIT, OFFER):
            self._on.pop(key, None)
        elif progress is None:
            self._on[key] = Progress(to, click.time_ns, click.category, [click.product])
        else:
            progress.state = to
            progress.products.append(click.product)
        self._changed.add(key)
        self._busy[click.slot] = key in self._on or (
            len(self._journeys) > 1 and any((click.slot, n) in self._on for n in range(len(self._journeys)))
        )

    def _leave_all(self, slot: int) -> None:
        if not self._busy[slot]:
            return
        for number in range(len(self._journeys)):
            if self._on.pop((slot, number), None):
                self._changed.add((slot, number))
        self._busy[slot] = False

    def _log(self, click: _Click, state: str, what: str) -> None:
        fields = {
            "created": _created(click),
            "msg": f"[User {click.user} {what}]",
            "user": click.user,
            "state": state,
        }
        self._outbox.add("state_logs", fields)

    def _offer(self, journey: Journey, click: _Click) -> None:
        offer = journey.offer(click.gender)
        if offer is not None:
            self._log(click, OFFER, f"triggered offer {offer}")
            self._outbox.add(
                "special_offers", {"created": _created(click), "user": click.user, "offer": offer}
            )

    def report(self, as_of_s: int) -> int:
        """Return how many journeys visitors are on."""
        return len(self._on)

    def entries(self) -> list[Entry]:
        """Return the stream entries made since the last call (after a restart also those not yet written)."""
        return self._outbox.entries()

    def changes(self, *, everything: bool) -> dict[str, Any]:
        """Return what changed, or all."""
        part = self._table.everything("last_ns") if everything else self._table.changes()
        keys = self._on.keys() if everything else self._changed
        part["on"] = [(*key, astuple(self._on[key]) if key in self._on else None) for key in keys]
        part["outbox"] = self._outbox.pending()
        self._changed = set()
        return part

    def load(self, part: dict[str, Any]) -> None:
        """Take in a part of the state."""
        self._table.load(part)
        self._reserve(len(self._table))
        for slot, number, progress in part["on"]:
            if progress is None or number >= len(self._journeys):
                self._on.pop((slot, number), None)
            else:
                self._on[slot, number] = Progress(*progress)
        self._busy[:] = False
        self._busy[[slot for slot, _ in self._on]] = True
        self._outbox.load(part["outbox"])


def _counted(item: ShardClicks) -> Ints:
    gender = item.columns["gender"]
    known = np.array([word is not None for word in gender.words], bool)
    counted: Ints = (known[gender.codes] if len(known) else known) & ~np.isnan(item.columns["age"])
    return counted


def _clicks(item: ShardClicks, rows: Ints) -> Callable[[int], _Click]:
    """Return what gives the i-th click of `rows`; `sub` tells those of one column-shaped record apart."""
    columns = item.columns
    records = item.row[rows]
    products, categories, genders = (columns[name].words for name in ("product", "category", "gender"))
    slots, times, places, visitors, ages = (
        column.tolist()
        for column in (
            item.slot[rows],
            item.time_ns[rows],
            records,
            columns["visitor"][rows],
            columns["age"][rows],
        )
    )
    subs = (rows - np.searchsorted(item.row, records)).tolist()
    product, category, gender = (
        columns[name].codes[rows].tolist() for name in ("product", "category", "gender")
    )

    def click(i: int) -> _Click:
        in_category = categories[category[i]]
        return _Click(
            slots[i],
            times[i],
            places[i],
            subs[i],
            visitors[i],
            products[product[i]],
            UNKNOWN if in_category is None else in_category,
            genders[gender[i]] or "",
            ages[i],
        )

    return click


def _created(click: _Click) -> str:
    return str(click.time_ns / 10**9)
