"""The mark: how far the watermark is, as shards keep it and tell it to each other."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple


class Mark(NamedTuple):
    """What is known of the watermark, kept with the state and told to others.

    `newest_ns` is the event time of the newest click that the clock has reached, 0 if there is none;
    `took_ms` the clock when it was taken in. `as_of_s` is the end of windows in seconds since 1970,
    exclusive; `ahead_s` are the later seconds in which clicks wait.
    """

    newest_ns: int = 0
    took_ms: int = 0
    as_of_s: int = 0
    ahead_s: tuple[int, ...] = ()


NOTHING = Mark()


def mark_of(values: list[Any]) -> Mark:
    """Return a mark that was written as a list."""
    newest_ns, took_ms, as_of_s, ahead_s = values
    return Mark(newest_ns, took_ms, as_of_s, tuple(ahead_s))


def newest_of(marks: Iterable[Mark]) -> Mark:
    """Return what several marks of one flow come to; all are put together, whatever their order."""
    newest, as_of_s, ahead_s = (0, 0), 0, set[int]()
    for mark in marks:
        # Of one click read twice the first reading counts.
        newest = max(newest, (mark.newest_ns, -mark.took_ms))
        as_of_s = max(as_of_s, mark.as_of_s)
        ahead_s |= {*mark.ahead_s}
    return Mark(newest[0], -newest[1], as_of_s, tuple(sorted(ahead_s)))
