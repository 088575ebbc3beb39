"""One record: where the values of its clicks stand, in compiled code.

A record is looked through once. Whatever is not certain makes it odd: it is left to `flows.ingest.validate`.

    {"userId": "u1", "timestamp": 17, "age": 3}                         plain: one click
    {"Timestamps": [17, 18], "StringValues": {"userId": ["u", "v"]}}    plain: two, a field is a column
    {"userId": "u1", "timestamp": "2024-W09-4"}                         odd: a rare form of time
"""

from __future__ import annotations

import numpy as np

from flows.ingest.scan.json_text import (
    CLOSE,
    CLOSE_LIST,
    COLON,
    COMMA,
    MINUS,
    OPEN,
    OPEN_LIST,
    POINT,
    after_key,
    blank,
    is_utf8,
    literal,
    number,
    skipped,
    string,
)
from flows.ingest.scan.keys import EPOCH, MOST_KEYS, ODD, TABLE, TIME, TIMES, UNUSED, again, remember, what_is
from flows.ingest.scan.times import integer, number_ns, text_ns, within
from flows.model.columns import Floats, Ints
from flows.model.fields import LOOSE, MAX_NAME_CHARS, NAME, NUMBERS, WORDS
from flows.model.rejected import MAX_RECORD_BYTES, MAX_ROWS
from flows.runtime.compiled import Bytes, compiled, inlined
from flows.runtime.loads import INT, QUOTE, U, at

_USER, _WORDS, _NUMBERS = 0, len(WORDS), len(NUMBERS)
_TABLES = (1 << EPOCH) - (1 << TABLE)
_IS_NAME = tuple(field.kind == NAME for field in WORDS)
_IS_LOOSE = tuple(field.kind == LOOSE for field in WORDS)
# A row of `spans` is [start, end) of each of its words, start -1 for none; and last its time, and nothing.
TIME_SPAN = _WORDS
SPANS = TIME_SPAN + 1


@compiled
def _float(d: Bytes, p: int, end: int) -> float:
    """Return the number [p, end) of up to 15 digits and no exponent, exactly; nan if it has more.

    The digits and the power of ten are both exact, so that one division rounds once (Clinger 1990).
    """
    sign = 1.0
    if at(d, p) == MINUS:
        sign = -1.0
        p += 1
    digits, whole, power, fraction = 0, 0, 1.0, False
    for i in range(p, end):
        if at(d, i) == POINT:
            fraction = True
            continue
        if not 48 <= at(d, i) <= 57 or digits == 15:
            return np.nan
        digits += 1
        whole = whole * 10 + at(d, i) - 48
        if fraction:
            power *= 10.0
    return sign * whole / power if whole or fraction else 0.0


@inlined
def _value(d: Bytes, p: int, what: int, row: int, spans: Ints, numbers: Floats, newest_ns: int) -> int:
    """Note the value at p as what it stands for, in a row; returns its end, -1 if it is odd."""
    c, begin = at(d, p), p
    if c == QUOTE:
        p = string(d, p + 1)
        if p < 0 or (what >= 0 and not _noted(d, begin + 1, p, what, row, spans, newest_ns)):
            return -1
        return p + 1
    if 0 <= what < _WORDS:
        spans[row, what, 0] = -1
    if what == UNUSED or (what < _WORDS and (c == 110 or _IS_LOOSE[what])):
        return skipped(d, p)
    if c == 110 and what < TABLE:
        numbers[row, what - _WORDS] = np.nan
        return literal(d, p)
    p = number(d, p) if c == MINUS or 48 <= c <= 57 else -1
    if p < 0:
        return -1
    if what == TIME:
        spans[row, TIME_SPAN, 0] = number_ns(d, begin, p, newest_ns)
        return p if spans[row, TIME_SPAN, 0] >= 0 else -1
    if _WORDS <= what < TABLE:
        numbers[row, what - _WORDS] = _float(d, begin, p)
        return -1 if np.isnan(numbers[row, what - _WORDS]) else p
    whole = integer(d, begin, p)
    if what == _USER:
        spans[row, what, 0], spans[row, what, 1] = begin, p
    else:
        spans[row, TIME_SPAN, 0] = INT(whole)
    # Neither a time nor a base of times is beyond, nor the number of a visitor; no other word is a number.
    return p if whole < U(1 << 62) and (what == _USER or what >= TABLE) else -1


@inlined
def _noted(d: Bytes, p: int, end: int, what: int, row: int, spans: Ints, newest_ns: int) -> bool:
    """Note the text [p, end) as a word or a time; whether it may be."""
    if what < _WORDS:
        spans[row, what, 0], spans[row, what, 1] = p if end > p else -1, end
        return not (_IS_NAME[what] and end - p > MAX_NAME_CHARS)
    spans[row, TIME_SPAN, 0] = text_ns(d, p, end, newest_ns) if what == TIME else -1
    return spans[row, TIME_SPAN, 0] >= 0


