"""What is noted of a partition before it is taken in: which clock judged it, and what is in flight."""

from __future__ import annotations

from typing import NamedTuple

from flows.model.event_time import AHEAD_S


class Reading(NamedTuple):
    """Positions [start, end) were read at `read_ms`; clicks of second `until_s` and later had to wait.

    None was to be more than `ahead_s` ahead.
    """

    start: int
    end: int
    read_ms: int
    until_s: int | None
    ahead_s: int = AHEAD_S


class Flight(NamedTuple):
    """Positions [start, end) are being taken in, at `at_ms` of the flow's clock; so many runs ended in them.

    `alone`: it is one record, suspected by itself.
    """

    start: int = -1
    end: int = -1
    ended: int = 0
    alone: bool = False
    at_ms: int = 0


NOTHING = Flight()
