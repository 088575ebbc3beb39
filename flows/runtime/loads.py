"""Loads: one byte, eight, or WIDE of them at once, from anywhere in the bytes `d`, in compiled code.

d   {"userId": "u1", ...
^p    `special(d, p)` has bits 0 and 7 set: the quotes at p and p + 7
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from flows.runtime.compiled import inlined

# Where bytes are, and how many: an array would be counted as in use by each function that it is given to.
Bytes = tuple[int, int]

# As numba's own, so that no constant has a type of its own.
U: Any = np.uint64
INT: Any = np.int64
QUOTE, SLASH = 34, 92
WIDE = 32


def _load_code(typingctx: Any, address: Any, at: Any) -> Any:
    """Load eight bytes from anywhere, the first the lowest."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        data = builder.inttoptr(args[0], ir.IntType(8).as_pointer())
        pointer = builder.bitcast(builder.gep(data, [args[1]]), ir.IntType(64).as_pointer())
        return builder.load(pointer, align=1)

    return types.uint64(types.int64, types.int64), codegen


def _byte_code(typingctx: Any, address: Any, at: Any) -> Any:
    """Load one byte; where a place may be negative numba would look for that at each."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        data = builder.inttoptr(args[0], ir.IntType(8).as_pointer())
        return builder.zext(builder.load(builder.gep(data, [args[1]])), ir.IntType(64))

    return types.int64(types.int64, types.int64), codegen


def _wide_code(judge: Callable[..., Any]) -> Callable[..., Any]:
    """Load WIDE bytes, and tell of each one in a bit, the first in the lowest, whether it is as judged."""
    vector = ir.VectorType(ir.IntType(8), WIDE)

    def wide(typingctx: Any, address: Any, at: Any) -> Any:
        def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            data = builder.inttoptr(args[0], ir.IntType(8).as_pointer())
            pointer = builder.bitcast(builder.gep(data, [args[1]]), vector.as_pointer())
            found = judge(builder, builder.load(pointer, align=1), lambda n: ir.Constant(vector, [n] * WIDE))
            return builder.zext(builder.bitcast(found, ir.IntType(WIDE)), ir.IntType(64))

        return types.uint64(types.int64, types.int64), codegen

    return wide


def _is_special(builder: Any, text: Any, of: Callable[[int], Any]) -> Any:
    """Judge whether it is a quote, a backslash or a control character."""
    ends = builder.icmp_unsigned("==", text, of(QUOTE)), builder.icmp_unsigned("==", text, of(SLASH))
    return builder.or_(builder.or_(*ends), builder.icmp_unsigned("<", text, of(32)))


def _is_newline(builder: Any, text: Any, of: Callable[[int], Any]) -> Any:
    """Judge whether it is a newline."""
    return builder.icmp_unsigned("==", text, of(10))


def _is_high(builder: Any, text: Any, of: Callable[[int], Any]) -> Any:
    """Judge whether it is beyond ASCII."""
    return builder.icmp_signed("<", text, of(0))


def _zeros_code(typingctx: Any, value: Any) -> Any:
    """Count the zeros below the lowest bit that is set."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.cttz(args[0], ir.Constant(ir.IntType(1), 1))

    return types.int64(types.uint64), codegen


_load: Any = intrinsic(_load_code)
_byte: Any = intrinsic(_byte_code)
zeros_below: Any = intrinsic(_zeros_code)
_special: Any = intrinsic(_wide_code(_is_special))
_newline: Any = intrinsic(_wide_code(_is_newline))
_high: Any = intrinsic(_wide_code(_is_high))


@inlined
def at(d: Bytes, p: int) -> int:
    """Return the byte at p, 0 beyond the end."""
    return _byte(d[0], p) if p < d[1] else 0


@inlined
def eight(d: Bytes, p: int) -> np.uint64:
    """Return eight bytes from p on as an integer, the first the lowest; 0 beyond the end. `d` has eight."""
    beyond = p + 8 - d[1]
    if beyond <= 0:
        return _load(d[0], p)
    return _load(d[0], d[1] - 8) >> U(8 * beyond) if beyond < 8 else U(0)


@inlined
def special(d: Bytes, p: int) -> np.uint64:
    """Tell of each of WIDE bytes whether it is a quote, a backslash or a control character."""
    return _special(d[0], p)


@inlined
def newline(d: Bytes, p: int) -> np.uint64:
    """Tell of each of WIDE bytes whether it is a newline."""
    return _newline(d[0], p)


@inlined
def high(d: Bytes, p: int) -> np.uint64:
    """Tell of each of WIDE bytes whether it is beyond ASCII."""
    return _high(d[0], p)


@inlined
def first_bytes(word: np.uint64, size: int) -> np.uint64:
    """Return the first bytes of eight; `size` is below 8."""
    return word & ((U(1) << U(8 * size)) - U(1))
