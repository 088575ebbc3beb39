"""Clicks as columns: what one decoded batch holds."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from flows.model.batch import Marker
from flows.model.columns import Ints, Words
from flows.model.lines import Lines
from flows.model.rejected import Rejected


@dataclass(kw_only=True)
class Clicks:
    """The clicks of one batch in the order of arrival; all columns have one length.

    `key` is the one that words are hashed with, `log` what their log is known by;
    no click is after `newest_ns`.
    `time_ns` int64 event time; `visitor` never None; `row` int32 index into `lines`; `gender` and the
    other words as given (None: missing); `age` float64 (nan: missing). `in_columns` are the rows (ascending)
    whose records are column-shaped.
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
    marker: Marker | None
    time_ns: Ints
    visitor: Words
    row: Ints
    product: Words
    category: Words
    title: Words
    device: Words
    gender: Words
    age: Ints
    lines: Lines
    in_columns: Ints = field(default_factory=lambda: np.empty(0, np.int32))
    rejected: Rejected = field(default_factory=Rejected)
    mask_ip: bool = False
