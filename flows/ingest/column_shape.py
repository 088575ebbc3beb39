"""The older shape of a record, in which a field is a column and a click is a row.

    {"Epoch": 0, "Timestamps": [ns, ns], "NumericValues": {"age": [42, 7]}, "StringValues": {"userId": [..]}}

It is judged by the column. A row that is no click has a reason and hides no other row.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from flows.ingest.forms import LOOSE_FIELDS, NAMES, TABLES, TYPES, USED
from flows.ingest.iso import RecordError
from flows.ingest.validate import known, loose_of, nanoseconds, ns_of, user_of
from flows.model.columns import Bools, Ints
from flows.model.event_time import OLDEST_NS
from flows.model.fields import MAX_NAME_CHARS
from flows.model.rejected import CODES, MAX_ROWS

# Sums of two integers below it are integers of 64 bits.
_SAFE = 1 << 62
_LAST_NS = (1 << 63) - 1


class Rows(NamedTuple):
    """The rows of one record: `good` are those that are clicks, the others have `reasons` (see CODES).

    `time_ns` int64 and the lists of `fields`, used ones but the timestamp, are of the good rows alone.
    """

    good: Bools
    reasons: list[int]
    time_ns: Ints
    fields: dict[str, list[Any]]


def rows_of(loose: Any, newest_ns: int) -> Rows:
    """Judge the rows of a record as `flows.ingest.validate.loose_of` gave it; raises RecordError."""
    tables = _tables(loose)
    size = len(loose.Timestamps)
    fields = {name: _column(tables, name, size) for name in USED[1:]}
    for name in USED[2:]:
        if name in LOOSE_FIELDS or "" in fields[name]:
            fields[name] = [known(name, value) for value in fields[name]]
    reasons = np.zeros(size, np.uint8)

    def reject(rows: Bools, reason: str) -> None:
        reasons[rows & (reasons == 0)] = CODES[reason] + 1

    for name in USED[1:]:
        reject(_of_wrong_type(fields[name], name), "bad_type")
    reject(_of_wrong_type(loose.Timestamps, "timestamp"), "bad_type")
    reject(np.array([time is None for time in loose.Timestamps], bool), "no_time")
    reject(np.array([user is None or user == "" for user in fields["userId"]], bool), "no_user")
    if int in set(map(type, fields["userId"])):
        fields["userId"] = [user_of(user) if type(user) is int else user for user in fields["userId"]]
    for name in NAMES:
        reject(_too_long(fields[name]), "too_long")
    time_ns, read = _times(loose.Timestamps, loose.Epoch, reasons == 0)
    reject(~read, "bad_time")
    reject(time_ns < OLDEST_NS, "too_old")
    reject(time_ns > newest_ns, "too_new")
    good = reasons == 0
    index = np.flatnonzero(good).tolist()
    taken = {name: [column[row] for row in index] for name, column in fields.items()}
    return Rows(good, (reasons[~good] - 1).tolist(), time_ns[good], taken)


def plain_rows(record: bytes, newest_ns: int, numbers: list[int]) -> list[dict[str, Any]]:
    """Return good rows of a record, by their number among them, as plain clicks with all their fields."""
    loose = loose_of(record)
    tables = _tables(loose)
    good = np.flatnonzero(rows_of(loose, newest_ns).good)[numbers].tolist()
    return [
        {name: column[row] for table in tables for name, column in table.items() if column[row] is not None}
        for row in good
    ]


def _tables(loose: Any) -> list[dict[str, list[Any]]]:
    """Return the tables of columns, the weakest first."""
    times = loose.Timestamps
    groups = [getattr(loose, name) for name in TABLES]
    tables = [{} if group is None else group for group in groups]
    if (
        not isinstance(times, list)
        or len(times) > MAX_ROWS
        or type(loose.Epoch) is not int
        or not all(isinstance(table, dict) for table in tables)
        or not all(
            isinstance(column, list) and len(column) == len(times)
            for table in tables
            for column in table.values()
        )
    ):
        reason = "bad_columns"
        raise RecordError(reason)
    return tables


def _column(tables: list[dict[str, list[Any]]], name: str, size: int) -> list[Any]:
    """Return a field's column; a null in one table lets the weaker one before it speak."""
    columns = [table[name] for table in tables if name in table]
    if not columns:
        return [None] * size
    column = columns[-1]
    for weaker in reversed(columns[:-1]):
        column = [other if value is None else value for value, other in zip(column, weaker, strict=True)]
    return column


def _of_wrong_type(column: list[Any], name: str) -> Bools:
    allowed = TYPES[name]
    if allowed.issuperset(map(type, column)):
        return np.zeros(len(column), bool)
    return np.array([type(value) not in allowed for value in column], bool)


def _too_long(column: list[Any]) -> Bools:
    lengths = [len(value) if type(value) is str else 0 for value in column]
    return np.array(lengths, np.int64) > MAX_NAME_CHARS


def _times(times: list[Any], epoch: int, wanted: Bools) -> tuple[Ints, Bools]:
    """Return (the event times in nanoseconds of the rows `wanted`, whether each can be read)."""
    if -_SAFE < epoch < _SAFE and set(map(type, times)) == {int}:
        try:
            array = np.array(times, np.int64)
        except OverflowError:
            pass
        else:
            if len(array) and array.min() > -_SAFE and array.max() < _SAFE:
                return nanoseconds(array + epoch), np.ones(len(array), bool)
    time_ns, read = np.full(len(times), OLDEST_NS), np.ones(len(times), bool)
    for row in np.flatnonzero(wanted).tolist():
        time = times[row]
        try:
            time_ns[row] = max(min(ns_of(time + epoch if type(time) is int else time), _LAST_NS), -_LAST_NS)
        except RecordError:
            read[row] = False
    return time_ns, read
