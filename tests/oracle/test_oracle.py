"""The oracle itself, proved on logs small enough to check by hand, and the logs that it is used with.

All times are on 1 March 2024, UTC.
"""

from __future__ import annotations

import json
from collections import Counter
from datetime import datetime, timezone
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings

from tests.oracle import oracle
from tests.oracle import records as oracle_records
from tests.oracle.records import Expected
from tests.support import logs

Row = dict[str, Any]
READ_MS = logs.READ_MS


def at(text: str) -> int:
    """Return the nanoseconds of a time of day such as `12:00:00.000000001`."""
    clock, _, fraction = text.partition(".")
    day = datetime.fromisoformat(f"2024-03-01T{clock}").replace(tzinfo=timezone.utc)
    return int(day.timestamp()) * 10**9 + int(fraction.ljust(9, "0"))


def ms(text: str) -> int:
    return at(text) // 10**6


def click(user: str, time: str | int, **fields: Any) -> Row:
    return {"userId": user, "timestamp": at(time) if isinstance(time, str) else time, **fields}


def expect(*records: Any, as_of: str | None = None, read_ms: int = READ_MS) -> Expected:
    """Return what the oracle makes of records at positions 0, 1, 2."""
    encoded = [r if isinstance(r, bytes) else json.dumps(r).encode() for r in records]
    return oracle.recompute(list(enumerate(encoded)), read_ms, None if as_of is None else ms(as_of))


def board(*records: Any, as_of: str | None = None) -> Row:
    figures: Row = expect(*records, as_of=as_of)["board"]
    return figures


def reasons(*records: Any, read_ms: int = READ_MS) -> list[str]:
    return [reason for reason, _, _ in expect(*records, read_ms=read_ms)["rejected"]]


def column(rows: list[Row], name: str) -> list[Any]:
    return [row[name] for row in rows]


# The board's moment


@pytest.mark.parametrize(
    ("newest", "as_of"),
    [
        ("12:00:00", "12:00:01"),
        ("12:00:00.000000001", "12:00:01"),
        ("12:00:00.999999999", "12:00:01"),
        ("23:59:58.5", "23:59:59"),
    ],
)
def test_as_of_is_the_end_of_the_second_of_the_newest_click(newest: str, as_of: str) -> None:
    assert board(click("a", newest), click("b", "11:00:00"))["as_of"] == ms(as_of)


def test_as_of_may_be_later_and_must_not_be_earlier() -> None:
    assert board(click("a", "12:00:00"), as_of="12:00:07")["as_of"] == ms("12:00:07")
    with pytest.raises(ValueError, match=rf"there are newer clicks: give {ms('12:00:01')} or later"):
        board(click("a", "12:00:00"), as_of="12:00:00")


def test_a_log_without_clicks_gives_empty_metrics() -> None:
    empty = expect()
    frames = ("products_last_hour", "latest_visitors", "category_popularity", "raw_data")
    assert [empty[key] for key in frames] == [[], [], [], []]
    assert column(empty["last_15_minutes"], "count") == [0] * 15
    assert column(empty["sessions"], "count") == [0] * 17
    assert column(empty["device_type_popularity"], "Total") == [0] * 4
    assert empty["board"] == {
        "as_of": 0,
        "online_5m": 0,
        "visitors_15m": 0,
        **dict.fromkeys(
            ("clicks_1h", "bot_clicks_1h", "bot_visitors_15m", "bot_clicks_total", "bot_late_total"), 0
        ),
        **{"offers_1h": 0, "offers": {}, "journeys_over_1h": 0},
        "sessions_8h": 0,
        "sessions_active": 0,
        "session_seconds_mean": None,
        "session_clicks_mean": None,
        "session_bounce_share": None,
        "devices_now": 0,
        "clicks_total": 0,
        "late_total": 0,
        "ahead": 0,
        "rejected_total": 0,
        "rejected": {},
    }


# Visitors


