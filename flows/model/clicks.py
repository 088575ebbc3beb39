"""Clicks as columns: what one decoded batch holds."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from flows.model.batch import Barrier
from flows.model.columns import Columns, Ints, Words
from flows.model.lines import Lines
from flows.model.rejected import Rejected


@dataclass(kw_only=True)
class Clicks:
    """The clicks of one batch in the order of arrival; all columns have one length.

    `columns` are those of FIELDS: Words, the visitor never None, and for numbers float64 (nan: missing);
    and `bot`, Words: the name of the bot that a click is of, None if it is a person's.
    `time_ns` int64 event time, none after `newest_ns`; `row` int32 index into `lines`; `in_columns` are the
    rows (ascending) whose records are column-shaped. Words are hashed with `key`, which is secret; `log` is
    what the log is known by. For the rest see Batch.
    """

    source: str
    parts: int
    key: int
    log: str
    start: int
    end: int
    read_ms: int
    until_s: int | None
    newest_ns: int
    barrier: Barrier | None
    time_ns: Ints
    row: Ints
    columns: Columns
    lines: Lines
    in_columns: Ints = field(default_factory=lambda: np.empty(0, np.int32))
    rejected: Rejected = field(default_factory=Rejected)
    mask_ip: bool = False

    def words(self, column: str) -> Words:
        """Return a column of strings."""
        return self.columns.words(column)
