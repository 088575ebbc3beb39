"""What journeys tell of themselves: the entries of `state_logs`, one a step and one an offer, and the offers.

An entry's ordinal is made of the click it comes from: the position of its record, the number of the click in
the record (column shape), and the entry's number among all that come from the click. Clicks that waited for
their time come out of the order of positions: their origin is another, by the second that they waited for.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import numpy as np

from flows.entries.entry import Entries, origin_of, pack
from flows.journeys.table import OFFER, Journey
from flows.model.columns import Ints, Words
from flows.model.shard_clicks import ShardClicks


class Row(NamedTuple):
    """A row of the log: a click's number, a journey's, the states left and entered.

    `first_ns` is the time of the journey's first click. `offer` is empty, or the offer that the row tells of;
    then it follows the row of the step to `offer`.
    """

    click: int
    journey: int
    left: str
    state: str
    first_ns: int
    offer: str = ""


def rows_of(steps: Iterable[Row], journeys: Sequence[Journey], genders: Words) -> list[Row]:
    """Return the rows of steps, in their order, and of the offers that they lead to."""
    rows: list[Row] = []
    for step in steps:
        rows.append(step)
        if step.state == OFFER:
            offer = journeys[step.journey].offer(genders.at(step.click))
            if offer is not None:
                rows.append(step._replace(offer=offer))
    return rows


def entries_of(rows: list[Row], item: ShardClicks, clicks: Ints) -> Iterator[Entries]:
    """Yield the log of rows, and their offers; number n of their clicks is the item's click `clicks[n]`."""
    offers = [row.offer for row in rows]
    index = clicks[[row.click for row in rows]]
    user, product, category = (item.words(name).all_at(index) for name in ("visitor", "product", "category"))
    made = [row for row, offer in enumerate(offers) if offer]
    ordinals = _ordinals(item, index, made)
    time_ns, origin = item.time_ns[index], f"{origin_of(item.header.source, item.header.log)}/{item.shard}"
    if item.due_s:
        origin, ordinals = f"{origin}/ahead", [np.full(len(index), item.due_s), *ordinals]
    log = {"time_ns": time_ns, "user": user, "product": product, "category": category}
    log |= {"state": [row.state for row in rows], "offer": offers, "from": [row.left for row in rows]}
    yield from pack("state_logs", origin, ordinals, log)
    yield from pack(
        "special_offers",
        origin,
        [*(column[made] for column in ordinals[:-1]), ordinals[-1][made] + 1],
        {
            "time_ns": time_ns[made],
            "user": [user[row] for row in made],
            "offer": [offers[row] for row in made],
        },
    )


def _ordinals(item: ShardClicks, index: Ints, made: list[int]) -> list[Ints]:
    """Return the ordinals of rows; one that tells of an offer is followed by the offer's own."""
    records = item.row[index]
    position, sub = item.lines.positions(records), index - np.searchsorted(item.row, records)
    number = np.arange(len(index))
    for row in made:
        number[row + 1 :] += 1
    first = np.concatenate(([True], index[1:] != index[:-1]))
    return [position, sub, number - np.maximum.accumulate(np.where(first, number, 0))]
