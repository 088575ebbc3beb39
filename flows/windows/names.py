"""Names as small numbers: the first name met is 0, the next one 1, and so on."""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from typing import Generic, TypeVar

import numpy as np

from flows.model.columns import Ints

Name = TypeVar("Name", bound=Hashable)


class Names(Generic[Name]):
    """Names by number, and numbers by name."""

    def __init__(self) -> None:
        self._number: dict[Name, int] = {}
        self.names: list[Name] = []

    def __len__(self) -> int:
        return len(self.names)

    def number(self, name: Name) -> int:
        """Return the number of a name; a new one is given the next."""
        number = self._number.setdefault(name, len(self.names))
        if number == len(self.names):
            self.names.append(name)
        return number

    def numbers(self, names: Iterable[Name]) -> Ints:
        """Return the numbers of names, int64."""
        return np.array([self.number(name) for name in names], np.int64)

    def keep(self, held: Ints, numbers: int) -> Ints:
        """Forget all names but `held`; returns the new number of each, by its old one below `numbers`."""
        self.names = [self.names[old] for old in held.tolist()]
        self._number = {name: number for number, name in enumerate(self.names)}
        new = np.zeros(max(numbers, 1), np.int64)
        new[held] = np.arange(len(held))
        return new
