"""Records one behind the other.

    records   {..} {....} {}           data     {..}⏎{....}⏎{}
                                       bounds   0    5      12 15

So they are one object, read from its first byte to its last.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import accumulate, pairwise

import numpy as np

from flows.model.columns import Ints


@dataclass(frozen=True, slots=True)
class Records:
    """Record i is the bytes [bounds[i], bounds[i + 1] - 1) of `data`; what is between two is a newline."""

    data: bytes
    bounds: Ints

    @classmethod
    def of(cls, records: list[bytes]) -> Records:
        """Return records as one."""
        bounds = np.zeros(len(records) + 1, np.int64)
        np.cumsum(np.fromiter(map(len, records), np.int64, len(records)) + 1, out=bounds[1:])
        return cls(b"\n".join(records), bounds)

    @classmethod
    def joined(cls, pieces: Iterable[Records]) -> Records:
        """Return the records of all pieces, each of which has some."""
        kept = list(pieces)
        starts = accumulate((int(piece.bounds[-1]) for piece in kept), initial=0)
        bounds = [piece.bounds[:-1] + start for piece, start in zip(kept, starts, strict=False)]
        end = sum(int(piece.bounds[-1]) for piece in kept)
        return cls(b"\n".join(piece.data for piece in kept), np.concatenate([*bounds, [end]]))

    def __iter__(self) -> Iterator[bytes]:
        return (self.data[start : end - 1] for start, end in pairwise(self.bounds.tolist()))

    def __len__(self) -> int:
        return len(self.bounds) - 1

    def __getitem__(self, part: slice) -> Records:
        first, end, _ = part.indices(len(self))
        if (first, end) == (0, len(self)):
            return self
        bounds = self.bounds[first : max(first, end) + 1]
        return Records(self.data[bounds[0] : max(bounds[-1] - 1, bounds[0])], bounds - bounds[0])
