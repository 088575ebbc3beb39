"""Decoding: records as bytes in, clicks as columns out; every record that is no click set aside by reason.

Records are decoded by the chunk. Only the part of one that holds something unusual is judged one by one.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import numpy as np
from msgspec.structs import astuple

from flows.ingest.bots import bots_of
from flows.ingest.column_shape import rows_of
from flows.ingest.forms import USED, Click, WideClick
from flows.ingest.iso import RecordError
from flows.ingest.validate import MAX_DEPTH, click_of, is_deep, loose_of, nanoseconds, ns_of, user_of
from flows.model.batch import Batch
from flows.model.clicks import Clicks
from flows.model.columns import Bools, Columns, Encoder, Floats, Ints
from flows.model.event_time import OLDEST_NS
from flows.model.fields import MAX_NAME_CHARS, NUMBERS, WORDS
from flows.model.lines import Lines
from flows.model.rejected import CODES, MAX_RECORD_BYTES, Rejecting

Fields = Mapping[str, Sequence[Any]]

# Small enough for the clicks of a chunk to stay in the processor's cache until they are columns.
_CHUNK, _FEW = 128, 32
# Of short records that are no clicks so many are known again in a batch.
_KNOWN, _SHORT_BYTES = 1000, 64


def _refuse(_type: type, _value: object) -> None:
    message = "column shape"
    raise ValueError(message)


_first, _last = operator.itemgetter(0), operator.itemgetter(-1)
_fast = msgspec.json.Decoder(Click, dec_hook=_refuse)
_wide = msgspec.json.Decoder(WideClick, dec_hook=_refuse)
_BROKEN = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, OverflowError)


class _Reading:
    """What decoding one batch gathers: columns, and what is set aside."""

    def __init__(self, batch: Batch) -> None:
        self.newest_ns = batch.read_ms * 10**6 + batch.ahead_s * 10**9
        self.lines = Lines(batch.data, batch.start, batch.positions, batch.bounds)
        self.times: list[Ints] = [np.empty(0, np.int64)]
        self.rows: list[Ints] = [np.empty(0, np.int32)]
        self.words = {field.name: Encoder() for field in WORDS}
        self.numbers: dict[str, list[Floats]] = {field.name: [np.empty(0, np.float64)] for field in NUMBERS}
        self.rejecting = Rejecting()
        self.in_columns: list[int] = []
        self._known: dict[bytes, list[int]] = {}

    def read(self, first: int, last: int, *, lines: bool) -> bool:
        """Decode the records [first, last) at once, as `lines` if they can be; False if any needs judging."""
        try:
            fields, time_ns = self._fields(first, last, lines=lines)
        except (*_BROKEN, RecordError):
            return False
        if len(time_ns) != last - first or time_ns.min() < OLDEST_NS or time_ns.max() > self.newest_ns:
            return False
        self._take(time_ns, np.arange(first, last, dtype=np.int32), fields)
        return True

    def _fields(self, first: int, last: int, *, lines: bool) -> tuple[Fields, Ints]:
        """Return the fields of records, and their times (ns).

        Raises what `_decoded` does, or gives another number of them, if a record is no plain one.
        """
        if lines:
            text = self.lines.text(first, last)
            return _decoded(text) if _is_utf8(text) else _NONE
        records = self.lines.records(first, last)
        if not _are_plain(records):
            return _NONE
        text = b"\n".join(records)
        return _decoded(text) if text.count(b"\n") == len(records) - 1 and _is_utf8(text) else _NONE

    def _take(self, time_ns: Ints, rows: Ints, fields: Fields) -> None:
        self.times.append(time_ns)
        self.rows.append(rows)
        for name, encoder in self.words.items():
            encoder.add(fields[name])
        for name, numbers in self.numbers.items():
            numbers.append(_floats(fields[name]))

    def read_each(self, first: int, last: int) -> None:
        """Decode records one by one, and judge those that are no plain click."""
        records = self.lines.records(first, last)
        if all(map(self._known.__contains__, records)):
            for row, record in enumerate(records, first):
                self.rejecting.add(row, record, self._known[record])
            return
        run: list[Any] = []
        for row, record in enumerate(records, first):
            click = self._plain(record)
            if click is not None:
                run.append(click)
                continue
            self._take_run(run, row)
            run = []
            if record.strip() or isinstance(self.lines.data, list):
                self.judge(row, record)
        self._take_run(run, last)

    def _plain(self, record: bytes) -> Any:
        """Return the `Click` of a record, its `timestamp` in nanoseconds; None if it is no plain one."""
        if record in self._known:
            return None
        try:
            click = _fast.decode(record) if not _large_or_deep(record) and _is_utf8(record) else None
            time_ns = 0 if click is None else ns_of(click.timestamp)
        except (*_BROKEN, RecordError):
            return None
        if click is None or not OLDEST_NS <= time_ns <= self.newest_ns:
            return None
        click.timestamp = time_ns
        return click

    def _take_run(self, clicks: list[Any], end: int) -> None:
        """Take clicks of the records that end before `end`, their times in nanoseconds."""
        if clicks:
            fields = _fields_of(clicks)
            rows = np.arange(end - len(clicks), end, dtype=np.int32)
            self._take(np.array(fields["timestamp"], np.int64), rows, fields)

    def judge(self, row: int, record: bytes) -> None:
        """Decode one record with care: a click, several (column shape), or a reason."""
        codes = self._known.get(record)
        if codes is None:
            try:
                loose = loose_of(record)
                if loose.Timestamps is not msgspec.UNSET:
                    self._take_rows(row, record, loose)
                else:
                    self._take_run([click_of(loose, self.newest_ns)], row + 1)
                return
            except RecordError as error:
                codes = [CODES[str(error)]]
            if len(record) <= _SHORT_BYTES and len(self._known) < _KNOWN:
                self._known[record] = codes
        self.rejecting.add(row, record, codes)

    def _take_rows(self, row: int, record: bytes, loose: Any) -> None:
        rows = rows_of(loose, self.newest_ns)
        if rows.reasons:
            self.rejecting.add(row, record, rows.reasons)
        if len(rows.time_ns):
            self.in_columns.append(row)
            self._take(rows.time_ns, np.full(len(rows.time_ns), row, np.int32), rows.fields)


_NONE: tuple[Fields, Ints] = {}, np.empty(0, np.int64)


def _fields_of(clicks: list[Any]) -> Fields:
    return dict(zip(USED, zip(*map(astuple, clicks), strict=True), strict=False))


def _decoded(text: bytes) -> tuple[Fields, Ints]:
    """Decode lines that are clicks, and their times; raises one of _BROKEN or RecordError."""
    try:
        plain = _fields_of(_fast.decode_lines(text))
    except msgspec.ValidationError:
        clicks: list[Any] = _wide.decode_lines(text)
    else:
        return plain, nanoseconds(np.array(plain["timestamp"], np.int64))
    for click in clicks:
        click.userId = user_of(click.userId)
        if len(click.userId) > MAX_NAME_CHARS:
            reason = "too_long"
            raise RecordError(reason)
    return _fields_of(clicks), np.fromiter(
        [ns_of(click.timestamp) for click in clicks], np.int64, len(clicks)
    )


def decode(batch: Batch, *, mask_ip: bool = False) -> Clicks:
    """Decode a batch; nothing in a record can make this fail.

    Returns the clicks in the order of arrival, as columns; records that are none are in `rejected`.
    """
    reading = _Reading(batch)
    plain = _plain_lines(reading.lines)
    for first in range(0, len(reading.lines), _CHUNK):
        _read(reading, first, min(first + _CHUNK, len(reading.lines)), plain)
    return _columns(batch, reading, mask_ip=mask_ip)


def _read(reading: _Reading, first: int, last: int, plain: Bools) -> None:
    """Decode the records [first, last) at once, or by halves as long as one holds something unusual."""
    if reading.read(first, last, lines=bool(plain[first:last].all())):
        return
    if last - first <= _FEW:
        reading.read_each(first, last)
        return
    middle = (first + last) // 2
    _read(reading, first, middle, plain)
    _read(reading, middle, last, plain)


def _are_plain(records: list[bytes]) -> bool:
    """Return whether every record is what `_plain_lines` looks for."""
    if not all(records) or max(map(len, records)) >= 2 * MAX_DEPTH:
        return False
    return set(map(_first, records)) == {ord("{")} and set(map(_last, records)) == {ord("}")}


def _plain_lines(lines: Lines) -> Bools:
    """Return for each record whether it is a line from { to }, and shorter than brackets too deep would be.

    Where all lines of a text are, every newline stands between two values, since none can follow a } within
    a value. So if there are as many values as lines, each line is one.
    """
    if isinstance(lines.data, list) or not lines.data:
        return np.zeros(len(lines), bool)
    data = np.frombuffer(lines.data, np.uint8)
    starts, ends = lines.bounds[:-1], lines.bounds[1:] - 2
    sized = (ends > starts) & (ends < starts + 2 * MAX_DEPTH)
    plain: Bools = sized & (data[starts * sized] == ord("{")) & (data[ends * sized] == ord("}"))
    return plain


def _large_or_deep(record: bytes) -> bool:
    return len(record) > MAX_RECORD_BYTES or is_deep(record)


def _is_utf8(data: bytes) -> bool:
    if data.isascii():
        return True
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


def _columns(batch: Batch, reading: _Reading, *, mask_ip: bool) -> Clicks:
    columns = Columns(visitor=reading.words["userId"].column())
    for field in WORDS[1:]:
        columns[field.column] = reading.words[field.name].column().renamed(field.word)
    for field in NUMBERS:
        columns[field.column] = np.concatenate(reading.numbers[field.name])
    columns["bot"] = bots_of(columns)
    return Clicks(
        source=batch.source,
        parts=batch.parts,
        key=batch.key,
        log=batch.log,
        start=batch.start,
        end=batch.end,
        read_ms=batch.read_ms,
        until_s=batch.until_s,
        newest_ns=reading.newest_ns,
        barrier=batch.barrier,
        time_ns=np.concatenate(reading.times),
        row=np.concatenate(reading.rows),
        columns=columns,
        lines=reading.lines,
        in_columns=np.array(reading.in_columns, np.int32),
        rejected=reading.rejecting.all(reading.lines.positions, batch.set_aside),
        mask_ip=mask_ip,
    )


def _floats(numbers: Sequence[int | float | None]) -> Floats:
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