@compiled
def _list(d: Bytes, p: int, what: int, spans: Ints, numbers: Floats, newest_ns: int) -> tuple[int, int]:
    """Note the values of the list at p, one a row; returns (its end or -1, how many there are)."""
    if at(d, p) != OPEN_LIST:
        return -1, 0
    for row in range(MAX_ROWS):
        p = _value(d, blank(d, p + 1), what, row, spans, numbers, newest_ns)
        if p < 0:
            break
        p = blank(d, p)
        if at(d, p) == CLOSE_LIST:
            return p + 1, row + 1
        if at(d, p) != COMMA:
            break
    return -1, 0


@compiled
def _table(
    d: Bytes, p: int, keys: Ints, rows: int, seen: int, spans: Ints, numbers: Floats, newest_ns: int
) -> tuple[int, int, int]:
    """Note the columns of the object at p; returns (its end or -1, the rows of each, the columns seen).

    `rows` is what the columns before have, -1 if there are none. A column that two tables have is odd.
    """
    if at(d, p) != OPEN:
        return literal(d, p) if at(d, p) == 110 else -1, rows, seen
    p = blank(d, p + 1)
    if at(d, p) == CLOSE:
        return p + 1, rows, seen
    while at(d, p) == QUOTE:
        key = p + 1
        p = string(d, key)
        if p < 0:
            break
        what = what_is(d, key, p, keys)
        # A key of no column is that of another one.
        what = UNUSED if what >= TABLE else what
        p = after_key(d, p)
        if p < 0 or what == ODD or (what >= 0 and seen & (1 << what)):
            break
        p, size = _list(d, p, what, spans, numbers, newest_ns)
        if p < 0 or (rows >= 0 and size != rows):
            break
        rows = size
        if what >= 0:
            seen |= 1 << what
        p = blank(d, p)
        if at(d, p) == CLOSE:
            return p + 1, rows, seen
        if at(d, p) != COMMA:
            break
        p = blank(d, p + 1)
    return -1, rows, seen


@compiled
def record(
    d: Bytes, p: int, end: int, keys: Ints, before: Ints, spans: Ints, numbers: Floats, newest_ns: int
) -> tuple[int, bool]:
    """Note the clicks of the record [p, end); returns (how many, 0 if odd; whether it is in columns)."""
    seen, columns, rows, place = 0, INT(0), INT(-1), 0
    begin = p
    p = blank(d, p)
    if end - begin > MAX_RECORD_BYTES or at(d, p) != OPEN:
        return 0, False
    for word in range(_WORDS):
        spans[0, word, 0] = -1
    for place in range(_NUMBERS):
        numbers[0, place] = np.nan
    while True:
        p = blank(d, p + 1)
        if at(d, p) != QUOTE:
            return 0, False
        key = p + 1
        size = again(d, key, before, place)
        if size:
            what, p = INT(before[place, 7]), blank(d, key + size)
        else:
            p = string(d, key)
            if p < 0:
                return 0, False
            what = what_is(d, key, p, keys)
            if at(d, p + 1) == COLON:
                remember(d, key, p + 2 - key, what, before, place)
            p = after_key(d, p)
        place = (place + 1) & (MOST_KEYS - 1)
        if p < 0 or what == ODD or (what >= 0 and seen & (1 << what)):
            return 0, False
        if what >= 0:
            seen |= 1 << what
        if what == TIMES:
            size = rows
            p, rows = _list(d, p, what, spans, numbers, newest_ns)
            if size >= 0 and size != rows:
                return 0, False
        elif TABLE <= what < EPOCH:
            p, rows, columns = _table(d, p, keys, rows, columns, spans, numbers, newest_ns)
        else:
            # An epoch is noted behind all rows.
            row = len(spans) - 1 if what == EPOCH else 0
            p = _value(d, p, what, row, spans, numbers, newest_ns)
        if p < 0:
            return 0, False
        p = blank(d, p)
        if at(d, p) == CLOSE:
            break
        if at(d, p) != COMMA:
            return 0, False
    # The newline after the record is white space too.
    if not p + 1 <= end <= blank(d, p + 1) or not is_utf8(d, begin, end):
        return 0, False
    if seen & (1 << TIMES):
        epoch = spans[-1, TIME_SPAN, 0] if seen & (1 << EPOCH) else 0
        return _in_columns(rows, seen, columns, epoch, spans, numbers, newest_ns), True
    plain = seen & (1 << TIME) and not seen & _TABLES and spans[0, _USER, 0] >= 0
    return 1 if plain else 0, False


@compiled
def _in_columns(
    rows: int, seen: int, columns: int, epoch: int, spans: Ints, numbers: Floats, newest_ns: int
) -> int:
    """Complete the rows of a record in columns; returns how many, 0 if one is odd, or it has fields too."""
    if seen & ((1 << TIME) | ((1 << (_WORDS + _NUMBERS)) - 1)):
        return 0
    for row in range(rows):
        spans[row, TIME_SPAN, 0] = within(U(spans[row, TIME_SPAN, 0] + epoch), newest_ns)
        for word in range(_WORDS):
            if not columns & (1 << word):
                spans[row, word, 0] = -1
        for place in range(_NUMBERS):
            if not columns & (1 << (_WORDS + place)):
                numbers[row, place] = np.nan
        if spans[row, TIME_SPAN, 0] < 0 or spans[row, _USER, 0] < 0:
            return 0
    return rows
