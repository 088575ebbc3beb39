"""A table in memory: columns addressed by row number, which remembers the rows that changed.

    row        0     1     2     3                a row a visitor: their slot
    newest_s   1709  0     1712  1690             1 is vacant: all of its columns are zero
    changed          x     x                      what the next part of the state holds

Rows grow on demand; memory is their columns plus one byte each. Which rows are vacant is found again when a
table is loaded, by who gives them out (`Vacant`).
"""

from __future__ import annotations

import mmap
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from flows.model.columns import Bools, Ints

Scalar = TypeVar("Scalar", bound=np.generic)

_PAGES_BYTES = 1 << 18
# So much larger a column may become where it is.
_ROOM = 8
_PAGES = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS


class Table:
    """Columns by name; `table["clicks"]` is the array of one, at least as long as was reserved.

    `changed` has for each row whether it did since the last `changes`.
    """

    def __init__(self, **dtypes: npt.DTypeLike) -> None:
        self._columns: dict[str, Ints] = {name: np.zeros(0, dtype) for name, dtype in dtypes.items()}
        self.changed: Bools = np.zeros(0, bool)

    def __getitem__(self, name: str) -> Ints:
        return self._columns[name]

    def __len__(self) -> int:
        return len(self.changed)

    def reserve(self, rows: int) -> None:
        """Make room for row numbers below `rows`."""
        if rows > len(self):
            size = max(rows, len(self) + len(self) // 2, 64)
            self._columns = {name: grown(column, size) for name, column in self._columns.items()}
            self.changed = grown(self.changed, size)

    def touch(self, rows: Ints) -> None:
        """Note that `rows` change."""
        self.changed[rows] = True

    def clear(self, rows: Ints) -> None:
        """Make `rows` vacant."""
        if not len(rows):
            return
        rows = rows[rows < len(self)]
        for column in self._columns.values():
            column[rows] = 0
        self.changed[rows] = True

    def changes(self) -> dict[str, Any]:
        """Return {"row": numbers, column: values...} of the rows that changed, and forget that they did.

        Where none did all are empty lists, which cost least on the way to disk.
        """
        if not self.changed.any():
            return {name: [] for name in ("row", *self._columns)}
        rows = np.flatnonzero(self.changed).astype(np.uint32)
        self.changed[:] = False
        return self._part(rows)

    def everything(self, *occupied: str) -> dict[str, Any]:
        """Return all rows of which a column of `occupied` is not zero, and forget what changed."""
        self.changed[:] = False
        rows = np.flatnonzero(np.logical_or.reduce([self._columns[name] != 0 for name in occupied]))
        return self._part(rows.astype(np.uint32))

    def _part(self, rows: Ints) -> dict[str, Any]:
        return {"row": rows} | {name: column[rows] for name, column in self._columns.items()}

    def load(self, part: dict[str, Any]) -> None:
        """Put back rows that `changes` or `everything` gave."""
        rows = part["row"]
        if len(rows):
            self.reserve(int(rows.max()) + 1)
            for name, column in self._columns.items():
                column[rows] = part[name]


def grown(column: npt.NDArray[Scalar], size: int) -> npt.NDArray[Scalar]:
    """Return a column of `size` rows, the new ones zero; a large one in pages of its own, with room to grow.

    Only what was written to takes memory: as long as there is room a column grows where it is.
    """
    size_bytes = size * column.dtype.itemsize
    if isinstance(column.base, mmap.mmap) and size_bytes <= len(column.base):
        return np.ndarray(size, column.dtype, column.base)
    if size_bytes < _PAGES_BYTES:
        grown = np.zeros(size, column.dtype)
    else:
        grown = np.ndarray(size, column.dtype, mmap.mmap(-1, _ROOM * size_bytes, flags=_PAGES))
    grown[: len(column)] = column
    return grown


class Vacant:
    """The vacant rows of a table: those given back, and all from `used` on."""

    def __init__(self) -> None:
        self.used = 0
        self._free: Ints = np.empty(0, np.uint32)

    def __len__(self) -> int:
        return len(self._free)

    def take(self, wanted: int) -> Ints:
        """Return so many rows, int64, which are no longer vacant; `used` may grow."""
        kept = max(len(self._free) - wanted, 0)
        rows, self._free = self._free[kept:].astype(np.int64), self._free[:kept]
        first, self.used = self.used, self.used + wanted - len(rows)
        return np.concatenate([rows, np.arange(first, self.used)])

    def give_back(self, rows: Ints) -> None:
        """Take back rows."""
        self._free = np.concatenate([self._free, rows.astype(np.uint32)])

    def find(self, occupied: Bools) -> None:
        """Begin anew with the rows that are not `occupied`, bool by row."""
        self.used = int(np.flatnonzero(occupied).max(initial=-1)) + 1
        self._free = np.flatnonzero(~occupied[: self.used]).astype(np.uint32)
