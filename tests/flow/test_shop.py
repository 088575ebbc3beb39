"""The simulated shop: the same log at every reading, and clicks as a real shop would see them."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections import Counter, defaultdict
from datetime import datetime, timezone
from functools import lru_cache
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from flows.ingest.bots import bot_name, kind_of
from flows.runtime.exits import SettingsError
from flows.sources.shop import shop as shop_module
from flows.sources.shop.shop import Shop, rhythm

DAY_S = 86400
MIDNIGHT_S = 20_371 * DAY_S  # 2025-10-10
EVENING_S = MIDNIGHT_S + 19 * 3600
ROOT = Path(__file__).parents[2]
FIELDS = [
    *("timestamp", "original_timestamp", "userId", "ip", "userAgent", "productId", "category", "title"),
    *("gender", "country", "deviceType", "age", "birthdate"),
]

Click = dict[str, Any]


class Sample(NamedTuple):
    """The records of a stretch of log, told apart; clicks and late ones go with their logged second.

    Those on time are of people; `bots` are the others.
    """

    records: list[bytes]
    on_time: list[tuple[int, Click]]
    late: list[tuple[int, Click]]
    columns: list[Click]
    broken: list[bytes]
    bots: list[Click]


@lru_cache(maxsize=1)
def evening() -> Sample:
    """Read an hour of the default shop."""
    sample = Sample([], [], [], [], [], [])
    for second_s in range(EVENING_S, EVENING_S + 3600):
        for record in Shop().second(second_s):
            sample.records.append(record)
            click = readable(record)
            if click is None:
                sample.broken.append(record)
            elif "Timestamps" in click:
                sample.columns.append(click)
            elif click["userId"].startswith("crawler-"):
                sample.bots.append(click)
            elif click["timestamp"] < second_s * 10**9:
                sample.late.append((second_s, click))
            else:
                sample.on_time.append((second_s, click))
    return sample


def readable(record: bytes) -> Click | None:
    """Read a record as the contract asks; None if it has to be rejected."""
    try:
        click = json.loads(record)
    except ValueError:
        return None
    if not isinstance(click, dict):
        return None
    if "Timestamps" in click:
        return click
    time, user = click.get("timestamp"), click.get("userId")
    sane = isinstance(time, int) and 946_684_800 * 10**9 <= time < (EVENING_S + DAY_S) * 10**9
    return click if sane and isinstance(user, str) and user else None


def digest(shop: Shop) -> str:
    seconds = [EVENING_S, EVENING_S + 59, EVENING_S + 60, EVENING_S - DAY_S]
    return sha256(b"\n".join(b"\n".join(shop.second(second_s)) for second_s in seconds)).hexdigest()


def test_log_is_the_same_in_every_process() -> None:
    program = "from tests.flow.test_shop import *; print(digest(Shop(seed=7)))"
    found = {
        subprocess.run(
            [sys.executable, "-c", program],
            cwd=ROOT,
            env={**os.environ, "PYTHONHASHSEED": hash_seed, "PYTHONPATH": str(ROOT)},
            check=True,
            capture_output=True,
            text=True,
        ).stdout.strip()
        for hash_seed in ("1", "2")
    }
    assert found == {digest(Shop(seed=7))}


def test_another_seed_is_another_log_with_other_visitors() -> None:
    logs = [Shop(seed=seed).second(EVENING_S) for seed in (1, 2)]
    users = [{click["userId"] for click in map(readable, log) if click and "userId" in click} for log in logs]
    assert users[0]
    assert not users[0] & users[1]


def test_order_of_asking_does_not_matter() -> None:
    shop, seconds = Shop(rate=20), range(EVENING_S + 50, EVENING_S + 200)
    forwards = {second_s: shop.second(second_s) for second_s in seconds}
    shop_module._visits.cache_clear()
    shop_module._clock_minute.cache_clear()
    assert {second_s: shop.second(second_s) for second_s in reversed(seconds)} == forwards
    assert any(forwards.values())


def test_mean_rate_over_a_day() -> None:
    minutes = range(MIDNIGHT_S, MIDNIGHT_S + DAY_S, 120)
    count = sum(len(Shop(rate=5).second(start_s + s)) for start_s in minutes for s in range(60))
    assert count / (60 * len(minutes)) == pytest.approx(5, rel=0.05)


@pytest.mark.parametrize("hour", [3, 10, 19])
def test_rate_follows_the_rhythm(hour: int) -> None:
    start_s = MIDNIGHT_S + hour * 3600
    count = sum(len(Shop(rate=50).second(start_s + s)) for s in range(600))
    assert count / 600 == pytest.approx(50 * rhythm(start_s // 60 + 5), rel=0.05)


@pytest.mark.parametrize("visitors", [1, 7, 40])
def test_mean_rate_with_few_visitors(visitors: int) -> None:
    count = sum(len(Shop(rate=30, visitors=visitors).second(EVENING_S + s)) for s in range(1200))
    assert count / 1200 == pytest.approx(30 * rhythm(EVENING_S // 60), rel=0.1)


def test_no_click_is_lost_beyond_the_horizon() -> None:
    # One visitor for everything: the longest chains of visits there can be.
    start = EVENING_S // 60
    last = max(shop_module._visits(Shop(visitors=1), minute)[-1] for minute in range(start, start + 50))
    assert 2100 < last >> shop_module._SECOND < 60 * (shop_module._HORIZON_MIN + 1)


def test_rhythm_is_quiet_at_night_and_busy_in_the_evening() -> None:
    day = [rhythm(minute) for minute in range(1440)]
    assert sum(day) / len(day) == pytest.approx(1)
    assert 2 * 60 < day.index(min(day)) < 5 * 60
    assert 18 * 60 < day.index(max(day)) < 21 * 60


@pytest.mark.parametrize("visitors", [300, 2000])
def test_visitors_a_day(visitors: int) -> None:
    shop, users = Shop(rate=2, visitors=visitors), set()
    for second_s in range(MIDNIGHT_S, MIDNIGHT_S + DAY_S):
        users |= {found[1] for r in shop.second(second_s) if (found := re.search(rb'"userId":"(\w.*?)"', r))}
    people = {user for user in users if not user.startswith(b"crawler-")}
    assert len(people) == pytest.approx(visitors, rel=0.1)
    assert 20 <= len(users) - len(people) <= 32


def test_visits_vary_and_visitors_return_after_long_pauses() -> None:
    """With many visitors each visit is one of its own: bounces, clicks per visit, pauses."""
    times_s: dict[str, list[int]] = defaultdict(list)
    shop = Shop(rate=5, visitors=20_000)
    for second_s in range(EVENING_S, EVENING_S + 4 * 3600):
        for click in map(readable, shop.second(second_s)):
            if (
                click
                and "crawler" not in click.get("userId", "crawler")
                and click["timestamp"] >= second_s * 10**9
            ):
                times_s[click["userId"]].append(second_s)
    visits: list[int] = []
    returned = 0
    for seconds in times_s.values():
        starts = [0] + [i for i in range(1, len(seconds)) if seconds[i] - seconds[i - 1] > 1800]
        visits += [end - start for start, end in zip(starts, [*starts[1:], len(seconds)], strict=True)]
        returned += len(starts) > 1
    assert visits.count(1) / len(visits) == pytest.approx(0.35, abs=0.03)
    assert 5 < sum(visits) / len(visits) < 8
    assert returned > 500


def test_clicks_have_the_fields_of_the_contract_in_compact_json() -> None:
    complete = Counter[bool]()
    for _, click in evening().on_time[:20_000]:
        assert list(click) == [name for name in FIELDS if name in click]
        assert {*FIELDS} - {*click} in (set(), {"productId", "category", "title"})
        complete[list(click) == FIELDS and None not in click.values()] += 1
    assert 0.005 < complete[False] / complete.total() < 0.05
    record = evening().records[0]
    assert record == json.dumps(json.loads(record), separators=(",", ":")).encode()


def test_optional_fields_are_missing_now_and_then() -> None:
    clicks = [click for _, click in evening().on_time]
    assert 0.001 < sum("productId" not in click for click in clicks) / len(clicks) < 0.01
    assert any("category" in click and click["category"] is None for click in clicks)
    assert 0.005 < sum(click["gender"] is None for click in clicks) / len(clicks) < 0.05
    assert all((click["age"] is None) == (click["gender"] is None) for click in clicks)


def test_event_times_lie_in_the_logged_second_and_rise() -> None:
    by_second: dict[int, list[int]] = defaultdict(list)
    for second_s, click in evening().on_time:
        assert click["timestamp"] // 10**9 == second_s
        by_second[second_s].append(click["timestamp"])
    assert len(by_second) == 3600
    assert all(times == sorted({*times}) for times in by_second.values())


def test_share_of_late_clicks() -> None:
    sample = evening()
    assert len(sample.late) / len(sample.records) == pytest.approx(0.01, rel=0.1)
    late_s = sorted(second_s - click["timestamp"] / 1e9 for second_s, click in sample.late)
    assert 0 < late_s[0] < 5
    assert late_s[len(late_s) // 2] < 60
    assert 0.005 < sum(delay_s > 3600 for delay_s in late_s) / len(late_s) < 0.06
    assert late_s[-1] < 6 * 3600


def test_broken_records_are_few_and_various() -> None:
    broken = evening().broken
    assert 1 / 3000 < len(broken) / len(evening().records) < 1 / 1300
    kinds = set()
    for record in broken:
        assert record
        assert b"\n" not in record
        try:
            click = json.loads(record)
        except ValueError as error:
            kinds.add(
                type(error).__name__ if record.startswith(b"{") else record[:4].decode(errors="replace")
            )
            continue
        fields = click if isinstance(click, dict) else {"timestamp": type(click)}
        kinds.add(f"{str(fields.get('timestamp'))[:5] if fields.get('userId') else 'user'}")
    assert len(kinds) >= 8


def test_column_oriented_records() -> None:
    columns = evening().columns
    assert 1 / 1500 < len(columns) / len(evening().records) < 1 / 700
    for record in columns:
        assert list(record) == ["Epoch", "Timestamps", "NumericValues", "StringValues", "TagValues"]
        values = {**record["NumericValues"], **record["StringValues"]}
        assert {"userId", "ip", "age", "deviceType"} <= {*values}
        assert {len(column) for column in values.values()} == {len(record["Timestamps"])}
        assert record["Timestamps"] == sorted({*record["Timestamps"]})
    assert {len(record["Timestamps"]) for record in columns} == {1, 2}


def device_of(agent: str) -> str:
    if "TV" in agent or "PlayStation" in agent:
        return "TV" if "TV" in agent else "Console"
    if "iPad" in agent or ("Android" in agent and "Mobile" not in agent):
        return "Tablet"
    return "Mobile" if "Mobile" in agent else "Desktop"


def test_devices_fit_user_agents() -> None:
    users: dict[str, set[str]] = defaultdict(set)
    for _, click in evening().on_time:
        assert device_of(click["userAgent"]) == click["deviceType"]
        users[click["userId"]].add(click["deviceType"])
    shares = Counter(device for devices in users.values() for device in devices)
    assert [device for device, _ in shares.most_common(3)] == ["Desktop", "Mobile", "Tablet"]
    assert {*shares} == {"Desktop", "Mobile", "Tablet", "TV", "Console"}
    assert 0.01 < sum(len(devices) > 1 for devices in users.values()) / len(users) < 0.5


def test_bots_of_several_kinds_click_too() -> None:
    bots, people = evening().bots, evening().on_time
    assert len(bots) / (len(bots) + len(people)) == pytest.approx(0.06, abs=0.005)
    names = Counter(bot_name(click["userAgent"]) for click in bots)
    assert len(names) == 11
    assert None not in names
    assert {kind_of(str(name)) for name in names} > {
        "search",
        "AI crawler",
        "SEO",
        "monitoring",
        "HTTP client",
    }
    assert {bot_name(click["userAgent"]) for _, click in people} == {None}


def test_there_is_always_a_product_that_takes_off() -> None:
    for quarter in range(4):
        start_s = EVENING_S + quarter * 900
        now, before = Counter[str](), Counter[str]()
        for second_s, click in evening().on_time:
            if "productId" in click and click["productId"] is not None:
                counter = now if start_s <= second_s < start_s + 900 else before
                counter[click["productId"]] += 1
        expected = {product: before[product] / 3 for product in now}
        assert any(now[p] > max(1.5 * expected[p], expected[p] + 4 * expected[p] ** 0.5, 20) for p in now)


def test_countries_and_ages_differ_by_category() -> None:
    ages, countries = defaultdict[str, list[int]](list), defaultdict[str, Counter[str]](Counter)
    for _, click in evening().on_time:
        if click.get("category") and click["age"] is not None:
            ages[click["category"]].append(click["age"])
            countries[click["category"]][click["country"]] += 1
    mean = {category: sum(found) / len(found) for category, found in ages.items()}
    assert mean["books"] > mean["clothing"] + 3 > mean["computers"] + 3

    def share(category: str) -> float:
        return countries[category]["United States"] / countries[category].total()

    assert share("tools") > share("handbags") + 0.03


def test_a_visitor_is_one_person() -> None:
    people: dict[str, set[tuple[object, ...]]] = defaultdict(set)
    places: dict[str, set[str]] = defaultdict(set)
    for second_s, click in evening().on_time:
        person = click["gender"], click["age"], click["birthdate"], click["country"]
        people[click["userId"]].add(person)
        if ":" not in click["ip"]:
            places[click["ip"].rpartition(".")[0].rpartition(".")[0]].add(click["country"])
        if click["age"] is not None:
            born = datetime.fromisoformat(click["birthdate"])
            today = datetime.fromtimestamp(second_s, timezone.utc)
            years = today.year - born.year - ((today.month, today.day) < (born.month, born.day))
            assert click["age"] == years
            assert click["gender"] in ("F", "M")
            assert 18 <= years <= 77
    assert all(len(person) == 1 for person in people.values())
    assert all(len(countries) == 1 for countries in places.values())
    assert len({person[-1] for (person,) in people.values()}) > 10


def test_products_have_one_category_and_one_title_and_skewed_popularity() -> None:
    views: Counter[str] = Counter()
    named: dict[str, set[tuple[str, str]]] = defaultdict(set)
    for _, click in evening().on_time:
        if "productId" in click:
            views[click["productId"]] += 1
            named[click["productId"]].add((click["category"], click["title"]))
    assert 290 <= len(views) <= 310
    assert all(len(names) == 1 for names in named.values())
    categories = {category for names in named.values() for category, _ in names}
    assert {"clothing", "shoes"} <= categories
    assert len(categories - {None}) == 12
    ranked = [count for _, count in views.most_common()]
    assert ranked[0] > 20 * ranked[len(ranked) // 2]
    assert sum(ranked[:30]) > 0.4 * sum(ranked)


class Journeys:
    """The contract's journeys, as plainly as can be, without the 30 minutes: these here are short."""

    def __init__(self) -> None:
        self.offers = 0
        self.states: dict[str, tuple[str, str | None]] = {}
        self.pages: dict[str, str | None] = {}

    def see(self, click: Click) -> None:
        user, page, category = click["userId"], click.get("productId"), click.get("category")
        if self.pages.get(user) == page:
            return
        self.pages[user] = page
        state, first = self.states.pop(user, ("init", None))
        ages = {"M": range(35, 46), "F": range(25, 36)}.get(click["gender"], range(0))
        if state == "init" and category == "clothing" and click["age"] in ages:
            self.states[user] = "clothes", page
        elif state == "clothes" and category in ("clothing", "shoes"):
            self.states[user] = category.replace("clothing", "clothes"), first
        elif state == "shoes" and category == "clothing":
            self.offers += page != first


