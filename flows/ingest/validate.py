"""Validation: one record decoded with care, into its click or the reason why it is none."""

from __future__ import annotations

import json
import math
import re
from decimal import Decimal
from typing import Any, Final, NoReturn

import msgspec
import numpy as np

from flows.ingest.forms import ANY, LOOSE_FIELDS, NAMES, REQUIRED, TYPES, USED, WRITTEN
from flows.ingest.iso import RecordError, iso_ns
from flows.model.columns import Ints
from flows.model.event_time import OLDEST_NS
from flows.model.fields import MAX_NAME_CHARS
from flows.model.rejected import MAX_RECORD_BYTES

# Well below what Python's recursion limit leaves, so that no version and no caller decides otherwise.
MAX_DEPTH: Final = 500

_INT64 = 1 << 63
# Below these magnitudes a timestamp counts seconds, milliseconds, microseconds; else nanoseconds.
S_BELOW, MS_BELOW, US_BELOW = 10**11, 10**14, 10**17


# An escape; the first group has half of a surrogate pair without the other.
_ESCAPE = re.compile(
    rb"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|(u[dD][89a-fA-F][0-9a-fA-F]{2})|.)",
    re.DOTALL,
)
_HUGE = 10**300
# A string, or one that is never closed: else each of its escaped quotes would be looked at as the next one.
_STRING = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*(?:"|\\?\Z)', re.DOTALL)


def loose_of(record: bytes) -> Any:
    """Return the object of a record: the fields that matter here, column-shaped if it has `Timestamps`.

    Raises RecordError when the record as a whole is no click.
    """
    reason = "too_large"
    if len(record) > MAX_RECORD_BYTES:
        raise RecordError(reason)
    reason = "not_json"
    if is_deep(record):
        raise RecordError(reason)
    try:
        record.decode()
        return _loose_in(whole_characters(record))
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        raise RecordError(reason) from None


def _loose_in(record: bytes) -> Any:
    try:
        return ANY.decode(record)
    except msgspec.ValidationError:
        pass
    try:
        loose = WRITTEN.decode(record)
    except msgspec.ValidationError:
        _value(msgspec.Raw(record))
        reason = "not_a_click"
        raise RecordError(reason) from None
    for name in loose.__struct_fields__:
        value = getattr(loose, name)
        if value is not msgspec.UNSET:
            setattr(loose, name, _value(value))
    return loose


def whole_characters(record: bytes) -> bytes:
    """Return a record in which half of a surrogate pair is U+FFFD, as escapes have it that were cut."""
    return _ESCAPE.sub(_whole, record) if b"\\u" in record else record


def _whole(match: re.Match[bytes]) -> bytes:
    return b"\\ufffd" if match[1] else match[0]


def click_of(fields: Any, newest_ns: int) -> tuple[Any, ...]:
    """Return the fields USED of an object that is a click, the event time in nanoseconds.

    Raises RecordError, also for an event time after `newest_ns`.
    """
    values = [known(name, getattr(fields, name)) for name in USED]
    if any(type(value) not in TYPES[name] for name, value in zip(USED, values, strict=True)):
        reason = "bad_type"
        raise RecordError(reason)
    time, user, *others = values
    if time is None:
        reason = "no_time"
        raise RecordError(reason)
    if user is None or user == "":
        reason = "no_user"
        raise RecordError(reason)
    user = user_of(user)
    if any(
        len(value or "") > MAX_NAME_CHARS for value in (user, *(getattr(fields, name) for name in NAMES[1:]))
    ):
        reason = "too_long"
        raise RecordError(reason)
    time_ns = ns_of(time)
    if time_ns < OLDEST_NS:
        reason = "too_old"
        raise RecordError(reason)
    if time_ns > newest_ns:
        reason = "too_new"
        raise RecordError(reason)
    return time_ns, user, *others


def known(name: str, value: Any) -> Any:
    """Return a field's value; None for what counts as missing."""
    if name in LOOSE_FIELDS:
        return value if isinstance(value, str) and value else None
    return None if value == "" and name not in REQUIRED else value


def user_of(user: str | int) -> str:
    """Return a visitor's id as text."""
    if isinstance(user, str):
        return user
    # Python writes no more than 4,300 digits; more than 300 are too long for an id anyway.
    return str(user) if abs(user) < _HUGE else "9" * 300


def ns_of(time: float | str) -> int:
    """Return a timestamp in nanoseconds since 1970 UTC. Raises RecordError if no int64 could hold it."""
    if isinstance(time, str):
        return iso_ns(time)
    reason = "bad_time"
    if isinstance(time, float):
        if not math.isfinite(time):
            raise RecordError(reason)
        # The digits that it was written with, or as few as tell it from others.
        return int(Decimal(repr(time)) * _factor(abs(time))) if abs(time) < _INT64 else _INT64
    if not -_INT64 <= time < _INT64:
        raise RecordError(reason)
    return time * _factor(abs(time))


def _factor(size: float) -> int:
    return 10**9 if size < S_BELOW else 10**6 if size < MS_BELOW else 10**3 if size < US_BELOW else 1


def nanoseconds(time: Ints) -> Ints:
    """Return integer timestamps in nanoseconds, all int64; what they count is told by their size."""
    size = np.abs(np.maximum(time, 1 - (1 << 63)))
    if not len(time) or size.min() >= US_BELOW:
        return time
    bounds = [size < S_BELOW, size < MS_BELOW, size < US_BELOW]
    return np.select(bounds, [_times(time, factor) for factor in (10**9, 10**6, 10**3)], time)


def _times(time: Ints, factor: int) -> Ints:
    """Multiply, clipped: a year that no int64 of nanoseconds can hold stays far off."""
    limit = (1 << 63) // factor - 1
    multiplied: Ints = np.clip(time, -limit, limit) * factor
    return multiplied


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
