"""ISO 8601: a moment as text, in its extended and its basic form, in nanoseconds since 1970 UTC.

2024-02-29T18:00:00.5+01:00    20240229T170000Z    2024-060    2024-W09-4    2024-02-29 18:00
"""

from __future__ import annotations

import re
from datetime import date

_EPOCH_DAY = date(1970, 1, 1).toordinal()
_DAY_S, _SECOND = 86_400, 10**9
_FORM = re.compile(
    r"(?P<year>\d{4})(?:-(?P<month>\d\d)-(?P<day>\d\d)|(?P<month2>\d\d)(?P<day2>\d\d)"
    r"|-?(?P<ordinal>\d{3})|-?[Ww](?P<week>\d\d)-?(?P<weekday>[1-7]))"
    r"(?:\D(?P<hour>\d\d)(?::?(?P<minute>\d\d)(?::?(?P<second>\d\d)(?:[.,](?P<fraction>\d+))?)?)?"
    r"(?:[Zz]|(?P<sign>[+-])(?P<hours>\d\d)(?::?(?P<minutes>\d\d)(?::?(?P<seconds>\d\d))?)?)?)?",
    re.ASCII | re.DOTALL,
)


class RecordError(Exception):
    """A record, or a row of one, is no click; the text is its reason."""


def iso_ns(text: str) -> int:
    """Return the moment that a text is, UTC if it has no offset; digits beyond nanoseconds are cut.

    Raises RecordError if it is none.
    """
    match = _FORM.fullmatch(text)
    reason = "bad_time"
    if match is None:
        raise RecordError(reason)
    found = {name: int(digits or 0) for name, digits in match.groupdict().items() if name not in _TEXT}
    hour, minute, second = found["hour"], found["minute"], found["second"]
    if hour > 23 or minute > 59 or second > 59 or found["hours"] > 23 or found["minutes"] > 59:
        raise RecordError(reason)
    try:
        day = _day(found)
    except ValueError:
        raise RecordError(reason) from None
    offset_s = found["hours"] * 3600 + found["minutes"] * 60 + found["seconds"]
    since_s = (day - _EPOCH_DAY) * _DAY_S + hour * 3600 + minute * 60 + second
    since_s += offset_s if match["sign"] == "-" else -offset_s
    return since_s * _SECOND + int((match["fraction"] or "")[:9].ljust(9, "0"))


_TEXT = {"sign", "fraction"}


def _day(found: dict[str, int]) -> int:
    """Return the number of a day since the year 1. Raises ValueError if there is no such day."""
    year, ordinal = found["year"], found["ordinal"]
    if found["week"]:
        return date.fromisocalendar(year, found["week"], found["weekday"]).toordinal()
    if not ordinal:
        return date(year, found["month"] or found["month2"], found["day"] or found["day2"]).toordinal()
    first = date(year, 1, 1).toordinal()
    if first + ordinal > date(year, 12, 31).toordinal() + 1:
        raise ValueError(ordinal)
    return first + ordinal - 1
