"""Decoding ahead: what was begun is what is given, in whichever order, and no more than two are begun."""

from __future__ import annotations

import pytest

from flows.ingest import ahead
from flows.ingest.ahead import MOST_AHEAD, Decoder
from flows.ingest.decode import decode
from flows.model.batch import Batch
from flows.model.clicks import Clicks

NOW_MS = 1_709_229_856_000


def batch(number: int) -> Batch:
    return Batch("log", number, number + 1, [b'{"timestamp": 1709229600, "userId": "u%d"}' % number], NOW_MS)


def visitors(clicks: Clicks) -> list[str | None]:
    return list(clicks.columns.words("visitor").words)


def test_what_was_begun_is_given_and_nothing_else_is_decoded_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    decoded = []

    def noting(batch: Batch, *, mask_ip: bool) -> Clicks:
        decoded.append(batch.start)
        return decode(batch, mask_ip=mask_ip)

    monkeypatch.setattr(ahead, "decode", noting)
    decoder, batches = Decoder(), [batch(number) for number in range(4)]
    for number in range(MOST_AHEAD):
        assert decoder.has_room()
        decoder.begin(batches[number])
    assert not decoder.has_room()
    assert [visitors(decoder(each)) for each in batches] == [["u0"], ["u1"], ["u2"], ["u3"]]
    assert decoder.has_room()
    assert sorted(decoded) == [0, 1, 2, 3]


def test_what_fails_ahead_fails_where_it_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ahead, "decode", lambda batch, mask_ip: [][1])
    decoder, first = Decoder(), batch(0)
    decoder.begin(first)
    with pytest.raises(IndexError):
        decoder(first)
