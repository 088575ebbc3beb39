"""Judging: one record decoded with care, into its clicks or the reason why it is none."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from typing import Annotated, Any, Final, NoReturn

import msgspec
import numpy as np

REASONS: Final = {
    "too_large": "longer than 1 MiB",
    "not_json": "not one JSON value in UTF-8, or nested more than 500 deep",
    "not_a_click": "JSON, but not an object",
    "bad_columns": "column shape with columns missing or of unequal length",
    "bad_type": "a field of the wrong type",
    "no_time": "no timestamp",
    "no_user": "no userId, or an empty one",
    "bad_time": "a timestamp that cannot be read",
    "too_old": "event time before the year 2000",
    "too_new": "event time more than 5 minutes ahead of the wall clock",
}
MAX_RECORD_BYTES: Final = 1 << 20
# Well below what Python's recursion limit leaves, so that no version and no caller decides otherwise.
MAX_DEPTH: Final = 500
KEPT_BYTES: Final = 512

OLDEST_NS = 946_684_800 * 10**9
AHEAD_NS = 300 * 10**9
_INT64 = 1 << 63
# Below these magnitudes an integer timestamp counts milliseconds, microseconds; else nanoseconds.
MS_BELOW, US_BELOW = 10**14, 10**17
# What datetime.fromisoformat takes on Python 3.10, and a Z, and up to nanoseconds.
_ISO = re.compile(
    r"(\d{4}-\d\d-\d\d)"
    r"(?:.(\d\d(?::\d\d(?::\d\d)?)?)(?:(?<=:\d\d:\d\d)\.(\d{1,9}))?"
    r"(Z|[+-]\d\d:\d\d(?::\d\d(?:\.\d{6})?)?)?)?",
    re.ASCII | re.DOTALL,
)


class Refused:
    """The type of a field whose mere presence, be it null, is no plain click's."""


class Click(msgspec.Struct, gc=False):
    """The fields that metrics use, of one click; `timestamp` may still be in ms or us."""

    timestamp: int
    userId: Annotated[str, msgspec.Meta(min_length=1)]  # noqa: N815
    productId: str | None = None  # noqa: N815
    category: str | None = None
    title: str | None = None
    deviceType: str | None = None  # noqa: N815
    gender: str | None = None
    age: int | float | None = None
    Timestamps: Refused = Refused()


_USED = ("timestamp", "userId", "productId", "category", "title", "deviceType", "gender", "age")
_TYPES = dict.fromkeys(_USED, (str,)) | {"timestamp": (int, str), "age": (int, float)}
_Loose: Any = msgspec.defstruct(
    "_Loose",
    [(name, msgspec.Raw, msgspec.Raw(b"null")) for name in _USED]
    + [
        ("Timestamps", msgspec.Raw | msgspec.UnsetType, msgspec.UNSET),
        ("Epoch", msgspec.Raw, msgspec.Raw(b"0")),
        *(
            (name, msgspec.Raw, msgspec.Raw(b"null"))
            for name in ("StringValues", "NumericValues", "TagValues")
        ),
    ],
)
_loose = msgspec.json.Decoder(_Loose)
_STRING = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"', re.DOTALL)


class RecordError(Exception):
    """A record, or a row of one, is no click; the text is its reason."""


def judge(record: bytes, newest_ns: int) -> Iterator[tuple[Click, bytes | None] | str]:
    """Yield the clicks of one record, each with its plain form if that is not the record itself.

    A row of a column-shaped record that is no click is its reason instead; so is one with an event time after
    `newest_ns`. Raises RecordError when the record as a whole is none.
    """
    if len(record) > MAX_RECORD_BYTES:
        reason = "too_large"
        raise RecordError(reason)
    loose = _parsed(record)
    if loose.Timestamps is msgspec.UNSET:
        yield _click({name: _value(getattr(loose, name)) for name in _USED}, newest_ns), None
        return
    for fields in _rows(loose):
        try:
            click = _click(fields, newest_ns)
        except RecordError as error:
            yield str(error)
        else:
            yield click, msgspec.json.encode(fields | {"timestamp": click.timestamp})


def _parsed(record: bytes) -> Any:
    """Return the object of a record, its fields still JSON. Raises RecordError."""
    reason = "not_json"
    if is_deep(record):
        raise RecordError(reason)
    try:
        record.decode()
        return _loose.decode(record)
    except msgspec.ValidationError:
        _value(msgspec.Raw(record))
        reason = "not_a_click"
        raise RecordError(reason) from None
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        raise RecordError(reason) from None