def test_visitors_of_15_minutes_are_half_open() -> None:
    log = [click("a", "12:00:00"), click("b", "12:14:59.999999999"), click("a", "12:14:00")]
    assert board(*log)["visitors_15m"] == 2
    assert board(*log, as_of="12:15:00")["visitors_15m"] == 2
    assert board(click("old", "12:00:00"), click("b", "12:14:59"), as_of="12:15:01")["visitors_15m"] == 1
    assert board(click("old", "11:59:59.999999999"), click("b", "12:14:59"))["visitors_15m"] == 1


def test_minutes_are_the_current_one_and_the_14_before() -> None:
    rows = expect(
        click("a", "12:00:00"),
        click("a", "12:00:59.999999999"),
        click("b", "12:00:30"),
        click("b", "12:01:00"),
        click("c", "11:59:59.999999999"),
        click("d", "12:14:59.5"),
    )["last_15_minutes"]
    assert rows[0] == {"datetime": ms("12:00:00"), "count": 3, "visitors": 2}
    assert rows[1] == {"datetime": ms("12:01:00"), "count": 1, "visitors": 1}
    assert rows[-1] == {"datetime": ms("12:14:00"), "count": 1, "visitors": 1}
    assert column(rows, "count") == [3, 1, *[0] * 12, 1]
    assert column(rows, "datetime") == [ms("12:00:00") + n * 60_000 for n in range(15)]


def test_the_minute_of_a_click_on_the_minute_is_the_current_one() -> None:
    assert expect(click("a", "12:15:00"))["last_15_minutes"][-1]["datetime"] == ms("12:15:00")
    rows = expect(click("a", "12:14:59"), as_of="12:15:00")["last_15_minutes"]
    assert rows[-1] == {"datetime": ms("12:14:00"), "count": 1, "visitors": 1}


# Sessions


@pytest.mark.parametrize(("second", "sessions"), [("12:30:00", 1), ("12:30:00.000000001", 2)])
def test_a_gap_of_more_than_30_minutes_opens_a_session(second: str, sessions: int) -> None:
    assert board(click("a", "12:00:00"), click("a", second))["sessions_8h"] == sessions
    assert board(click("a", "12:00:00"), click("b", second))["sessions_8h"] == 2


def test_a_late_click_joins_two_sessions() -> None:
    apart = [click("a", "12:00:00"), click("a", "12:50:00")]
    assert board(*apart)["sessions_8h"] == 2
    joined = board(*apart, click("a", "12:25:00"))
    assert joined["sessions_8h"] == 1
    assert joined["session_seconds_mean"] == 50 * 60
    assert joined["session_clicks_mean"] == 3


def test_means_are_over_whole_sessions_of_the_last_8_hours() -> None:
    figures = board(
        click("a", "03:40:00"),  # before the 8 hours, but in one session with the next
        click("a", "04:00:01"),
        click("gone", "03:59:59"),
        click("b", "11:00:00"),
        click("c", "11:29:59"),
        click("c", "12:00:00.5"),  # a second session: 30 minutes and 1.5 seconds later
    )
    assert figures["sessions_8h"] == 4
    assert figures["sessions_active"] == 1
    assert figures["session_seconds_mean"] == (20 * 60 + 1) / 4
    assert figures["session_clicks_mean"] == 5 / 4
    assert figures["session_bounce_share"] == 3 / 4


def test_a_session_is_active_for_30_minutes_after_its_last_click() -> None:
    log = [click("a", "12:00:00")]
    assert board(*log, as_of="12:30:00")["sessions_active"] == 1
    assert board(*log, as_of="12:30:01")["sessions_active"] == 0


def test_sessions_leave_after_8_hours() -> None:
    log = [click("a", "12:00:00")]
    assert board(*log, as_of="20:00:00")["sessions_8h"] == 1
    gone = board(*log, as_of="20:00:01")
    assert (gone["sessions_8h"], gone["session_seconds_mean"], gone["clicks_total"]) == (0, None, 1)


