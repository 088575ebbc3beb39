"""Moments, each with a number, as long as a window may hold them: when a journey began, how long it took."""

from __future__ import annotations

from typing import Any

import numpy as np

from flows.model.columns import Ints


class Moments:
    """Moments of the last `window_s` seconds, nanoseconds since 1970, and their numbers, int64."""

    def __init__(self, window_s: int) -> None:
        self._window_s = window_s
        self._rows: Ints = np.empty((0, 2), np.int64)
        self._added: list[Ints] = []

    def add(self, moments: list[tuple[int, int]]) -> None:
        """Take in (moment, number) of each."""
        if moments:
            rows = np.array(moments, np.int64)
            self._added.append(rows)
            self._rows = np.concatenate([self._rows, rows])

    def numbers(self, from_ns: int, to_ns: int) -> Ints:
        """Return the numbers of the moments in [from_ns, to_ns)."""
        found: Ints = self._rows[(self._rows[:, 0] >= from_ns) & (self._rows[:, 0] < to_ns), 1]
        return found

    def advance(self, as_of_s: int) -> None:
        """Forget what is no longer in a window that ends at `as_of_s`."""
        kept = self._rows[:, 0] >= (as_of_s - self._window_s) * 10**9
        if not kept.all():
            self._rows = self._rows[kept]

    def changes(self, *, everything: bool) -> dict[str, Any]:
        """Return what was added since the last call, or all."""
        rows = [self._rows] if everything else [np.empty((0, 2), np.int64), *self._added]
        self._added = []
        return {"rows": np.concatenate(rows)}

    def load(self, part: dict[str, Any]) -> None:
        """Take in what `changes` gave."""
        self._rows = np.concatenate([self._rows, part["rows"]])
