"""Where a new consumer group begins to read a partition: nothing is passed over without a word.

A group begins 8 h 30 min back, as far as any window reaches, or where CLICKS_FROM says. How far back a record
is only its Kafka timestamp tells, which producers may set to anything; that serves for this alone.
"""

from __future__ import annotations

import logging
from typing import Protocol

from flows.model.event_time import BUCKET_S, BUCKETS

# The oldest window begins at most this long before the newest click.
REACH_MS = BUCKETS * BUCKET_S * 1000

log = logging.getLogger("clicks.source")


class Partitions(Protocol):
    """What is asked of a topic's partitions."""

    def name(self, number: int) -> str:
        """Return a partition's name."""

    def span(self, number: int) -> tuple[int, int]:
        """Return (the first offset of the log, the offset after its last)."""

    def offset_at(self, number: int, at_ms: int) -> int | None:
        """Return the first offset with a timestamp of `at_ms` or later, None if there is none."""


def first_offset(reader: Partitions, number: int, begin_ms: int | None, now_ms: int) -> int:
    """Return the offset where a new group begins, and say how many records lie before it.

    `begin_ms` is as in the settings: None is REACH_MS before `now_ms`, 0 where the log begins.
    """
    low, high = reader.span(number)
    at_ms = now_ms - REACH_MS if begin_ms is None else begin_ms
    found = low if begin_ms == 0 else reader.offset_at(number, at_ms)
    # Without one it begins where the log ended before it was asked: what has come since is read.
    start = high if found is None else max(low, found)
    if start > low:
        fields = {"partition": reader.name(number), "position": start, "before": start - low}
        fields["where"] = " the end" if start >= high else ""
        text = (
            "%(partition)s begins at%(where)s %(position)d: the Kafka timestamps of the %(before)d records "
            "before are older; to read them set CLICKS_FROM=beginning (or to a moment), KAFKA_GROUP_ID to a "
            "new group and CLICKS_STATE_DIR to a new directory"
        )
        # Where nothing is left the timestamps may be of no use: in seconds, zero, copied.
        log.log(logging.WARNING if start >= high else logging.INFO, text, fields, extra=fields)
    return start
