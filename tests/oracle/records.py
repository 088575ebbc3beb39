"""From records to clicks, or to the reasons why they are none."""

from __future__ import annotations

import json
import re
from datetime import datetime, timezone
from fractions import Fraction
from typing import Any, NamedTuple, NoReturn

Row = dict[str, Any]
Expected = dict[str, Any]

MS = 10**6
SECOND = 1000 * MS
MINUTE = 60 * SECOND
HALF_HOUR = 30 * MINUTE
HOUR = 60 * MINUTE

MAX_BYTES = 1_048_576
MAX_DEPTH = 500
MAX_ROWS = 10_000
MAX_NAME = 256
KEPT_BYTES = 512
SHOWN = 512
EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
YEAR_2000 = 946_684_800 * SECOND

FIELDS = (
    *("timestamp", "original_timestamp", "userId", "ip", "userAgent", "productId", "category", "title"),
    *("gender", "country", "deviceType", "age", "birthdate"),
)
# The fields that metrics use, with the types they may have; `type(x) in` tells a bool from an int.
USED: dict[str, tuple[type, ...]] = {
    "timestamp": (int, float, str),
    "userId": (int, str),
    **dict.fromkeys(("productId", "category", "deviceType", "gender", "title"), (str,)),
    "age": (int, float),
}


class Click(NamedTuple):
    """One accepted click; `fields` holds all of FIELDS, None where missing, `timestamp` in nanoseconds."""

    time: int
    user: str
    fields: Row

    @property
    def category(self) -> str:
        return "Unknown" if self.fields["category"] is None else str(self.fields["category"])

    @property
    def device(self) -> str:
        device = str(self.fields["deviceType"] or "Unknown")
        known = {name.casefold(): name for name in ("Desktop", "Tablet", "Mobile")}
        return known.get(device.casefold(), device)


def decoded(record: bytes, read_ms: int) -> list[Click | str]:
    """Return the clicks of a record, in place of each rejected one the reason."""
    if len(record) > MAX_BYTES:
        return ["too_large"]
    try:
        value = json_value(record)
    except (ValueError, RecursionError):
        return ["not_json"]
    if not isinstance(value, dict):
        return ["not_a_click"]
    rows = table_rows(value) if "Timestamps" in value else [value]
    return ["bad_columns"] if rows is None else [judged(row, read_ms) for row in rows]


def json_value(record: bytes) -> Any:
    """Return the JSON value of a record; ValueError if it is none."""
    text = record.decode("utf-8")
    if text.count("[") + text.count("{") > MAX_DEPTH and depth(text) > MAX_DEPTH:
        msg = "nested too deep"
        raise ValueError(msg)
    value = json.loads(text, parse_constant=no_constant, parse_int=lambda digits: int(digits[:4000]))
    return whole(value) if "\\u" in text else value


def whole(value: Any) -> Any:
    """Return a JSON value in which half of a surrogate pair is U+FFFD."""
    if isinstance(value, str):
        return re.sub("[\ud800-\udfff]", "\ufffd", value)
    if isinstance(value, list):
        return [whole(item) for item in value]
    if isinstance(value, dict):
        return {whole(key): whole(item) for key, item in value.items()}
    return value


def no_constant(name: str) -> NoReturn:
    """Refuse NaN and Infinity, which are not JSON although Python reads them."""
    raise ValueError(name)


def depth(text: str) -> int:
    """Return how deep the brackets outside strings are nested."""
    deepest = now = 0
    for char in re.sub(r'"(?:[^"\\]|\\.)*"', "", text, flags=re.DOTALL):
        now += (char in "[{") - (char in "]}")
        deepest = max(deepest, now)
    return deepest


def table_rows(table: Row) -> list[Row] | None:
    """Return the rows of the column shape as records of the other shape; None if the columns do not fit."""
    times, epoch = table["Timestamps"], table.get("Epoch", 0)
    # In the order in which a later one hides an earlier one.
    found = [table.get(name) for name in ("TagValues", "NumericValues", "StringValues")]
    groups = [{} if group is None else group for group in found]
    if type(times) is list and len(times) > MAX_ROWS:
        return None
    if type(times) is not list or type(epoch) is not int or not all(type(group) is dict for group in groups):
        return None
    for group in groups:
        if not all(type(column) is list and len(column) == len(times) for column in group.values()):
            return None
    rows = []
    for i, time in enumerate(times):
        row = {}
        for group in groups:
            row.update({name: column[i] for name, column in group.items() if column[i] is not None})
        row["timestamp"] = epoch + time if type(time) is int else time
        rows.append(row)
    return rows


