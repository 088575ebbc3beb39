"""Decoding, masking and the split by shard: no record makes them fail, and what they give is right."""

from __future__ import annotations

import json
import random
import re
import time
from collections.abc import Callable
from itertools import accumulate
from operator import itemgetter
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flows.ingest.decode import decode
from flows.ingest.mask import mask, mask_ip
from flows.ingest.recent import newest_clicks
from flows.ingest.shown import fields_in, record_of
from flows.ingest.split import by_age, by_page, by_visitor
from flows.ingest.validate import MAX_DEPTH
from flows.journeys.table import JOURNEYS, judge
from flows.metrics.latest import fields_of
from flows.model.batch import Batch
from flows.model.clicks import Clicks
from flows.model.columns import Words, stable_hash
from flows.model.rejected import KEPT_BYTES, KEPT_RECORDS, REASONS
from tests.oracle import records as oracle_records
from tests.support import bad_input, logs
from tests.support.bad_input import FORMS, TIME, USER, of_record
from tests.support.clocks import cluster_of

READ_MS = logs.READ_MS
START = 7_000
Decoded = tuple[dict[int, list[tuple[Any, ...]]], dict[int, list[tuple[str, bytes]]]]


def good(number: int) -> logs.Fields:
    """Return one of the good clicks that stand around bad records, each with values of its own."""
    return logs.click_of(
        f"good-{number}",
        TIME + number,
        productId=f"P{number}",
        category=f"C{number}",
        title=f"Tïtle {number}",
        deviceType=["Desktop", None, "TV"][number % 3],
        gender="MF"[number % 2],
        age=[number, None, number + 0.5][number % 3],
    )


GOOD = [json.dumps(good(number), ensure_ascii=False).encode() for number in range(700)]


def as_list(records: list[bytes], positions: list[int] | None = None) -> Batch:
    return Batch("log", START, START + len(records), records, READ_MS, positions)


def as_block(records: list[bytes], last_newline: bool = True) -> Batch:
    data = b"".join(record + b"\n" for record in records)
    data = data if last_newline else data[:-1]
    return Batch("log", START, START + len(data), data, READ_MS)


def in_block(records: list[bytes]) -> list[int]:
    """Return the positions of records in the block that `as_block` makes."""
    return list(accumulate((len(record) + 1 for record in records), initial=START))[:-1]


def words(column: Words) -> list[str | None]:
    return [column.words[code] for code in column.codes.tolist()]


def decoded(batch: Batch) -> Decoded:
    """Decode; returns the clicks, as the values of their columns, and the rejections, by position."""
    clicks = decode(batch)
    columns = [clicks.words(name) for name in ("product", "category", "title", "device", "gender")]
    rows = zip(
        *(
            words(clicks.columns.words("visitor")),
            clicks.time_ns.tolist(),
            *map(words, columns),
            clicks.columns.floats("age").tolist(),
        ),
        *(clicks.row.tolist(), map(int, clicks.lines.positions(clicks.row))),
        strict=True,
    )
    found: dict[int, list[tuple[Any, ...]]] = {}
    for *values, age, row, position in rows:
        record = clicks.lines.record(row)
        assert clicks.lines.position(row) == position
        found.setdefault(position, []).append((*values, None if age != age else age, record))
    rejected: dict[int, list[tuple[str, bytes]]] = {}
    for rejection in clicks.rejected.kept():
        rejected.setdefault(rejection.position, []).append((rejection.reason, rejection.record))
    assert list(found) == sorted(found)
    assert list(rejected) == sorted(rejected)
    return found, rejected


def as_decoded(number: int) -> tuple[Any, ...]:
    """Return what `decoded` gives for a good click."""
    names = ("userId", "timestamp", "productId", "category", "title", "deviceType", "gender", "age")
    return (*(good(number)[name] for name in names), GOOD[number])


def check(batch: Batch, records: list[bytes], positions: list[int], amid: dict[int, str]) -> None:
    """Decode `records`: the GOOD ones in their order, but for the named forms at the indices of `amid`."""
    found, rejected = decoded(batch)
    numbers = iter(range(len(GOOD)))
    for index, (record, position) in enumerate(zip(records, positions, strict=True)):
        here, reasons = found.pop(position, []), rejected.pop(position, [])
        if index not in amid:
            assert (here, reasons) == ([as_decoded(next(numbers))], [])
            continue
        clicks, wanted = of_record(FORMS[amid[index]][1])
        if isinstance(batch.data, bytes) and not record.strip():
            wanted = []
        assert [click[:2] for click in here] == [(USER, TIME)] * clicks, amid[index]
        assert reasons == [(reason, record[:KEPT_BYTES]) for reason in wanted], amid[index]
    assert (found, rejected) == ({}, {})


