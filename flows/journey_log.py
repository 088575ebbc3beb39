"""What journeys tell of themselves: the entries of `state_logs`, one a step and one an offer, and the offers.

An entry's ordinal is made of the click it comes from: the position of its record, the number of the click in
the record (column shape), and the entry's number among all that come from the click.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from flows.columns import Ints, Words
from flows.items import Entries
from flows.journey_table import OFFER, Journey
from flows.split import ShardClicks

# A row of the log: the number of its click, its own among those of the click, the state that the click led
# to, and where the row tells of an offer, that.
Row = tuple[int, int, str, str | None]


def rows_of(
    entered: Iterable[tuple[int, int, str]], journeys: Sequence[Journey], genders: Words
) -> Iterator[Row]:
    """Yield the rows of steps, each (click's number, journey's number, state entered), in their order."""
    before, number = -1, 0
    for click, journey, state in entered:
        number = number if click == before else 0
        before = click
        yield click, number, state, None
        number += 1
        offer = journeys[journey].offer(genders.at(click)) if state == OFFER else None
        if offer is not None:
            yield click, number, OFFER, offer
            number += 2  # the second one is the offer's own


def state_logs(rows: list[Row], item: ShardClicks, clicks: Ints) -> Entries:
    """Return the log's entries of rows; number n of their clicks is the item's click `clicks[n]`."""
    index = clicks[[click for click, _, _, _ in rows]]
    words = [item.columns[name].all_at(index) for name in ("visitor", "product", "category")]
    messages: list[str | bytes] = [
        f"[User {user} triggered offer {offer}]"
        if offer
        else f"[User {user} entered state {state}][Event: clicked {product}][Category: {category}]"
        for (_, _, state, offer), user, product, category in zip(rows, *words, strict=True)
    ]
    fields = {"created": _created(item.time_ns[index]), "msg": messages, "user": words[0]}
    fields["state"] = [state for _, _, state, _ in rows]
    return Entries("state_logs", _lane(item), _ordinals(item, index, [own for _, own, _, _ in rows]), fields)


def special_offers(rows: list[Row], item: ShardClicks, clicks: Ints) -> Entries:
    """Return the offers that the rows tell of, as entries; see `state_logs`."""
    made = [(click, own + 1, offer) for click, own, _, offer in rows if offer]
    index = clicks[np.array([click for click, _, _ in made], np.int64)]
    fields = {"created": _created(item.time_ns[index]), "user": item.columns["visitor"].all_at(index)}
    fields["offer"] = [offer for _, _, offer in made]
    return Entries("special_offers", _lane(item), _ordinals(item, index, [own for _, own, _ in made]), fields)


def _lane(item: ShardClicks) -> str:
    return f"{item.header.source}/{item.shard}"


def _created(time_ns: Ints) -> list[str | bytes]:
    """Return epoch seconds as text with nine digits: that takes a tenth of the time of a float."""
    return [f"{digits[:-9]}.{digits[-9:]}" for digits in map(str, time_ns.tolist())]


def _ordinals(item: ShardClicks, index: Ints, own: list[int]) -> list[str]:
    records = item.row[index]
    position, sub = item.lines.positions(records), index - np.searchsorted(item.row, records)
    ends = (
        f"{sub:06d}-{own:03d}" if sub or own else "000000-000"
        for sub, own in zip(sub.tolist(), own, strict=True)
    )
    return [f"{place:020d}-{end}" for place, end in zip(position.tolist(), ends, strict=True)]
