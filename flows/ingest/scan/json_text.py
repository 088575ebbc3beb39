"""JSON as bytes: where a string, a number or any other value ends, in compiled code.

What is read is strict JSON (RFC 8259). Each function takes the bytes `d` and a place `p` in them, and returns
the place after what stands there. -1 says that this is not certain: a careful reader is to judge it.

    d   {"userId": "u1", ...
                   ^p    `skipped(d, p)` is where the comma is
"""

from __future__ import annotations

from flows.runtime.compiled import Bytes, compiled, inlined
from flows.runtime.loads import (
    QUOTE,
    SLASH,
    WIDE,
    U,
    at,
    eight,
    high,
    special,
    zeros_below,
)

_NULL, _TRUE, _FALSE = U(0x6C6C756E), U(0x65757274), U(0x65736C6166)
COMMA, COLON, MINUS, POINT = 44, 58, 45, 46
OPEN, CLOSE, OPEN_LIST, CLOSE_LIST = 123, 125, 91, 93
# What `skipped` goes into; the bits of one integer say what is an object.
_MOST_DEEP = 60


@inlined
def blank(d: Bytes, p: int) -> int:
    """Return the first place from p on that is no white space."""
    c = at(d, p)
    while c == 32 or c == 9 or c == 13 or c == 10:
        p += 1
        c = at(d, p)
    return p


@compiled
def string(d: Bytes, p: int) -> int:
    """Return the closing quote of the string whose text begins at p, in whatever coding."""
    while p < d[1]:
        if p + WIDE <= d[1]:
            found = special(d, p)
            if found == U(0):
                p += WIDE
                continue
            p += zeros_below(found)
        c = at(d, p)
        if c == QUOTE:
            return p
        if c < 32:
            return -1
        p = _escape(d, p) if c == SLASH else p + 1
        if p < 0:
            return -1
    return -1


@compiled
def has_escape(d: Bytes, p: int, end: int) -> bool:
    """Whether the text [p, end) of a string has a backslash: all else that is special is behind it."""
    while p < end and p + WIDE <= d[1]:
        found = special(d, p)
        if found != U(0):
            return p + zeros_below(found) < end
        p += WIDE
    while p < end and at(d, p) != SLASH:
        p += 1
    return p < end


@compiled
def is_utf8(d: Bytes, p: int, end: int) -> bool:
    """Whether the bytes [p, end) are UTF-8, by the table of RFC 3629."""
    while p < end:
        if p + WIDE <= d[1]:
            beyond = high(d, p)
            if beyond == U(0):
                p += WIDE
                continue
            p += zeros_below(beyond)
            if p >= end:
                break
        c = at(d, p)
        p += 1
        if c < 0x80:
            continue
        if not 0xC2 <= c <= 0xF4:
            return False
        more = 1 if c < 0xE0 else 2 if c < 0xF0 else 3
        least = 0xA0 if c == 0xE0 else 0x90 if c == 0xF0 else 0x80
        most = 0x9F if c == 0xED else 0x8F if c == 0xF4 else 0xBF
        for _ in range(more):
            if p >= end or not least <= at(d, p) <= most:
                return False
            least, most = 0x80, 0xBF
            p += 1
    return True


@compiled
def _escape(d: Bytes, p: int) -> int:
    """Return the place after the escape at p; half of a surrogate pair is none."""
    c = at(d, p + 1)
    # Whichever of "\/bfnrt.
    if c in (QUOTE, SLASH, 47, 98, 102, 110, 114, 116):
        return p + 2
    unit = _unit(d, p)
    if unit < 0 or 0xDC00 <= unit <= 0xDFFF:
        return -1
    if unit < 0xD800 or unit > 0xDFFF:
        return p + 6
    return p + 12 if 0xDC00 <= _unit(d, p + 6) <= 0xDFFF else -1


@compiled
def _unit(d: Bytes, p: int) -> int:
    r"""Return the number of the escape \uXXXX at p."""
    if at(d, p) != SLASH or at(d, p + 1) != 117:
        return -1
    number = 0
    for i in range(p + 2, p + 6):
        c = at(d, i)
        if 48 <= c <= 57:
            number = number * 16 + c - 48
        elif 97 <= (c | 32) <= 102:
            number = number * 16 + (c | 32) - 87
        else:
            return -1
    return number


@compiled
def number(d: Bytes, p: int) -> int:
    """Return the end of the number at p."""
    if at(d, p) == MINUS:
        p += 1
    first = p
    p = _digits(d, p)
    if p < 0 or (at(d, first) == 48 and p - first > 1):
        return -1
    if at(d, p) == POINT:
        p = _digits(d, p + 1)
    if p < 0 or at(d, p) | 32 != 101:
        return p
    p += 1
    return _digits(d, p + 1 if at(d, p) == 43 or at(d, p) == MINUS else p)


@compiled
def _digits(d: Bytes, p: int) -> int:
    """Return the end of the digits at p, of which there is at least one."""
    first = p
    while 48 <= at(d, p) <= 57:
        p += 1
    return p if p > first else -1


@compiled
def literal(d: Bytes, p: int) -> int:
    """Return the end of null, true or false at p."""
    word = eight(d, p)
    four = word & U(0xFFFFFFFF)
    if four in (_NULL, _TRUE):
        return p + 4
    return p + 5 if word & U(0xFFFFFFFFFF) == _FALSE else -1


@inlined
def after_key(d: Bytes, p: int) -> int:
    """Return the place of the value whose key's closing quote is at p."""
    p = blank(d, p + 1)
    return blank(d, p + 1) if at(d, p) == COLON else -1


@compiled
def _key(d: Bytes, p: int) -> int:
    """Return the place of the value whose key is at p."""
    if at(d, p) != QUOTE:
        return -1
    p = string(d, p + 1)
    return p if p < 0 else after_key(d, p)


@compiled
def _scalar(d: Bytes, p: int) -> int:
    """Return the end of the string, number or literal at p."""
    c = at(d, p)
    if c == QUOTE:
        p = string(d, p + 1)
        return p if p < 0 else p + 1
    return number(d, p) if c == MINUS or 48 <= c <= 57 else literal(d, p)


@compiled
def skipped(d: Bytes, p: int) -> int:
    """Return the end of the value at p, whatever it is."""
    depth, objects = 0, U(0)
    while True:
        c = at(d, p)
        if c in (OPEN, OPEN_LIST):
            depth += 1
            if depth > _MOST_DEEP:
                return -1
            objects = objects << U(1) | U(c == OPEN)
            p = blank(d, p + 1)
            if at(d, p) != c + 2:
                if c == OPEN:
                    p = _key(d, p)
                    if p < 0:
                        return -1
                continue
            depth -= 1
            objects >>= U(1)
            p += 1
        else:
            p = _scalar(d, p)
            if p < 0:
                return -1
        while depth:
            p = blank(d, p)
            inside = objects & U(1)
            if at(d, p) == COMMA:
                p = blank(d, p + 1)
                if inside:
                    p = _key(d, p)
                    if p < 0:
                        return -1
                break
            if at(d, p) != (CLOSE if inside else CLOSE_LIST):
                return -1
            depth -= 1
            objects >>= U(1)
            p += 1
        if depth == 0:
            return p
