"""Loads: one byte, eight, or WIDE of them at once, from anywhere in the bytes `d`, in compiled code.

    d   {"userId": "u1", ...
         ^p

Here `special(d, p)` has bits 0, 7, 10 and 13 set, for the quotes.
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


def where(data: bytes) -> Bytes:
    """Return where bytes are, which is so as long as they are kept."""
    array = np.frombuffer(data, np.uint8)
    return array.ctypes.data, array.size


def _load(builder: Any, args: Any, kind: Any) -> Any:
    """Load one of a kind from the bytes and the place that an intrinsic is given."""
    data = builder.inttoptr(builder.extract_value(args[0], 0), ir.IntType(8).as_pointer())
    return builder.load(builder.bitcast(builder.gep(data, [args[1]]), kind.as_pointer()), align=1)


def _eight_code(typingctx: Any, d: Any, p: Any) -> Any:
    """Load eight bytes from anywhere, the first the lowest."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return _load(builder, args, ir.IntType(64))

    return types.uint64(d, types.int64), codegen


def _byte_code(typingctx: Any, d: Any, p: Any) -> Any:
    """Load one byte; where a place may be negative numba would look for that at each."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.zext(_load(builder, args, ir.IntType(8)), ir.IntType(64))

    return types.int64(d, types.int64), codegen


def _wide_code(judge: Callable[..., Any]) -> Callable[..., Any]:
    """Load WIDE bytes, and tell of each one in a bit, the first in the lowest, whether it is as judged."""
    vector = ir.VectorType(ir.IntType(8), WIDE)

    def wide(typingctx: Any, d: Any, p: Any) -> Any:
        def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            found = judge(builder, _load(builder, args, vector), lambda n: ir.Constant(vector, [n] * WIDE))
            return builder.zext(builder.bitcast(found, ir.IntType(WIDE)), ir.IntType(64))

        return types.uint64(d, types.int64), codegen

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


_eight: Any = intrinsic(_eight_code)
_byte: Any = intrinsic(_byte_code)
zeros_below: Any = intrinsic(_zeros_code)
special: Any = intrinsic(_wide_code(_is_special))
newline: Any = intrinsic(_wide_code(_is_newline))
high: Any = intrinsic(_wide_code(_is_high))


@inlined
def at(d: Bytes, p: int) -> int:
    """Return the byte at p, 0 beyond the end."""
    return _byte(d, p) if p < d[1] else 0


@inlined
def eight(d: Bytes, p: int) -> np.uint64:
    """Return eight bytes from p on as an integer, the first the lowest; 0 beyond the end. `d` has eight."""
    beyond = p + 8 - d[1]
    if beyond <= 0:
        return _eight(d, p)
    return _eight(d, d[1] - 8) >> U(8 * beyond) if beyond < 8 else U(0)


@inlined
def first_bytes(word: np.uint64, size: int) -> np.uint64:
    """Return the first bytes of eight; `size` is below 8."""
    return word & ((U(1) << U(8 * size)) - U(1))
