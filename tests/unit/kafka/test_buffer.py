"""What is taken of a partition: its records with their offsets and epochs, however they have arrived."""

from __future__ import annotations

from confluent_kafka import Message
from hypothesis import given
from hypothesis import strategies as st

from flows.kafka.buffer import Buffer, Taken


@st.composite
def arrivals(draw: st.DrawFn) -> list[list[Message]]:
    """Messages in the order of their offsets, some offsets missing, in pieces."""
    steps = st.tuples(st.integers(1, 2), st.sampled_from([b"", b"{}", b"a\nb", None]), st.integers(0, 1))
    at, epoch, pieces = 9, draw(st.sampled_from([None, 3])), list[list[Message]]()
    for piece in draw(st.lists(st.lists(steps, min_size=1, max_size=5), max_size=4)):
        pieces.append([])
        for step, data, newer in piece:
            at += step
            epoch = None if epoch is None else epoch + newer
            of_leader = -1 if epoch is None else epoch
            pieces[-1].append(Message(offset=at, value=data, leader_epoch=of_leader))
    return pieces


def told(taken: Taken) -> list[tuple[int, bytes, int]]:
    return list(zip(taken.offsets.tolist(), taken.records, taken.epochs.tolist(), strict=True))


@given(arrivals(), st.integers(0, 20))
def test_all_that_has_arrived_is_taken_in_its_order(pieces: list[list[Message]], size: int) -> None:
    buffer = Buffer(10)
    added = sum([buffer.add(piece) for piece in pieces])
    messages = [message for piece in pieces for message in piece]
    wanted = [
        (message.offset(), message.value(), -1 if message.leader_epoch() is None else message.leader_epoch())
        for message in messages
        if message.value() is not None
    ]
    assert (buffer.count, buffer.bytes) == (len(wanted), added)
    taken, size_bytes = buffer.empty()
    assert (told(taken), taken.tombstones) == (wanted, len(messages) - len(wanted))
    assert (taken.end, size_bytes) == ((messages[-1].offset() or 0) + 1 if messages else 10, added)
    assert (buffer.count, buffer.bytes, buffer.end) == (0, 0, taken.end)
    assert told(buffer.empty()[0]) == []

    size = min(size, len(wanted))
    first, rest = taken.cut(size)
    assert (told(first), told(rest)) == (wanted[:size], wanted[size:])
    assert (first.end, rest.end) == (wanted[size][0] if size < len(wanted) else taken.end, taken.end)
    assert (first.tombstones, rest.tombstones) == (taken.tombstones, 0)
