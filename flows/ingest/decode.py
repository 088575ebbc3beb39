"""Decoding: records as bytes in, clicks as columns out; every record that is no click set aside by reason.

Nearly all records are plain, and scanned. The others are judged one by one, and their clicks put in between.
"""

from __future__ import annotations

import math
from typing import Any

import msgspec
import numpy as np

from flows.ingest.bots import bots_of
from flows.ingest.column_shape import rows_of
from flows.ingest.forms import USED
from flows.ingest.iso import RecordError
from flows.ingest.scanned import Scanned, scanned_in
from flows.ingest.validate import click_of, loose_of
from flows.model.batch import Batch
from flows.model.clicks import Clicks
from flows.model.columns import Columns, Ints, encoded
from flows.model.fields import NUMBERS, WORDS
from flows.model.lines import Lines
from flows.model.rejected import CODES, Rejecting

# Of short records that are no clicks so many are known again in a batch.
_KNOWN, _SHORT_BYTES = 1000, 64


class _Judging:
    """What judging records one by one gathers: columns of clicks, and what is set aside."""

    def __init__(self, newest_ns: int) -> None:
        self.newest_ns = newest_ns
        self.times: list[Ints] = []
        self.rows: list[int] = []
        self.fields: dict[str, list[Any]] = {name: [] for name in USED[1:]}
        self.rejecting = Rejecting()
        self.in_columns: list[int] = []
        self._known: dict[bytes, list[int]] = {}

    def judge(self, row: int, record: bytes) -> None:
        """Decode one record with care: a click, several (column shape), or a reason."""
        codes = self._known.get(record)
        if codes is None:
            try:
                self._take(row, record, loose_of(record))
                return
            except RecordError as error:
                codes = [CODES[str(error)]]
            if len(record) <= _SHORT_BYTES and len(self._known) < _KNOWN:
                self._known[record] = codes
        self.rejecting.add(row, record, codes)

    def _take(self, row: int, record: bytes, loose: Any) -> None:
        if loose.Timestamps is msgspec.UNSET:
            time_ns, *values = click_of(loose, self.newest_ns)
            self.times.append(np.array([time_ns], np.int64))
            self.rows.append(row)
            for column, value in zip(self.fields.values(), values, strict=True):
                column.append(value)
            return
        rows = rows_of(loose, self.newest_ns)
        if rows.reasons:
            self.rejecting.add(row, record, rows.reasons)
        if len(rows.time_ns):
            self.in_columns.append(row)
            self.times.append(rows.time_ns)
            self.rows += [row] * len(rows.time_ns)
            for name, column in self.fields.items():
                column += rows.fields[name]


def decode(batch: Batch, *, mask_ip: bool = False) -> Clicks:
    """Decode a batch; nothing in a record can make this fail.

    Returns the clicks in the order of arrival, as columns; records that are none are in `rejected`.
    """
    newest_ns = batch.read_ms * 10**6 + batch.ahead_s * 10**9
    lines = Lines(batch.data, batch.start, batch.positions, batch.bounds)
    scanned, judging = scanned_in(lines, newest_ns), _Judging(newest_ns)
    for row in np.flatnonzero(~scanned.plain).tolist():
        record = lines.record(row)
        # A line of white space is none; a Kafka record of it is one.
        if not isinstance(batch.data, bytes) or record.strip():
            judging.judge(row, record)
    row, time_ns, columns = _columns(scanned, judging)
    return Clicks(
        source=batch.source,
        parts=batch.parts,
        key=batch.key,
        log=batch.log,
        start=batch.start,
        end=batch.end,
        read_ms=batch.read_ms,
        until_s=batch.until_s,
        newest_ns=newest_ns,
        barrier=batch.barrier,
        time_ns=time_ns,
        row=row,
        columns=columns,
        lines=lines,
        in_columns=np.sort(np.append(scanned.in_columns, np.array(judging.in_columns, np.int32))),
        rejected=judging.rejecting.all(lines.positions, batch.set_aside),
        mask_ip=mask_ip,
    )


def _columns(scanned: Scanned, judging: _Judging) -> tuple[Ints, Ints, Columns]:
    """Return (the record of each click, its time, its columns), in the order of the records."""
    row, time_ns, columns = scanned.row, scanned.time_ns, Columns()
    for field in WORDS:
        column = scanned.words[field.name]
        if judging.rows:
            column = column.followed_by(encoded(judging.fields[field.name]))
        columns[field.column] = column if field.name == "userId" else column.renamed(field.word)
    for field in NUMBERS:
        judged = np.array(list(map(_float, judging.fields[field.name])), np.float64)
        columns[field.column] = np.append(scanned.numbers[field.name], judged)
    if judging.rows:
        row = np.append(row, np.array(judging.rows, np.int32))
        time_ns = np.concatenate([time_ns, *judging.times])
        order = np.argsort(row, kind="stable")
        row, time_ns, columns = row[order], time_ns[order], columns.take(order)
    columns["bot"] = bots_of(columns)
    return row, time_ns, columns


def _float(number: float | None) -> float | None:
    try:
        return None if number is None else float(number)
    except OverflowError:
        # An age of 400 digits is a number too.
        return math.copysign(math.inf, -1 if number and number < 0 else 1)
