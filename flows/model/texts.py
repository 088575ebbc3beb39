"""Texts: words left where they stand in a block of bytes, made strings only as they are asked for.

    data     {"userId":"ann"}⏎{"userId":"bob"}      texts    0      1
                       ^  ^              ^  ^       start    11     28
                                                    end      14     31

Of nearly all visitors' ids nothing but their hash is ever asked for.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, overload

import numpy as np
import numpy.typing as npt

_Ints = npt.NDArray[np.integer[Any]]


class Texts(Sequence[str | None]):
    """Strings that stand in `data` as UTF-8, at [start, end) each; None where `start` is -1."""

    def __init__(self, data: bytes, start: _Ints, end: _Ints) -> None:
        self._data, self._start, self._end = data, start, end

    def __len__(self) -> int:
        return len(self._start)

    @overload
    def __getitem__(self, index: int) -> str | None: ...

    @overload
    def __getitem__(self, index: slice) -> Texts: ...

    def __getitem__(self, index: int | slice) -> str | Texts | None:
        if isinstance(index, slice):
            return Texts(self._data, self._start[index], self._end[index])
        start = self._start[index]
        return None if start < 0 else self._data[start : self._end[index]].decode()

    def __iter__(self) -> Iterator[str | None]:
        return (None if text is None else text.decode() for text in self.raw())

    def raw(self) -> list[bytes | None]:
        """Return them as they stand."""
        ends = zip(self._start.tolist(), self._end.tolist(), strict=True)
        return [None if start < 0 else self._data[start:end] for start, end in ends]
