"""The heap: what was freed goes back to the system from time to time, where malloc would keep it.

And the other way round: large blocks, one after the other, are made where the last one was.
"""

from __future__ import annotations

import ctypes

TRIM_EVERY_S = 10.0
# As <malloc.h> has them.
_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3
# So much stays at the end of the heap, free.
_KEPT_BYTES = 16 << 20


class Heap:
    """Trims the heap of this process, where its C library (glibc) can, from TRIM_EVERY_S after `at_s` on."""

    def __init__(self, at_s: float) -> None:
        self._trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
        self._next_s = at_s + TRIM_EVERY_S

    def trim(self, at_s: float) -> bool:
        """Give back what is free if that was not done for TRIM_EVERY_S before `at_s`; returns whether."""
        if self._trim is None or at_s < self._next_s:
            return False
        self._next_s = at_s + TRIM_EVERY_S
        self._trim(0)
        return True


def reuse(block_bytes: int) -> None:
    """Let blocks of up to so many bytes come from the heap of this process, where its C library can.

    Malloc would take each from the system and give it back: fresh pages, which are zeroed one by one.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_MMAP_THRESHOLD, block_bytes)
        mallopt(_TRIM_THRESHOLD, _KEPT_BYTES)