def test_session_buckets_are_the_current_one_and_the_16_before() -> None:
    rows = expect(
        click("a", "04:00:00"),
        click("b", "04:29:59.999999999"),
        click("b", "04:30:00"),
        click("b", "04:31:00"),
        click("c", "12:00:00"),
    )["sessions"]
    assert rows[0] == {"datetime": ms("04:00:00"), "userId": 2, "count": 2}
    assert rows[1] == {"datetime": ms("04:30:00"), "userId": 1, "count": 1}
    assert column(rows, "count") == column(rows, "userId") == [2, 1, *[0] * 14, 1]
    assert column(rows, "datetime") == [ms("04:00:00") + n * 1_800_000 for n in range(17)]


def test_the_bucket_of_a_click_on_the_half_hour_is_the_current_one() -> None:
    assert expect(click("a", "12:30:00"))["sessions"][-1]["datetime"] == ms("12:30:00")
    rows = expect(click("a", "12:29:59"), as_of="12:30:00")["sessions"]
    assert rows[-1] == {"datetime": ms("12:00:00"), "userId": 1, "count": 1}


# Late clicks


@pytest.mark.parametrize(
    ("newest", "time", "late"),
    [
        ("12:00:00", "04:00:00", 0),
        ("12:00:00", "03:59:59.999999999", 1),
        ("12:29:59.999999999", "04:00:00", 0),
        ("12:30:00", "04:00:00", 1),
        ("12:30:00", "04:30:00", 0),
    ],
)
def test_a_click_is_late_when_16_buckets_have_begun_since(newest: str, time: str, late: int) -> None:
    figures = board(click("a", newest), click("b", time, gender="M", age=40, category="clothing"))
    assert figures["late_total"] == late
    assert figures["clicks_total"] == 2 - late


def test_late_is_judged_on_arrival_and_late_clicks_count_for_nothing_else() -> None:
    old = click("b", "03:00:00", gender="M", age=40, category="clothing", productId="P")
    assert board(old, click("a", "12:00:00"))["late_total"] == 0
    late = expect(click("a", "12:00:00"), old)
    assert late["board"]["late_total"] == 1
    assert late["state_logs"] == []
    assert late["board"]["sessions_8h"] == 1


def test_a_rejected_click_is_not_the_newest() -> None:
    figures = board(click("", "23:00:00"), click("a", "12:00:00"), click("b", "05:00:00"))
    assert (figures["as_of"], figures["late_total"], figures["rejected"]) == (
        ms("12:00:01"),
        0,
        {"no_user": 1},
    )


# Devices, pages, categories


def test_devices_are_distinct_pairs_of_10_minutes() -> None:
    rows = expect(
        click("a", "12:00:00", deviceType="Desktop"),
        click("a", "12:01:00", deviceType="Desktop"),
        click("a", "12:01:00", deviceType="Mobile"),
        click("b", "12:01:00", deviceType="Desktop"),
        click("b", "12:01:00", deviceType="desktop"),
        click("b", "12:01:00", deviceType="TV"),
        click("b", "12:01:00"),
        click("b", "12:01:00", deviceType=None),
        click("b", "12:09:59", deviceType="Unknown"),
        click("c", "11:59:59.999999999", deviceType="Tablet"),
    )
    table = rows["device_type_popularity"]
    assert column(table, "Device") == ["Device type"] * 4
    assert column(table, "Device type") == ["Desktop", "Tablet", "Mobile", "Other"]
    assert column(table, "Total") == [2, 0, 1, 2]
    assert rows["board"]["devices_now"] == 5


def test_pages_are_ranked_by_clicks_then_product_then_category() -> None:
    log = [click("a", "11:00:01", productId=f"P{number:02}", title="t") for number in range(12)]
    log += [
        click("a", "11:30:00", productId="P11", category="z", title="old"),
        click("a", "11:31:00", productId="P11", category="z", title="new"),
        click("a", "11:30:00", productId="P11", category="z", title="late"),
        click("a", "11:30:00", productId="P00", category="shoes", title="first"),
        click("a", "11:30:00", productId="P00", category="shoes", title=None),
        click("a", "11:00:00.999999999", productId="P00"),
        click("a", "12:00:00"),
    ]
    rows = expect(*log)["products_last_hour"]
    assert rows[0] == {"productId": "P11", "category": "z", "count": 3, "title": "new"}
    assert rows[1] == {"productId": "P00", "category": "shoes", "count": 2, "title": None}
    assert rows[2] == {"productId": "P00", "category": "Unknown", "count": 1, "title": "t"}
    assert column(rows, "productId") == ["P11", "P00", *(f"P{number:02}" for number in range(8))]


