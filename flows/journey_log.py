"""What journeys tell of themselves: the entries of `state_logs`, one a step and one an offer, and the offers.

An entry's ordinal is made of the click it comes from: the position of its record, the number of the click in
the record (column shape), and the entry's number among all that come from the click.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from flows.columns import Ints, Words
from flows.entries import Entries, Field, Ordinal, pack
from flows.journey_table import OFFER, Journey
from flows.split import ShardClicks

# A row of the log: the number of its click, the state entered, and where the row tells of an offer, that.
Row = tuple[int, str, str | None]


def rows_of(steps: Iterable[tuple[int, int, str]], journeys: Sequence[Journey], genders: Words) -> list[Row]:
    """Return the rows of steps, each (click's number, journey's number, state entered), in their order."""
    rows: list[Row] = []
    for click, journey, state in steps:
        rows.append((click, state, None))
        if state == OFFER:
            offer = journeys[journey].offer(genders.at(click))
            if offer is not None:
                rows.append((click, OFFER, offer))
    return rows


def entries_of(rows: list[Row], item: ShardClicks, clicks: Ints) -> Iterator[Entries]:
    """Yield the log of rows, and their offers; number n of their clicks is the item's click `clicks[n]`."""
    index = clicks[np.array([click for click, _, _ in rows], np.int64)]
    made = [number for number, (_, _, offer) in enumerate(rows) if offer]
    lane = f"{item.header.source}/{item.shard}"
    ordinals = _ordinals(item, index, made)
    created, user = _created(item.time_ns[index]), item.columns["visitor"].all_at(index)
    fields = {"created": created, "msg": _messages(rows, user, item, index), "user": user}
    yield from pack("state_logs", lane, ordinals, fields | {"state": [state for _, state, _ in rows]})
    yield from pack(
        "special_offers",
        lane,
        [(position, sub, own + 1) for position, sub, own in (ordinals[n] for n in made)],
        {
            "created": [created[n] for n in made],
            "user": [user[n] for n in made],
            "offer": [rows[n][2] or "" for n in made],
        },
    )


def _ordinals(item: ShardClicks, index: Ints, made: list[int]) -> list[Ordinal]:
    """Return the ordinals of rows; one that tells of an offer is followed by the offer's own."""
    records = item.row[index]
    position, sub = item.lines.positions(records), index - np.searchsorted(item.row, records)
    number = np.arange(len(index))
    for row in made:
        number[row + 1 :] += 1
    first = np.diff(index, prepend=-1) != 0
    own = number - np.maximum.accumulate(np.where(first, number, 0))
    return list(zip(position.tolist(), sub.tolist(), own.tolist(), strict=True))


def _messages(rows: list[Row], users: list[Field], item: ShardClicks, index: Ints) -> list[Field]:
    viewed = (item.columns[name].all_at(index) for name in ("product", "category"))
    return [
        f"[User {user} triggered offer {offer}]"
        if offer
        else f"[User {user} entered state {state}][Event: clicked {product}][Category: {category}]"
        for (_, state, offer), user, product, category in zip(rows, users, *viewed, strict=True)
    ]


def _created(time_ns: Ints) -> list[Field]:
    """Return epoch seconds as text with nine digits: that takes a tenth of the time of a float."""
    return [f"{digits[:-9]}.{digits[-9:]}" for digits in map(str, time_ns.tolist())]
