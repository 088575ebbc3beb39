"""The batch oracle: every published value, recomputed naively from the whole log.

It shares no code with the flow. It reads top to bottom like the contract: decode records, decide which
clicks are late, then one small function per metric, each over a plain list of clicks in arrival order.
Times are integer nanoseconds since 1970 UTC unless a name ends in `_ms`; windows are half open, [start, end).
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
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


def recompute(records: Sequence[tuple[int, bytes]], read_ms: int, as_of_ms: int | None = None) -> Expected:
    """Return every value the contract publishes for a log.

    `records` are (position, bytes) of one partition in arrival order. `read_ms` is the wall clock when they
    were read. `as_of_ms` is by default the end of the second of the newest click (0 without any click); one
    that is before that raises ValueError. The result has a list of rows for each frame key, the `board`
    (without `published_at`, `positions` and `lag`), `state_logs` as (msg, user, state, created),
    `special_offers` as (user, offer, created) and `rejected` as (reason, position, first 512 bytes).
    """
    clicks: list[Click] = []
    rejected: list[tuple[str, int, bytes]] = []
    late = 0
    newest: int | None = None
    for position, record in records:
        for item in decoded(record, read_ms):
            if isinstance(item, str):
                rejected.append((item, position, record[:KEPT_BYTES]))
                continue
            newest = item.time if newest is None else max(newest, item.time)
            if item.time < floor(newest, HALF_HOUR) - 16 * HALF_HOUR:
                late += 1
            else:
                clicks.append(item)

    first_as_of_ms = 0 if newest is None else (newest // SECOND + 1) * 1000
    as_of = (first_as_of_ms if as_of_ms is None else as_of_ms) * MS
    if as_of < first_as_of_ms * MS:
        msg = f"as_of_ms is {as_of_ms}, but there are newer clicks: give {first_as_of_ms} or later"
        raise ValueError(msg)

    state_logs, offers = journeys(clicks)
    sessions = sessions_of(clicks)
    last_hour = within(clicks, as_of - HOUR, as_of)
    devices = device_rows(within(clicks, as_of - 10 * MINUTE, as_of))
    return {
        "last_15_minutes": minute_rows(clicks, as_of),
        "sessions": session_rows(sessions, as_of),
        "device_type_popularity": devices,
        "products_last_hour": page_rows(last_hour),
        "latest_visitors": latest_rows(last_hour, as_of),
        "category_popularity": category_rows(last_hour),
        "raw_data": raw_rows(last_hour),
        "board": {
            "as_of": as_of // MS,
            "visitors_15m": distinct_users(within(clicks, as_of - 15 * MINUTE, as_of)),
            **session_figures(sessions, as_of),
            "devices_now": sum(row["Total"] for row in devices),
            "clicks_total": len(clicks),
            "late_total": late,
            "ahead": 0,  # of a log that is over nothing waits
            "rejected_total": len(rejected),
            "rejected": dict(Counter(reason for reason, _, _ in rejected)),
        },
        "state_logs": state_logs,
        "special_offers": offers,
        "rejected": rejected,
    }


# Records to clicks


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


# Clicks to metrics


def floor(time: int, step: int) -> int:
    """Return the last multiple of `step` that is not after `time`."""
    return time // step * step


def within(clicks: Iterable[Click], start: int, end: int) -> list[Click]:
    """Return the clicks in [start, end)."""
    return [click for click in clicks if start <= click.time < end]


def newest_first(clicks: Iterable[Click]) -> list[Click]:
    """Return the clicks by descending time; at the same time the one that arrived later comes first."""
    return sorted(clicks, key=lambda click: click.time)[::-1]


def distinct_users(clicks: Iterable[Click]) -> int:
    """Return how many visitors the clicks are of."""
    return len({click.user for click in clicks})


def minute_rows(clicks: list[Click], as_of: int) -> list[Row]:
    """Count clicks and visitors per clock minute: that of the second before `as_of` and the 14 before."""
    rows = []
    for ago in range(14, -1, -1):
        start = floor(as_of - SECOND, MINUTE) - ago * MINUTE
        inside = within(clicks, start, start + MINUTE)
        rows.append({"datetime": start // MS, "count": len(inside), "visitors": distinct_users(inside)})
    return rows


def sessions_of(clicks: list[Click]) -> list[list[int]]:
    """Return the sessions of all visitors, each the ascending times of its clicks."""
    by_user: dict[str, list[list[int]]] = {}
    for click in sorted(clicks, key=lambda click: click.time):
        sessions = by_user.setdefault(click.user, [])
        if sessions and click.time - sessions[-1][-1] <= HALF_HOUR:
            sessions[-1].append(click.time)
        else:
            sessions.append([click.time])
    return [session for sessions in by_user.values() for session in sessions]


def touching(sessions: list[list[int]], start: int, end: int) -> list[list[int]]:
    """Return the sessions with a click in [start, end)."""
    return [session for session in sessions if any(start <= time < end for time in session)]


def session_rows(sessions: list[list[int]], as_of: int) -> list[Row]:
    """Count the sessions with a click in each 30-minute clock bucket, the current one and the 16 before."""
    rows = []
    for ago in range(16, -1, -1):
        start = floor(as_of - SECOND, HALF_HOUR) - ago * HALF_HOUR
        count = len(touching(sessions, start, start + HALF_HOUR))
        rows.append({"datetime": start // MS, "userId": count, "count": count})
    return rows


def session_figures(sessions: list[list[int]], as_of: int) -> Row:
    """Return the board's figures about the sessions of the last 8 hours, each session as a whole."""
    recent = touching(sessions, as_of - 8 * HOUR, as_of)

    def mean(values: Iterable[int], unit: int = 1) -> float | None:
        return float(Fraction(sum(values), len(recent) * unit)) if recent else None

    return {
        "sessions_8h": len(recent),
        "sessions_active": sum(session[-1] >= as_of - HALF_HOUR for session in sessions),
        "session_seconds_mean": mean((session[-1] - session[0] for session in recent), SECOND),
        "session_clicks_mean": mean(len(session) for session in recent),
        "session_bounce_share": mean(len(session) == 1 for session in recent),
    }


