"""A click as raw data and latest visitors show it."""

from __future__ import annotations

from typing import NamedTuple


class RecentClick(NamedTuple):
    """One of the newest clicks of a batch, as raw data shows it; sorts by age, oldest first.

    `apart`: it is a bot's, which raw data alone shows.
    """

    time_ns: int
    position: int
    sub: int
    visitor: str
    record: bytes
    apart: bool = False
