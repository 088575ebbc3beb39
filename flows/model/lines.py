"""The records of a batch as they came, by index, and where each stands in its source."""

from __future__ import annotations

import numpy as np

from flows.model.columns import Ints


class Lines:
    """The records of a batch by index, and their source positions.

    A block's records are its lines, at bytes [bounds[i], bounds[i + 1] - 1) of it. A list's have their
    positions in `positions`, or one after the other from `start` on.
    """

    def __init__(
        self,
        data: bytes | list[bytes],
        start: int,
        positions: list[int] | None,
        bounds: Ints | None = None,
    ) -> None:
        self.data, self.start, self._positions = data, start, positions
        self.bounds: Ints = np.zeros(1, np.int64) if bounds is None else bounds
        if isinstance(data, bytes) and bounds is None:
            # Imported here: who shows what a flow counted has no use for a compiler.
            from flows.model.bounds import bounds_of

            self.bounds = bounds_of(data)

    def __len__(self) -> int:
        return len(self.data) if isinstance(self.data, list) else len(self.bounds) - 1

    def record(self, index: int) -> bytes:
        """Return one record, without its newline."""
        if isinstance(self.data, list):
            return self.data[index]
        return self.data[self.bounds[index] : self.bounds[index + 1] - 1]

    def joined(self) -> tuple[bytes, Ints]:
        """Return the records in a row, and their bounds in it as a block has them."""
        if isinstance(self.data, bytes):
            return self.data, self.bounds
        sizes = np.fromiter(map(len, self.data), np.int64, len(self.data))
        return b"\n".join(self.data), np.append([0], np.cumsum(sizes + 1))

    def position(self, index: int) -> int:
        """Return the source position of one record."""
        return int(self.positions(np.array([index]))[0])

    def positions(self, index: Ints) -> Ints:
        """Return the source positions of records, int64."""
        if self._positions is not None:
            return np.array([self._positions[i] for i in index.tolist()], np.int64)
        return self.start + (index.astype(np.int64) if isinstance(self.data, list) else self.bounds[index])