def device_rows(clicks: list[Click]) -> list[Row]:
    """Count distinct (visitor, device type) for the three named types and for all others together."""
    named = ("Desktop", "Tablet", "Mobile")
    pairs = {(click.user, click.device) for click in clicks}
    totals = Counter(device if device in named else "Other" for _, device in pairs)
    return [
        {"Device": "Device type", "Device type": name, "Total": totals[name]} for name in (*named, "Other")
    ]


def page_rows(clicks: list[Click]) -> list[Row]:
    """Return the ten most clicked (product, category), with the title of each one's newest click."""
    pages: dict[tuple[str, str], list[Click]] = {}
    for click in newest_first(clicks):
        if click.fields["productId"] is not None:
            pages.setdefault((click.fields["productId"], click.category), []).append(click)
    ranked = sorted(pages.items(), key=lambda page: (-len(page[1]), page[0]))
    return [
        {"productId": product, "category": category, "count": len(own), "title": own[0].fields["title"]}
        for (product, category), own in ranked[:10]
    ]


def category_rows(clicks: list[Click]) -> list[Row]:
    """Count clicks per category, the most clicked first, ties by name."""
    counts = Counter(click.category for click in clicks)
    ranked = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    rows = [{"category": category, "count": count} for category, count in ranked[:100]]
    if len(ranked) > 100:
        others = sum(count for _, count in ranked[100:])
        rows.append({"category": f"({len(ranked) - 100} others)", "count": others})
    return rows


def latest_rows(clicks: list[Click], as_of: int) -> list[Row]:
    """Return the ten visitors with the newest clicks, each once, by their newest click."""
    latest: dict[str, Click] = {}
    for click in newest_first(clicks):
        latest.setdefault(click.user, click)
    return [
        {
            "Relative Time": relative((as_of - click.time) // SECOND),
            "Date and Time": (EPOCH + timedelta(seconds=click.time // SECOND)).strftime("%Y-%m-%d %H:%M:%S"),
            "ip": click.fields["ip"],
            "country": click.fields["country"],
        }
        for click in list(latest.values())[:10]
    ]


def relative(seconds: int) -> str:
    """Return a time that many whole seconds ago, in words."""
    if seconds == 0:
        return "just now"
    number, unit = (seconds, "second") if seconds < 60 else (seconds // 60, "minute")
    return f"{number} {unit}{'' if number == 1 else 's'} ago"


def raw_rows(clicks: list[Click]) -> list[Row]:
    """Return the 100 newest clicks with all their fields."""
    return [click.fields | {"datetime": click.time // MS} for click in newest_first(clicks)[:100]]


# Journeys


@dataclass
class Journey:
    """Where a visitor stands; `previous` is the product of the last click that was not ignored.

    `newest` is the time of the newest click with gender and age: when the next one comes more than 30 minutes
    after it, the visitor is as one never seen.
    """

    newest: int
    state: str = "init"
    first_product: str | None = None
    first_time: int = 0
    previous: str | None = None


def journeys(
    clicks: list[Click],
) -> tuple[list[tuple[str, str, str, float]], list[tuple[str, str, float]]]:
    """Return the entries of the state machine log and the offers, in arrival order."""
    logs: list[tuple[str, str, str, float]] = []
    offers: list[tuple[str, str, float]] = []
    by_user: dict[str, Journey] = {}
    for click in clicks:
        product = click.fields["productId"]
        if click.fields["gender"] is None or click.fields["age"] is None:
            continue
        journey = by_user.setdefault(click.user, Journey(click.time))
        if click.time - journey.newest > HALF_HOUR:
            journey = by_user[click.user] = Journey(click.time)
        journey.newest = max(journey.newest, click.time)
        if product is not None and product == journey.previous:
            continue
        journey.previous = product
        state = next_state(journey, click)
        if state == journey.state:
            continue
        if journey.state == "init":
            journey.first_product, journey.first_time = product, click.time
        journey.state = "init" if state == "offer" else state

        created = click.time / SECOND
        clicked = "None" if product is None else product
        event = f"[Event: clicked {clicked}][Category: {click.category}]"
        logs.append((f"[User {click.user} entered state {state}]{event}", click.user, state, created))
        offer = {"M": "offer1", "F": "offer2"}.get(click.fields["gender"])
        if state == "offer" and offer is not None:
            logs.append((f"[User {click.user} triggered offer {offer}]", click.user, state, created))
            offers.append((click.user, offer, created))
    return logs, offers


def next_state(journey: Journey, click: Click) -> str:
    """Return the state that a click which is not ignored leads to."""
    clothing = click.category == "clothing"
    if journey.state == "init":
        gender, age = click.fields["gender"], click.fields["age"]
        wanted = (gender == "M" and 35 <= age <= 45) or (gender == "F" and 25 <= age <= 35)
        return "clothes_visited" if clothing and wanted else "init"
    if click.time - journey.first_time >= HALF_HOUR:
        return "init"
    if journey.state == "clothes_visited" and click.category == "shoes":
        return "shoes_visited"
    if not clothing:
        return "init"
    if journey.state == "clothes_visited" or click.fields["productId"] == journey.first_product:
        return "clothes_visited"
    return "offer"
