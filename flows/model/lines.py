"""The records of a batch as they came, by index, and where each stands in its source."""

from __future__ import annotations

import numpy as np

from flows.model.columns import Ints

_PIECE_BYTES = 1 << 18


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
        self.bounds: Ints = np.zeros(1, np.int64)
        if isinstance(data, bytes):
            self.bounds = bounds_of(data) if bounds is None else bounds

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


def bounds_of(data: bytes) -> Ints:
    """Return where the lines of a block begin, and where another would."""
    array = np.frombuffer(data, np.uint8)
    # Piece by piece: what a block is compared to would be as large, and new memory each time.
    pieces = range(0, len(data), _PIECE_BYTES)
    newlines = [np.flatnonzero(array[piece : piece + _PIECE_BYTES] == ord("\n")) + piece for piece in pieces]
    end = [] if data.endswith(b"\n") or not data else [len(data) + 1]
    return np.concatenate([[0], *(found + 1 for found in newlines), end]).astype(np.int64)
