"""Names as small numbers: the first name met is 0, the next one 1, and so on."""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Hashable, Iterable
from typing import Generic, TypeVar

import numpy as np

from flows.model.columns import Ints

Name = TypeVar("Name", bound=Hashable)


class Names(Generic[Name]):
    """Names by number, and numbers by name."""

    def __init__(self) -> None:
        self._numbers: defaultdict[Name, int] = defaultdict(itertools.count().__next__)
        self.names: list[Name] = []

    def __len__(self) -> int:
        return len(self.names)

    def number(self, name: Name) -> int:
        """Return the number of a name; a new one is given the next."""
        return int(self.numbers([name])[0])

    def numbers(self, names: Iterable[Name]) -> Ints:
        """Return the numbers of names, int64."""
        numbers = np.fromiter(map(self._numbers.__getitem__, names), np.int64)
        # A dictionary keeps the order in which its keys came.
        self.names += itertools.islice(self._numbers, len(self.names), None)
        return numbers

    def keep(self, held: Ints, numbers: int) -> Ints:
        """Forget all names but `held`; returns the new number of each, by its old one below `numbers`."""
        self.names = [self.names[old] for old in held.tolist()]
        self._numbers = defaultdict(itertools.count(len(self.names)).__next__)
        self._numbers |= {name: number for number, name in enumerate(self.names)}
        new = np.zeros(max(numbers, 1), np.int64)
        new[held] = np.arange(len(held))
        return new
