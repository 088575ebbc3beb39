"""When a visitor was last seen: by slot the newest second, and so who is in a window that ends now."""

from __future__ import annotations

import numpy as np

from flows.model.columns import Ints
from flows.windows.table import Table


class LastSeen:
    """A column of a table, uint32: the newest second with a click of each slot, 0 if there is none."""

    def __init__(self, table: Table, column: str) -> None:
        self._table, self._column = table, column

    def add(self, slot: Ints, second: Ints) -> None:
        """Take in clicks of visitors `slot`, whose rows are reserved, at `second`."""
        np.maximum.at(self._table[self._column], slot, second.astype(np.uint32))

    def count(self, from_s: int) -> int:
        """Return how many visitors were seen at `from_s` or later."""
        return int(np.count_nonzero(self._table[self._column] >= max(from_s, 1)))