def test_product_comes_before_category_in_a_tie() -> None:
    pages = [("B", "a"), ("A", "z"), ("A", "y")]
    rows = expect(*(click("v", "12:00:00", productId=p, category=c) for p, c in pages))["products_last_hour"]
    assert [(row["productId"], row["category"]) for row in rows] == sorted(pages)


def test_of_two_titles_at_the_same_time_the_later_arrival_counts() -> None:
    log = [click("a", "12:00:00", productId="P", title=title) for title in ("one", "two")]
    assert expect(*log)["products_last_hour"][0]["title"] == "two"


def test_categories_are_ranked_by_clicks_then_name() -> None:
    names = ["b", "b", "a", None, "Unknown", "B", "c", "c", "c"]
    log = [click("v", "12:00:00", category=name) for name in names]
    rows = expect(click("v", "11:00:00"), *log)["category_popularity"]
    assert [(row["category"], row["count"]) for row in rows] == [
        ("c", 3),
        ("Unknown", 2),
        ("b", 2),
        ("B", 1),
        ("a", 1),
    ]


# Latest visitors and raw data


@pytest.mark.parametrize(
    ("as_of", "words"),
    [
        ("12:00:01", "just now"),
        ("12:00:02", "1 second ago"),
        ("12:00:03", "2 seconds ago"),
        ("12:01:00", "59 seconds ago"),
        ("12:01:01", "1 minute ago"),
        ("12:02:00", "1 minute ago"),
        ("12:02:01", "2 minutes ago"),
        ("13:00:00", "59 minutes ago"),
    ],
)
def test_relative_time_counts_whole_seconds(as_of: str, words: str) -> None:
    rows = expect(click("a", "12:00:00.5", ip="192.0.2.1"), as_of=as_of)["latest_visitors"]
    assert rows == [
        {"Relative Time": words, "Date and Time": "2024-03-01 12:00:00", "ip": "192.0.2.1", "country": None}
    ]


def test_latest_visitors_come_once_by_their_newest_click() -> None:
    log = [click(f"v{number}", f"11:30:{number:02}", country=f"v{number}") for number in range(12)]
    log += [
        click("v0", "12:00:00", country="newest of v0"),
        click("tie", "12:00:00", country="tied, later"),
        click("v1", "11:00:00.5", country="older of v1"),
        click("v11", "11:30:11", country="v11 again"),
    ]
    rows = expect(*log)["latest_visitors"]
    others = ["v11 again", *(f"v{number}" for number in range(10, 3, -1))]
    assert column(rows, "country") == ["tied, later", "newest of v0", *others]
    assert rows[0]["Relative Time"] == "1 second ago"


def test_a_visitor_leaves_the_latest_after_an_hour() -> None:
    assert (
        expect(click("a", "12:00:00"), as_of="13:00:00")["latest_visitors"][0]["Relative Time"]
        == "60 minutes ago"
    )
    assert expect(click("a", "12:00:00"), as_of="13:00:01")["latest_visitors"] == []


def test_raw_data_has_all_fields_as_given() -> None:
    odd = {"ip": ["x"], "userAgent": 7, "birthdate": {}, "age": 42.0, "unknown": 1, "country": "日本"}
    (row,) = expect(click("a", "12:00:00", **odd) | {"timestamp": "2024-03-01T12:00:00.1239Z"})["raw_data"]
    assert row == {
        "timestamp": at("12:00:00.1239"),
        "original_timestamp": None,
        "userId": "a",
        "ip": ["x"],
        "userAgent": 7,
        "productId": None,
        "category": None,
        "title": None,
        "gender": None,
        "country": "日本",
        "deviceType": None,
        "age": 42.0,
        "birthdate": {},
        "datetime": ms("12:00:00.123"),
    }
    assert list(row) == [*oracle_records.FIELDS, "datetime"]


