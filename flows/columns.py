"""Clicks as columns: one decoded batch, its strings dictionary-encoded, its records at hand by index."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, field
from functools import cached_property
from itertools import accumulate
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from flows.items import Marker

Ints = npt.NDArray[Any]
UNKNOWN = "Unknown"


class Lines:
    """The records of a batch by index, and their source positions; both found only when asked for.

    A block of lines is known by its chunks: `chunk` gives the index of a chunk's first line, and its bytes.
    """

    def __init__(self, data: bytes | list[bytes], start: int, positions: list[int] | None) -> None:
        self.data, self.start, self._positions = data, start, positions
        self._first: list[int] = []
        self._bytes: list[tuple[int, int]] = []
        self._starts: dict[int, list[int]] = {}

    def chunk(self, first: int, start: int, end: int) -> None:
        """Note that line number `first` begins a chunk, at bytes [start, end) of the block."""
        self._first.append(first)
        self._bytes.append((start, end))

    def _lines_of(self, number: int) -> list[int]:
        """Return where the lines of a chunk begin, and where the last one ends; bytes into the block."""
        if number not in self._starts:
            start, end = self._bytes[number]
            assert isinstance(self.data, bytes)
            lines = self.data[start:end].split(b"\n")
            self._starts[number] = list(accumulate([len(line) + 1 for line in lines], initial=start))
        return self._starts[number]

    def record(self, index: int) -> bytes:
        """Return one record, without its newline."""
        if isinstance(self.data, list):
            return self.data[index]
        number = bisect_right(self._first, index) - 1
        start, end = self._lines_of(number)[index - self._first[number] :][:2]
        return self.data[start:end].removesuffix(b"\n")

    def position(self, index: int) -> int:
        """Return the source position of one record."""
        if isinstance(self.data, list):
            return self.start + index if self._positions is None else self._positions[index]
        number = bisect_right(self._first, index) - 1
        return self.start + self._lines_of(number)[index - self._first[number]]

    def positions(self, index: Ints) -> Ints:
        """Return the source positions of records, int64."""
        if isinstance(self.data, list):
            if self._positions is None:
                return index.astype(np.int64) + self.start
            return np.array(self._positions, np.int64)[index]
        number = np.searchsorted(self._first, index, side="right") - 1
        positions = np.empty(len(index), np.int64)
        for chunk in np.unique(number).tolist():
            rows = number == chunk
            positions[rows] = np.array(self._lines_of(chunk))[index[rows] - self._first[chunk]]
        return positions + self.start


@dataclass(slots=True)
class Words:
    """A dictionary-encoded column of strings or None: `words[codes[i]]` is the value of row i."""

    codes: Ints
    words: list[str | None]

    @classmethod
    def of(cls, values: list[str | None]) -> Words:
        """Encode `values`."""
        numbers = _Numbering()
        codes = np.fromiter(map(numbers.__getitem__, values), np.int32, len(values))
        return cls(codes, list(numbers))

    def take(self, index: Ints | slice) -> Words:
        """Return the rows of `index`; the dictionary is shared."""
        return Words(self.codes[index], self.words)

    def used(self) -> tuple[Ints, Ints, list[str | None]]:
        """Return (codes in use, each row's place among them, their words)."""
        used, place = np.unique(self.codes, return_inverse=True)
        return used, place, [self.words[code] for code in used.tolist()]


class _Numbering(dict[Any, int]):
    """Numbers values in the order of their first use."""

    def __missing__(self, value: Any) -> int:
        self[value] = number = len(self)
        return number


class Rejection(NamedTuple):
    """A record set aside: why, where it stood, how it began."""

    reason: str
    position: int
    record: bytes


@dataclass(kw_only=True)
class Clicks:
    """The clicks of one batch in the order of arrival; all columns have one length.

    `time_ns` int64 event time; `visitor` str objects; `row` int32 index into `lines`; `gender` and the
    other words as given (None: missing); `age` float64 (nan: missing). `shown` holds, by click, the plain
    record of those that came column-shaped.
    """

    source: str
    parts: int
    start: int
    end: int
    read_ms: int
    logged_ms: int | None
    marker: Marker | None
    time_ns: Ints
    visitor: Ints
    row: Ints
    product: Words
    category: Words
    title: Words
    device: Words
    gender: Words
    age: Ints
    lines: Lines
    shown: dict[int, bytes] = field(default_factory=dict)
    rejected: list[Rejection] = field(default_factory=list)
    mask_ip: bool = False

    @cached_property
    def product_hashes(self) -> Ints:
        """The stable hash of each of `product.words`, uint64; 0 for none."""
        hashes = stable_hash(np.array([word or "" for word in self.product.words], object))
        hashes[[word is None for word in self.product.words]] = 0
        return hashes


def stable_hash(values: Ints) -> Ints:
    """Hash an object array of str to uint64: SipHash with a fixed key, the same everywhere."""
    return pd.util.hash_array(values, categorize=False)
