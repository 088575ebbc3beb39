"""Logs for tests: lists of records, made from a seed, that concentrate on what is easy to get wrong.

Every record is free of raw newlines, so that a log is a file of lines as well. All event times lie around the
turn of February 2024 (a leap year), except those that are meant to be rejected.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta, timezone
from itertools import accumulate
from pathlib import Path
from random import Random
from typing import Any

from hypothesis import strategies as st

Fields = dict[str, Any]

US = 1000
MS = 1000 * US
SECOND = 1000 * MS
MINUTE = 60 * SECOND
HALF_HOUR = 30 * MINUTE
HOUR = 60 * MINUTE
DAY = 24 * HOUR
MIDNIGHT = 1_709_251_200 * SECOND  # 2024-03-01T00:00:00Z
READ_MS = MIDNIGHT // MS + 7 * DAY // MS  # a wall clock after every click
MAX_BYTES = 1_048_576

EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
EDGES = (SECOND, MINUTE, HALF_HOUR, HOUR, DAY)
PRODUCTS = [f"VD{number:03}" for number in range(12)] + ["Ünï \U0001f6cd", ""]
CATEGORIES = ["clothing", "shoes", "clothing", "shoes", "clothing", "toys", "Éclairs", "Unknown", "", None]
AGENTS = [
    "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
    "Mozilla/5.0 (compatible; ChatGPT-User/1.0; +https://openai.com/bot)",
    "Mozilla/5.0 (X11; Linux x86_64) HeadlessChrome/126.0 Safari/537.36",
    "python-requests/2.32.3",
    "GPTBot/1.2",
    "Mozilla/5.0 (X11; Linux x86_64; rv:127.0) Gecko/20100101 Firefox/127.0",
    "",
]
DEVICES = ["Desktop", "Mobile", "Tablet", "TV", "desktop", "Other", "Unknown", None]
NUMERIC = ("age", "original_timestamp")


# Files


def positions(records: Iterable[bytes]) -> list[int]:
    """Return the byte offset of each record in the file that `write` makes."""
    return list(accumulate((len(record) + 1 for record in records), initial=0))[:-1]


def write(path: Path, records: Iterable[bytes]) -> None:
    """Write one record a line."""
    path.write_bytes(b"".join(record + b"\n" for record in records))


# Fixed logs


def one_visitor(clicks: int = 100_000) -> list[bytes]:
    """Return the clicks of one visitor, evenly over the 8 hours before midnight."""
    step = 8 * HOUR // clicks
    return [
        record_of(click_of("alone", MIDNIGHT - 8 * HOUR + number * step, productId=f"P{number % 50}"))
        for number in range(clicks)
    ]


def many_visitors(visitors: int) -> list[bytes]:
    """Return one click of each visitor, evenly over the hour before midnight."""
    step = HOUR // visitors
    return [
        record_of(
            click_of(
                f"visitor-{n}", MIDNIGHT - HOUR + n * step, productId=f"P{n % 50}", deviceType=DEVICES[n % 5]
            )
        )
        for n in range(visitors)
    ]


def click_of(user: str, time: int, **fields: Any) -> Fields:
    """Return a click at `time` nanoseconds with all fields, some of them given."""
    return {
        "timestamp": time,
        "original_timestamp": time // SECOND,
        "userId": user,
        "ip": "192.0.2.7",
        "userAgent": "Mozilla/5.0",
        "productId": "P1",
        "category": "clothing",
        "title": "A sweater",
        "gender": "F",
        "country": "Chile",
        "deviceType": "Desktop",
        "age": 30,
        "birthdate": "1994-02-28",
        **fields,
    }


def record_of(value: Any) -> bytes:
    """Return a value as one record."""
    return json.dumps(value, separators=(",", ":")).encode()


# Random logs


def random_log(
    seed: int,
    clicks: int = 20_000,
    visitors: int = 40,
    days: float = 2.0,
    broken: float = 0.01,
    table_share: float = 0.03,
    large: bool = True,
) -> list[bytes]:
    """Return about `clicks` clicks of `days` days that end near midnight, in the order of arrival.

    `broken` is the share of records to be rejected, `table_share` that of column-shaped ones; `large` adds
    one record at the limit of size and one above it. Clicks arrive in disorder, some too late to count.
    """
    rng = Random(seed)
    end = MIDNIGHT + rng.choice([-1, 0, 1, SECOND, MINUTE, HALF_HOUR - 1, 90 * MINUTE, rng.randrange(HOUR)])
    start = end - int(days * DAY)
    records: list[bytes] = []
    made = scenes = 0
    while made < clicks:
        clock = start + (end - start) * made // clicks
        chance = rng.random()
        if chance < broken:
            records.append(random_broken(rng, clock))
            continue
        if chance < broken + 0.01:
            scenes += 1
            scene = rng.choice(SCENES)(rng, f"scene-{scenes}", clock)
            records += [spelled(rng, click) for click in scene]
        elif chance < broken + 0.01 + table_share:
            scene = [random_click(rng, clock, visitors) for _ in range(rng.randrange(9))]
            records.append(record_of(table_of(rng, scene)))
        else:
            scene = [random_click(rng, clock, visitors)]
            records.append(spelled(rng, scene[0]))
        made += len(scene)
    if large:
        middle, time = len(records) // 2, (start + end) // 2 - HOUR
        records[middle:middle] = [sized(click_of("large", time), MAX_BYTES + n) for n in (0, 1)]
    return [*records, record_of(click_of("last", end))]


def random_click(rng: Random, clock: int, visitors: int) -> Fields:
    """Return a click of one of the visitors who are awake, in some disorder and with some fields missing."""
    number = rng.randrange(visitors)
    if rng.random() < 0.97:  # one third is awake, two hours in turn, so that sessions end
        number = (number // 3 * 3 + clock // (2 * HOUR) % 3) % visitors
    gender = rng.choice("MF") if rng.random() < 0.02 else "MF"[number % 2]
    product = rng.choice(PRODUCTS)
    click = click_of(
        f"visitor-{number}",
        disordered(rng, clock),
        original_timestamp=rng.choice([1331800486, "2012-03-15", None, 1.5]),
        ip=f"198.51.100.{number}",
        productId=product,
        category=rng.choice(CATEGORIES),
        title=f"“{product}”\t{rng.randrange(3)}",
        gender=gender,
        country=rng.choice(["Chile", "Côte d'Ivoire", "日本", None]),
        deviceType=rng.choice(DEVICES) if rng.random() < 0.2 else DEVICES[number % 4],
        age=rng.choice([24, 25, 35.0, 35.5, 45, 45.5, 46, 0, -0.5, 17.9, 129.9, 130, 64.5, 65])
        if rng.random() < 0.05
        else 25 + number % 20,
    )
    if rng.random() < 0.06:
        click |= rng.choice(
            [{"userAgent": rng.choice(AGENTS)}, {"deviceType": rng.choice(["Bot", "bot"])}, {"country": 7}]
        )
    for name in list(click):
        if name not in ("timestamp", "userId") and rng.random() < 0.02:
            if rng.random() < 0.5:
                click[name] = None
            else:
                del click[name]
    return click


def disordered(rng: Random, clock: int) -> int:
    """Return an event time at, before or on an edge near `clock`, whole in some unit."""
    chance = rng.random()
    if chance < 0.2:
        step = rng.choice(EDGES[:-1])
        return clock // step * step + rng.choice([-1, 0, 0, 1])
    scale = (0, MINUTE, HOUR, 8 * HOUR, 10 * HOUR)[
        (chance > 0.5) + (chance > 0.8) + (chance > 0.96) + (chance > 0.99)
    ]
    time = clock - rng.randrange(scale + 1)
    unit = rng.choice([1, US, MS, SECOND])
    return time // unit * unit


# Scenes: a few clicks of one visitor that stand for one rule


def gap_scene(rng: Random, user: str, clock: int) -> list[Fields]:
    """Click twice, half an hour apart to the nanosecond, give or take one."""
    return [click_of(user, clock - HALF_HOUR - rng.choice([-1, 0, 1])), click_of(user, clock)]


def joined_scene(rng: Random, user: str, clock: int) -> list[Fields]:
    """Click in two sessions, then late in between, which makes them one."""
    times = [clock - 55 * MINUTE, clock, clock - rng.choice([28, 30, 25]) * MINUTE, clock - 85 * MINUTE]
    return [click_of(user, time, productId="P9") for time in times]


def edge_scene(rng: Random, user: str, clock: int) -> list[Fields]:
    """Click on both sides of an edge, by several visitors at the same nanosecond."""
    edge = clock // (step := rng.choice(EDGES)) * step
    return [
        click_of(f"{user}-{number}", edge + shift, title=f"T{number}")
        for number in range(3)
        for shift in rng.sample([-SECOND, -1, 0, 1], 2)
    ]


def late_scene(rng: Random, user: str, clock: int) -> list[Fields]:
    """Click at the first moment that is not late and just before it."""
    first = clock // HALF_HOUR * HALF_HOUR - 16 * HALF_HOUR
    times = [clock, first, first - 1, first + 1, first + HALF_HOUR]
    return [click_of(user, time, productId=f"P{time % 7}") for time in times]


def journey_scene(rng: Random, user: str, clock: int) -> list[Fields]:
    """Walk to an offer or nearly so: wrong turns, refreshes, and one step around the half hour."""
    person: Fields = rng.choice(
        [
            {"gender": "M", "age": 40},
            {"gender": "F", "age": 30.5},
            {"gender": "M", "age": 35},
            {"gender": "F", "age": 36},
        ]
    )
    steps: list[tuple[str | None, str | None]] = [("A", "clothing"), ("S", "shoes"), ("B", "clothing")]
    for _ in range(rng.randrange(3)):
        extra = [
            ("A", "clothing"),
            ("S", "shoes"),
            ("T", "toys"),
            (None, "clothing"),
            (None, None),
            ("A", None),
        ]
        steps.insert(rng.randrange(4), rng.choice(extra))
    if rng.random() < 0.3:
        steps *= 2
    start = clock - HALF_HOUR
    times = [start + n * MINUTE for n in range(len(steps))]
    if rng.random() < 0.3:
        times[-1] = start + HALF_HOUR + rng.choice([-1, 0, 1])
    return [
        click_of(user, time, productId=product, category=category, **person)
        for time, (product, category) in zip(times, steps, strict=True)
    ]


SCENES: list[Callable[[Random, str, int], list[Fields]]] = [
    gap_scene,
    joined_scene,
    edge_scene,
    late_scene,
    journey_scene,
    journey_scene,
]


# Spelling: the same click, written in another way


def spelled(rng: Random, click: Fields) -> bytes:
    """Return a click as a record: its time in some unit, its JSON with or without blanks and escapes."""
    click = {**click, "timestamp": spelled_time(rng, click["timestamp"])}
    if rng.random() < 0.05:
        click |= {
            "ip": rng.choice([["192.0.2.1"], {"v4": None}, 7, True]),
            "note": {"deep": ["\U0001f6cd", [{}]]},
        }
    ascii_only = rng.random() < 0.5
    text = json.dumps(
        click, ensure_ascii=ascii_only, separators=rng.choice([(",", ":"), (", ", ": "), (" ,\t", ": ")])
    )
    return f"{rng.choice(['', '', ' '])}{text}{rng.choice(['', '', chr(13)])}".encode()


def spelled_time(rng: Random, time: int) -> int | str:
    """Return a time in nanoseconds as a number in a unit that holds it, or as an ISO 8601 string."""
    chance = rng.random()
    if chance < 0.5:
        return time
    if chance < 0.7:
        return time // MS if time % MS == 0 else time // US if time % US == 0 else time
    offset = rng.choice([0, 0, 330, -210])
    whole = (EPOCH + timedelta(seconds=time // SECOND, minutes=offset)).strftime(
        f"%Y-%m-%d{rng.choice('T ')}%H:%M:%S"
    )
    fraction = f".{time % SECOND:09}" if time % US else f".{time % SECOND // US:06}" if time % SECOND else ""
    zone = f"{'+' if offset > 0 else '-'}{abs(offset) // 60:02}:{abs(offset) % 60:02}" if offset else "Z"
    return whole + fraction + ("" if not offset and chance < 0.8 else zone)


def table_of(rng: Random, clicks: list[Fields]) -> Fields:
    """Return clicks as one record of the column shape, sometimes with a row or two to be rejected."""
    epoch = rng.choice([0, 0, MIDNIGHT - 5 * DAY])
    times: list[Any] = [click["timestamp"] - epoch for click in clicks]
    names = sorted({name for click in clicks for name in click} - {"timestamp"})
    columns = {name: [click.get(name) for click in clicks] for name in names}
    if clicks and rng.random() < 0.1:
        bad: list[tuple[list[Any], Any]] = [(times, None), (times, 1.5), (times, True), (times, 7)]
        bad += [(columns["userId"], None), (columns["userId"], ""), (columns["userId"], 5)]
        column, value = rng.choice(bad)
        column[rng.randrange(len(clicks))] = value
    tags = ("country", "gender") if rng.random() < 0.5 else ()
    no_tags: Fields | None = rng.choice([None, {}])
    return {
        **({"Epoch": epoch} if epoch or rng.random() < 0.5 else {}),
        "Timestamps": times,
        "NumericValues": {name: columns[name] for name in names if name in NUMERIC},
        "StringValues": {name: columns[name] for name in names if name not in (*NUMERIC, *tags)},
        "TagValues": {name: columns[name] for name in names if name in tags} or no_tags,
    }


def sized(click: Fields, size: int) -> bytes:
    """Return a click as a record of `size` bytes."""
    return record_of({**click, "filler": "x" * (size - len(record_of({**click, "filler": ""})))})


# Records to be rejected, by reason


def random_broken(rng: Random, clock: int) -> bytes:
    """Return a record to be rejected for any reason but its size."""
    reason = rng.choice(list(BROKEN))
    return rng.choice(BROKEN[reason])(clock)


def with_fields(**fields: Any) -> Callable[[int], bytes]:
    """Return a maker of records that have some wrong fields."""
    return lambda clock: record_of(click_of("broken", clock, **fields))


def without(name: str) -> Callable[[int], bytes]:
    """Return a maker of records that lack a field."""
    return lambda clock: record_of({k: v for k, v in click_of("broken", clock).items() if k != name})


def fixed(record: bytes) -> Callable[[int], bytes]:
    """Return a maker of always the same record."""
    return lambda clock: record


def table(**changes: Any) -> Callable[[int], bytes]:
    """Return a maker of column-shaped records that have some wrong columns."""
    good = {
        "Epoch": 0,
        "NumericValues": {"age": [30, 31]},
        "StringValues": {"userId": ["a", "b"]},
        "TagValues": {},
    }
    return lambda clock: record_of({"Timestamps": [clock, clock]} | good | changes)


_BAD_TIMES: list[Any] = [True, [], {}]
_BAD_USERS: list[Any] = [5.5, False, ["a"], {}]
_BAD_AGES: list[Any] = ["42", True, [42]]

BROKEN: dict[str, list[Callable[[int], bytes]]] = {
    "not_json": [
        *map(
            fixed, [b"{", b"nonsense", b"\xff\xfe{}", b'{"a":1}{"b":2}', b"{'a':1}", b"[1,]", b'{"a":"\xc3"}']
        ),
        fixed(b"[" * 5000 + b"]" * 5000),
        lambda clock: b'{"userId":"a","age":NaN,"timestamp":%d}' % clock,
        lambda clock: b'{"userId":"a","ip":-Infinity,"timestamp":%d}' % clock,
        lambda clock: record_of(click_of("torn " * 200, clock))[:-1],
    ],
    "not_a_click": [
        *map(fixed, [b"[]", b"null", b"42", b'"click"', b"true", b'[{"userId":"a"}]', b"  -1.5e3 "])
    ],
    "bad_columns": [
        table(Timestamps=None),
        table(Timestamps=17),
        table(Timestamps=[]),
        table(Epoch=0.5),
        table(Epoch="0"),
        table(Epoch=True),
        table(NumericValues=[]),
        table(StringValues={"userId": "ab"}),
        table(StringValues={"userId": ["a"]}),
        table(TagValues={"anything": [1, 2, 3]}),
    ],
    "bad_type": [
        *(with_fields(timestamp=value) for value in _BAD_TIMES),
        *(with_fields(userId=value) for value in _BAD_USERS),
        *(with_fields(age=value) for value in _BAD_AGES),
        *(with_fields(**{name: 5}) for name in ("productId", "category", "deviceType", "gender", "title")),
        with_fields(timestamp=None, userId="", age="old"),
    ],
    "no_time": [with_fields(timestamp=None), without("timestamp"), with_fields(timestamp=None, userId=None)],
    "no_user": [
        with_fields(userId=None),
        with_fields(userId=""),
        without("userId"),
        fixed(b'{"timestamp":"x"}'),
    ],
    "too_long": [
        *(with_fields(**{name: "x" * 257}) for name in ("userId", "productId", "category", "deviceType")),
        with_fields(userId="ü" * 300, timestamp="never"),
    ],
    "bad_time": [
        with_fields(timestamp=value)
        for value in (
            *(
                "",
                "yesterday",
                "2024-02-30",
                "٢٠٢٤-02-28",
                "2024-02-28T24:00:00",
                "202402",
                "2023-366",
                "1709164800",
            ),
            *(
                "2024-02-28T10:00:61Z",
                "2024-W09-8",
                " 2024-02-28T10:00:00Z",
            ),
            *(2**63, -(2**63) - 1, 10**30),
        )
    ],
    "too_old": [
        with_fields(timestamp=value) for value in (0, -1, -(2**63), 946684799999, "1999-12-31T23:59:59.9Z")
    ],
    "too_new": [
        with_fields(timestamp=value) for value in (4102444800000, 10**14 - 1, 2**63 - 1, "9999-12-31")
    ],
}


# Small logs for Hypothesis

_OFFSETS = (0, 1, SECOND, 10 * MINUTE, 15 * MINUTE, HALF_HOUR, HOUR, 8 * HOUR, 8 * HOUR + HALF_HOUR)


def small_logs(max_size: int = 60) -> st.SearchStrategy[list[bytes]]:
    """Return logs of a few visitors whose clicks are a whole window apart, or a second or nanosecond off."""
    return st.lists(_spellings(_clicks()) | _tables() | _broken(), max_size=max_size)


def _times() -> st.SearchStrategy[int]:
    ago = st.sampled_from(_OFFSETS)
    shift = st.sampled_from([0, 0, 0, 1, -1, SECOND, -SECOND, MINUTE, HALF_HOUR])
    return st.builds(lambda a, b, c: MIDNIGHT - a - b + c, ago, ago, shift)


def _clicks() -> st.SearchStrategy[Fields]:
    return st.fixed_dictionaries(
        # A NUL at its end tells a visitor from the one without, as does the case.
        {"userId": st.sampled_from(["a", "A", "a\0", "é"]), "timestamp": _times()},
        optional={
            "productId": st.sampled_from(["P1", "P2", "p1", None]),
            "category": st.sampled_from(["clothing", "shoes", "toys", None]),
            "title": st.sampled_from(["one", "two", None]),
            "deviceType": st.sampled_from(DEVICES),
            "gender": st.sampled_from(["M", "F", "F", "X", None]),
            "age": st.sampled_from([25, 35, 35.0, 45, 46, None]),
            "ip": st.sampled_from(["192.0.2.1", None]),
            "country": st.sampled_from(["Chile", None]),
        },
    )


def _spellings(clicks: st.SearchStrategy[Fields]) -> st.SearchStrategy[bytes]:
    return st.builds(lambda click, seed: spelled(Random(seed), click), clicks, st.integers(0, 99))


def _tables() -> st.SearchStrategy[bytes]:
    rows = st.lists(_clicks(), max_size=4)
    return st.builds(lambda clicks, seed: record_of(table_of(Random(seed), clicks)), rows, st.integers(0, 99))


def _broken() -> st.SearchStrategy[bytes]:
    makers = st.sampled_from([maker for makers in BROKEN.values() for maker in makers])
    return st.builds(lambda maker, clock: maker(clock), makers, _times())
