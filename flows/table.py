"""A table in memory: columns addressed by row number, which remembers the rows that changed.

A row whose columns are all zero is vacant. Rows grow on demand; memory is their columns plus one byte each.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from flows.columns import Ints


class Table:
    """Columns by name; `table["clicks"]` is the array of one, at least as long as was reserved."""

    def __init__(self, **dtypes: npt.DTypeLike) -> None:
        self._columns: dict[str, Ints] = {name: np.zeros(0, dtype) for name, dtype in dtypes.items()}
        self._changed: Ints = np.zeros(0, bool)

    def __getitem__(self, name: str) -> Ints:
        return self._columns[name]

    def __len__(self) -> int:
        return len(self._changed)

    def reserve(self, rows: int) -> None:
        """Make room for row numbers below `rows`."""
        if rows > len(self):
            size = max(rows, len(self) + len(self) // 4, 64)
            self._columns = {name: grown(column, size) for name, column in self._columns.items()}
            self._changed = grown(self._changed, size)

    def touch(self, rows: Ints) -> None:
        """Note that `rows` change."""
        self._changed[rows] = True

    def clear(self, rows: Ints) -> None:
        """Make `rows` vacant."""
        rows = rows[rows < len(self)]
        for column in self._columns.values():
            column[rows] = 0
        self._changed[rows] = True

    @property
    def changed(self) -> int:
        """How many rows changed since the last `changes`."""
        return int(np.count_nonzero(self._changed))

    def changes(self) -> dict[str, Any]:
        """Return {"row": numbers, column: values...} of the rows that changed, and forget that they did."""
        rows = np.flatnonzero(self._changed).astype(np.uint32)
        self._changed[:] = False
        return self._part(rows)

    def everything(self, *occupied: str) -> dict[str, Any]:
        """Return all rows of which a column of `occupied` is not zero, and forget what changed."""
        self._changed[:] = False
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


def grown(column: Ints, size: int) -> Ints:
    """Return a column of `size` rows, the new ones zero."""
    grown = np.zeros((size, *column.shape[1:]), column.dtype)
    grown[: len(column)] = column
    return grown
