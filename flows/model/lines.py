"""The records of a batch as they came, by index, and where each stands in its source."""

from __future__ import annotations

import numpy as np

from flows.model.columns import Ints
from flows.model.records import Records


class Lines:
    """The records of a batch by index, and their source positions.

    Record i is the bytes [bounds[i], bounds[i + 1] - 1) of `data`. The lines of a block have the positions of
    their bytes; records those in `positions`, or one after the other from `start` on.
    """

    def __init__(
        self,
        data: bytes | Records | list[bytes],
        start: int,
        positions: list[int] | None,
        bounds: Ints | None = None,
    ) -> None:
        self.start, self._positions, self._by_byte = start, positions, isinstance(data, bytes)
        if not isinstance(data, bytes):
            records = Records.of(data) if isinstance(data, list) else data
            data, bounds = records.data, records.bounds
        elif bounds is None:
            # Imported here: who shows what a flow counted has no use for a compiler.
            from flows.model.bounds import bounds_of

            bounds = bounds_of(data)
        self.data: bytes = data
        self.bounds: Ints = bounds

    def __len__(self) -> int:
        return len(self.bounds) - 1

    def record(self, index: int) -> bytes:
        """Return one record, without its newline."""
        return self.data[self.bounds[index] : self.bounds[index + 1] - 1]

    def position(self, index: int) -> int:
        """Return the source position of one record."""
        return int(self.positions(np.array([index]))[0])

    def positions(self, index: Ints) -> Ints:
        """Return the source positions of records, int64."""
        if self._positions is not None:
            return np.array([self._positions[i] for i in index.tolist()], np.int64)
        return self.start + (self.bounds[index] if self._by_byte else index.astype(np.int64))
