"""Entries on their way out: kept until every sink has them, in order, and no longer than they are of use."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from flows.entries import outbox
from flows.entries.entry import PIECE, Entries, pack
from flows.entries.outbox import Outbox, Receipts
from flows.model.packing import decode, encode
from flows.model.streams import StreamName


def entries(
    numbers: Iterable[int], stream: StreamName = "special_offers", origin: str = "log/0"
) -> list[Entries]:
    position = np.array(list(numbers), np.int64)
    texts = [str(number) for number in position.tolist()]
    fields = {"text": texts, "bytes": [b"\xff"] * len(texts), "integers": position - 1}
    return list(pack(stream, origin, [position, 0 * position], fields))


def pending(box: Outbox) -> list[Entries]:
    return list(box.changes(everything=True)["put"])


def kept(box: Outbox, stream: StreamName) -> list[int]:
    return [entry.ordinal[0] for each in pending(box) if each.stream == stream for entry in each.each()]


def test_written_is_what_every_sink_of_the_stream_has_written() -> None:
    receipts = Receipts()
    redis = receipts.sink(["special_offers", "rejected"])
    topics = receipts.sink(["special_offers"])
    put = [
        *entries([1]),
        *entries([2, 3]),
        *entries([1], origin="log/1"),
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


def test_what_is_written_goes_before_it_is_saved() -> None:
    receipts = Receipts()
    written = receipts.sink(["rejected"])
    box = Outbox(receipts)
    for number in range(0, 10 * outbox._PRUNE_AT, 7):
        box.put(entries(range(number, number + 7), "rejected"))
        written("rejected", "log/0", (number - 20, 0))
        assert sum(each.size for each in box._unwritten) <= outbox._PRUNE_AT + 40
    assert 5 <= len(kept(box, "rejected")) < 30


def test_what_waits_is_saved_once() -> None:
    receipts = Receipts()
    written = receipts.sink(["rejected", "special_offers"])
    box, again = Outbox(receipts), Outbox(receipts)
    parts = []
    for number in range(20):
        box.put([*entries([number], "rejected"), *entries([number], origin=f"log/{number % 3}")])
        if number == 9:
            written("rejected", "log/0", (7, 0))
            written("special_offers", "log/1", (4, 0))
        if number % 4 == 3:
            parts.append(box.changes(everything=False))
    assert [len(part["put"]) for part in parts] == [8, 8, 8, 8, 8]
    assert [part["done"] for part in parts] == [
        [],
        [],
        [["rejected", "log/0", (7, 0)], ["special_offers", "log/1", (4, 0)]],
        [],
        [],
    ]
    for part in parts:
        again.load(decode(encode(part)))
    assert pending(again) == pending(box)
    assert len(pending(box)) == 40 - 8 - 2
    assert box.changes(everything=False) == {"put": [], "done": []}


def test_many_at_once_are_kept_in_pieces() -> None:
    receipts = Receipts()
    receipts.sink(["rejected"])
    box = Outbox(receipts)
    box.put(entries(range(10_000), "rejected"))
    sent = [entry for each in box.entries() for entry in each.each()]
    assert [(entry.ordinal, entry.fields) for entry in sent] == [
        ((number, 0), {"text": str(number), "bytes": b"\xff", "integers": number - 1})
        for number in range(10_000)
    ]
    assert [each.size for each in pending(box)] == [PIECE] * (10_000 // PIECE)


def test_state_gives_them_back() -> None:
    receipts = Receipts()
    receipts.sink(["special_offers"])
    box, again = Outbox(receipts), Outbox(receipts)
    box.put(entries([7, 8]))
    again.load(decode(encode(box.changes(everything=False))))
    assert again.entries() == pending(again) == entries([7, 8])