def _rows(loose: Any) -> list[dict[str, Any]]:
    """Return the rows of a column-shaped record as plain clicks."""
    times, epoch = _value(loose.Timestamps), _value(loose.Epoch)
    tables = [_value(table) for table in (loose.TagValues, loose.NumericValues, loose.StringValues)]
    groups = [{} if table is None else table for table in tables]
    if (
        not isinstance(times, list)
        or type(epoch) is not int
        or not all(isinstance(group, dict) for group in groups)
        or not all(
            isinstance(column, list) and len(column) == len(times)
            for group in groups
            for column in group.values()
        )
    ):
        reason = "bad_columns"
        raise RecordError(reason)
    # A null in one table lets the next one speak; a later table is the stronger.
    return [
        {name: column[i] for group in groups for name, column in group.items() if column[i] is not None}
        | {"timestamp": time + epoch if type(time) is int else time}
        for i, time in enumerate(times)
    ]


def _click(fields: dict[str, Any], newest_ns: int) -> Click:
    """Check the used fields of one click; its `timestamp` comes out in nanoseconds. Raises RecordError."""
    for name in _USED:
        value = fields.get(name)
        if value is not None and (isinstance(value, bool) or not isinstance(value, _TYPES[name])):
            reason = "bad_type"
            raise RecordError(reason)
    if fields.get("timestamp") is None:
        reason = "no_time"
        raise RecordError(reason)
    if not fields.get("userId"):
        reason = "no_user"
        raise RecordError(reason)
    time = fields["timestamp"]
    time_ns = _iso_ns(time) if isinstance(time, str) else integer_ns(time)
    if time_ns < OLDEST_NS:
        reason = "too_old"
        raise RecordError(reason)
    if time_ns > newest_ns:
        reason = "too_new"
        raise RecordError(reason)
    others: list[Any] = [fields.get(name) for name in _USED[1:]]
    return Click(time_ns, *others)


def integer_ns(value: int) -> int:
    """Return an integer timestamp in nanoseconds. Raises RecordError if no int64 could hold it."""
    if not -_INT64 <= value < _INT64:
        reason = "bad_time"
        raise RecordError(reason)
    size = abs(value)
    return value * (10**6 if size < MS_BELOW else 10**3 if size < US_BELOW else 1)


def _iso_ns(text: str) -> int:
    match = _ISO.fullmatch(text)
    reason = "bad_time"
    if match is None:
        raise RecordError(reason)
    date, clock, fraction, zone = match.groups()
    try:
        moment = datetime.fromisoformat(
            f"{date}T{clock or '00'}{zone.replace('Z', '+00:00') if zone else '+00:00'}"
        )
        since = moment - datetime(1970, 1, 1, tzinfo=timezone.utc)
    except (ValueError, OverflowError):
        raise RecordError(reason) from None
    return since // timedelta(microseconds=1) * 1000 + int((fraction or "").ljust(9, "0"))


def is_deep(record: bytes) -> bool:
    """Whether brackets outside strings are nested more than MAX_DEPTH deep."""
    if record.count(b"[") + record.count(b"{") <= MAX_DEPTH:
        return False
    text = np.frombuffer(_STRING.sub(b"", record), np.uint8)
    # "[" and "{", and "]" and "}", differ in one bit.
    steps = ((text | 32) == ord("{")).astype(np.int32) - ((text | 32) == ord("}"))
    return bool(len(steps)) and int(np.cumsum(steps).max()) > MAX_DEPTH


def _value(raw: msgspec.Raw) -> Any:
    try:
        return msgspec.json.decode(raw)
    except msgspec.ValidationError:
        return _value_of_any_size(bytes(raw))
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        reason = "not_json"
        raise RecordError(reason) from None


def _value_of_any_size(raw: bytes) -> Any:
    """Decode JSON with numbers that msgspec finds out of range."""
    try:
        value = _any_size.decode(raw.decode())
        # Half a surrogate pair is no UTF-8.
        json.dumps(value, ensure_ascii=False).encode()
    except (ValueError, RecursionError):
        reason = "not_json"
        raise RecordError(reason) from None
    return value


def _integer(digits: str) -> int:
    # Python reads 4,300 digits; a longer number need only stay as far off.
    return int(digits[:4000])


def _no_constant(name: str) -> NoReturn:
    # NaN and Infinity are not JSON, although Python reads them.
    raise ValueError(name)


_any_size = json.JSONDecoder(parse_int=_integer, parse_constant=_no_constant)
