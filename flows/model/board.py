"""The board: all that is published of one moment."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Board:
    """One published board: Redis key to JSON text, all of the same `as_of_ms`."""

    as_of_ms: int
    values: dict[str, str]
