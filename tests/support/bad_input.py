"""Named forms of bad and odd input: for each its record, and what decoding has to make of it.

A form's outcome is the reason it is rejected for, or the number of clicks it is in spite of its looks; for a
column-shaped record that is both, a tuple of these in the order of its rows. No form holds a newline, so that
each is a line of a log as well; its clicks are those of `USER`, at `TIME`.
"""

from __future__ import annotations

from typing import Any

from tests.support.logs import HOUR, MAX_BYTES, MIDNIGHT, click_of, record_of, sized

Outcome = str | int | tuple[str | int, ...]

TIME = MIDNIGHT - 6 * HOUR
USER = "odd"
YEAR_1900_S, YEAR_2000_S, YEAR_2100_S = -2_208_988_800, 946_684_800, 4_102_444_800
SECOND = 10**9
MAX_DEPTH = 500

CLICK = click_of(USER, TIME)
GOOD = record_of(CLICK)


def but(**fields: Any) -> bytes:
    """Return the good record with other values in some fields."""
    return record_of({**CLICK, **fields})


def without(*names: str) -> bytes:
    """Return the good record with some fields missing."""
    return record_of({name: value for name, value in CLICK.items() if name not in names})


def spelled(name: str, json: bytes) -> bytes:
    """Return the good record with the value of one field spelled as `json`, JSON or not."""
    return without(name)[:-1] + b',"%s":%s}' % (name.encode(), json)


def until(text: bytes) -> bytes:
    """Return the good record cut off behind `text`."""
    return GOOD[: GOOD.index(text) + len(text)]


def nested(depth: int) -> bytes:
    """Return the good record with a field that makes it `depth` deep."""
    return spelled("note", b"[" * (depth - 1) + b"]" * (depth - 1))


def rows_of(number: int) -> bytes:
    """Return a column-shaped record of so many rows."""
    return record_of({"Timestamps": [TIME] * number, "StringValues": {"userId": [USER] * number}})


def table(**changes: Any) -> bytes:
    """Return a column-shaped record of two good clicks, with other values in some of its members."""
    good = {
        "Epoch": 0,
        "Timestamps": [TIME, TIME],
        "NumericValues": {"age": [30, 31]},
        "StringValues": {"userId": [USER, USER]},
        "TagValues": {},
    }
    return record_of(good | changes)