def test_raw_data_is_the_100_newest_clicks_of_the_hour_newest_first() -> None:
    log = [click("a", "12:00:00", title=str(number)) for number in range(99)]
    rows = expect(click("a", "11:00:01", title="last"), click("a", "11:00:00"), *log)["raw_data"]
    assert column(rows, "title") == [*(str(number) for number in range(98, -1, -1)), "last"]
    assert len(expect(*log, *log)["raw_data"]) == 100


# Decoding


@pytest.mark.parametrize(
    ("given", "time"),
    [
        (1709294400000000000, "12:00:00"),
        (1709294400000001, "12:00:00.000001"),
        (1709294400001, "12:00:00.001"),
        ("2024-03-01T12:00:00Z", "12:00:00"),
        ("2024-03-01 12:00", "12:00:00"),
        ("2024-03-01T12", "12:00:00"),
        ("2024-03-01\n12:00", "12:00:00"),
        ("2024-03-01", "00:00:00"),
        ("2024-03-01T14:30:00+02:30", "12:00:00"),
        ("2024-03-01T14:30-05:00", "19:30:00"),
        ("2024-03-01T12:00:00.5-00:00:01", "12:00:01.5"),
        ("2024-03-01T12:00:00.123456789+01:00", "11:00:00.123456789"),
    ],
)
def test_times_are_told_apart_by_magnitude_and_form(given: int | str, time: str) -> None:
    assert oracle_records.event_time(given) == at(time)


@pytest.mark.parametrize("reason", logs.BROKEN)
def test_every_broken_record_has_its_reason(reason: str) -> None:
    for make in logs.BROKEN[reason]:
        assert reasons(make(at("12:00:00"))) == [reason], make(0)[:200]


def test_size_has_a_limit() -> None:
    at_limit, above = (logs.sized(click("a", "12:00:00"), logs.MAX_BYTES + extra) for extra in (0, 1))
    assert (len(at_limit), len(above)) == (1_048_576, 1_048_577)
    assert reasons(at_limit, above, b"x" * len(above)) == ["too_large", "too_large"]


def test_rejected_records_keep_position_and_512_bytes() -> None:
    bad = b'{"userId":"' + b"\xc3\xa9" * 400
    result = expect(click("a", "12:00:00"), bad, b"[]")
    assert result["rejected"] == [("not_json", 1, bad[:512]), ("not_a_click", 2, b"[]")]
    assert result["board"]["rejected"] == {"not_json": 1, "not_a_click": 1}
    assert (result["board"]["rejected_total"], result["board"]["clicks_total"]) == (2, 1)


def test_the_first_reason_of_several_counts() -> None:
    assert reasons({"userId": 5.5}, {"userId": ""}, {"timestamp": "x"}, {"timestamp": 1, "userId": "a"}) == [
        "bad_type",
        "no_time",
        "no_user",
        "too_old",
    ]


@pytest.mark.parametrize(("ahead_ns", "found"), [(0, []), (1, ["too_new"])])
def test_a_click_may_be_5_minutes_ahead_of_the_clock(ahead_ns: int, found: list[str]) -> None:
    assert reasons(click("a", at("12:05:00") + ahead_ns), read_ms=ms("12:00:00")) == found


@pytest.mark.parametrize(
    ("time", "found"), [(946684800000, []), ("1999-12-31T23:59:59.999999999", ["too_old"])]
)
def test_time_begins_in_2000(time: int | str, found: list[str]) -> None:
    assert reasons({"userId": "a", "timestamp": time}) == found


