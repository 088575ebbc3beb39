"""Bytewax's routing: which worker an item goes to, and keys that send it where it is wanted.

An item goes to the worker whose number is the hash of its key modulo the number of workers. The hash is
SipHash-1-3, with zeros for its key, of the item's key in UTF-8 and a byte 0xff.
"""

from __future__ import annotations

from itertools import count

_MASK = (1 << 64) - 1


def key_on(name: str, worker: int, workers: int) -> str:
    """Return a key that goes to `worker` of `workers`: `name`, with a suffix where it is needed."""
    candidates = (f"{name}.{n}" if n else name for n in count())
    return next(key for key in candidates if route(key) % workers == worker)


def route(key: str) -> int:
    """Return the hash of a key, 64 bits."""
    data = key.encode() + b"\xff"
    data += bytes(7 - len(data) % 8) + bytes([len(data) % 256])
    state = 0x736F6D6570736575, 0x646F72616E646F6D, 0x6C7967656E657261, 0x7465646279746573
    for start in range(0, len(data), 8):
        word = int.from_bytes(data[start : start + 8], "little")
        v0, v1, v2, v3 = _round(state[0], state[1], state[2], state[3] ^ word)
        state = v0 ^ word, v1, v2, v3
    state = state[0], state[1], state[2] ^ 0xFF, state[3]
    for _ in range(3):
        state = _round(*state)
    return state[0] ^ state[1] ^ state[2] ^ state[3]


def _round(v0: int, v1: int, v2: int, v3: int) -> tuple[int, int, int, int]:
    v0 = (v0 + v1) & _MASK
    v2 = (v2 + v3) & _MASK
    v1, v3 = _rotated(v1, 13) ^ v0, _rotated(v3, 16) ^ v2
    v0, v2 = (_rotated(v0, 32) + v3) & _MASK, (v2 + v1) & _MASK
    v1, v3 = _rotated(v1, 17) ^ v2, _rotated(v3, 21) ^ v0
    return v0, v1, _rotated(v2, 32), v3


def _rotated(word: int, bits: int) -> int:
    return (word << bits | word >> 64 - bits) & _MASK
