"""Entries on their way out: kept until every sink has them, in order, and no longer than they are of use."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from flows import outbox
from flows.entries import PIECE, Entries, StreamName, pack
from flows.outbox import Outbox, Receipts
from flows.packing import decode, encode


def entries(
    numbers: Iterable[int], stream: StreamName = "special_offers", lane: str = "log/0"
) -> list[Entries]:
    position = np.array(list(numbers), np.int64)
    texts = [str(number) for number in position.tolist()]
    fields = {"text": texts, "bytes": [b"\xff"] * len(texts), "integers": position - 1}
    return list(pack(stream, lane, [position, 0 * position], fields))


def pending(box: Outbox) -> list[Entries]:
    return [Entries(*each) for each in box.pending()]


def kept(box: Outbox, stream: StreamName) -> list[int]:
    return [entry.ordinal[0] for each in pending(box) if each.stream == stream for entry in each.each()]


def test_written_is_what_every_sink_of_the_stream_has_written() -> None:
    receipts = Receipts()
    redis = receipts.sink({"special_offers": 0, "rejected": 5})
    topics = receipts.sink({"special_offers": 0})
    put = [
        *entries([1]),
        *entries([2, 3]),
        *entries([1], lane="log/1"),
        *entries([1], "rejected"),
    ]
    box = Outbox(receipts)
    box.put(put)
    assert box.entries() == put
    assert box.entries() == []
    redis("special_offers", "log/0", (3, 0))
    redis("rejected", "log/0", (1, 0))
    assert pending(box) == put[:3]
    topics("special_offers", "log/0", (1, 0))
    assert pending(box) == put[1:3]
    topics("special_offers", "log/0", (2, 0))
    assert pending(box) == put[1:3]
    topics("special_offers", "log/0", (3, 0))
    redis("special_offers", "log/1", (1, 0))
    assert pending(box) == put[2:3]


def test_none_is_nothing() -> None:
    box = Outbox(Receipts())
    box.put(entries([]))
    assert box.entries() == pending(box) == []


def test_as_many_are_kept_as_a_sink_has_use_for() -> None:
    receipts = Receipts()
    for keeps in (2, 3):
        receipts.sink({"special_offers": 0, "rejected": keeps})
    box = Outbox(receipts)
    for number in range(10):
        box.put(entries([number]))
        box.put(entries([number], "rejected"))
    assert kept(box, "special_offers") == list(range(10))
    assert kept(box, "rejected") == [7, 8, 9]


def test_what_is_of_no_use_goes_before_it_is_saved() -> None:
    receipts = Receipts()
    receipts.sink({"rejected": 5})
    box = Outbox(receipts)
    for number in range(0, 10 * outbox._PRUNE_AT, 7):
        box.put(entries(range(number, number + 7), "rejected"))
        assert sum(each.size for each in box._unwritten) <= outbox._PRUNE_AT + 12
    assert 5 <= len(kept(box, "rejected")) < 12


def test_many_at_once_are_kept_in_pieces() -> None:
    receipts = Receipts()
    receipts.sink({"rejected": 1})
    box = Outbox(receipts)
    box.put(entries(range(10_000), "rejected"))
    sent = [entry for each in box.entries() for entry in each.each()]
    assert [(entry.ordinal, entry.fields) for entry in sent] == [
        ((number, 0), {"text": str(number), "bytes": b"\xff", "integers": number - 1})
        for number in range(10_000)
    ]
    assert len(kept(box, "rejected")) <= PIECE


def test_state_gives_them_back() -> None:
    receipts = Receipts()
    receipts.sink({"special_offers": 0})
    box, again = Outbox(receipts), Outbox(receipts)
    box.put(entries([7, 8]))
    again.load(decode(encode({"outbox": box.pending()}))["outbox"])
    assert again.entries() == pending(again) == entries([7, 8])
