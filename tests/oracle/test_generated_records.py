"""A hundred thousand broken records: what the flow makes of each is what the oracle does."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from copy import deepcopy
from typing import Any

import pytest

from flows.model import rejected as rejected_records
from flows.model.batch import Batch
from flows.model.rejected import REASONS
from tests.oracle import records as oracle_records
from tests.support import logs
from tests.support.bad_input import TIME
from tests.unit.ingest.test_decode import READ_MS, START, as_block, as_list, decoded, in_block

VALUES: list[Any] = [
    None,
    True,
    False,
    0,
    -1,
    1.5,
    2**63,
    -(2**63),
    10**400,
    10**30,
    1e300,
    "",
    "x",
    "2024-02-30",
]
VALUES += ["\ud800", [], [TIME], {}, {"a": [1]}, 10**14, 10**17, "2024-02-29T18:00:00Z", -TIME, TIME // 1000]
VALUES += [float("nan"), "1999-12-31", 4 * 10**18]
NAMES = (
    "timestamp",
    "userId",
    *oracle_records.USED,
    "ip",
    "note",
    "Timestamps",
    "Epoch",
    "StringValues",
    "NumericValues",
)


def seeds(rng: random.Random) -> list[bytes]:
    clicks = [logs.spelled(rng, logs.random_click(rng, TIME, 40)) for _ in range(300)]
    tables = [
        logs.record_of(
            logs.table_of(rng, [logs.random_click(rng, TIME, 40) for _ in range(rng.randrange(5))])
        )
        for _ in range(60)
    ]
    return clicks + tables


def flipped(rng: random.Random, record: bytes, _other: bytes) -> bytes:
    changed = bytearray(record)
    for _ in range(rng.choice([1, 1, 2, 5])):
        at = rng.randrange(len(changed))
        changed[at] = rng.choice(
            [changed[at] ^ 1 << rng.randrange(8), rng.randrange(256), *b'"{}[],:\\0-.e ']
        )
    return bytes(changed)


def cut(rng: random.Random, record: bytes, _other: bytes) -> bytes:
    first, last = sorted(rng.sample(range(len(record) + 1), 2))
    return rng.choice([record[:first], record[first:], record[:first] + record[last:], record[first:last]])


def spliced(rng: random.Random, record: bytes, other: bytes) -> bytes:
    at, there = rng.randrange(len(record)), rng.randrange(len(other))
    return rng.choice([record[:at] + other[there:], record[:at] + other[there : there + 9] + record[at:]])


def retyped(rng: random.Random, record: bytes, _other: bytes) -> bytes:
    value = json.loads(record)
    for _ in range(rng.choice([1, 1, 2])):
        inner = rng.choice([value, *(v for v in value.values() if isinstance(v, dict))])
        name = rng.choice([rng.choice(NAMES), *inner])
        column = inner.get(name)
        if isinstance(column, list) and column and rng.random() < 0.8:
            column[rng.randrange(len(column))] = deepcopy(rng.choice(VALUES))
        elif rng.random() < 0.2:
            inner.pop(name, None)
        else:
            inner[name] = deepcopy(rng.choice(VALUES))
    return json.dumps(value).encode()


def mutations(count: int, seed: int) -> Iterator[bytes]:
    rng = random.Random(seed)
    stock = seeds(rng)
    ways = (flipped, cut, spliced, retyped)
    for number in range(count):
        yield ways[number % 4](rng, rng.choice(stock), rng.choice(stock))


def by_oracle(record: bytes) -> tuple[list[int], list[str]]:
    items = oracle_records.decoded(record, READ_MS)
    return (
        [item.time for item in items if not isinstance(item, str)],
        [item for item in items if isinstance(item, str)],
    )


def by_decode(batch: Batch, positions: list[int]) -> list[tuple[list[int], list[str]]]:
    found, rejected = decoded(batch)
    return [
        ([click[1] for click in found.get(at, [])], [reason for reason, _ in rejected.get(at, [])])
        for at in positions
    ]


@pytest.mark.parametrize("seed", range(4))
def test_generated_bad_records_are_judged_as_the_oracle_does(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rejected_records, "KEPT_RECORDS", 10**6)
    records = [record.replace(b"\n", b" ") or b"?" for record in mutations(25_000, seed)]
    expected = [by_oracle(record) for record in records]
    rejected = [reason for _, reasons in expected for reason in reasons]
    assert len(rejected) > 15_000
    assert {*rejected, "too_long"} == set(REASONS) - {"too_large", "poison"}

    assert_equal(records, by_decode(as_list(records), list(range(START, START + len(records)))), expected)
    in_lines = [record for record in records if record.strip()]
    assert_equal(
        in_lines,
        by_decode(as_block(in_lines), in_block(in_lines)),
        [outcome for record, outcome in zip(records, expected, strict=True) if record.strip()],
    )


def assert_equal(records: list[bytes], found: list[Any], expected: list[Any]) -> None:
    """Compare item by item, so that a failure shows the record."""
    for record, one, other in zip(records, found, expected, strict=True):
        assert one == other, record
