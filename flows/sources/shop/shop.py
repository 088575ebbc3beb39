"""A simulated shop whose visitors' clicks can be read like a log: what `CLICKS_SOURCE=demo:` stands for.

What enters the log in a second depends on the shop's options and that second only, not on what was asked
before: any position (second, index) can be addressed, and a replay is identical. To that end the visits
that start in a minute come from a random generator of that minute, and a second's clicks are those which
the visits of the last hour make in it.
"""

from __future__ import annotations

import json
import math
import random
import re
from array import array
from bisect import bisect_left
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from statistics import NormalDist
from typing import Any
from urllib.parse import parse_qsl

from flows.runtime.exits import SettingsError
from flows.settings import duration_s
from flows.sources.shop.catalogue import Goods, goods, ladder, look, taste_of
from flows.sources.shop.crawlers import FIRST, SHARE, crawler, crawlers

_DAY_MIN = 24 * 60
_HORIZON_MIN = 56  # the minutes before the current one whose visits may still click
_TURN_MIN = 30  # a visitor starts visits in one minute of so many, hence visits do not overlap
_LAST_START_S = 1500  # no visit starts later after its minute
_LONGEST_S = 1500  # a visit that has taken so long hurries to its end

_BOUNCE_SHARE = 0.35
_MOST_CLICKS = 25
_PAUSE_MEDIAN_S, _PAUSE_SIGMA, _PAUSE_MOST_S = 12.0, 1.0, 300
_REFRESH_SHARE, _FAVOURITE_SHARE = 0.04, 0.56  # a click on the same product; in the visit's first category
_TASTE_SHARE = 0.8  # of visits that begin with what the visitor's kind of people likes
_HOT_MIN, _HOT_SHARE = 12, 0.04  # so long a product takes off, with such a share of the clicks
_SECOND_DEVICE_SHARE = 0.25
_VISITS_OF_A_REGULAR = 12

# Of the clicks that enter the log:
_LATE_SHARE, _HOURS_LATE_SHARE = 0.01, 0.0002
_BROKEN_SHARE, _COLUMNS_SHARE = 0.0005, 0.001
_ODD_SHARE = _LATE_SHARE + _BROKEN_SHARE + _COLUMNS_SHARE
_ORIGINAL_AGE_S = 368_347_380  # by which `original_timestamp` is older

# A click as a number that sorts by time: second | salt (12 bits) | device (1) | visitor (27) | product (12).
# The salt puts the clicks of one second in no particular order of visitors.
_SECOND, _SALT, _DEVICE, _VISITOR = 52, 40, 39, 12
_VISITOR_MASK, _PRODUCT_MASK = (1 << 27) - 1, (1 << 12) - 1


