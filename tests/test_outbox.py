"""Entries on their way out: kept until every sink has them, in order, and no longer than they are of use."""

from __future__ import annotations

import pytest

from flows import outbox
from flows.items import Entry, StreamName
from flows.outbox import Outbox, Receipts
from flows.packing import decode, encode


def entry(number: int, stream: StreamName = "special_offers", lane: str = "log/0") -> Entry:
    return Entry(stream, lane, f"{number:020d}", {"text": "a", "bytes": b"\xff"}, number)


def pending(box: Outbox) -> list[Entry]:
    return [Entry(*each) for each in box.pending()]


def test_written_is_what_every_sink_of_the_stream_has_written() -> None:
    receipts = Receipts()
    redis = receipts.sink({"special_offers": 0, "rejected": 5})
    topics = receipts.sink({"special_offers": 0})
    entries = [entry(1), entry(2), entry(1, lane="log/1"), entry(1, "rejected")]
    box = Outbox(receipts)
    for each in entries:
        box.put(each)
    assert box.entries() == entries
    assert box.entries() == []
    redis(entry(2))
    redis(entry(1, "rejected"))
    assert pending(box) == entries[:3]
    topics(entry(1))
    assert pending(box) == entries[1:3]
    topics(entry(2))
    redis(entry(1, lane="log/1"))
    assert pending(box) == entries[2:3]


def test_as_many_are_kept_as_a_sink_has_use_for() -> None:
    receipts = Receipts()
    for keeps in (2, 3):
        receipts.sink({"special_offers": 0, "rejected": keeps})
    box = Outbox(receipts)
    for number in range(10):
        box.put(entry(number))
        box.put(entry(number, "rejected"))
    assert [each for each in pending(box) if each.stream == "special_offers"] == [entry(n) for n in range(10)]
    assert [each for each in pending(box) if each.stream == "rejected"] == [
        entry(n, "rejected") for n in (7, 8, 9)
    ]


def test_what_is_of_no_use_goes_before_it_is_saved(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outbox, "_PRUNE_AT", 10)
    receipts = Receipts()
    receipts.sink({"rejected": 5})
    box = Outbox(receipts)
    box._prune_at = 10
    for number in range(1000):
        box.put(entry(number, "rejected"))
        assert len(box._unwritten) <= 11
    assert pending(box) == [entry(n, "rejected") for n in range(995, 1000)]


def test_state_gives_them_back() -> None:
    receipts = Receipts()
    receipts.sink({"special_offers": 0})
    box, again = Outbox(receipts), Outbox(receipts)
    box.put(entry(7))
    again.load(decode(encode({"outbox": box.pending()}))["outbox"])
    assert again.entries() == pending(again) == [entry(7)]