# Named forms


@pytest.mark.parametrize("name", FORMS)
def test_a_named_form_alone_and_amid_good_records(name: str) -> None:
    form = FORMS[name][0]
    for records, at in (
        ([form], 0),
        ([*GOOD[:2], form, *GOOD[2:5]], 2),
        ([form, GOOD[0]], 0),
        ([GOOD[0], form], 1),
    ):
        check(as_list(records), records, list(range(START, START + len(records))), {at: name})
        places = [START + 10 * index for index in range(len(records))]
        check(as_list(records, places), records, places, {at: name})
        check(as_block(records), records, in_block(records), {at: name})
        check(as_block(records, last_newline=False), records, in_block(records), {at: name})


@pytest.mark.parametrize("seed", range(3))
def test_all_named_forms_amid_more_good_records_than_a_chunk_holds(seed: int) -> None:
    rng = random.Random(seed)
    names: list[str | None] = [None] * len(GOOD)
    for name in FORMS:
        names.insert(rng.randrange(len(names) + 1), name)
    amid = {index: name for index, name in enumerate(names) if name is not None}
    unused = iter(GOOD)
    records = [next(unused) if name is None else FORMS[name][0] for name in names]
    check(as_list(records), records, list(range(START, START + len(records))), amid)
    check(as_block(records), records, in_block(records), amid)


def test_named_forms_give_every_reason_and_no_other() -> None:
    documented = (
        "too_large not_json not_a_click bad_columns bad_type no_time no_user too_long bad_time too_old "
        "too_new poison"
    )
    assert list(REASONS) == documented.split()
    produced = {
        rejection.reason
        for record, _ in FORMS.values()
        for rejection in decode(as_list([record])).rejected.kept()
    }
    assert produced == set(REASONS) - {"poison"}


def test_the_table_is_large_and_the_oracle_agrees_with_it() -> None:
    assert len(FORMS) >= 60
    for name, (record, outcome) in FORMS.items():
        items = oracle_records.decoded(record, READ_MS)
        reasons = [item for item in items if isinstance(item, str)]
        assert (len(items) - len(reasons), reasons) == of_record(outcome), name


# Lines and records


def test_blank_lines_of_a_block_are_ignored_and_an_empty_record_is_not() -> None:
    lines = [b"", GOOD[0], b"", b" \t\r", GOOD[1], b"", b""]
    found, rejected = decoded(as_block(lines))
    places = in_block(lines)
    assert found == {places[1]: [as_decoded(0)], places[4]: [as_decoded(1)]}
    assert rejected == {}
    found, rejected = decoded(as_list(lines))
    assert list(found) == [START + 1, START + 4]
    assert {at: reasons for at, [(reasons, _)] in rejected.items()} == dict.fromkeys(
        (START, START + 2, START + 3, START + 5, START + 6), "not_json"
    )


@pytest.mark.parametrize("data", [b"", b"\n", b"\n\n\n", b" ", b"\r\n \n", []])
def test_a_batch_of_nothing_has_no_clicks(data: bytes | list[bytes]) -> None:
    clicks = decode(Batch("log", 5, 9, data, READ_MS))
    assert (len(clicks.row), len(clicks.rejected), clicks.start, clicks.end) == (0, 0, 5, 9)
    assert [
        len(clicks.time_ns),
        len(clicks.columns.words("visitor").codes),
        len(clicks.columns.floats("age")),
        len(clicks.columns.words("product").codes),
    ] == [0] * 4


def test_lines_that_a_reader_of_many_lines_would_take_for_others() -> None:
    two_and_none = [GOOD[0] + GOOD[1], b"", GOOD[2]]
    found, rejected = decoded(as_block(two_and_none))
    assert [click[-1] for [click] in found.values()] == [GOOD[2]]
    assert rejected == {START: [("not_json", two_and_none[0][:KEPT_BYTES])]}

    middle = GOOD[1].index(b' "title"')
    torn = [GOOD[0] + GOOD[2], GOOD[1][:middle], GOOD[1][middle:]]
    found, rejected = decoded(as_block(torn))
    assert found == {}
    assert [reason for [(reason, _)] in rejected.values()] == ["not_json"] * 3


