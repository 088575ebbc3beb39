"""A timestamp as bytes, in nanoseconds since 1970 UTC, in compiled code: the forms that most records have.

    1700147866722586000    1700147866.722    "2023-11-16T15:17:46.722Z"    "2023-11-16 16:17:46+01:00"

Each function takes the bytes [p, end) of `d`, and returns -1 for what is to be judged with care (see
`flows.ingest.validate.ns_of`, which reads every form).
"""

from __future__ import annotations

import numpy as np

from flows.ingest.scan.json_text import COLON, MINUS, POINT
from flows.ingest.validate import MS_BELOW, S_BELOW, US_BELOW
from flows.model.event_time import OLDEST_NS
from flows.runtime.compiled import Bytes, compiled
from flows.runtime.loads import INT, U, at

NONE = U(0xFFFFFFFFFFFFFFFF)


@compiled
def integer(d: Bytes, p: int, end: int) -> np.uint64:
    """Return the digits as a number; NONE if they are more than 19, or something else."""
    if end - p > 19 or end <= p:
        return NONE
    whole = U(0)
    for i in range(p, end):
        if not 48 <= at(d, i) <= 57:
            return NONE
        whole = whole * U(10) + U(at(d, i) - 48)
    return whole


@compiled
def unit_of(time: np.uint64) -> np.uint64:
    """Return how many nanoseconds the unit of a timestamp has, told by its size."""
    if time < U(S_BELOW):
        return U(10**9)
    if time < U(MS_BELOW):
        return U(10**6)
    return U(1000) if time < U(US_BELOW) else U(1)


@compiled
def within(time: np.uint64, newest_ns: int) -> int:
    """Return an integer timestamp in nanoseconds; -1 outside [OLDEST_NS, newest_ns]."""
    unit = unit_of(time)
    if time > U(newest_ns) // unit:
        return -1
    time_ns = INT(time * unit)
    return time_ns if time_ns >= OLDEST_NS else -1


@compiled
def number_ns(d: Bytes, p: int, end: int, newest_ns: int) -> int:
    """Return a number as a time within the bounds.

    Of one with a fraction up to 15 digits are read: as many tell any two floats apart that were written so.
    """
    point = p
    while point < end and at(d, point) != POINT:
        point += 1
    whole = integer(d, p, point)
    if whole == NONE:
        return -1
    if point == end:
        return within(whole, newest_ns)
    digits, part, unit = end - point - 1, integer(d, point + 1, end), unit_of(whole)
    if part == NONE or end - 1 - p > 15 or digits > 9 or U(10**digits) > unit or whole > U(newest_ns) // unit:
        return -1
    time_ns = INT(whole * unit + part * (unit // U(10**digits)))
    return time_ns if OLDEST_NS <= time_ns <= newest_ns else -1


@compiled
def _two(d: Bytes, p: int) -> int:
    """Return a number of two digits."""
    a, b = at(d, p) - 48, at(d, p + 1) - 48
    return a * 10 + b if 0 <= a <= 9 and 0 <= b <= 9 else -1


@compiled
def _day(year: int, month: int, day: int) -> int:
    """Return the days from 1970-01-01 to a date, after H. Hinnant's days_from_civil; none is before 1600."""
    leap = year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
    long = month == 1 or month == 3 or month == 5 or month == 7 or month == 8 or month == 10 or month == 12
    most = (29 if leap else 28) if month == 2 else 31 if long else 30
    if not (year >= 1600 and 1 <= month <= 12 and 1 <= day <= most):
        return -1
    year -= month <= 2
    of_year = (153 * (month - 3 if month > 2 else month + 9) + 2) // 5 + day - 1
    return year * 365 + year // 4 - year // 100 + year // 400 + of_year - 719468


@compiled
def text_ns(d: Bytes, p: int, end: int, newest_ns: int) -> int:
    """Return a text YYYY-MM-DDThh:mm:ss, with or without fraction and offset, as a time within the bounds."""
    century, years, month, day = _two(d, p), _two(d, p + 2), _two(d, p + 5), _two(d, p + 8)
    hour, minute, second = _two(d, p + 11), _two(d, p + 14), _two(d, p + 17)
    if end - p < 19 or (century | years | month | day | hour | minute | second) < 0:
        return -1
    if at(d, p + 4) != MINUS or at(d, p + 7) != MINUS or (at(d, p + 10) != 84 and at(d, p + 10) != 32):
        return -1
    if at(d, p + 13) != COLON or at(d, p + 16) != COLON or hour > 23 or minute > 59 or second > 59:
        return -1
    days = _day(century * 100 + years, month, day)
    if days < 0:
        return -1
    time_s = days * 86_400 + hour * 3600 + minute * 60 + second
    p += 19
    part_ns, place = 0, 10**8
    if p < end and at(d, p) == POINT:
        first = p + 1
        p = first
        while p < end and 48 <= at(d, p) <= 57:
            part_ns += (at(d, p) - 48) * place
            place //= 10
            p += 1
        if p == first:
            return -1
    if p < end:
        sign = 1 if at(d, p) == MINUS else -1 if at(d, p) == 43 else 0
        if sign and end - p == 6 and at(d, p + 3) == COLON:
            hours, minutes = _two(d, p + 1), _two(d, p + 4)
            if (hours | minutes) < 0 or hours > 23 or minutes > 59:
                return -1
            time_s += sign * (hours * 3600 + minutes * 60)
        elif end - p != 1 or at(d, p) | 32 != 122:
            return -1
    if time_s > newest_ns // 10**9:
        return -1
    time_ns = time_s * 10**9 + part_ns
    return time_ns if OLDEST_NS <= time_ns <= newest_ns else -1
