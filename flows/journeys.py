"""Journeys: the state machine that follows each visitor through a table of steps, logs them and makes offers.

The machine decides on columns first: only the clicks of visitors who are on a journey, or whose click could
begin one, are looked at one by one, in the order of their arrival. The table is in `flows.journey_table`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import msgspec
import numpy as np

from flows.admission import SESSION_GAP_S
from flows.columns import UNKNOWN, Ints
from flows.items import Entry
from flows.journey_table import ANY, INIT, JOURNEYS, OFFER, Journey, Progress
from flows.outbox import Outbox, Receipts
from flows.split import ShardClicks
from flows.table import Table, grown
from flows.visits import Visits

FORGET_NS = SESSION_GAP_S * 10**9


class _Click(NamedTuple):
    """A click that may take a step; `begins` has for each journey the row it takes out of `init`, or -1."""

    slot: int
    time_ns: int
    position: int
    sub: int
    age: float
    user: str
    product: str | None
    category: str
    gender: str
    gone: bool
    begins: tuple[int, ...]


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
        self._on: list[dict[int, Progress]] = [{} for _ in journeys]
        self._busy: Ints = np.zeros(0, bool)
        self._changed: set[tuple[int, int]] = set()

    def add(self, item: ShardClicks) -> None:
        """Take in admitted clicks."""
        self._forget(item.freed)
        counted = _counted(item)
        if not counted.any():
            return
        self._reserve(int(item.slot.max()) + 1)
        columns = item.columns
        begins = [
            journey.beginning(columns["category"], columns["gender"], columns["age"])
            for journey in self._journeys
        ]
        may_begin = counted & np.any([rows >= 0 for rows in begins], axis=0)
        followed = self._busy.copy()
        followed[item.slot[may_begin]] = True
        one_by_one = followed[item.slot] & counted
        self._table.touch(item.slot[counted])
        self._pass_by(item, np.flatnonzero(counted & ~one_by_one))
        self._follow(item, np.flatnonzero(one_by_one), begins, may_begin)

    def _reserve(self, slots: int) -> None:
        self._table.reserve(slots)
        if len(self._table) > len(self._busy):
            self._busy = grown(self._busy, len(self._table))

    def _forget(self, slots: Ints) -> None:
        self._table.clear(slots)
        known = slots[slots < len(self._busy)]
        for slot in known[self._busy[known]].tolist():
            self._leave_all(slot)
        self._busy[known] = False

    def _pass_by(self, item: ShardClicks, rows: Ints) -> None:
        """Remember the last product of visitors on no journey."""
        slot = item.slot[rows]
        self._table["product"][slot] = item.columns["product_hash"][rows]
        np.maximum.at(self._table["last_ns"], slot, item.time_ns[rows])

    def _follow(self, item: ShardClicks, rows: Ints, begins: list[Ints], may_begin: Ints) -> None:
        """Look at those of the clicks `rows` that may take a step one by one."""
        if not len(rows):
            return
        visits = Visits.of(item.slot[rows])
        refresh, gone = self._history(item, rows, visits)
        look = (self._busy[item.slot[rows]] | visits.since(may_begin[rows])) & ~refresh
        self._outbox.begin(f"{item.header.source}/{item.shard}")
        for click in _clicks(item, rows[look], begins, gone[look]):
            if click.gone:
                self._leave_all(click.slot)
            for number, on in enumerate(self._on):
                progress = on.get(click.slot)
                if progress or click.begins[number] >= 0:
                    self._step(number, click, progress)
        self._busy[visits.slots] = np.any(
            [[s in on for s in visits.slots.tolist()] for on in self._on], axis=0
        )

    def _history(self, item: ShardClicks, rows: Ints, visits: Visits) -> tuple[Ints, Ints]:
        """Return which clicks are page refreshes, and which find their visitor forgotten; remember them."""
        last_ns, product = self._table["last_ns"], self._table["product"]
        time_ns, hashes = item.time_ns[rows], item.columns["product_hash"][rows]
        newest_ns = visits.newest(time_ns, last_ns[visits.slots])
        gone = time_ns - visits.before(newest_ns, last_ns[visits.slots]) > FORGET_NS
        refresh = (visits.before(hashes, product[visits.slots]) == hashes) & (hashes != 0) & ~gone
        last_ns[visits.slots], product[visits.slots] = visits.last(newest_ns), visits.last(hashes)
        return refresh, gone

    def _step(self, number: int, click: _Click, progress: Progress | None) -> None:
        journey = self._journeys[number]
        if progress is None:
            state, to = INIT, journey.steps[click.begins[number]].to
        elif click.time_ns - progress.first_ns >= journey.limit_s * 10**9:
            state, to = progress.state, INIT
        else:
            state, to = progress.state, self._next_state(number, click, progress)
        if to == state:
            return
        self._log(
            click, to, f"entered state {to}][Event: clicked {click.product}][Category: {click.category}"
        )
        if to == OFFER:
            self._offer(journey, click)
        self._move(number, click, progress, to)

    def _next_state(self, number: int, click: _Click, progress: Progress) -> str:
        # A state that the table does not know any more is left for `init`.
        rows = self._rows[number].get(progress.state, {ANY: []})
        for step, is_plain in rows.get(click.category) or rows[ANY]:
            if is_plain or step.fits(click.category, click.product, click.gender, click.age, progress):
                return step.to
        return INIT

    def _move(self, number: int, click: _Click, progress: Progress | None, to: str) -> None:
        if to in (INIT, OFFER):
            self._on[number].pop(click.slot, None)
        elif progress is None:
            self._on[number][click.slot] = Progress(to, click.time_ns, click.category, (click.product,))
        else:
            progress.state = to
            progress.products += (click.product,)
        self._changed.add((click.slot, number))

    def _leave_all(self, slot: int) -> None:
        for number, on in enumerate(self._on):
            if on.pop(slot, None):
                self._changed.add((slot, number))

    def _log(self, click: _Click, state: str, what: str) -> None:
        user = click.user
        fields = {"created": _created(click), "msg": f"[User {user} {what}]", "user": user, "state": state}
        self._outbox.add("state_logs", click.position, click.sub, click.time_ns, fields)

    def _offer(self, journey: Journey, click: _Click) -> None:
        offer = journey.offer(click.gender)
        if offer is not None:
            self._log(click, OFFER, f"triggered offer {offer}")
            fields = {"created": _created(click), "user": click.user, "offer": offer}
            self._outbox.add("special_offers", click.position, click.sub, click.time_ns, fields)

    def report(self, as_of_s: int) -> int:
        """Return how many journeys visitors are on."""
        return sum(map(len, self._on))

    def entries(self) -> list[Entry]:
        """Return the stream entries made since the last call (after a restart also those not yet written)."""
        return self._outbox.entries()

    def changes(self, *, everything: bool) -> dict[str, Any]:
        """Return what changed, or all."""
        part = self._table.everything("last_ns") if everything else self._table.changes()
        if everything:
            self._changed = {(slot, number) for number, on in enumerate(self._on) for slot in on}
        part["on"] = [(slot, number, self._on[number].get(slot)) for slot, number in self._changed]
        part["outbox"] = self._outbox.pending()
        self._changed = set()
        return part

    def load(self, part: dict[str, Any]) -> None:
        """Take in a part of the state."""
        self._table.load(part)
        self._reserve(len(self._table))
        for slot, number, progress in part["on"]:
            if number >= len(self._journeys):
                continue
            if progress is None:
                self._on[number].pop(slot, None)
            else:
                self._on[number][slot] = msgspec.convert(progress, Progress)
        self._busy[:] = False
        for on in self._on:
            self._busy[list(on)] = True
        self._outbox.load(part["outbox"])


def _counted(item: ShardClicks) -> Ints:
    gender = item.columns["gender"]
    known = np.array([word is not None for word in gender.words], bool)
    counted: Ints = (known[gender.codes] if len(known) else known) & ~np.isnan(item.columns["age"])
    return counted


def _clicks(item: ShardClicks, rows: Ints, begins: list[Ints], gone: Ints) -> Iterator[_Click]:
    """Return the clicks `rows` one by one; `sub` tells those of one column-shaped record apart."""
    columns = item.columns
    records = item.row[rows]
    numbers = (
        item.slot[rows],
        item.time_ns[rows],
        item.lines.positions(records),
        rows - np.searchsorted(item.row, records),
        columns["age"][rows],
    )
    categories = [UNKNOWN if word is None else word for word in columns["category"].words]
    words = (
        [words[code] for code in columns[name].codes[rows].tolist()]
        for name, words in (
            ("visitor", columns["visitor"].words),
            ("product", columns["product"].words),
            ("category", categories),
            ("gender", columns["gender"].words),
        )
    )
    begun = zip(*(begin[rows].tolist() for begin in begins), strict=True)
    lists = (column.tolist() for column in numbers)
    return map(_Click._make, zip(*lists, *words, gone.tolist(), begun, strict=True))


def _created(click: _Click) -> str:
    """Return epoch seconds as text, with all nine digits: that takes a tenth of the time of a float."""
    return f"{click.time_ns // 10**9}.{click.time_ns % 10**9:09d}"