def test_brackets_in_text_are_no_depth_and_lone_surrogates_are_json() -> None:
    good = click("a", "12:00:00", title='[\\"{' * 1000)
    assert reasons(good, click("a", "12:00:00", nested=json.loads("[" * 40 + "]" * 40))) == []
    halves: list[dict[str, Any]] = [{"title": "\ud800"}, {"note": [{"\udfff": 1}]}]
    assert reasons(*(click("a", "12:00:00", **half) for half in halves)) == []
    assert reasons(click("\U0001f6cd", "12:00:00")) == []


def test_columns_are_clicks_row_by_row() -> None:
    table = {
        "Epoch": at("12:00:00"),
        "Timestamps": [0, 10**9, None, True, 7, 2 * 10**9],
        "NumericValues": {"age": [42, None, 1, 1, 1, "old"], "userId": [9, 9, 9, 9, 9, 9]},
        "StringValues": {
            "userId": ["a", "b", "c", "d", "", "f"],
            "category": ["shoes", None, "x", "x", "x", "x"],
        },
        "TagValues": {"country": ["Chile"] * 6, "category": ["hidden", "toys", "x", "x", "x", "x"]},
    }
    result = expect(b" ", table)
    fields = [(row["timestamp"], row["userId"], row["category"], row["age"]) for row in result["raw_data"]]
    assert fields == [(at("12:00:01"), "b", "toys", None), (at("12:00:00"), "a", "shoes", 42)]
    assert column(result["raw_data"], "country") == ["Chile", "Chile"]
    assert [(reason, position) for reason, position, _ in result["rejected"]] == [
        *(("not_json", 0), ("no_time", 1), ("bad_type", 1), ("no_user", 1), ("bad_type", 1)),
    ]


def test_columns_without_rows_or_groups_are_well_formed() -> None:
    assert reasons({"Timestamps": []}, {"Timestamps": [], "StringValues": None}) == []
    assert reasons({"Timestamps": [at("12:00:00")]}) == ["no_user"]


# Journeys

MAN = {"gender": "M", "age": 40}
WOMAN = {"gender": "F", "age": 30}


def walk(*steps: str, **person: Any) -> list[str]:
    """Return the states that steps `product category [time]` of visitor `u` log, offers by name."""
    log = []
    for number, step in enumerate(steps):
        product, category, *time = step.split()
        fields = {"productId": None if product == "-" else product, "category": category, **(person or MAN)}
        log.append(click("u", time[0] if time else f"12:{number:02}:00", **fields))
    entries = expect(*log)["state_logs"]
    return [msg.split()[-1][:-1] if "triggered" in msg else state for msg, _, state, _ in entries]


def test_a_journey_is_logged_step_by_step_to_its_offer() -> None:
    result = expect(
        click("u", "12:00:00.25", productId="A", category="clothing", **MAN),
        click("w", "12:00:01", productId="A", category="clothing", **WOMAN),
        click("u", "12:01:00", productId="S", category="shoes", **MAN),
        click("u", "12:02:00.5", productId="B", category="clothing", **MAN),
    )
    noon = at("12:00:00") // 10**9
    first = "[Event: clicked A][Category: clothing]"
    assert result["state_logs"] == [
        (f"[User u entered state clothes_visited]{first}", "u", "clothes_visited", noon + 0.25),
        (f"[User w entered state clothes_visited]{first}", "w", "clothes_visited", noon + 1.0),
        (
            "[User u entered state shoes_visited][Event: clicked S][Category: shoes]",
            "u",
            "shoes_visited",
            noon + 60.0,
        ),
        ("[User u entered state offer][Event: clicked B][Category: clothing]", "u", "offer", noon + 120.5),
        ("[User u triggered offer offer1]", "u", "offer", noon + 120.5),
    ]
    assert result["special_offers"] == [("u", "offer1", noon + 120.5)]


def test_women_get_the_other_offer_and_the_journey_starts_anew() -> None:
    round_trip = ["clothes_visited", "shoes_visited", "offer", "offer2"]
    assert walk("A clothing", "S shoes", "B clothing", **WOMAN) == round_trip
    again = ["A clothing", "S shoes", "B clothing"] * 2
    assert walk(*again, **WOMAN) == round_trip * 2


