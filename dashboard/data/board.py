"""A board as the page has it: figures by their names, tables by their declarations. None: unknown, not zero.

A table is declared where it is drawn:

    CATEGORIES = Table("category_popularity", lambda row: (text(row["category"]), int(row["count"])))
    ...
    rows = board.rows(CATEGORIES)
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from dashboard.data import values

Row = Mapping[str, Any]
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Table(Generic[T]):
    """A table of the board: its key in Redis, and how a row of it, cells by column, is taken.

    `make` raises an ArithmeticError, LookupError, TypeError or ValueError for what is no such row.
    """

    key: str
    make: Callable[[Row], T]


@dataclass(frozen=True, slots=True)
class LogLine:
    """A step of a visitor's journey, from the state `left` to `state`; or the offer that it led to."""

    at_ms: int | None
    user: str
    state: str
    msg: str
    left: str = ""
    product: str = ""
    category: str = ""
    offer: str = ""


@dataclass(frozen=True, slots=True)
class Rejected:
    """A record set aside: why, where it was in the source, and its first bytes."""

    reason: str
    position: str
    record: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """What is on a board; `Figures()` is all unknown. `facts` is the key `board` as it came."""

    facts: Mapping[str, Any] = field(default_factory=dict)
    tables: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)
    log: tuple[LogLine, ...] | None = None
    rejected: tuple[Rejected, ...] | None = None

    def count(self, name: str) -> int | None:
        """Return a figure that is a whole number."""
        return values.count(self.facts.get(name))

    def mean(self, name: str) -> float | None:
        """Return a figure that need not be whole."""
        return values.mean(self.facts.get(name))

    def is_set(self, name: str) -> bool:
        """Return whether something is said to be so."""
        return self.facts.get(name) is True

    def rows(self, table: Table[T]) -> tuple[T, ...] | None:
        """Return the rows of a table; None if its key is missing."""
        return self.tables.get(table.key)

    @property
    def rejected_reasons(self) -> Mapping[str, int]:
        """How many records were rejected, by reason."""
        reasons = self.facts.get("rejected")
        found = reasons.items() if isinstance(reasons, dict) else ()
        return {str(reason): values.count(number) or 0 for reason, number in found}


@dataclass(frozen=True, slots=True, kw_only=True)
class Board(Figures):
    """One published board: figures that are all of the same `as_of_ms` (epoch milliseconds)."""

    owner: str
    as_of_ms: int
    published_at_ms: int
    publish_every_ms: int
    ended: bool
