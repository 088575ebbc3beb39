"""Scanning against the careful way: for any record both give the same clicks, reasons and positions.

`SCAN_RECORDS=1000000 .venv/bin/pytest tests/unit/ingest/test_scan.py` compares a million, in ten minutes.
"""

from __future__ import annotations

import json
import os
import random
from typing import Any

import numpy as np

from flows.ingest import decode as decoding
from flows.ingest.decode import decode
from flows.ingest.scanned import Scanned, scanned_in
from flows.model.batch import Batch
from flows.model.columns import Words

RECORDS = int(os.environ.get("SCAN_RECORDS", "10000"))
NOW_MS = 1_709_229_856_000
NAMES = ["timestamp", "userId", "productId", "category", "title", "deviceType", "gender", "age", "country"]
NAMES += ["userAgent", "ip", "Timestamps", "TagValues", "birthdate", "x"]
TEXTS: list[Any] = [
    "u1",
    "",
    "Käse",
    "\u00fc\n",
    "𝄞 clef",
    'a"b',
    "\\",
    "Mobile",
    "BOT",
    "z" * 256,
    "z" * 257,
    "é" * 200,
    "\x7f",
]
NUMBERS: list[Any] = [
    0,
    -0,
    7,
    -3,
    31.5,
    1e30,
    1e3,
    -0.0,
    129,
    10**18,
    10**19,
    10**25,
    1709229600,
    1709229600000,
]
NUMBERS += [1709229600000000, 1709229600000000000, 1709229600.25, 4000000000000000000, 0.1]
NUMBERS += [2**53 + 1]
BYTES = b'{}[]",:0123456789\\ueE+-.ntf \n\r\t\x00\xff\x80\xc3\xed\xa0'


TIMES: list[Any] = [
    *NUMBERS[-8:],
    1709229600.123,
    1709229600123.5,
    946684800.000001,
    12345.678,
    1709229600.1234567,
]
TIMES += [
    "2024-02-29T18:00:00Z",
    "2024-02-29 18:00:00.123456789123",
    "2024-02-29T18:00:00.5+01:30",
    "2023-02-29",
]
TIMES += ["2024-02-29T18:00:00-05:00", "2024-02-30T18:00:00Z", "2024-02-29t18:00:00z", "20240229T180000Z"]
TIMES += ["1999-12-31T23:59:59Z", "2000-01-01T00:30:00+00:30", "9999-12-31T23:59:59Z", "2024-02-29T24:00:00Z"]
TABLES = ["TagValues", "NumericValues", "StringValues"]


def value(rng: random.Random, depth: int = 0) -> Any:
    kind = rng.random()
    if kind < 0.06 and depth < 3:
        return {rng.choice(NAMES): value(rng, depth + 1) for _ in range(rng.randrange(3))}
    if kind < 0.12 and depth < 3:
        return [value(rng, depth + 1) for _ in range(rng.randrange(3))]
    return (
        rng.choice([None, True, False])
        if kind < 0.2
        else rng.choice(TEXTS if rng.random() < 0.5 else NUMBERS)
    )


def columns(rng: random.Random) -> dict[str, Any]:
    rows = rng.choice([0, 1, 1, 2, 3, 9])

    def column(values: list[Any]) -> list[Any]:
        return [rng.choice(values) for _ in range(rows if rng.random() < 0.98 else 2)]

    tables: dict[str, Any] = {name: {} for name in TABLES if rng.random() < 0.9}
    for name in ["userId", *rng.sample(NAMES, 5)]:
        if tables:
            plain = (
                NUMBERS[:8] if name == "age" else ["u1", "u2", "Mobile", None][: 2 if name == "userId" else 4]
            )
            values = plain if rng.random() < 0.9 else TEXTS + NUMBERS
            rng.choice(list(tables.values()))[name] = column(values)
    fields = tables | {"Timestamps": column(NUMBERS[-8:-5] if rng.random() < 0.9 else TIMES)}
    if rng.random() < 0.5:
        fields["Epoch"] = rng.choice([0, 0, 0, 5, -1, 10**9, None])
    return fields


def plain(rng: random.Random) -> dict[str, Any]:
    fields: dict[str, Any] = {"timestamp": rng.choice(TIMES), "userId": rng.choice(TEXTS)}
    for name in rng.sample(NAMES, rng.randrange(len(NAMES))):
        if rng.random() < 0.5:
            fields[name] = (
                rng.choice(NUMBERS if name == "age" else TIMES)
                if name in ("age", "timestamp")
                else rng.choice(TEXTS)
            )
        elif rng.random() < 0.2:
            fields[name] = value(rng)
    return fields


def record(rng: random.Random) -> bytes:
    fields = columns(rng) if rng.random() < 0.3 else plain(rng)
    items = list(fields.items())
    rng.shuffle(items)
    separators = rng.choice([(",", ":"), (", ", ": "), (" ,\t", " :\r")])
    text = json.dumps(dict(items), ensure_ascii=rng.random() < 0.5, separators=separators)
    if rng.random() < 0.03:
        text = text[:-1] + "," + text[1:]
    data = bytearray(text.encode())
    for _ in range(rng.choice([0, 0, 0, 1, 2])):
        at = rng.randrange(len(data))
        change = rng.random()
        if change < 0.6:
            data[at] = rng.choice(BYTES)
        elif change < 0.8:
            del data[at : at + rng.randrange(1, 9)]
        else:
            data[at:at] = bytes([rng.choice(BYTES)])
        if not data:
            break
    return bytes(data)


def rows(batch: Batch) -> list[Any]:
    clicks = decode(batch)
    columns = [
        [column.words[code] for code in column.codes] if isinstance(column, Words) else column.tobytes()
        for column in clicks.columns.values()
    ]
    rejected = clicks.rejected
    found = [clicks.time_ns.tolist(), clicks.row.tolist(), list(clicks.columns), columns]
    return [*found, rejected.reason.tolist(), rejected.position.tolist(), rejected.records]


def nothing(lines: Any, newest_ns: int) -> Scanned:
    """Scan nothing: every record goes the careful way."""
    found = scanned_in(lines, newest_ns)
    words = {name: column.take(slice(0, 0)) for name, column in found.words.items()}
    numbers = {name: column[:0] for name, column in found.numbers.items()}
    return Scanned(
        found.row[:0], found.time_ns[:0], words, numbers, np.zeros_like(found.plain), found.in_columns[:0]
    )


def check(monkeypatch: Any, batch: Batch) -> int:
    fast = rows(batch)
    with monkeypatch.context() as patch:
        patch.setattr(decoding, "scanned_in", nothing)
        careful = rows(batch)
    assert fast == careful
    return len(fast[0])


def test_scanned_is_what_the_careful_way_gives(monkeypatch: Any) -> None:
    seed = random.randrange(1 << 32)
    rng, clicks = random.Random(seed), 0
    for _ in range(RECORDS // 1000):
        records = [record(rng) for _ in range(1000)]
        clicks += check(monkeypatch, Batch("log", 0, 1000, records, NOW_MS))
        text = b"\n".join(records)
        clicks += check(monkeypatch, Batch("log", 0, len(text), text, NOW_MS))
    assert clicks > RECORDS / 4, seed