def test_a_record_may_hold_newlines_where_records_are_not_lines() -> None:
    found, rejected = decoded(as_list([json.dumps(good(3), indent=1).encode()]))
    assert [click[:-1] for [click] in found.values()] == [as_decoded(3)[:-1]]
    assert rejected == {}


def test_records_that_would_be_lines_of_others_if_they_were_joined() -> None:
    middle = GOOD[1].index(b' "title"')
    for records in (
        [GOOD[0] + b"\n" + GOOD[1], GOOD[2]],
        [GOOD[0] + b"\n" + GOOD[1], GOOD[2] + GOOD[0]],
        [GOOD[0], GOOD[1][:middle], GOOD[1][middle:], GOOD[2]],
        [GOOD[0] + b"\n", b"", GOOD[2]],
    ):
        one_by_one = [decoded(as_list([record], [START + n])) for n, record in enumerate(records)]
        found, rejected = decoded(as_list(records, list(range(START, START + len(records)))))
        assert found == {at: clicks for each, _ in one_by_one for at, clicks in each.items()}
        assert rejected == {at: why for _, each in one_by_one for at, why in each.items()}


def test_windows_line_ends() -> None:
    records = [record + b"\r" for record in GOOD]
    found, rejected = decoded(as_block(records))
    assert [click for [click] in found.values()] == [
        (*as_decoded(number)[:-1], record) for number, record in enumerate(records)
    ]
    assert rejected == {}


def test_what_the_source_found_too_large_is_rejected_in_its_place() -> None:
    batch = as_list([b"x", GOOD[0], b"y"], [10, 20, 30])
    batch.set_aside = [("too_large", 25, b"large"), ("too_large", 5, b"first")]
    assert [(r.reason, r.position, r.record) for r in decode(batch).rejected.kept()] == [
        ("too_large", 5, b"first"),
        ("not_json", 10, b"x"),
        ("too_large", 25, b"large"),
        ("not_json", 30, b"y"),
    ]


