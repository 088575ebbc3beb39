"""How each of `flows.runtime.loads` is made in machine code."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic, overload

from flows.runtime import loads
from flows.runtime.loads import QUOTE, SLASH, WIDE


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


def _teach(function: Callable[..., Any], code: Callable[..., Any]) -> None:
    """Let compiled functions have this code where they call the function."""
    made = intrinsic(code)
    one: Any = lambda bits: made(bits)  # noqa: E731
    two: Any = lambda d, p: made(d, p)  # noqa: E731
    called = one if function is loads.zeros_below else two
    overload(function, jit_options={"forceinline": True}, strict=False)(lambda *_: called)


_teach(loads.byte, _byte_code)
_teach(loads.eight_bytes, _eight_code)
_teach(loads.zeros_below, _zeros_code)
_teach(loads.special, _wide_code(_is_special))
_teach(loads.newline, _wide_code(_is_newline))
_teach(loads.high, _wide_code(_is_high))