def test_some_journeys_end_in_offers_and_pages_are_refreshed() -> None:
    journeys, refreshed = Journeys(), 0
    for _, click in evening().on_time:
        refreshed += "productId" in click and journeys.pages.get(click["userId"]) == click["productId"]
        journeys.see(click)
    assert 2 < journeys.offers / 60 < 15
    assert 0.02 < refreshed / len(evening().on_time) < 0.15


def test_options() -> None:
    assert Shop.parse("demo:") == Shop.parse("demo:?") == Shop(50.0, 100_000, 8.5 * 3600, 1)
    asked = Shop.parse("demo:?rate=0.5&visitors=30&history=90s&seed=7")
    assert asked == Shop(rate=0.5, visitors=30, history_s=90, seed=7)


RATE = "set it to a number of clicks per second from 0.1 to 5000"
VISITORS = "set it to a whole number from 1 to 10000000"
HISTORY = "set it to a duration from 0s to 168h, such as 8h30m"
SEED = "set it to a whole number from 0 to 4294967295"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("demo:?rate=fast", f"CLICKS_SOURCE has rate='fast': {RATE}"),
        ("demo:?rate=", f"CLICKS_SOURCE has rate='': {RATE}"),
        ("demo:?rate", f"CLICKS_SOURCE has rate='': {RATE}"),
        ("demo:?rate=0", f"CLICKS_SOURCE has rate='0': {RATE}"),
        ("demo:?rate=-5", f"CLICKS_SOURCE has rate='-5': {RATE}"),
        ("demo:?rate=nan", f"CLICKS_SOURCE has rate='nan': {RATE}"),
        ("demo:?rate=1e3", f"CLICKS_SOURCE has rate='1e3': {RATE}"),
        ("demo:?rate=5001", f"CLICKS_SOURCE has rate='5001': {RATE}"),
        ("demo:?visitors=0", f"CLICKS_SOURCE has visitors='0': {VISITORS}"),
        ("demo:?visitors=2.5", f"CLICKS_SOURCE has visitors='2.5': {VISITORS}"),
        ("demo:?rate=5&visitors=1%0A2", f"CLICKS_SOURCE has visitors='1\\n2': {VISITORS}"),
        ("demo:?history=8", f"CLICKS_SOURCE has history='8': {HISTORY}"),
        ("demo:?history=169h", f"CLICKS_SOURCE has history='169h': {HISTORY}"),
        ("demo:?seed=x", f"CLICKS_SOURCE has seed='x': {SEED}"),
        ("demo:?seed=4294967296", f"CLICKS_SOURCE has seed='4294967296': {SEED}"),
        (
            "demo:?speed=5",
            "CLICKS_SOURCE has the option 'speed': use rate, visitors, history or seed",
        ),
        ("demo:?rate=5&rate=6", "CLICKS_SOURCE has the option 'rate' twice: give it once"),
        (
            "demo:rate=5",
            "CLICKS_SOURCE is 'demo:rate=5': write the simulator's options like demo:?rate=50&seed=7",
        ),
    ],
)
def test_wrong_options_are_one_line(text: str, message: str) -> None:
    with pytest.raises(SettingsError) as error:
        Shop.parse(text)
    assert str(error.value) == message
