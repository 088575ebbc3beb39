"""Which partition of a topic a key belongs to: the one that Kafka's own Java clients choose (murmur2)."""

from __future__ import annotations

_MASK, _SEED, _MULTIPLIER, _SHIFT = 0xFFFFFFFF, 0x9747B28C, 0x5BD1E995, 24


def partition_of(key: bytes, partitions: int) -> int:
    """Return the partition, from 0 to `partitions` - 1, of a key."""
    return (_murmur2(key) & 0x7FFFFFFF) % partitions


def _murmur2(key: bytes) -> int:
    whole = len(key) & ~3
    value = _SEED ^ len(key)
    for at in range(0, whole, 4):
        word = int.from_bytes(key[at : at + 4], "little") * _MULTIPLIER & _MASK
        word = (word ^ word >> _SHIFT) * _MULTIPLIER & _MASK
        value = (value * _MULTIPLIER & _MASK) ^ word
    if rest := key[whole:]:
        value = (value ^ int.from_bytes(rest, "little")) * _MULTIPLIER & _MASK
    value = (value ^ value >> 13) * _MULTIPLIER & _MASK
    return value ^ value >> 15
