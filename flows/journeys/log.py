"""What journeys tell of themselves: the entries of `state_logs`, one a step and one an offer, and the offers.

An entry's ordinal is made of the click it comes from: the position of its record, the number of the click in
the record (column shape), and the entry's number among all that come from the click. Clicks that waited for
their time come out of the order of positions: their origin is another, by the second that they waited for.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from flows.entries.entry import Entries, origin_of, pack
from flows.journeys.table import OFFER, Journey
from flows.model.columns import Ints, Words
from flows.model.shard_clicks import ShardClicks

# A row of the log: the number of its click, the state entered, and the offer if it is that the row tells of.
Row = tuple[int, str, str]


def rows_of(steps: Iterable[tuple[int, int, str]], journeys: Sequence[Journey], genders: Words) -> list[Row]:
    """Return the rows of steps, each (click's number, journey's number, state entered), in their order."""
    rows: list[Row] = []
    for click, journey, state in steps:
        rows.append((click, state, ""))
        if state == OFFER:
            offer = journeys[journey].offer(genders.at(click))
            if offer is not None:
                rows.append((click, OFFER, offer))
    return rows


def entries_of(rows: list[Row], item: ShardClicks, clicks: Ints) -> Iterator[Entries]:
    """Yield the log of rows, and their offers; number n of their clicks is the item's click `clicks[n]`."""
    numbers, states, offers = map(list, zip(*rows, strict=True))
    index = clicks[numbers]
    user, product, category = (item.words(name).all_at(index) for name in ("visitor", "product", "category"))
    made = [row for row, offer in enumerate(offers) if offer]
    ordinals = _ordinals(item, index, made)
    time_ns, origin = item.time_ns[index], f"{origin_of(item.header.source, item.header.log)}/{item.shard}"
    if item.due_s:
        origin, ordinals = f"{origin}/ahead", [np.full(len(index), item.due_s), *ordinals]
    log = {"time_ns": time_ns, "user": user, "product": product, "category": category}
    yield from pack("state_logs", origin, ordinals, log | {"state": states, "offer": offers})
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
    first = np.diff(index, prepend=-1) != 0
    return [position, sub, number - np.maximum.accumulate(np.where(first, number, 0))]
