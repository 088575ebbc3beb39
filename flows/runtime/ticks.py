"""The wall clock of this host, and its ticks, which nobody sets. Both in milliseconds."""

from __future__ import annotations

import time

# Ticks that count on while the machine sleeps, where there are such.
_TICKS = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


def wall_ms() -> int:
    """Return the wall clock of this host."""
    return time.time_ns() // 10**6


def ticks_ms() -> int:
    """Return the ticks of this machine, which never go back."""
    return time.clock_gettime_ns(_TICKS) // 10**6
