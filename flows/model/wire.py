"""Columns as bytes, for what crosses between processes: of Words only those in use."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np

from flows.model.columns import Column, Words, distinct
from flows.model.packing import compact, expanded

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
    return compact(column)


def _packed_words(column: Words) -> list[Any]:
    codes, words = column.codes, column.words
    if len(words) > len(codes):
        used, place = distinct(codes)
        codes, words = place.astype(np.int32), [words[code] for code in used.tolist()]
    return ["words", packed(codes), list(words)]


def unpacked(parts: list[Any]) -> Any:
    """Return the column that `packed` was given; of Words only those in use, or few more."""
    if parts[0] == "words":
        return Words(unpacked(parts[1]), parts[2])
    return expanded(parts)