FORMS: dict[str, tuple[bytes, Outcome]] = {
    # Cut off
    "empty": (b"", "not_json"),
    "blank": (b" \t ", "not_json"),
    "carriage return": (b"\r", "not_json"),
    "cut after the brace": (b"{", "not_json"),
    "cut in a key": (until(b'"user'), "not_json"),
    "cut after a key": (until(b'"userId"'), "not_json"),
    "cut after a colon": (until(b'"userId":'), "not_json"),
    "cut in a string": (until(b'"Mozilla'), "not_json"),
    "cut after a value": (until(b'"Mozilla/5.0"'), "not_json"),
    "cut after a comma": (until(b'"Mozilla/5.0",'), "not_json"),
    "cut in a number": (until(b'"timestamp":17'), "not_json"),
    "cut before the last brace": (GOOD[:-1], "not_json"),
    "cut in an escape": (until(b'"title":"') + b"\\u00", "not_json"),
    "cut in a character": (until(b'"title":"') + b"\xc3", "not_json"),
    "cut in a list": (b'{"Timestamps":[1,2', "not_json"),
    "beginning missing": (GOOD[20:], "not_json"),
    # Not JSON
    "words": (b"GET /index.html HTTP/1.1", "not_json"),
    "binary": (bytes(range(128, 256)) * 8, "not_json"),
    "NULs": (b"\0" * 64, "not_json"),
    "NUL behind it": (GOOD + b"\0", "not_json"),
    "MessagePack": (b"\x82\xa9timestamp\xcf\x17\xb7\xf7\x8e", "not_json"),
    "gzip": (b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03\xab\xae\x05\x00", "not_json"),
    "UTF-16": (GOOD.decode().encode("utf-16"), "not_json"),
    "UTF-32": (GOOD.decode().encode("utf-32-be"), "not_json"),
    "Latin-1": (spelled("title", '"Café"'.encode("latin-1")), "not_json"),
    "byte order mark": (b"\xef\xbb\xbf" + GOOD, "not_json"),
    "overlong UTF-8": (spelled("note", b'"\xc0\x80"'), "not_json"),
    "surrogate in UTF-8": (spelled("note", b'"\xed\xa0\x80"'), "not_json"),
    "lone high surrogate": (spelled("category", b'"a\\ud83d"'), 1),
    "lone low surrogate": (spelled("title", b'"\\udc00 a"'), 1),
    "lone surrogate in an unknown field": (spelled("note", b'["\\ud800"]'), 1),
    "lone surrogate in a key": (spelled("\\udfff", b"1"), 1),
    "two values in a line": (GOOD + GOOD, "not_json"),
    "two values with a blank between": (GOOD + b" " + GOOD, "not_json"),
    "two values with a comma between": (GOOD + b"," + GOOD, "not_json"),
    "two brackets too many": (GOOD + b"]}", "not_json"),
    "trailing comma": (GOOD[:-1] + b",}", "not_json"),
    "two commas": (GOOD.replace(b",", b",,", 1), "not_json"),
    "no comma": (GOOD.replace(b",", b" ", 1), "not_json"),
    "no colon": (GOOD.replace(b":", b" ", 1), "not_json"),
    "no quotes around a key": (GOOD.replace(b'"userId"', b"userId"), "not_json"),
    "single quotes": (GOOD.replace(b'"', b"'"), "not_json"),
    "a Python dict": (repr({**CLICK, "age": None}).encode(), "not_json"),
    "comment": (GOOD + b" // a click", "not_json"),
    "number as a key": (b"{1:2}", "not_json"),
    "tab in a string": (spelled("title", b'"a\tb"'), "not_json"),
    "unknown escape": (spelled("title", b'"\\x41"'), "not_json"),
    "wrong unicode escape": (spelled("title", b'"\\u12g4"'), "not_json"),
    "no-break space around it": ("\u00a0".encode() + GOOD, "not_json"),
    "NaN age": (spelled("age", b"NaN"), "not_json"),
    "NaN in an unknown field": (spelled("note", b"NaN"), "not_json"),
    "Infinity": (spelled("note", b"Infinity"), "not_json"),
    "minus Infinity time": (spelled("timestamp", b"-Infinity"), "not_json"),
    "True": (spelled("note", b"True"), "not_json"),
    "undefined": (spelled("category", b"undefined"), "not_json"),
    "leading zero": (spelled("age", b"042"), "not_json"),
    "plus sign": (spelled("age", b"+42"), "not_json"),
    "point without digits": (spelled("age", b"42."), "not_json"),
    "digits missing before the point": (spelled("age", b".5"), "not_json"),
    "exponent without digits": (spelled("age", b"4e"), "not_json"),
    "hexadecimal": (spelled("age", b"0x2A"), "not_json"),
    "far too deep": (nested(2000), "not_json"),
    "100,000 brackets": (b"[" * 100_000, "not_json"),
    "100,000 nested objects": (b'{"a":' * 100_000 + b"1" + b"}" * 100_000, "not_json"),
    "number out of range, then no JSON": (b"[1e400, nonsense]", "not_json"),
    # JSON, not a click
    "null": (b"null", "not_a_click"),
    "true": (b"true", "not_a_click"),
    "number": (b"17", "not_a_click"),
    "number out of range": (b"-1e400", "not_a_click"),
    "string": (b'"click"', "not_a_click"),
    "empty list": (b"[]", "not_a_click"),
    "click in a list": (b"[" + GOOD + b"]", "not_a_click"),
    "click in a string": (record_of(GOOD.decode()), "not_a_click"),
    "offer": (b'[{"Timestamp": 1, "Tags": {}, "Id": "offer", "Value": "offer1"}]', "not_a_click"),
    # Size
    "10 MB line": (sized(CLICK, 10_000_000), "too_large"),
    "10 MB of nothing": (b"x" * 10_000_000, "too_large"),
    "10 MB of brackets": (b"[" * 10_000_000, "too_large"),
    "one byte too large": (sized(CLICK, MAX_BYTES + 1), "too_large"),
    "as large as may be": (sized(CLICK, MAX_BYTES), 1),
    # No time, no user
    "empty object": (b"{}", "no_time"),
    "unknown fields only": (b'{"a":1,"b":[2]}', "no_time"),
    "keys in lower case": (GOOD.lower(), "no_user"),
    "time missing": (without("timestamp"), "no_time"),
    "time null": (but(timestamp=None), "no_time"),
    "time and user missing": (without("timestamp", "userId"), "no_time"),
    "user missing": (without("userId"), "no_user"),
    "user null": (but(userId=None), "no_user"),
    "user empty": (but(userId=""), "no_user"),
    "click in another object": (b'{"timestamp":%d,"click":%s}' % (TIME, GOOD), "no_user"),
    # Types
    "time a float": (spelled("timestamp", b"1709229600.0"), 1),
    "time a whole float": (spelled("timestamp", b"1709229600000.0"), 1),
    "time in powers of ten": (spelled("timestamp", b"1.7092296e18"), 1),
    "time 1e400": (spelled("timestamp", b"1e400"), "bad_time"),
    "time true": (but(timestamp=True), "bad_type"),
    "time a list": (but(timestamp=[TIME]), "bad_type"),
    "time an object": (but(timestamp={"$date": TIME}), "bad_type"),
    "user a float": (but(userId=47.5), "bad_type"),
    "user false": (but(userId=False), "bad_type"),
    "user a list": (but(userId=[USER]), "bad_type"),
    "user an object": (but(userId={"id": USER}), "bad_type"),
    "product a number": (but(productId=55177927), "bad_type"),
    "product an object": (but(productId={"id": {"id": "P1"}}), "bad_type"),
    "category a list": (but(category=["clothing"]), "bad_type"),
    "category true": (but(category=True), "bad_type"),
    "title a number": (but(title=1.5), "bad_type"),
    "device a number": (but(deviceType=0), "bad_type"),
    "gender a number": (but(gender=1), "bad_type"),
    "age a string": (but(age="42"), "bad_type"),
    "age true": (but(age=True), "bad_type"),
    "age a list": (but(age=[42]), "bad_type"),
    "age an object": (but(age={}), "bad_type"),
    "wrong type and no user": (but(userId="", age="old"), "bad_type"),
    # Times that cannot be
    "time empty": (but(timestamp=""), "bad_time"),
    "time in words": (but(timestamp="yesterday"), "bad_time"),
    "time digits in a string": (but(timestamp=str(TIME)), "bad_time"),
    "30 February": (but(timestamp="2024-02-30T00:00:00Z"), "bad_time"),
    "month 13": (but(timestamp="2024-13-01"), "bad_time"),
    "year 0": (but(timestamp="0000-01-01"), "bad_time"),
    "leap second": (but(timestamp="2016-12-31T23:59:60Z"), "bad_time"),
    "US date": (but(timestamp="02/29/2024 18:00"), "bad_time"),
    "time as RFC 2822 has it": (but(timestamp="Thu, 29 Feb 2024 18:00:00 +0000"), "bad_time"),
    "day 366 of another year": (but(timestamp="2023-366"), "bad_time"),
    "week 53 of a year of 52": (but(timestamp="2024-W53-1"), "bad_time"),
    "zone of a day": (but(timestamp="2024-02-29T18:00:00+24:00"), "bad_time"),
    "time 2**63": (but(timestamp=2**63), "bad_time"),
    "time -2**63-1": (but(timestamp=-(2**63) - 1), "bad_time"),
    "time of 400 digits": (spelled("timestamp", b"9" * 400), "bad_time"),
    # Times that are not now
    "time 0": (but(timestamp=0), "too_old"),
    "time negative": (but(timestamp=-TIME), "too_old"),
    "time the most negative": (but(timestamp=-(2**63)), "too_old"),
    "time in seconds": (but(timestamp=TIME // SECOND), 1),
    "1900 in nanoseconds": (but(timestamp=YEAR_1900_S * SECOND), "too_old"),
    "1900 in milliseconds": (but(timestamp=YEAR_1900_S * 1000), "too_old"),
    "1900 in words": (but(timestamp="1900-01-01T00:00:00Z"), "too_old"),
    "January 1970 in words": (but(timestamp="1970-01-20T16:00:00Z"), "too_old"),
    "January 1970 with a fraction": (but(timestamp=1_700_000.5), "too_old"),
    "year 1": (but(timestamp="0001-01-01"), "too_old"),
    "year 1, east of Greenwich": (but(timestamp="0001-01-01T00:00:00+14:00"), "too_old"),
    "a nanosecond before 2000": (but(timestamp=YEAR_2000_S * SECOND - 1), "too_old"),
    "2100 in nanoseconds": (but(timestamp=YEAR_2100_S * SECOND), "too_new"),
    "2100 in microseconds": (but(timestamp=YEAR_2100_S * 10**6), "too_new"),
    "2100 in milliseconds": (but(timestamp=YEAR_2100_S * 1000), "too_new"),
    "2100 in words": (but(timestamp="2100-01-01T00:00:00Z"), "too_new"),
    "the last moment of int64": (but(timestamp=2**63 - 1), "too_new"),
    "the most milliseconds": (but(timestamp=10**14 - 1), "too_new"),
    "year 9999": (but(timestamp="9999-12-31T23:59:59.999999999Z"), "too_new"),
    "year 9999, west of Greenwich": (but(timestamp="9999-12-31T23:59:59-12:00"), "too_new"),
    "product of 256 characters": (but(productId="é" * 256), 1),
    **{
        f"{name} of 257 characters": (but(**{name: "é" * 257}), "too_long")
        for name in ("userId", "productId", "category", "deviceType")
    },
    # Column shape
    "columns: 10,001 rows": (rows_of(10_001), "bad_columns"),
    "columns: a device too long": (
        table(StringValues={"userId": [USER, USER], "deviceType": ["x" * 257, "x" * 256]}),
        (1, "too_long"),
    ),
    "columns: times null": (table(Timestamps=None), "bad_columns"),
    "columns: times a number": (table(Timestamps=TIME), "bad_columns"),
    "columns: times an object": (table(Timestamps={"0": TIME}), "bad_columns"),
    "columns: times too few": (table(Timestamps=[TIME]), "bad_columns"),
    "columns: no times": (table(Timestamps=[]), "bad_columns"),
    "columns: epoch null": (table(Epoch=None), "bad_columns"),
    "columns: epoch a float": (table(Epoch=0.5), "bad_columns"),
    "columns: epoch 1e400": (table().replace(b'"Epoch":0', b'"Epoch":1e400'), "bad_columns"),
    "columns: epoch a string": (table(Epoch="1970"), "bad_columns"),
    "columns: epoch true": (table(Epoch=True), "bad_columns"),
    "columns: strings a list": (table(StringValues=[]), "bad_columns"),
    "columns: numbers a number": (table(NumericValues=3), "bad_columns"),
    "columns: tags a string": (table(TagValues="none"), "bad_columns"),
    "columns: column a string": (table(StringValues={"userId": "ab"}), "bad_columns"),
    "columns: column null": (table(NumericValues={"age": None}), "bad_columns"),
    "columns: column too short": (table(StringValues={"userId": [USER]}), "bad_columns"),
    "columns: column too long": (table(TagValues={"note": [1, 2, 3]}), "bad_columns"),
    "columns: times without any column": (b'{"Timestamps":[%d]}' % TIME, "no_user"),
    "columns: user wrong": (table(StringValues={"userId": [USER, 5.0]}), (1, "bad_type")),
    "columns: every row wrong": (
        table(Timestamps=[YEAR_2100_S * SECOND, True, 0, None, "noon"], NumericValues={}).replace(
            b'["odd","odd"]', b'["odd","odd","odd","odd","odd"]'
        ),
        ("too_new", "bad_type", "too_old", "no_time", "bad_time"),
    ),
    "columns: users missing": (table(StringValues={"userId": ["", None]}), ("no_user", "no_user")),
    "columns: cut off": (table()[:-2], "not_json"),
    "columns: NaN": (table(NumericValues={"age": [1, float("nan")]}), "not_json"),
    "columns: lone surrogate": (table(StringValues={"userId": [USER, USER], "title": ["\ud800", ""]}), 2),
    "columns: times in words": (table(Timestamps=["2024-02-29T18:00:00Z", "2024-02-29 18:00"]), 2),
    "columns: epoch added": (table(Epoch=TIME - 1, Timestamps=[1, 1]), 2),
    "columns: epoch of 30 digits": (table(Epoch=10**30, Timestamps=[TIME - 10**30, 0]), (1, "bad_time")),
    "columns: number of any size": (
        table().replace(b"[30,31]", b"[1e400,%s]" % (b"9" * 400)),
        2,
    ),
    "columns: groups null": (table(NumericValues=None, TagValues=None), 2),
    "columns: empty": (b'{"Timestamps":[]}', 0),
    # Clicks in spite of their looks
    "unknown fields": (but(note={"deep": [[{"er": None}]]}, Epoch=5, TagValues="x"), 1),
    "all that may be missing": (b'{"timestamp":%d,"userId":"odd"}' % TIME, 1),
    "all that may be null": (record_of({**dict.fromkeys(CLICK), "timestamp": TIME, "userId": USER}), 1),
    **{
        f"time as {text}": (but(timestamp=text), 1)
        for text in (
            *("2024-02-29T18:00:00+0000", "2024-02-29T23:30:00+0530", "2024-02-29 18:00:00+00"),
            *("2024-02-29T18:00:00,000Z", "20240229T180000Z", "2024-02-29t18:00:00z", "2024-060T18:00:00Z"),
            *("2024-W09-4T18:00:00Z", "2024W094T18", "2024-02-29T18:00:00.0000000009Z", "2024060T1800"),
        )
    },
    "empty fields": (but(productId="", category="", deviceType="", gender="", title="", age="", ip=""), 1),
    "half an emoji": (spelled("userAgent", b'"Mozilla/5.0 \\ud83d"'), 1),
    "half an emoji, the other half": (spelled("title", b'"\\uDECD\\\\ud83d"'), 1),
    "time in milliseconds": (but(timestamp=TIME // 10**6), 1),
    "time in microseconds": (but(timestamp=TIME // 10**3), 1),
    "time in words, UTC": (but(timestamp="2024-02-29T18:00:00Z"), 1),
    "time in words, India": (but(timestamp="2024-02-29 23:30:00.000+05:30"), 1),
    "duplicate keys": (b'{"timestamp":0,"userId":"one",' + GOOD[1:], 1),
    "duplicate keys of a wrong type": (b'{"timestamp":[],"userId":5,"age":"x",' + GOOD[1:], 1),
    "last of duplicate keys wrong": (GOOD[:-1] + b',"userId":7.0}', "bad_type"),
    "escapes in a key": (GOOD.replace(b'"userId"', b'"\\u0075ser\\u0049d"'), 1),
    "empty key": (spelled("", b"0"), 1),
    "surrogate pair": (spelled("title", b'"\\ud83d\\udecd"'), 1),
    "NUL in a string": (spelled("title", b'"a\\u0000"'), 1),
    "blanks all over": (b" \t" + GOOD.replace(b",", b" ,\t").replace(b":", b" : ") + b" \r", 1),
    "age negative": (but(age=-1), 1),
    "age a fraction": (but(age=30.25), 1),
    "age of 400 digits": (spelled("age", b"9" * 400), 1),
    "age of minus 400 digits": (spelled("age", b"-" + b"9" * 400), 1),
    "age 1e400": (spelled("age", b"1e400"), 1),
    "age -1e400": (spelled("age", b"-1e400"), 1),
    "unused number out of range": (spelled("note", b"1e400"), 1),
    "unused number of 400 digits": (spelled("original_timestamp", b"9" * 400), 1),
    "unused fields of wrong types": (but(ip=7, country=[], birthdate={}, userAgent=True), 1),
    "as deep as may be": (nested(MAX_DEPTH), 1),
    "brackets in a string": (but(title="[{" * 1000), 1),
}


def of_record(outcome: Outcome) -> tuple[int, list[str]]:
    """Return an outcome as the number of clicks and the reasons."""
    parts = outcome if isinstance(outcome, tuple) else (outcome,)
    return sum(part for part in parts if isinstance(part, int)), [
        part for part in parts if isinstance(part, str)
    ]
