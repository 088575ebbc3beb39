"""Decoding: records as bytes in, clicks as columns out; every record that is no click set aside by reason.

Records are decoded by the chunk; only a chunk that holds something unusual is judged record by record.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from typing import Annotated, Any, Final, NoReturn

import msgspec
import numpy as np

from flows.columns import Clicks, Ints, Lines, Rejection, Words
from flows.items import Batch

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

_CHUNK_BYTES = 1 << 16
_CHUNK_RECORDS = 256
_OLDEST_NS = 946_684_800 * 10**9
_AHEAD_NS = 300 * 10**9
_INT64 = 1 << 63
# Below these magnitudes an integer timestamp counts milliseconds, microseconds; else nanoseconds.
_MS_BELOW, _US_BELOW = 10**14, 10**17
# What datetime.fromisoformat takes on Python 3.10, and a Z, and up to nanoseconds.
_ISO = re.compile(
    r"(\d{4}-\d\d-\d\d)"
    r"(?:.(\d\d(?::\d\d(?::\d\d)?)?)(?:(?<=:\d\d:\d\d)\.(\d{1,9}))?"
    r"(Z|[+-]\d\d:\d\d(?::\d\d(?:\.\d{6})?)?)?)?",
    re.ASCII | re.DOTALL,
)


class _Refused:
    """The type of a field whose mere presence, be it null, sends a record to `_judge`."""


def _refuse(_type: type, _value: object) -> None:
    message = "column shape"
    raise ValueError(message)


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
    Timestamps: _Refused = _Refused()


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
_fast = msgspec.json.Decoder(Click, dec_hook=_refuse)
_loose = msgspec.json.Decoder(_Loose)


_STRING = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"', re.DOTALL)


class RecordError(Exception):
    """A record, or a row of one, is no click; the text is its reason."""


class _Reading:
    """What decoding one batch gathers: clicks with their record's index, and what is set aside."""

    def __init__(self, read_ms: int) -> None:
        self.read_ms = read_ms
        self.clicks: list[Click] = []
        self.times: list[Any] = []
        self.rows: list[int] = []
        self.rejected: list[tuple[str, int, bytes]] = []
        self.shown: dict[int, bytes] = {}

    def judge(self, row: int, record: bytes) -> None:
        """Decode one record with care: a click, several (column shape), or a reason."""
        try:
            for click in _judge(record, self.read_ms):
                if isinstance(click, str):
                    self.rejected.append((click, row, record))
                    continue
                fields, plain = click
                if plain is not None:
                    self.shown[len(self.clicks)] = plain
                self.clicks.append(fields)
                self.times.append(np.array([fields.timestamp], np.int64))
                self.rows.append(row)
        except RecordError as error:
            self.rejected.append((str(error), row, record))


def decode(batch: Batch, *, mask_ip: bool = False) -> Clicks:
    """Decode a batch; nothing in a record can make this fail.

    Returns the clicks in the order of arrival, as columns; those rejected (see REASONS) are in `rejected`,
    with their source position and first 512 bytes.
    """
    reading = _Reading(batch.read_ms)
    lines = Lines(batch.data, batch.start, batch.positions)
    for first, records, texts in _chunks(batch.data):
        decoded = _decode_chunk(records, texts)
        if decoded is not None:
            reading.clicks += decoded[0]
            reading.times.append(decoded[1])
            reading.rows.extend(range(first, first + len(records)))
        else:
            for row, record in enumerate(records, first):
                if record.strip() or isinstance(batch.data, list):
                    reading.judge(row, record)
    time_ns, kept = _times(reading, batch.read_ms)
    rejected = [
        Rejection(reason, lines.position(row), record[:KEPT_BYTES])
        for reason, row, record in reading.rejected
    ]
    rejected += [
        Rejection(reason, lines.position(reading.rows[i]), lines.record(reading.rows[i])[:KEPT_BYTES])
        for reason, i in kept.dropped
    ]
    rejected += [Rejection("too_large", position, head) for position, head in batch.too_large]
    rejected.sort(key=lambda rejection: rejection.position)
    return _columns(batch, lines, reading, time_ns, kept.index, rejected, mask_ip=mask_ip)


def _chunks(data: bytes | list[bytes]) -> Iterator[tuple[int, list[bytes], list[bytes]]]:
    """Yield (index of the first record, records, texts that hold them)."""
    if isinstance(data, list):
        for first in range(0, len(data), _CHUNK_RECORDS):
            chunk = data[first : first + _CHUNK_RECORDS]
            yield first, chunk, chunk
        return
    start, row = 0, 0
    while start < len(data):
        end = data.rfind(b"\n", start, start + _CHUNK_BYTES) + 1 or data.find(b"\n", start) + 1 or len(data)
        text = data[start:end]
        # Line by line, as a reader of many lines may take two values of one line for two lines.
        records = text.removesuffix(b"\n").split(b"\n")
        yield row, records, [text]
        start, row = end, row + len(records)


def _decode_chunk(records: list[bytes], texts: list[bytes]) -> tuple[list[Click], Ints] | None:
    """Decode all records of a chunk, with their timestamps; None if any of them needs judging."""
    # What is shorter than its brackets would be cannot be too deep.
    if max(map(len, records)) > 2 * MAX_DEPTH and any(map(_large_or_deep, records)):
        return None
    if not all(map(_is_utf8, texts)):
        return None
    try:
        clicks = list(map(_fast.decode, records))
        return clicks, np.fromiter([click.timestamp for click in clicks], np.int64, len(clicks))
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, OverflowError):
        return None


