"""Decoding: records as bytes in, clicks as columns out; every record that is no click set aside by reason.

Records are decoded by the chunk; only a chunk that holds something unusual is judged record by record.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Iterator

import msgspec
import numpy as np

from flows.columns import Clicks, Encoder, Ints, Lines, Rejection
from flows.items import Batch
from flows.judging import (
    AHEAD_NS,
    KEPT_BYTES,
    MAX_DEPTH,
    MAX_RECORD_BYTES,
    MS_BELOW,
    OLDEST_NS,
    US_BELOW,
    Click,
    RecordError,
    integer_ns,
    is_deep,
    judge,
)

# Small enough for the clicks of a chunk to stay in the processor's cache until they are columns.
_CHUNK = 128


def _refuse(_type: type, _value: object) -> None:
    message = "column shape"
    raise ValueError(message)


_first, _last = operator.itemgetter(0), operator.itemgetter(-1)
_fast = msgspec.json.Decoder(Click, dec_hook=_refuse)
_BROKEN = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, OverflowError)


class _Reading:
    """What decoding one batch gathers: columns, and what is set aside."""

    def __init__(self, batch: Batch) -> None:
        self.newest_ns = batch.read_ms * 10**6 + AHEAD_NS
        self.lines = Lines(batch.data, batch.start, batch.positions)
        self.times: list[Ints] = [np.empty(0, np.int64)]
        self.rows: list[Ints] = [np.empty(0, np.int32)]
        self.ages: list[Ints] = [np.empty(0, np.float64)]
        self.taken = 0
        self.visitor = Encoder()
        self.product, self.category, self.title = Encoder(), Encoder(), Encoder()
        self.device, self.gender = Encoder(), Encoder()
        self.rejected: list[Rejection] = [Rejection("too_large", *head) for head in batch.too_large]
        self.shown: dict[int, bytes] = {}

    def read(self, first: int, last: int, *, lines: bool) -> bool:
        """Decode the records [first, last) at once, as `lines` if they can be; False if any needs judging."""
        try:
            clicks = self._clicks(first, last, lines=lines)
            time_ns = _nanoseconds(np.fromiter([click.timestamp for click in clicks], np.int64, len(clicks)))
        except _BROKEN:
            return False
        if len(clicks) != last - first or time_ns.min() < OLDEST_NS or time_ns.max() > self.newest_ns:
            return False
        self._take(clicks, time_ns, np.arange(first, last, dtype=np.int32))
        return True

    def _clicks(self, first: int, last: int, *, lines: bool) -> list[Click]:
        """Decode; raises one of _BROKEN or gives another number of clicks if a record is no plain one."""
        if lines:
            text = self.lines.text(first, last)
            return _fast.decode_lines(text) if _is_utf8(text) else []
        records = self.lines.records(first, last)
        if not _are_plain(records):
            return []
        text = b"\n".join(records)
        return _fast.decode_lines(text) if text.count(b"\n") == len(records) - 1 and _is_utf8(text) else []

    def _take(self, clicks: list[Click], time_ns: Ints, rows: Ints) -> None:
        self.times.append(time_ns)
        self.rows.append(rows)
        self.taken += len(clicks)
        self.visitor.add([click.userId for click in clicks])
        self.product.add([click.productId for click in clicks])
        self.category.add([click.category for click in clicks])
        self.title.add([click.title for click in clicks])
        self.device.add([click.deviceType for click in clicks])
        self.gender.add([click.gender for click in clicks])
        self.ages.append(_floats([click.age for click in clicks]))

    def read_each(self, first: int, last: int) -> None:
        """Decode records one by one, and judge those that are no plain click."""
        run: list[Click] = []
        for row, record in enumerate(self.lines.records(first, last), first):
            click = self._plain(record)
            if click is not None:
                run.append(click)
                continue
            self._take_run(run, row)
            run = []
            if record.strip() or isinstance(self.lines.data, list):
                self.judge(row, record)
        self._take_run(run, last)

    def _plain(self, record: bytes) -> Click | None:
        try:
            click = _fast.decode(record) if not _large_or_deep(record) and _is_utf8(record) else None
            if click is not None:
                click.timestamp = integer_ns(click.timestamp)
        except (*_BROKEN, RecordError):
            return None
        return click if click is not None and OLDEST_NS <= click.timestamp <= self.newest_ns else None

    def _take_run(self, clicks: list[Click], end: int) -> None:
        """Take clicks of the records that end before `end`, their times in nanoseconds."""
        if clicks:
            time_ns = np.fromiter([click.timestamp for click in clicks], np.int64, len(clicks))
            self._take(clicks, time_ns, np.arange(end - len(clicks), end, dtype=np.int32))

    def judge(self, row: int, record: bytes) -> None:
        """Decode one record with care: a click, several (column shape), or a reason."""
        try:
            for click in judge(record, self.newest_ns):
                if isinstance(click, str):
                    self._reject(click, row, record)
                    continue
                fields, plain = click
                if plain is not None:
                    self.shown[self.taken] = plain
                self._take_run([fields], row + 1)
        except RecordError as error:
            self._reject(str(error), row, record)

    def _reject(self, reason: str, row: int, record: bytes) -> None:
        self.rejected.append(Rejection(reason, self.lines.position(row), record[:KEPT_BYTES]))


def decode(batch: Batch, *, mask_ip: bool = False) -> Clicks:
    """Decode a batch; nothing in a record can make this fail.

    Returns the clicks in the order of arrival, as columns; those rejected (see flows.judging.REASONS) are in
    `rejected`, by position, with their first 512 bytes.
    """
    reading = _Reading(batch)
    for first, last, lines in _chunks(reading.lines):
        if not reading.read(first, last, lines=lines):
            reading.read_each(first, last)
    reading.rejected.sort(key=lambda rejection: rejection.position)
    return _columns(batch, reading, mask_ip=mask_ip)


def _chunks(lines: Lines) -> Iterator[tuple[int, int, bool]]:
    """Yield (first, last, whether the records [first, last) may be read as lines)."""
    plain = _plain_lines(lines)
    for first in range(0, len(lines), _CHUNK):
        last = min(first + _CHUNK, len(lines))
        yield first, last, bool(plain[first:last].all())


def _are_plain(records: list[bytes]) -> bool:
    """Return whether every record is what `_plain_lines` looks for."""
    if not all(records) or max(map(len, records)) >= 2 * MAX_DEPTH:
        return False
    return set(map(_first, records)) == {ord("{")} and set(map(_last, records)) == {ord("}")}


def _plain_lines(lines: Lines) -> Ints:
    """Return for each record whether it is a line from { to }, and shorter than brackets too deep would be.

    Where all lines of a text are, every newline stands between two values, since none can follow a } within
    a value. So if there are as many values as lines, each line is one.
    """
    if isinstance(lines.data, list) or not lines.data:
        return np.zeros(len(lines), bool)
    data = np.frombuffer(lines.data, np.uint8)
    starts, ends = lines.bounds[:-1], lines.bounds[1:] - 2
    sized = (ends > starts) & (ends < starts + 2 * MAX_DEPTH)
    plain: Ints = sized & (data[starts * sized] == ord("{")) & (data[ends * sized] == ord("}"))
    return plain


def _nanoseconds(time: Ints) -> Ints:
    """Tell milliseconds and microseconds by their magnitude, and return nanoseconds."""
    size = np.abs(np.maximum(time, 1 - (1 << 63)))
    if not len(time) or size.min() >= US_BELOW:
        return time
    # Clipped, so that a year that no int64 of nanoseconds can hold stays far off.
    limit = (1 << 63) // 10**6
    from_ms = np.clip(time, -limit, limit) * 10**6
    return np.where(size < MS_BELOW, from_ms, np.where(size < US_BELOW, time * 10**3, time))


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
    return Clicks(
        source=batch.source,
        parts=batch.parts,
        start=batch.start,
        end=batch.end,
        read_ms=batch.read_ms,
        logged_ms=batch.logged_ms,
        marker=batch.marker,
        time_ns=np.concatenate(reading.times),
        visitor=reading.visitor.column(),
        row=np.concatenate(reading.rows),
        product=reading.product.column(),
        category=reading.category.column(),
        title=reading.title.column(),
        device=reading.device.column(),
        gender=reading.gender.column(),
        age=np.concatenate(reading.ages),
        lines=reading.lines,
        shown=reading.shown,
        rejected=reading.rejected,
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
