"""The keys that are used, known by their first and last bytes in compiled code."""

from __future__ import annotations

import numpy as np

from flows.ingest.forms import TABLES
from flows.ingest.scan.json_text import has_escape
from flows.model.columns import Ints
from flows.model.fields import NUMBERS, WORDS
from flows.runtime.compiled import Bytes, compiled, inlined
from flows.runtime.loads import INT, U, eight, first_bytes

# What a key stands for: the number of a column (those of words first), or one of these.
ODD, UNUSED, TABLE = -2, -1, 50
EPOCH, TIMES, TIME = range(TABLE + len(TABLES), TABLE + len(TABLES) + 3)
_KEYS = {field.name: column for column, field in enumerate((*WORDS, *NUMBERS))} | {
    **{name: TABLE + number for number, name in enumerate(TABLES)},
    **{"Epoch": EPOCH, "Timestamps": TIMES, "timestamp": TIME},
}
_SLOTS = 64
MOST_KEYS = 32


def _slots(multiplier: int) -> dict[int, str]:
    """Return the keys by slot; some are lost where two of them meet."""
    slots = {}
    for name in _KEYS:
        first = int.from_bytes(name.encode()[:8], "little")
        slots[((first + len(name)) * multiplier % (1 << 64)) >> 58] = name
    return slots


# The first factor that has them all apart.
_FACTOR = next(odd for odd in range(0x9E3779B97F4A7C15, 1 << 64, 2) if len(_slots(odd)) == len(_KEYS))
_MULTIPLIER = U(_FACTOR)


def _known_keys() -> Ints:
    """Return the keys by slot: first and last eight bytes, length, and what each stands for; uint64 (64, 4).

    A slot without a key has a length that no looked up key has.
    """
    keys = np.full((_SLOTS, 4), 1 << 63, np.uint64)
    for slot, name in _slots(_FACTOR).items():
        data = name.encode()
        assert len(data) <= 16
        keys[slot] = [int.from_bytes(part, "little") for part in (data[:8], data[-8:])] + [
            len(data),
            _KEYS[name],
        ]
    return keys


KNOWN_KEYS = _known_keys()


@inlined
def what_is(d: Bytes, p: int, end: int, keys: Ints) -> int:
    """Return what the key [p, end) stands for; one with an escape may be any."""
    size, first = end - p, eight(d, p)
    if size < 8:
        first = first_bytes(first, size)
    last = first if size < 8 else eight(d, end - 8)
    slot = ((first + U(size)) * _MULTIPLIER) >> U(58)
    if keys[slot, 0] == first and keys[slot, 1] == last and keys[slot, 2] == U(size):
        return INT(keys[slot, 3])
    return ODD if has_escape(d, p, end) else UNUSED


@inlined
def again(d: Bytes, p: int, before: Ints, place: int) -> int:
    """Return how long the key at p is, with quote and colon, if it is that of the record before; else 0."""
    other = (
        ((eight(d, p) ^ before[place, 0]) & before[place, 1])
        | ((eight(d, p + 8) ^ before[place, 2]) & before[place, 3])
        | ((eight(d, p + 16) ^ before[place, 4]) & before[place, 5])
    )
    return INT(before[place, 6]) if other == U(0) else 0


@compiled
def remember(d: Bytes, p: int, size: int, what: int, before: Ints, place: int) -> None:
    """Keep the key at p for the next record, if it is not too long."""
    before[place, 6], before[place, 7] = 0 if size > 24 else size, what
    for part in range(3):
        count = min(max(size - 8 * part, 0), 8)
        before[place, 2 * part + 1] = first_bytes(~U(0), count) if count < 8 else ~U(0)
        before[place, 2 * part] = eight(d, p + 8 * part)
