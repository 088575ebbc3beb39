"""Clicks as columns: one decoded batch, its strings dictionary-encoded, its records at hand by index."""

from __future__ import annotations

import itertools
import secrets
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
from xxhash import xxh3_128_digest

from flows.model.texts import Texts
from flows.runtime.compiled import entry

Ints = npt.NDArray[np.integer[Any]]
Bools = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]
# Nobody outside can know which numbers meet in one place of a hash table.
_SEED = np.uint64(secrets.randbits(64))
# So many words are hashed at once: their bytes and digests are in memory together.
_PIECE = 4096


@dataclass(slots=True)
class Words:
    """A dictionary-encoded column of strings or None: `words[codes[i]]` is the value of row i."""

    codes: Ints
    words: Sequence[str | None]
    _hashes: dict[int, Ints] = field(default_factory=dict, repr=False, compare=False)

    def at(self, row: int) -> str:
        """Return the word of a row; empty if it has none."""
        return self.words[self.codes[row]] or ""

    def all_at(self, index: Ints) -> list[Any]:
        """Return the words of the rows of `index`."""
        words = self.words
        return [words[code] for code in self.codes[index].tolist()]

    def known(self) -> Bools:
        """Return for each row whether it has a word."""
        has: Bools = np.array([word is not None for word in self.words], bool)
        return has[self.codes] if len(has) else np.zeros(len(self.codes), bool)

    def filled(self, word: str) -> Words:
        """Return the column with `word` where it has none."""
        return Words(self.codes, [word if each is None else each for each in self.words])

    def renamed(self, rename: Callable[[str | None], str | None]) -> Words:
        """Return the column with other words; those that become one are one."""
        words = list(map(rename, self.words))
        if words == self.words:
            return self
        column = encoded(words)
        return Words(column.codes[self.codes], column.words)

    def followed_by(self, other: Words) -> Words:
        """Return this column and then another."""
        both = encoded(itertools.chain(self.words, other.words))
        return Words(np.append(self.codes, both.codes[len(self.words) :][other.codes]), both.words)

    def take(self, index: Ints | slice) -> Words:
        """Return the rows of `index`; the dictionary is shared."""
        return Words(self.codes[index], self.words, self._hashes)

    def hashes(self, key: int) -> Ints:
        """Return the `stable_hash` of each of `words`, made once for all columns that share them."""
        if key not in self._hashes:
            self._hashes[key] = stable_hash(self.words, key)
        return self._hashes[key]

    def used(self) -> tuple[Ints, Ints]:
        """Return (codes in use, or all where these are few; each row's place among them)."""
        if 8 * len(self.words) <= len(self.codes):
            return np.arange(len(self.words)), self.codes
        return distinct(self.codes)


Column = Words | npt.NDArray[Any]


class Columns(dict[str, Column]):
    """Columns of one length by name: strings as Words, numbers and bits as arrays."""

    def words(self, name: str) -> Words:
        """Return a column of strings."""
        column = self[name]
        assert isinstance(column, Words)
        return column

    def ints(self, name: str) -> Ints:
        """Return a column of integers."""
        column = self[name]
        assert isinstance(column, np.ndarray)
        return column

    def floats(self, name: str) -> Floats:
        """Return a column of numbers, nan where there is none."""
        column = self[name]
        assert isinstance(column, np.ndarray)
        return column

    def take(self, index: Ints | slice) -> Columns:
        """Return the rows of `index` of all columns."""
        return Columns(
            (name, column.take(index) if isinstance(column, Words) else column[index])
            for name, column in self.items()
        )


def encoded(words: Iterable[str | None]) -> Words:
    """Return a column of words."""
    numbers: dict[str | None, int] = {}
    codes = np.array([numbers.setdefault(word, len(numbers)) for word in words], np.int32)
    return Words(codes, list(numbers))


def side_by_side(columns: Sequence[Words]) -> tuple[list[tuple[Any, ...]], Ints]:
    """Return (what columns have side by side in any row, each such once; each row's place among them)."""
    combined: Ints = np.zeros(len(columns[0].codes), np.int64)
    for column in columns:
        combined = combined * len(column.words) + column.codes
    used, place = distinct(combined)
    row = np.zeros(len(used), np.int64)
    row[place] = np.arange(len(combined))
    return list(zip(*(column.all_at(row) for column in columns), strict=True)), place


def distinct(numbers: Ints) -> tuple[Ints, Ints]:
    """Return (the numbers that there are, as they come; each one's place among them), both int64."""
    slots = np.zeros(1 << (2 * len(numbers)).bit_length(), np.int32)
    found, place = np.empty(len(numbers), np.int64), np.empty(len(numbers), np.int64)
    count = _distinct(numbers.astype(np.int64), slots, found, place, _SEED)
    return found[:count], place


@entry("int64[::1], int32[::1], int64[::1], int64[::1], uint64")
def _distinct(numbers: Ints, slots: Ints, found: Ints, place: Ints, seed: np.uint64) -> int:
    """Give each number its place among those `found`; `slots` is a hash table of places, plus one."""
    count = 0
    for i in range(len(numbers)):
        hashed = (np.uint64(numbers[i]) ^ seed) * np.uint64(0x9E3779B97F4A7C15)
        slot = np.int64(hashed >> np.uint64(32)) & (len(slots) - 1)
        while slots[slot] > 0 and found[slots[slot] - 1] != numbers[i]:
            slot = (slot + 1) & (len(slots) - 1)
        if slots[slot] == 0:
            found[count] = numbers[i]
            count += 1
            slots[slot] = count
        place[i] = slots[slot] - 1
    return count


def ordered(numbers: Ints) -> Ints:
    """Return the stable order of numbers from 0 on; numpy sorts those of 16 bits by radix, far quicker."""
    small = len(numbers) > 0 and numbers.max() < 1 << 16
    return np.argsort(numbers.astype(np.uint16) if small else numbers, kind="stable")


def stable_hash(words: Sequence[str | None], key: int) -> Ints:
    """Hash words to 128 bits (XXH3 with the secret `key`, 64 bits), the same everywhere where the key is.

    Returns two rows of uint64; 0 for None.
    """
    digests = bytearray()
    for first in range(0, len(words), _PIECE):
        piece = words[first : first + _PIECE]
        raw = piece.raw() if isinstance(piece, Texts) else piece
        try:
            digests += b"".join(map(xxh3_128_digest, raw, itertools.repeat(key)))  # type: ignore[arg-type]
        except TypeError:
            # There is a None, for once.
            digests += b"".join(bytes(16) if word is None else xxh3_128_digest(word, key) for word in raw)
    return np.frombuffer(digests, "<u8").reshape(-1, 2).T.copy()
