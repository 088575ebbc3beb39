"""Entries as records of their topics: key, value and headers, and the id by which one is known again."""

from __future__ import annotations

import json
import zlib
from typing import NamedTuple

from flows.entries.entry import Entry, ordinal_text, source_of


class Record(NamedTuple):
    """A record to be written. `id` tells it from all others; `spread` is what its partition is chosen by."""

    id: str
    key: bytes | None
    value: bytes
    headers: list[tuple[str, str | bytes | None]]
    spread: bytes


def record_of(entry: Entry) -> Record:
    """Return an entry of `special_offers` or `rejected` as a record.

    Its id is made of the entry's origin and ordinal and of the value: an entry made anew from the same clicks
    has the same id; one of another log that merely stood at the same place has not.
    """
    fields = entry.fields
    headers: list[tuple[str, str | bytes | None]] = []
    if entry.stream == "special_offers":
        offer = {
            "Timestamp": fields["time_ns"],
            "Tags": {},
            "Id": "offer",
            "Value": fields["offer"],
        }
        key, value = fields["user"].encode(), json.dumps([offer]).encode()
    else:
        key, value = None, fields["record"]
        headers = [
            ("reason", fields["reason"]),
            ("position", f"{source_of(entry.origin)}@{entry.ordinal[0]}"),
        ]
    record_id = f"{entry.origin}@{ordinal_text(entry.ordinal)}-{zlib.crc32(value):08x}"
    return Record(
        record_id, key, value, [("id", record_id), *headers], key or source_of(entry.origin).encode()
    )


def place_of(record_id: str) -> tuple[str, str]:
    """Return the origin and the ordinal of an id."""
    origin, _, rest = record_id.rpartition("@")
    return origin, rest.rpartition("-")[0]