def _large_or_deep(record: bytes) -> bool:
    return len(record) > MAX_RECORD_BYTES or _is_deep(record)


def _is_deep(record: bytes) -> bool:
    """Whether brackets outside strings are nested more than MAX_DEPTH deep."""
    if record.count(b"[") + record.count(b"{") <= MAX_DEPTH:
        return False
    text = np.frombuffer(_STRING.sub(b"", record), np.uint8)
    # "[" and "{", and "]" and "}", differ in one bit.
    steps = ((text | 32) == ord("{")).astype(np.int32) - ((text | 32) == ord("}"))
    return bool(len(steps)) and int(np.cumsum(steps).max()) > MAX_DEPTH


def _is_utf8(data: bytes) -> bool:
    if data.isascii():
        return True
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


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


def _judge(record: bytes, read_ms: int) -> Iterator[tuple[Click, bytes | None] | str]:
    """Yield the clicks of one record, each with its plain form if that is not the record itself.

    A row of a column-shaped record that is no click is its reason instead. Raises RecordError when the
    record as a whole is none.
    """
    if len(record) > MAX_RECORD_BYTES:
        reason = "too_large"
        raise RecordError(reason)
    loose = _parsed(record)
    if loose.Timestamps is msgspec.UNSET:
        yield _click({name: _value(getattr(loose, name)) for name in _USED}, read_ms), None
        return
    for fields in _rows(loose):
        try:
            click = _click(fields, read_ms)
        except RecordError as error:
            yield str(error)
        else:
            yield click, msgspec.json.encode(fields | {"timestamp": click.timestamp})


def _parsed(record: bytes) -> Any:
    """Return the object of a record, its fields still JSON. Raises RecordError."""
    reason = "not_json"
    if _is_deep(record):
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


def _click(fields: dict[str, Any], read_ms: int) -> Click:
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
    time_ns = _iso_ns(time) if isinstance(time, str) else _integer_ns(time)
    if time_ns < _OLDEST_NS:
        reason = "too_old"
        raise RecordError(reason)
    if time_ns > read_ms * 10**6 + _AHEAD_NS:
        reason = "too_new"
        raise RecordError(reason)
    others: list[Any] = [fields.get(name) for name in _USED[1:]]
    return Click(time_ns, *others)


def _integer_ns(value: int) -> int:
    if not -_INT64 <= value < _INT64:
        reason = "bad_time"
        raise RecordError(reason)
    size = abs(value)
    return value * (10**6 if size < _MS_BELOW else 10**3 if size < _US_BELOW else 1)


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


class _Kept:
    """Which clicks pass the check of their time: their index, and what was dropped with its reason."""

    def __init__(self, time_ns: Ints, read_ms: int) -> None:
        old, new = time_ns < _OLDEST_NS, time_ns > read_ms * 10**6 + _AHEAD_NS
        bad = old | new
        self.index: Ints | None = None
        self.dropped: list[tuple[str, int]] = []
        if bad.any():
            self.index = np.flatnonzero(~bad)
            self.dropped = [("too_old" if old[i] else "too_new", int(i)) for i in np.flatnonzero(bad)]


def _times(reading: _Reading, read_ms: int) -> tuple[Ints, _Kept]:
    time_ns = np.concatenate([np.empty(0, np.int64), *reading.times])
    size = np.abs(np.maximum(time_ns, 1 - _INT64))
    if len(size) and size.min() < _US_BELOW:
        # Clipped, so that a year that no int64 of nanoseconds can hold stays far off.
        from_ms = np.clip(time_ns, -_INT64 // 10**6, _INT64 // 10**6) * 10**6
        time_ns = np.where(size < _MS_BELOW, from_ms, np.where(size < _US_BELOW, time_ns * 10**3, time_ns))
    return time_ns, _Kept(time_ns, read_ms)


def _columns(
    batch: Batch,
    lines: Lines,
    reading: _Reading,
    time_ns: Ints,
    index: Ints | None,
    rejected: list[Rejection],
    *,
    mask_ip: bool,
) -> Clicks:
    clicks, rows, shown = reading.clicks, np.array(reading.rows, np.int32), reading.shown
    if index is not None:
        shown = {new: shown[old] for new, old in enumerate(index.tolist()) if old in shown}
        clicks, rows, time_ns = [clicks[i] for i in index.tolist()], rows[index], time_ns[index]
    visitor = np.empty(len(clicks), object)
    visitor[:] = [click.userId for click in clicks]
    return Clicks(
        source=batch.source,
        parts=batch.parts,
        start=batch.start,
        end=batch.end,
        read_ms=batch.read_ms,
        logged_ms=batch.logged_ms,
        marker=batch.marker,
        time_ns=time_ns,
        visitor=visitor,
        row=rows,
        product=Words.of([click.productId for click in clicks]),
        category=Words.of([click.category for click in clicks]),
        title=Words.of([click.title for click in clicks]),
        device=Words.of([click.deviceType for click in clicks]),
        gender=Words.of([click.gender for click in clicks]),
        age=_floats([click.age for click in clicks]),
        lines=lines,
        shown=shown,
        rejected=rejected,
        mask_ip=mask_ip,
    )


def _floats(numbers: list[int | float | None]) -> Ints:
    try:
        return np.array(numbers, np.float64)
    except OverflowError:
        # An age of 400 digits is a number too.
        return np.array([_float(number) for number in numbers], np.float64)


def _float(number: float | None) -> float | None:
    try:
        return None if number is None else float(number)
    except OverflowError:
        return math.copysign(math.inf, -1 if number and number < 0 else 1)