@pytest.mark.parametrize(
    ("gender", "age", "starts"),
    [
        *[("M", 34.9, 0), ("M", 35, 1), ("M", 45, 1), ("M", 45.1, 0), ("M", 30, 0)],
        *[
            ("F", 24, 0),
            ("F", 25, 1),
            ("F", 35, 1),
            ("F", 36, 0),
            ("X", 35, 0),
            (None, 35, 0),
            ("M", None, 0),
        ],
    ],
)
def test_who_starts_a_journey(gender: str | None, age: float | None, starts: int) -> None:
    assert len(walk("A clothing", gender=gender, age=age)) == starts
    assert walk("A shoes", gender=gender, age=age) == []


@pytest.mark.parametrize(
    ("steps", "states"),
    [
        # Other clothing stays, without a word; so does a refresh, also of what changes nothing in init.
        (("A clothing", "B clothing", "B clothing", "S shoes"), ["clothes_visited", "shoes_visited"]),
        (("A toys", "A clothing", "B clothing"), ["clothes_visited"]),
        # The first product leads back, and its journey goes on; another one is an offer.
        (
            ("A clothing", "S shoes", "A clothing", "S shoes", "B clothing"),
            ["clothes_visited", "shoes_visited", "clothes_visited", "shoes_visited", "offer", "offer1"],
        ),
        (
            ("A clothing", "B clothing", "S shoes", "B clothing"),
            ["clothes_visited", "shoes_visited", "offer", "offer1"],
        ),
        # Any other click resets, shoes after shoes among them.
        (("A clothing", "T toys", "B clothing"), ["clothes_visited", "init", "clothes_visited"]),
        (("A clothing", "S shoes", "S shoes", "R shoes"), ["clothes_visited", "shoes_visited", "init"]),
        (("A clothing", "S shoes", "A shoes"), ["clothes_visited", "shoes_visited", "init"]),
        # After an offer the journey is back in init without a word.
        (
            ("A clothing", "S shoes", "B clothing", "T toys", "U toys 12:40:00"),
            ["clothes_visited", "shoes_visited", "offer", "offer1"],
        ),
        # A refresh right after an offer starts nothing.
        (
            ("A clothing", "S shoes", "B clothing", "B clothing"),
            ["clothes_visited", "shoes_visited", "offer", "offer1"],
        ),
        # Without a product there is no refresh, and none is another product than A, but not than none.
        (("A clothing", "- shoes", "- shoes"), ["clothes_visited", "shoes_visited", "init"]),
        (("A clothing", "S shoes", "- clothing"), ["clothes_visited", "shoes_visited", "offer", "offer1"]),
        (("- clothing", "S shoes", "- clothing"), ["clothes_visited", "shoes_visited", "clothes_visited"]),
        # Half an hour after the first click every step resets; a click before it does not.
        (("A clothing 12:00:00", "S shoes 12:29:59.999999999"), ["clothes_visited", "shoes_visited"]),
        (
            ("A clothing 12:00:00", "B clothing 12:30:00", "C clothing"),
            ["clothes_visited", "init", "clothes_visited"],
        ),
        (("A clothing 12:00:00", "S shoes 11:00:00"), ["clothes_visited", "shoes_visited"]),
    ],
)
def test_where_a_journey_goes(steps: tuple[str, ...], states: list[str]) -> None:
    assert walk(*steps) == states


def test_a_click_without_gender_or_age_is_ignored_and_not_remembered() -> None:
    log = [
        click("u", "12:00:00", productId="A", category="clothing", **MAN),
        click("u", "12:01:00", productId="T", category="toys", gender="M"),
        click("u", "12:02:00", productId="A", category="toys", **MAN),
        click("u", "12:03:00", category="shoes", **MAN),
        click("u", "12:04:00", **MAN),
    ]
    messages = [msg for msg, _, _, _ in expect(*log)["state_logs"]]
    assert messages[1:] == [
        "[User u entered state shoes_visited][Event: clicked None][Category: shoes]",
        "[User u entered state init][Event: clicked None][Category: Unknown]",
    ]


