"""Decoding: records as bytes in, clicks as columns out; every record that is no click set aside by reason.

Records are decoded by the chunk; only a chunk that holds something unusual is judged record by record.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import msgspec
import numpy as np

from flows.columns import Clicks, Ints, Lines, Rejection, Words
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
    is_deep,
    judge,
)

_CHUNK_BYTES = 1 << 16
_CHUNK_RECORDS = 256


def _refuse(_type: type, _value: object) -> None:
    message = "column shape"
    raise ValueError(message)


_fast = msgspec.json.Decoder(Click, dec_hook=_refuse)


class _Reading:
    """What decoding one batch gathers: clicks with their record's index, and what is set aside."""

    def __init__(self, batch: Batch) -> None:
        self.newest_ns = batch.read_ms * 10**6 + AHEAD_NS
        self.lines = Lines(batch.data, batch.start, batch.positions)
        self.clicks: list[Click] = []
        self.times: list[Ints] = []
        self.rows: list[int] = []
        self.rejected: list[Rejection] = [Rejection("too_large", *head) for head in batch.too_large]
        self.shown: dict[int, bytes] = {}

    def read(self, first: int, records: list[bytes], texts: list[bytes]) -> bool:
        """Decode all records of a chunk at once; returns False if any of them needs judging."""
        # What is shorter than its brackets would be cannot be too deep.
        if max(map(len, records)) > 2 * MAX_DEPTH and any(map(_large_or_deep, records)):
            return False
        if not all(map(_is_utf8, texts)):
            return False
        try:
            clicks = list(map(_fast.decode, records))
            time_ns = _nanoseconds(np.fromiter([click.timestamp for click in clicks], np.int64, len(clicks)))
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, OverflowError):
            return False
        if time_ns.min() < OLDEST_NS or time_ns.max() > self.newest_ns:
            return False
        self.clicks += clicks
        self.times.append(time_ns)
        self.rows.extend(range(first, first + len(records)))
        return True

    def read_parts(self, first: int, records: list[bytes]) -> None:
        """Halve a chunk until what needs judging stands alone."""
        if len(records) == 1:
            if records[0].strip() or isinstance(self.lines.data, list):
                self.judge(first, records[0])
            return
        middle = len(records) // 2
        for start, part in ((first, records[:middle]), (first + middle, records[middle:])):
            if not self.read(start, part, part):
                self.read_parts(start, part)

    def judge(self, row: int, record: bytes) -> None:
        """Decode one record with care: a click, several (column shape), or a reason."""
        try:
            for click in judge(record, self.newest_ns):
                if isinstance(click, str):
                    self._reject(click, row, record)
                    continue
                fields, plain = click
                if plain is not None:
                    self.shown[len(self.clicks)] = plain
                self.clicks.append(fields)
                self.times.append(np.array([fields.timestamp], np.int64))
                self.rows.append(row)
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
    for first, records, texts in _chunks(reading.lines):
        if not reading.read(first, records, texts):
            reading.read_parts(first, records)
    reading.rejected.sort(key=lambda rejection: rejection.position)
    return _columns(batch, reading, mask_ip=mask_ip)


def _chunks(lines: Lines) -> Iterator[tuple[int, list[bytes], list[bytes]]]:
    """Yield (index of the first record, records, texts that hold them)."""
    data = lines.data
    if isinstance(data, list):
        for first in range(0, len(data), _CHUNK_RECORDS):
            chunk = data[first : first + _CHUNK_RECORDS]
            yield first, chunk, chunk
        return
    start, row = 0, 0
    while start < len(data):
        end = data.rfind(b"\n", start, start + _CHUNK_BYTES) + 1 or data.find(b"\n", start) + 1 or len(data)
        lines.chunk(row, start, end)
        text = data[start:end]
        # Line by line, as a reader of many lines may take two values of one line for two lines.
        records = text.removesuffix(b"\n").split(b"\n")
        yield row, records, [text]
        start, row = end, row + len(records)


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
    clicks = reading.clicks
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
        time_ns=np.concatenate([np.empty(0, np.int64), *reading.times]),
        visitor=visitor,
        row=np.array(reading.rows, np.int32),
        product=Words.of([click.productId for click in clicks]),
        category=Words.of([click.category for click in clicks]),
        title=Words.of([click.title for click in clicks]),
        device=Words.of([click.deviceType for click in clicks]),
        gender=Words.of([click.gender for click in clicks]),
        age=_floats([click.age for click in clicks]),
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