@dataclass(frozen=True)
class Shop:
    """A shop with `rate` clicks per second, averaged over a day, by about `visitors` people a day.

    `history_s` is how far back its log is to be read at the first start. With more than about 2,000 clicks
    per visitor and day, visits of one visitor begin to overlap; with too few, not every visitor comes.
    """

    rate: float = 50.0
    visitors: int = 100_000
    history_s: float = 8.5 * 3600
    seed: int = 1

    @classmethod
    def parse(cls, text: str) -> Shop:
        """Make the shop of a `demo:?rate=50&visitors=2000&history=8h30m&seed=7`; raises SettingsError."""
        kind, _, query = text.partition("?")
        if kind != "demo:":
            message = f"CLICKS_SOURCE is {text!r}: write the simulator's options like demo:?rate=50&seed=7"
            raise SettingsError(message)
        values: dict[str, Any] = {}
        for name, found in parse_qsl(query, keep_blank_values=True):
            if name not in _OPTIONS:
                message = f"CLICKS_SOURCE has the option {name!r}: use rate, visitors, history or seed"
                raise SettingsError(message)
            field, read, least, most, allowed = _OPTIONS[name]
            value = read(found)
            if value is None or not least <= value <= most:
                message = f"CLICKS_SOURCE has {name}={found!r}: set it to {allowed}"
                raise SettingsError(message)
            if field in values:
                message = f"CLICKS_SOURCE has the option {name!r} twice: give it once"
                raise SettingsError(message)
            values[field] = value
        return cls(**values)

    def second(self, second_s: int) -> list[bytes]:
        """Return what enters the log in `[second_s, second_s + 1)` (seconds since 1970), in log order."""
        clicks = _clock_minute(self, second_s // 60)
        start = (second_s % 60) << _SECOND
        here = clicks[bisect_left(clicks, start) : bisect_left(clicks, start + (1 << _SECOND))]
        return _records(self, second_s, here)


def rhythm(minute: int) -> float:
    """Return how busy a minute (since 1970 UTC) is against the mean: 0.3 at night, 1.7 in the evening."""
    turn = math.tau * (minute % _DAY_MIN) / _DAY_MIN
    return 1 + 0.6 * math.cos(turn - math.tau * 17 / 24) + 0.2 * math.cos(2 * (turn - math.tau * 20 / 24))


def _number(text: str) -> float | None:
    return float(text) if re.fullmatch(r"\d{1,9}(\.\d{1,9})?", text, re.ASCII) else None


def _whole(text: str) -> int | None:
    return int(text) if re.fullmatch(r"\d{1,18}", text, re.ASCII) else None


# Option: the field it sets, how it is read, from, to, what is allowed.
_OPTIONS: dict[str, tuple[str, Callable[[str], float | None], float, float, str]] = {
    "rate": ("rate", _number, 0.1, 5000, "a number of clicks per second from 0.1 to 5000"),
    "visitors": ("visitors", _whole, 1, 10_000_000, "a whole number from 1 to 10000000"),
    "history": ("history_s", duration_s, 0, 168 * 3600, "a duration from 0s to 168h, such as 8h30m"),
    "seed": ("seed", _whole, 0, 2**32 - 1, f"a whole number from 0 to {2**32 - 1}"),
}


@lru_cache(maxsize=2)
def _clock_minute(shop: Shop, minute: int) -> list[int]:
    """List all clicks that enter the log in a clock minute, packed, in order, with seconds 0 to 59."""
    clicks: list[int] = []
    for ago in range(_HORIZON_MIN + 1):
        visits = _visits(shop, minute - ago)
        start, end = (60 * ago) << _SECOND, (60 * ago + 60) << _SECOND
        clicks += [click - start for click in visits[bisect_left(visits, start) : bisect_left(visits, end)]]
    clicks.sort()
    return clicks


@lru_cache(maxsize=_HORIZON_MIN + 8)
def _visits(shop: Shop, minute: int) -> array[int]:
    """List all clicks of the visits that start in `minute`, packed, in order, seconds from its start on."""
    rng = random.Random(f"visits {shop.seed} {minute}")
    draw, stock, sizes, pauses = rng.random, goods(), _sizes(), _pauses_s()
    expected_clicks = 60 * shop.rate * rhythm(minute)
    visits = int(expected_clicks * (1 - SHARE) * len(sizes) / sum(sizes) + draw())
    free_s: dict[int, int] = {}  # when the visitor's next visit may start
    clicks = [
        int(draw() * 60) << _SECOND | bot << _VISITOR | int(draw() * len(stock.json))
        for bot in crawlers(draw, int(expected_clicks * SHARE + draw()))
    ]
    hot = _hot(shop, minute)
    for visitor in _who_comes(rng, shop, minute, visits):
        second_s = free_s.get(visitor, _LAST_START_S + 1)
        if second_s > _LAST_START_S:
            second_s = int(draw() * 60)
        size = sizes[int(draw() * len(sizes))]
        visit = int(draw() * 4096) << _SALT | visitor << _VISITOR
        visit |= (draw() < _SECOND_DEVICE_SHARE) << _DEVICE
        hurry_s = second_s + _LONGEST_S
        for product in _stroll(draw, stock, size, taste_of(visitor), hot):
            clicks.append(second_s << _SECOND | visit | product)
            second_s += pauses[int(draw() * len(pauses))] if second_s < hurry_s else 2
        free_s[visitor] = second_s
    clicks.sort()
    return array("Q", clicks)


def _who_comes(rng: random.Random, shop: Shop, minute: int, visits: int) -> list[int]:
    """List the visitors of a minute's visits: each once if there are enough, else some over and over."""
    turns = max(1, min(_TURN_MIN, shop.visitors // 4))
    candidates = range(minute % turns, shop.visitors, turns)
    regulars = min(len(candidates), visits // _VISITS_OF_A_REGULAR + 1)
    once = rng.sample(candidates, min(visits, max(regulars, len(candidates) * 2 // 3)))
    return once + rng.choices(once[:regulars], k=visits - len(once)) if visits else []


def _hot(shop: Shop, minute: int) -> int:
    """Return the product that all the shop talks about for some minutes, then no more."""
    products = len(goods().json) - 1
    return random.Random(f"hot {shop.seed} {minute // _HOT_MIN}").randrange(products)


def _stroll(draw: Callable[[], float], stock: Goods, size: int, taste: int, hot: int) -> list[int]:
    """List the products of an ordinary visit of `size` clicks by someone of a taste."""
    anything, steps = stock.anything, len(stock.anything)
    product = anything[int(draw() * steps)]
    if draw() < _TASTE_SHARE:
        product = stock.liked[taste][int(draw() * steps)]
    favourite = stock.same[product]
    products: list[int] = []
    for _ in range(size):
        products.append(product)
        whim = draw()
        if whim > 1 - _HOT_SHARE:
            product = hot
        elif whim > _REFRESH_SHARE + _FAVOURITE_SHARE:
            product = anything[int(draw() * steps)]
        elif whim > _REFRESH_SHARE:
            product = favourite[int(draw() * steps)]
    return products


@lru_cache(maxsize=1)
def _sizes() -> list[int]:
    """List how many clicks visits have, each size as often as it is likely."""
    longer = [0.88**size for size in range(2, _MOST_CLICKS + 1)]
    single = sum(longer) * _BOUNCE_SHARE / (1 - _BOUNCE_SHARE)
    return [rung + 1 for rung in ladder([single, *longer], 1 << 12)]


@lru_cache(maxsize=1)
def _pauses_s() -> list[int]:
    """List how long visitors look at a page: a lognormal distribution in equal steps of probability."""
    normal, steps = NormalDist(math.log(_PAUSE_MEDIAN_S), _PAUSE_SIGMA), 1 << 12
    pauses_s = (math.exp(normal.inv_cdf((step + 0.5) / steps)) for step in range(steps))
    return [min(max(round(pause_s), 1), _PAUSE_MOST_S) for pause_s in pauses_s]


def _records(shop: Shop, second_s: int, clicks: list[int]) -> list[bytes]:
    """Write one second's clicks as records: event times rise within the second, some records are odd."""
    draw = random.Random(f"log {shop.seed} {second_s}").random
    products, seed, day = goods().json, shop.seed, second_s // 86400
    opening, original = _times(second_s)
    step_ns = 1e9 / max(len(clicks), 1)
    records: list[bytes] = []
    for number, click in enumerate(clicks):
        nanos = int((number + 0.9 * draw()) * step_ns)
        visitor = click >> _VISITOR & _VISITOR_MASK
        head, tail = crawler(visitor) if visitor >= FIRST else look(seed, visitor, click >> _DEVICE & 1, day)
        middle = products[click & _PRODUCT_MASK]
        odd = draw()
        if odd < _LATE_SHARE:
            late_s = _late_s(odd / _LATE_SHARE, draw())
            early, before = _times(second_s - late_s)
            records.append(b"%b%09d%b%b%b%b" % (early, nanos, before, head, middle, tail))
            continue
        record = b"%b%09d%b%b%b%b" % (opening, nanos, original, head, middle, tail)
        if odd < _ODD_SHARE:
            broken = odd < _LATE_SHARE + _BROKEN_SHARE
            record = _broken(record, draw()) if broken else _columns(record, draw())
        records.append(record)
    return records


def _times(second_s: int) -> tuple[bytes, bytes]:
    """Write a record up to its nanoseconds within `second_s`, and what follows them."""
    return b'{"timestamp":%d' % second_s, b',"original_timestamp":%d' % (second_s - _ORIGINAL_AGE_S)


def _late_s(kind: float, place: float) -> int:
    """Say how late a late click is: seconds to five minutes, a rare one up to six hours."""
    if kind < _HOURS_LATE_SHARE / _LATE_SHARE:
        return 3600 + int(place * 5 * 3600)
    return int(2 * 150**place)


def _broken(record: bytes, place: float) -> bytes:
    """Spoil the record in one of a dozen ways, each of which a reader has to reject."""
    click = json.loads(record)
    without_time = {name: value for name, value in click.items() if name != "timestamp"}
    without_user = {name: value for name, value in click.items() if name != "userId"}
    ways: list[object] = [
        without_time,
        without_user,
        {**click, "userId": ""},
        {**click, "userId": 4711},
        {**click, "timestamp": "yesterday"},
        {**click, "timestamp": None},
        {**click, "timestamp": 0},
        {**click, "timestamp": 4_102_444_800 * 10**9},  # the year 2100
        [click["timestamp"], click["userId"]],
        "heartbeat",
        b"GET /favicon.ico HTTP/1.1",
        b"\xff\xfe" + record[2:],
        record[: len(record) // 3],
        record[:-2],
    ]
    way = ways[int(place * len(ways))]
    return way if isinstance(way, bytes) else json.dumps(way, separators=(",", ":")).encode()


def _columns(record: bytes, place: float) -> bytes:
    """Write the record in the older column-oriented shape, one in three with a refresh of the page."""
    click = json.loads(record)
    first_ns = click.pop("timestamp")
    times_ns = [first_ns, first_ns + 1000] if place < 1 / 3 else [first_ns]
    columns: dict[str, dict[str, list[object]]] = {"NumericValues": {}, "StringValues": {}}
    for name, value in click.items():
        kind = "NumericValues" if name in ("original_timestamp", "age") else "StringValues"
        columns[kind][name] = [value] * len(times_ns)
    shape = {"Epoch": 0, "Timestamps": times_ns, **columns, "TagValues": {}}
    return json.dumps(shape, separators=(",", ":")).encode()
