"""Loads: one byte, eight, or WIDE of them at once, from anywhere in the bytes `d`, in compiled code.

    d   {"userId": "u1", ...
         ^p

Here `special(d, p)` has bits 0, 7, 10 and 13 set, for the quotes.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from flows.runtime.compiled import Bytes, inlined

# As numba's own, so that no constant has a type of its own.
U: Any = np.uint64
INT: Any = np.int64
QUOTE, SLASH = 34, 92
WIDE = 32


def special(d: Bytes, p: int) -> np.uint64:
    """Tell of WIDE bytes which are a quote, a backslash or a control character."""
    raise NotImplementedError


def newline(d: Bytes, p: int) -> np.uint64:
    """Tell of WIDE bytes which are a newline."""
    raise NotImplementedError


def high(d: Bytes, p: int) -> np.uint64:
    """Tell of WIDE bytes which are beyond ASCII."""
    raise NotImplementedError


def zeros_below(bits: np.uint64) -> int:
    """Count the zeros below the lowest bit that is set."""
    raise NotImplementedError


def byte(d: Bytes, p: int) -> int:
    """Return the byte at p."""
    raise NotImplementedError


def eight_bytes(d: Bytes, p: int) -> np.uint64:
    """Return eight bytes from p on as an integer, the first the lowest."""
    raise NotImplementedError


@inlined
def at(d: Bytes, p: int) -> int:
    """Return the byte at p, 0 beyond the end."""
    return byte(d, p) if p < d[1] else 0


@inlined
def eight(d: Bytes, p: int) -> np.uint64:
    """Return eight bytes from p on as an integer, the first the lowest; 0 beyond the end. `d` has eight."""
    beyond = p + 8 - d[1]
    if beyond <= 0:
        return eight_bytes(d, p)
    return eight_bytes(d, d[1] - 8) >> U(8 * beyond) if beyond < 8 else U(0)


@inlined
def first_bytes(word: np.uint64, size: int) -> np.uint64:
    """Return the first bytes of eight; `size` is below 8."""
    return word & ((U(1) << U(8 * size)) - U(1))
