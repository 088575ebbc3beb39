"""Columns as bytes, for what crosses between processes: small numbers in small types, only the words in use.

Times, positions and codes lie close together, so they are sent as a lowest value and what each is above it.
"""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np

from flows.columns import Ints, Words

Column = Ints | Words
_encoder = msgspec.msgpack.Encoder()


def pack(parts: list[Any]) -> bytes:
    """Return what columns came to by `packed`, and plain values, as bytes."""
    return _encoder.encode(parts)


def unpack(data: bytes) -> list[Any]:
    """Return what `pack` was given, tuples as lists."""
    parts: list[Any] = msgspec.msgpack.decode(data)
    return parts


def packed(column: Column) -> list[Any]:
    """Return a column in a form for `pack`: integers, or Words."""
    if isinstance(column, Words):
        return _packed_words(column)
    low = column.min() if len(column) else column.dtype.type(0)
    above = column - low
    small = above.astype(np.min_scalar_type(above.max() if len(above) else 0))
    return [column.dtype.str, int(low), small.dtype.str, small.tobytes() if small.any() else len(small)]


def _packed_words(column: Words) -> list[Any]:
    codes, words = column.codes, column.words
    if len(words) > len(codes):
        used, place = column.used()
        codes, words = place.astype(np.int32), [words[code] for code in used.tolist()]
    return ["words", packed(codes), words]


def unpacked(parts: list[Any]) -> Any:
    """Return the column that `packed` was given; of Words only those in use, or few more."""
    kind, *values = parts
    if kind == "words":
        return Words(unpacked(values[0]), values[1])
    low, small, data = values
    above = np.zeros(data, kind) if isinstance(data, int) else np.frombuffer(data, small).astype(kind)
    return above + np.dtype(kind).type(low)