@pytest.mark.parametrize("spelled", ["ns", "us", "words", "columns"])
def test_five_minutes_ahead_is_the_limit(spelled: str) -> None:
    limit = (READ_MS + 300_000) * 10**6
    for time_ns, reasons in (limit, []), (limit + 1000, ["too_new"]):
        record = {
            "ns": lambda t: bad_input.but(timestamp=t),
            "us": lambda t: bad_input.but(timestamp=t // 1000),
            "words": lambda t: bad_input.but(timestamp=f"2024-03-08T00:05:00.{t % 10**9:09}Z"),
            "columns": lambda t: bad_input.table(Timestamps=[t, TIME]),
        }[spelled](time_ns)
        assert [r.reason for r in decode(as_list([record])).rejected.kept()] == reasons
        assert [r.reason for r in decode(as_list([*GOOD[:3], record])).rejected.kept()] == reasons


def test_a_number_of_5000_digits_is_a_number() -> None:
    digits = b"7" * 5000
    for name, outcome in ("note", []), ("age", []), ("timestamp", ["bad_time"]), ("title", ["bad_type"]):
        assert [
            r.reason for r in decode(as_list([bad_input.spelled(name, digits)])).rejected.kept()
        ] == outcome, name
    column = bad_input.table().replace(b"[30,31]", b"[30,%s]" % digits)
    assert decode(as_list([column])).columns.floats("age").tolist() == [30, float("inf")]


def test_an_age_beyond_floats_is_infinite() -> None:
    ages = [bad_input.spelled("age", text) for text in (b"9" * 400, b"-" + b"9" * 400, b"null", b"30")]
    assert decode(as_list(ages)).columns.floats("age").tolist() == pytest.approx(
        [np.inf, -np.inf, np.nan, 30], nan_ok=True
    )


def test_the_limit_of_depth_depends_on_nothing_else() -> None:
    def outcomes(frames: int) -> list[list[str]]:
        if frames:
            return outcomes(frames - 1)
        records = [bad_input.nested(depth) for depth in (MAX_DEPTH, MAX_DEPTH + 1, 5000)]
        records += [bad_input.but(title='"[' * 2000), bad_input.but(title="[" * 2000)]
        return [[r.reason for r in decode(as_list([record])).rejected.kept()] for record in records]

    assert outcomes(0) == outcomes(200) == [[], ["not_json"], ["not_json"], [], []]


def test_half_a_character_is_the_character_for_what_cannot_be_read() -> None:
    half = bad_input.spelled("userAgent", rb'"a\ud83d \ud83d\udecd \\ud83d \udecd"')
    [newest] = newest_clicks(decode(as_list([half.replace(b'"userId":"odd"', rb'"userId":"\uDC00"')])))
    assert newest.visitor == "\ufffd"
    assert fields_of(newest)["userAgent"] == "a\ufffd \U0001f6cd \\ud83d \ufffd"


def test_what_is_empty_is_missing_and_devices_are_known_in_any_case() -> None:
    empty = dict.fromkeys(("productId", "category", "deviceType", "gender", "title", "age", "ip"), "")
    devices = ["mobile", "MOBILE", "Mobile", "tv", "TV"]
    records = [bad_input.but(**empty), *(bad_input.but(deviceType=name) for name in devices)]
    clicks = decode(as_list(records))
    assert words(clicks.columns.words("device")) == [None, "Mobile", "Mobile", "Mobile", "tv", "TV"]
    assert {
        words(column)[0]
        for column in (
            clicks.columns.words("product"),
            clicks.columns.words("category"),
            clicks.columns.words("title"),
            clicks.columns.words("gender"),
        )
    } == {None}
    assert np.isnan(clicks.columns.floats("age")[0])
    assert fields_of(newest_clicks(clicks)[0])["ip"] is None


@pytest.mark.parametrize(
    ("user", "text"), [(0, "0"), (-7, "-7"), (2**80, str(2**80)), (10**255, str(10**255))]
)
@pytest.mark.parametrize("columns", [False, True])
def test_a_number_is_an_id_by_its_digits(user: int, text: str, columns: bool) -> None:
    record = bad_input.table(StringValues={"userId": [user, text]}) if columns else bad_input.but(userId=user)
    clicks = decode(as_list([record, bad_input.but(userId=text)]))
    assert set(words(clicks.columns.words("visitor"))) == {text}
    assert not clicks.rejected
    assert {fields_of(click)["userId"] for click in newest_clicks(clicks)} == {text}
    too_long = decode(as_list([bad_input.but(userId=10**256), bad_input.spelled("userId", b"9" * 5000)]))
    assert too_long.rejected.counts() == {"too_long": 2}


@pytest.mark.parametrize(
    ("spelled", "time_ns"),
    [
        (b"1709229600", 1709229600 * 10**9),
        (b"1709229600.722586001", 1709229600722586000),
        (b"1709229600123.25", 1709229600123250000),
        (b"1709229600123456.789", 1709229600123456800),
        (b"1.7092296e18", 1709229600 * 10**9),
    ],
)
def test_a_fraction_of_a_time_counts(spelled: bytes, time_ns: int) -> None:
    assert decode(as_list([bad_input.spelled("timestamp", spelled)])).time_ns.tolist() == [time_ns]


# Masking


@pytest.mark.parametrize(
    ("ip", "masked"),
    [
        ("192.0.2.77", "192.0.2.0"),
        ("69.76.12.213", "69.76.12.0"),
        ("2001:db8:aaaa:bbbb:cccc::77", "2001:db8:aaaa::"),
        ("2001:db8::5:6:7", "2001:db8::"),
        ("fe80::1234%eth0", "fe80::"),
        ("::ffff:192.0.2.77", "::ffff:192.0.2.0"),
        ("::ffff:c000:24d", "::ffff:192.0.2.0"),
        ("2002:c000:024d::1", "2002:c000:200::"),
        ("192.0.2.77:443", "192.0.2.0"),
        ("[2001:db8:aaaa:bbbb::77]:443", "2001:db8:aaaa::"),
        (" 192.0.2.77", "192.0.2.0"),
        ("192.0.2.77, 192.0.2.78", "192.0.2.0"),
        ("9" * 500 + ".1.1.1", None),
        ("", None),
        (3221226061, None),
        (["192.0.2.77"], None),
        ({"v4": "192.0.2.77"}, None),
        (None, None),
    ],
)
@pytest.mark.parametrize("columns", [False, True])
def test_an_address_in_raw_rows_is_masked(ip: Any, masked: str | None, columns: bool) -> None:
    record = bad_input.but(ip=ip)
    if columns:
        record = bad_input.table(StringValues={"userId": [USER, USER], "ip": [ip, ip]})
    newest = newest_clicks(decode(as_list([record]), mask_ip=True))
    assert [json.loads(click.record)["ip"] for click in newest] == [masked] * (1 + columns)
    kept = newest_clicks(decode(as_list([record])))
    assert [fields_of(click)["ip"] for click in kept] == [ip or None] * (1 + columns)


ADDRESSES = [
    "203.0.113.177",
    "2001:db8:aaaa:bbbb:cccc:dddd:eeee:177",
    "2001:db8::bbbb:177",
    "2001::bbbb:177",
    "::bbbb:cccc:177",
    "::ffff:203.0.113.177",
    "64:ff9b::203.0.113.177",
]


@pytest.mark.parametrize("address", ADDRESSES)
def test_nothing_of_an_address_is_left_in_rejected_heads(address: str) -> None:
    click = logs.click_of(USER, TIME, ip=address, userAgent=f"proxy for {address}, {address}:443")
    record = logs.record_of(click)
    shapes = [record[:-1], record[: record.index(b'"userAgent')], record.decode().encode("utf-16")]
    shapes += [
        record[: record.index(address.encode()) + len(address)],
        logs.record_of({**click, "userId": ""}),
    ]
    shapes += [
        record.replace(b'"' + address.encode(), b"a" + address.encode(), 1),
        b"x" * 490 + address.encode(),
    ]
    shapes += [record.replace(address.encode() + b'"', address.encode() + b"z", 1), address.encode()]
    shapes += [logs.record_of(logs.table_of(random.Random(1), [{**click, "userId": 5.5}]))]
    clicks = decode(as_list(shapes), mask_ip=True)
    assert len(clicks.rejected) == len(shapes)
    for shard in (item for _, item in by_visitor(cluster_of(3).shard_keys)(clicks)):
        for rejection in shard.rejected.kept():
            shown = rejection.record.decode(errors="replace").replace("\0", "")
            assert not re.search("177|bbbb|cccc", shown), shown
            assert len(rejection.record) <= KEPT_BYTES
    assert len(by_visitor(cluster_of(3).shard_keys)(clicks)[0][1].rejected) == len(shapes)


def test_masking_leaves_the_rest_as_it_was() -> None:
    head = b'{"timestamp":1700147866722586000,"age":42,"ip":"192.0.2.77","userAgent":"Chrome/120.0"'
    assert mask(head) == head.replace(b".77", b".0")
    assert mask(b'{"ip":3221226061,"age":1}') == b'{"ip":null,"age":1}'
    assert mask(mask(head)) == mask(head)
    record = bad_input.but(ip="192.0.2.77", country="[1, null]")
    fields = fields_in(record)
    assert json.loads(record_of(fields, mask=True)) == fields | {"ip": "192.0.2.0"}


def test_masking_never_fails() -> None:
    for name, (record, outcome) in FORMS.items():
        clicks = decode(as_list([record]), mask_ip=True)
        assert b"192.0.2.7" not in b"".join(click.record for click in newest_clicks(clicks)), name
        assert (
            b"192.0.2.7"
            not in by_visitor(cluster_of(1).shard_keys)(clicks)[0][1].rejected.records.__repr__().encode()
        ), name
        assert len(clicks.row) == of_record(outcome)[0]


# The split by shard


def many(seed: int = 1, count: int = 3000) -> Clicks:
    """Return the clicks of a log in disorder, with column-shaped and rejected records among them."""
    return decode(as_list(logs.random_log(seed, clicks=count, large=False)))


def click_rows(clicks: Clicks) -> list[tuple[Any, ...]]:
    half_hour = 1800 * 10**9
    high = (np.maximum.accumulate(clicks.time_ns) // half_hour * half_hour).tolist()
    columns = [clicks.words(name) for name in ("product", "category", "title", "device", "gender")]
    fitting = JOURNEYS[0].fits(clicks.words("category"), clicks.words("gender"), clicks.columns.floats("age"))
    fits = fitting.tolist()
    rows = zip(
        *(
            clicks.time_ns.tolist(),
            high,
            clicks.row.tolist(),
            words(clicks.columns.words("visitor")),
            *map(words, columns),
            fits,
        ),
        strict=True,
    )
    return list(rows)


@pytest.mark.parametrize("shards", [1, 2, 16, 4096])
@pytest.mark.parametrize("bots_apart", [True, False])
def test_every_click_lands_in_the_one_shard_of_its_visitor(shards: int, bots_apart: bool) -> None:
    clicks = many()
    rows = click_rows(clicks)
    of_shard: dict[int, list[tuple[Any, ...]]] = {}
    hashes = stable_hash(words(clicks.words("visitor")), 0)[0].tolist()
    is_bot = [bots_apart and bot is not None for bot in words(clicks.words("bot"))]
    assert len(set(is_bot)) == 1 + bots_apart
    for _, row, hashed in sorted(zip(is_bot, rows, hashes, strict=True), key=itemgetter(0)):
        # Without the title, which only pages need.
        of_shard.setdefault(hashed % shards, []).append(
            (*row[:5], "Unknown" if row[5] is None else row[5], *row[7:])
        )
    items = by_visitor(cluster_of(shards).shard_keys, judge(JOURNEYS), bots_apart=bots_apart)(clicks)
    assert [key for key, _ in items] == [f"{number:04d}" for number in range(shards)]
    for number, (_, item) in enumerate(items):
        product, category = words(item.columns.words("product")), words(item.columns.words("category"))
        found = zip(
            *(item.time_ns.tolist(), item.high_ns.tolist(), item.row.tolist()),
            *(
                words(item.columns.words("visitor")),
                product,
                category,
                words(item.columns.words("device")),
                words(item.columns.words("gender")),
                item.columns.ints("fits 0").tolist(),
            ),
            strict=True,
        )
        assert list(found) == of_shard.get(number, [])
        assert item.position.tolist() == (item.row + START).tolist()
        assert (item.shard, item.header.start, item.header.end) == (number, clicks.start, clicks.end)
        assert item.header.newest_ns == max(row[0] for row in rows)
        assert item.header.oldest_ns == min(row[0] for row in rows)
        assert list(item.rejected.kept()) == (list(clicks.rejected.kept()) if number == 0 else [])
    assert clicks.rejected


@pytest.mark.parametrize("shards", [1, 2, 16])
@pytest.mark.parametrize("bots_apart", [True, False])
def test_every_view_lands_in_the_one_shard_of_its_product(shards: int, bots_apart: bool) -> None:
    clicks = many()
    bots = words(clicks.words("bot"))
    assert len(set(bots)) > 3
    rows = [
        row
        for row, bot in zip(click_rows(clicks), bots, strict=True)
        if row[4] is not None and not (bots_apart and bot)
    ]
    assert 0 < len(rows) < len(clicks.row)
    shard_of = {row[4]: int(stable_hash([row[4]], 0)[0, 0]) % shards for row in rows}
    items = by_page(cluster_of(shards).shard_keys, bots_apart=bots_apart)(clicks)
    assert [key for key, _ in items] == [f"{number:04d}" for number in range(shards)]
    for number, (_, item) in enumerate(items):
        columns = [words(item.columns.words(name)) for name in ("product", "category", "title")]
        found = zip(*(item.time_ns.tolist(), item.high_ns.tolist(), item.row.tolist(), *columns), strict=True)
        assert list(found) == [
            (*row[:3], row[4], row[5] or "Unknown", row[6]) for row in rows if shard_of[row[4]] == number
        ]
        assert item.header.newest_ns == int(clicks.time_ns.max())
        assert not item.rejected


# State on disk lies by these: another hash would part visitors from theirs.
HASHES = {
    "8D0E437E-9249-4DDA-BC4F-C1E5409E3A3B": (5248783885893404429, 1342004009284064949),
    "visitor-1": (15919780094398420740, 6438791014319220185),
    "a": (3776533658290057129, 2255905522009163494),
    "a\0": (8697877225152933118, 15815835986559662093),
    "é": (4213426050986226320, 12901952478669083895),
    "日本 \U0001f6cd": (16117902494444229087, 3031815767314288883),
    "x" * 250: (9336158804346212099, 7859668555237758425),
    "": (15607302581813422745, 9172017448520712544),
}


def test_the_shard_of_a_name_is_the_same_for_ever() -> None:
    assert stable_hash(list(HASHES), 0).T.tolist() == list(map(list, HASHES.values()))
    assert stable_hash([None, "a"], 0).T.tolist() == [[0, 0], list(HASHES["a"])]
    assert [number % 16 for number, _ in HASHES.values()] == [13, 4, 9, 14, 0, 15, 3, 9]
    for name, (number, _) in ((name, found) for name, found in HASHES.items() if name):
        clicks = decode(as_list([bad_input.but(userId=name or "-", productId=name)]))
        by_shard = [len(item) for _, item in by_page(cluster_of(16).shard_keys)(clicks)]
        assert by_shard.index(1) == number % 16
        if name:
            assert [len(item) for _, item in by_visitor(cluster_of(16).shard_keys)(clicks)].index(
                1
            ) == number % 16


def test_a_batch_without_clicks_reaches_every_shard() -> None:
    clicks = decode(as_list([b"x"]))
    for items in by_visitor(cluster_of(3).shard_keys)(clicks), by_page(cluster_of(3).shard_keys)(clicks):
        assert [(len(item), item.header.newest_ns) for _, item in items] == [(0, None)] * 3
        assert [(item.header.start, item.header.end) for _, item in items] == [(START, START + 1)] * 3
    [(key, item)] = by_age(cluster_of(3).shard_keys)(clicks)
    assert (key, len(item), item.recent) == ("0000", 0, [])


def test_clicks_without_products_view_no_page() -> None:
    clicks = decode(as_list([bad_input.without("productId"), bad_input.but(productId=None)]))
    assert [len(item) for _, item in by_page(cluster_of(2).shard_keys)(clicks)] == [0, 0]
    assert sum(len(item) for _, item in by_visitor(cluster_of(2).shard_keys)(clicks)) == 2


# The newest clicks


def naive_newest(clicks: Clicks) -> list[tuple[int, int]]:
    """Return (time, index) of the clicks that raw data and latest visitors may need, in order of arrival."""
    order = sorted(range(len(clicks.row)), key=lambda i: (clicks.time_ns[i], i), reverse=True)
    of_visitor: dict[str, int] = {}
    bots = words(clicks.words("bot"))
    for i in order:
        if bots[i] is None:
            of_visitor.setdefault(clicks.columns.words("visitor").at(i), i)
    wanted = sorted({*order[:100], *list(of_visitor.values())[:10]})
    return [(int(clicks.time_ns[i]), i) for i in wanted]


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("visitors", [1, 9, 10, 400])
def test_newest_clicks_are_those_of_a_naive_sort(seed: int, visitors: int) -> None:
    count = [0, 1, 99, 100, 101, 1001, 3000, 3000][seed]
    records = logs.random_log(seed, count, visitors, days=0.001 * 10**seed, table_share=0.1, large=False)
    if seed == 7:
        # Few visitors hold all the newest clicks, at few different times.
        records += [logs.record_of(logs.click_of("busy", logs.MIDNIGHT + logs.HOUR * 2)) for _ in range(1500)]
    clicks = decode(as_list(records))
    newest = newest_clicks(clicks)
    expected = naive_newest(clicks)
    assert [(click.time_ns, click.visitor) for click in newest] == [
        (time_ns, clicks.columns.words("visitor").at(i)) for time_ns, i in expected
    ]
    assert [click.position for click in newest] == [int(clicks.row[i]) + START for _, i in expected]
    for click in newest:
        shown = json.loads(click.record)
        assert str(shown["userId"]) == click.visitor
        assert oracle_records.event_time(shown["timestamp"]) == click.time_ns
    # Their order by (time, position, place in the record) is that of time, then arrival.
    assert len({click[:3] for click in newest}) == len(newest)
    by_arrival = sorted(range(len(newest)), key=lambda i: (newest[i].time_ns, i))
    assert sorted(newest) == [newest[i] for i in by_arrival]


edges = [2**63, 10**14, 10**17, 2**63 // 10**3, 2**63 // 10**6, (1700147866722586000 + 2**64) // 1000]


@settings(max_examples=500, deadline=None)
@given(
    st.one_of(
        st.integers(-(10**25), 10**25),
        st.builds(
            lambda edge, sign, by: sign * edge + by,
            st.sampled_from(edges),
            st.sampled_from([1, -1]),
            st.integers(-3, 3),
        ),
        st.builds(
            lambda unit, by: logs.READ_MS * unit + by,
            st.sampled_from([1, 10**3, 10**6]),
            st.integers(-(10**9), 10**9),
        ),
    )
)
def test_an_integer_of_any_size_is_one_time_however_it_is_read(time: int) -> None:
    record = logs.record_of({"timestamp": time, "userId": "a"})
    wanted = [
        each if isinstance(each, str) else each.time for each in oracle_records.decoded(record, logs.READ_MS)
    ]
    for data in ([record], record + b"\n", [record] * 2, (record + b"\n") * 2):
        clicks = decode(Batch("log", 0, 2, data, logs.READ_MS))
        number = 2 if len(data) in (2, 2 * len(record) + 2) else 1
        found = clicks.time_ns.tolist() or [rejection.reason for rejection in clicks.rejected.kept()]
        assert found == wanted * number


# Bounds


def of_rows(number: int, **columns: Any) -> bytes:
    """Return a column-shaped record of `number` rows, each by a visitor of its own."""
    strings = {"userId": [f"v{row}" for row in range(number)]} | columns
    return logs.record_of({"Timestamps": [TIME] * number, "StringValues": strings})


def test_of_a_batch_all_rejections_are_counted_and_the_newest_are_kept() -> None:
    rows = of_rows(700, userId=[None] * 700)
    clicks = decode(as_list([b"junk", b"{}", rows, b"[]", rows]))
    assert clicks.rejected.counts() == {"not_json": 1, "no_time": 1, "no_user": 1400, "not_a_click": 1}
    kept = list(clicks.rejected.kept())
    assert len(kept) == KEPT_RECORDS
    assert [(r.reason, r.position) for r in kept[298:301]] == [
        ("no_user", START + 2),
        ("not_a_click", START + 3),
        ("no_user", START + 4),
    ]
    assert len({id(r.record) for r in kept if r.position == START + 4}) == 1, "one head for all rows"
    later = clicks.rejected.since(START + 3)
    assert later.counts() == {"not_a_click": 1, "no_user": 700}
    assert list(later.kept()) == kept[299:]


def test_what_is_shown_of_a_click_has_a_greatest_size() -> None:
    large = {"userAgent": "é" * 100_000, "country": [["x" * 10] * 9000], "birthdate": {"a": "b" * 600}}
    [newest] = newest_clicks(decode(as_list([bad_input.but(**large)])))
    assert len(newest.record) < 10_000
    fields = fields_of(newest)
    assert fields["userAgent"] == "é" * 512
    assert fields["country"] == json.dumps([["x" * 10] * 9000])[:512]
    assert fields["birthdate"] == json.dumps({"a": "b" * 600})[:512]
    wide = of_rows(3, userAgent=["u" * 300_000] * 3, **{f"other {n}": ["x"] * 3 for n in range(1000)})
    assert sum(len(click.record) for click in newest_clicks(decode(as_list([wide])))) < 10_000


HOSTILE: dict[str, Callable[[int], object]] = {
    "masked: hexadecimal digits": lambda n: mask(b"a" * n),
    "masked: colons": lambda n: mask(b"a:" * n),
    "masked: digits and dots": lambda n: mask(b"1." * n),
    "masked: an address that does not end": lambda n: mask(b'"ip"' + b" " * n),
    "strings": lambda n: judged(b'{"x":[' + b"[" * 600 + b'"' * n),
    "backslashes": lambda n: judged(b'{"x":[' + b"[]," * 600 + b'"' + b"\\" * n + b'"'),
    "escaped quotes": lambda n: judged(b'{"x":[' + b"[" * 600 + b'"' + b'\\"' * n),
    "digits": lambda n: judged(b'{"timestamp":%d,"userId":"a","age":%s}' % (TIME, b"9" * n)),
    "a time": lambda n: judged(b'{"timestamp":"2024-01-01T00:00:00.%s","userId":"a"}' % (b"9" * n)),
    "an offset": lambda n: judged(b'{"timestamp":"2024-01-01T%s+00:00","userId":"a"}' % (b"0:" * n)),
    "rows": lambda n: judged(b'{"Timestamps":[%s]}' % b",".join([b"1"] * n)),
    "columns": lambda n: judged(
        b'{"Timestamps":[1],"TagValues":{%s}}' % b",".join(b'"%d":[1]' % i for i in range(n // 8))
    ),
    "an address": lambda n: mask_ip("1:" * n),
}


def judged(record: bytes) -> None:
    """Decode a record as long as it comes, twice over."""
    decode(as_list([record, record]), mask_ip=True)


@pytest.mark.parametrize("name", HOSTILE)
def test_the_time_a_text_takes_grows_with_its_length_alone(name: str) -> None:
    """With 16 times the length: a little more than 16 times the time, where the square would be 256 times."""

    def seconds(size: int) -> float:
        taken = []
        for _ in range(5):
            began = time.process_time()
            HOSTILE[name](size)
            taken.append(time.process_time() - began)
        return min(taken)

    assert seconds(240_000) < 64 * seconds(15_000) + 0.005


def test_ids_made_to_meet_under_one_key_do_not_under_another() -> None:
    """Whoever knows the hash can make ids that share a place of the directory, and so wait for each other."""
    ids: list[str | None] = [f"{number:016d}" for number in range(400_000)]
    low = (stable_hash(ids, 0)[1] & np.uint64(255)).tolist()
    crafted = [each for each, place in zip(ids, low, strict=True) if place == 7]
    assert len(crafted) > 1000
    places = np.bincount((stable_hash(crafted, 0x1234_5678_9ABC_DEF0)[1] & np.uint64(255)).astype(int))
    assert places.max() < 30, "as many as chance has it"
