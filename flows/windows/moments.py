"""Moments, each with a number, as long as a window may hold them: when a journey began, how long it took."""

from __future__ import annotations

from typing import Any

import numpy as np

from flows.model.columns import Ints


class Moments:
    """Moments of the last `window_s` seconds, nanoseconds since 1970, and their numbers, int64."""

    def __init__(self, window_s: int) -> None:
        self._window_s = window_s
        # Joined as soon as they are asked for.
        self._pieces: list[Ints] = [np.empty((0, 2), np.int64)]
        self._added: list[Ints] = []

    def add(self, moments: list[tuple[int, int]]) -> None:
        """Take in (moment, number) of each."""
        if moments:
            rows = np.array(moments, np.int64)
            self._added.append(rows)
            self._pieces.append(rows)

    def _rows(self) -> Ints:
        if len(self._pieces) > 1:
            self._pieces = [np.concatenate(self._pieces)]
        return self._pieces[0]

    def numbers(self, from_ns: int, to_ns: int) -> Ints:
        """Return the numbers of the moments in [from_ns, to_ns)."""
        rows = self._rows()
        found: Ints = rows[(rows[:, 0] >= from_ns) & (rows[:, 0] < to_ns), 1]
        return found

    def advance(self, as_of_s: int) -> None:
        """Forget what is no longer in a window that ends at `as_of_s`."""
        rows = self._rows()
        kept = rows[:, 0] >= (as_of_s - self._window_s) * 10**9
        if not kept.all():
            self._pieces = [rows[kept]]

    def changes(self, *, everything: bool) -> dict[str, Any]:
        """Return what was added since the last call, or all."""
        rows = self._pieces if everything else [np.empty((0, 2), np.int64), *self._added]
        self._added = []
        return {"rows": np.concatenate(rows)}

    def load(self, part: dict[str, Any]) -> None:
        """Take in what `changes` gave."""
        self._pieces.append(part["rows"])