def test_an_offer_goes_by_the_gender_of_its_click() -> None:
    steps = [click("u", "12:00:00", productId="A", category="clothing", **MAN)]
    steps += [click("u", "12:01:00", productId="S", category="shoes", **MAN)]
    for gender, offers in (("F", ["offer2"]), ("X", [])):
        result = expect(
            *steps, click("u", "12:02:00", productId="B", category="clothing", gender=gender, age=1)
        )
        assert [offer for _, offer, _ in result["special_offers"]] == offers
        assert len(result["state_logs"]) == 3 + len(offers)


# The logs


def placed(records: list[bytes]) -> list[tuple[int, bytes]]:
    return list(zip(logs.positions(records), records, strict=True))


def test_positions_are_offsets_in_the_written_file(tmp_path: Path) -> None:
    records = logs.random_log(5, clicks=200)
    logs.write(tmp_path / "log", records)
    written = (tmp_path / "log").read_bytes()
    assert written.split(b"\n") == [*records, b""]
    for position, record in placed(records):
        assert written[position : position + len(record)] == record


def test_a_random_log_is_the_same_for_the_same_seed_only() -> None:
    assert logs.random_log(1, clicks=300) == logs.random_log(1, clicks=300)
    assert logs.random_log(1, clicks=300) != logs.random_log(2, clicks=300)


def test_spelling_a_click_does_not_change_it() -> None:
    rng = Random(3)
    for number in range(2000):
        wanted = logs.random_click(rng, logs.MIDNIGHT + number * 7_000_000_001, 40)
        (found,) = oracle_records.decoded(logs.spelled(rng, wanted), READ_MS)
        assert isinstance(found, oracle_records.Click)
        assert found.time == wanted["timestamp"]
        assert (found.user, found.fields["title"]) == (wanted["userId"], wanted.get("title"))


def test_a_random_log_has_everything_that_is_easy_to_get_wrong() -> None:
    records = logs.random_log(1)
    result = oracle.recompute(placed(records), READ_MS)
    assert set(result["board"]["rejected"]) == {"too_large", *logs.BROKEN}
    assert 0.002 < result["board"]["late_total"] / len(records) < 0.03
    assert 0 < result["board"]["session_bounce_share"] < 0.5
    assert Counter(state for _, _, state, _ in result["state_logs"]).keys() == {
        *("init", "clothes_visited", "shoes_visited", "offer")
    }
    assert {offer for _, offer, _ in result["special_offers"]} == {"offer1", "offer2"}
    counts = column(result["products_last_hour"], "count")
    assert len(counts) == 10
    assert len(set(counts)) < 10
    assert all(column(result["device_type_popularity"], "Total"))
    assert sum(b'"Timestamps"' in record for record in records) > 100
    assert not any(b"\n" in record for record in records)


def test_logs_of_one_and_of_many_visitors() -> None:
    one = oracle.recompute(placed(logs.one_visitor(1000)), READ_MS)["board"]
    assert (one["clicks_total"], one["sessions_8h"], one["session_clicks_mean"]) == (1000, 1, 1000)
    many = oracle.recompute(placed(logs.many_visitors(1000)), READ_MS)["board"]
    assert (many["clicks_total"], many["sessions_8h"], many["visitors_15m"]) == (1000, 1000, 250)


@settings(max_examples=60, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(logs.small_logs())
def test_small_logs_obey_what_holds_for_every_log(records: list[bytes]) -> None:
    assert not any(b"\n" in record for record in records)
    result = oracle.recompute(placed(records), READ_MS)
    figures = result["board"]
    assert figures["rejected_total"] == sum(figures["rejected"].values())
    assert figures["sessions_active"] <= figures["sessions_8h"] <= figures["clicks_total"]
    assert sum(column(result["category_popularity"], "count")) >= len(result["raw_data"])
    again = oracle.recompute(placed(records), READ_MS, figures["as_of"] + 8 * 3_600_000)
    assert again["board"]["sessions_8h"] == 0
    assert again["board"]["clicks_total"] == figures["clicks_total"]