def judged(row: Row, read_ms: int) -> Click | str:
    """Return the click of a row, or the reason to reject it."""
    # Missing, null and empty are the same, but for what has to be there.
    row = {k: None if v == "" and k not in ("timestamp", "userId") else v for k, v in row.items()}
    for name, types in USED.items():
        if row.get(name) is not None and type(row[name]) not in types:
            return "bad_type"
    if row.get("timestamp") is None:
        return "no_time"
    if row.get("userId") in (None, ""):
        return "no_user"
    user = row["userId"] = str(row["userId"])
    if any(len(row.get(name) or "") > MAX_NAME for name in ("userId", "productId", "category", "deviceType")):
        return "too_long"
    time = event_time(row["timestamp"])
    if time is None:
        return "bad_time"
    if time < YEAR_2000:
        return "too_old"
    if time > read_ms * MS + 5 * MINUTE:
        return "too_new"
    return Click(time, user, {name: shown(row.get(name)) for name in FIELDS} | {"timestamp": time})


def shown(value: Any) -> Any:
    """Return a field as it is shown: a text, or the text of a list or object, cut to a greatest length."""
    if isinstance(value, str):
        return value[:SHOWN]
    text = json.dumps(value, ensure_ascii=False) if isinstance(value, (list, dict)) else ""
    return text[:SHOWN] if len(text) > SHOWN else value


def event_time(value: float | str) -> int | None:
    """Return the time that a `timestamp` means; None if it means none."""
    if isinstance(value, str):
        return iso_time(value)
    if isinstance(value, float) and value in (float("inf"), float("-inf")):
        return None
    if isinstance(value, int) and not -(2**63) <= value < 2**63:
        return None
    units = [(10**11, SECOND), (10**14, MS), (10**17, 1000)]
    unit = next((unit for below, unit in units if abs(value) < below), 1)
    return int(Fraction(str(value)) * unit)


DATES = {
    r"\d{4}-\d\d-\d\d": "%Y-%m-%d",
    r"\d{8}": "%Y%m%d",
    r"\d{4}-\d{3}": "%Y-%j",
    r"\d{7}": "%Y%j",
    r"\d{4}-W\d\d-[1-7]": "%G-W%V-%u",
    r"\d{4}W\d\d[1-7]": "%GW%V%u",
}
TIME = re.compile(
    r"(\d\d)(?::?(\d\d)(?::?(\d\d)(?:[.,](\d+))?)?)?(?:Z|([+-])(\d\d)(?::?(\d\d)(?::?(\d\d))?)?)?", re.ASCII
)


def iso_time(text: str) -> int | None:
    """Return the time that an ISO 8601 string means (UTC if it has no offset); None if it is not one."""
    text = text.upper() if text.isascii() else text
    for shape, form in DATES.items():
        match = re.match(shape, text, re.ASCII)
        rest = text[match.end() :] if match else ""
        if match is None or rest[:1].isdigit():
            continue
        try:
            day = datetime.strptime(match[0], form).replace(tzinfo=timezone.utc)
        except ValueError:
            return None
        # Python takes day 366 and week 53 of any year.
        if day.strftime(form).zfill(len(match[0])) != match[0]:
            return None
        return with_time(day, rest)
    return None


def with_time(day: datetime, rest: str) -> int | None:
    """Return the time of a day and what is written after it."""
    match = TIME.fullmatch(rest[1:] if rest else "00")
    if match is None:
        return None
    hour, minute, second, hours, minutes, seconds = (int(match[n] or 0) for n in (1, 2, 3, 6, 7, 8))
    if hour > 23 or max(minute, second, minutes) > 59 or hours > 23:
        return None
    offset = (1 if match[5] == "-" else -1) * (hours * 3600 + minutes * 60 + seconds)
    since = (day - EPOCH).days * 86_400 + hour * 3600 + minute * 60 + second + offset
    return since * SECOND + int(((match[4] or "") + 9 * "0")[:9])
