"""Writes boards as the contract says, from a seed: a stand-in for the flow."""

from __future__ import annotations

import argparse
import json
import random
import time
from collections.abc import Mapping, Sequence
from datetime import datetime, timezone
from typing import Any

import pandas as pd
import redis
from redis.typing import EncodableT

from tests.support.published import FRAMES

PRODUCTS = [
    ("VD55177927", "clothing", "Deluxe Cashmere Sweater"),
    ("VD55170364", "shoes", "Trail Running Shoe"),
    ("VD55149415", "electronics", "Noise Cancelling Headphones"),
    ("VD55179433", "home & garden", "Cast Iron Skillet, 26 cm"),
    ("VD55166807", "handbags", "Leather Tote"),
    ("VD55158532", "clothing", "Merino Base Layer"),
    ("VD55163347", "computers", "Mechanical Keyboard"),
    ("VD55165149", "automotive", "Dash Camera"),
    ("VD55173061", "shoes", "Canvas Sneaker"),
    ("VD55162989", "movies", "A Summer in Lisbon"),
]
AGES = ["under 18", "18-24", "25-34", "35-44", "45-54", "55-64", "65 and over", "Unknown"]
BOTS = {
    "Googlebot": "search",
    "GPTBot": "AI crawler",
    "AhrefsBot": "SEO",
    "ChatGPT-User": "AI assistant",
    "bingbot": "search",
    "UptimeRobot": "monitoring",
    "HeadlessChrome": "headless browser",
    "python-requests": "HTTP client",
    "ClaudeBot": "AI crawler",
    "curl": "HTTP client",
}
COUNTRIES = ["United States", "Germany", "Brazil", "Japan", "Kenya", "France"]
AGENT = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0 Safari/537.36"


class Writer:
    """A flow's side of Redis: `tables` and `facts` are what it writes next; change them at will."""

    def __init__(self, client: redis.Redis, publish_every_ms: int = 1000, seed: int = 7) -> None:
        self.client = client
        self.publish_every_ms = publish_every_ms
        self.random = random.Random(seed)
        self.tables: dict[str, list[list[Any]]] = {}
        self.facts: dict[str, Any] = {}
        self.clicks_total = 4_812_306
        self._wave = [self.random.randint(2300, 3200) for _ in range(15)]
        self._half = [round(3000 + 325 * abs(i - 8) + self.random.randint(-200, 200)) for i in range(17)]

    def fill(self, now_ms: int) -> None:
        """Make up a lively shop as of the end of the second of `now_ms`."""
        pick, as_of_ms = self.random, (now_ms // 1000 + 1) * 1000
        minute_ms, half_ms = as_of_ms // 60_000 * 60_000, as_of_ms // 1_800_000 * 1_800_000
        minutes = [[minute_ms - 60_000 * (14 - i), n, round(n * 0.47)] for i, n in enumerate(self._wave)]
        minutes[-1][1:] = [round(n * (as_of_ms - minute_ms) / 60_000) + 1 for n in minutes[-1][1:]]
        halves = [[half_ms - 1_800_000 * (16 - i), n, n] for i, n in enumerate(self._half)]
        devices = [pick.randint(a, a + 40) for a in (4210, 540, 3320, 61)]
        pages = sorted(((pick.randint(900, 960) * (12 - i), p) for i, p in enumerate(PRODUCTS)), reverse=True)
        clicks = [self._click(as_of_ms - 400 - 23 * i) for i in range(100)]
        self.tables = {
            "last_15_minutes": minutes,
            "sessions": halves,
            "device_type_popularity": [
                ["Device type", name, n]
                for name, n in zip(("Desktop", "Tablet", "Mobile", "Other"), devices, strict=True)
            ],
            "products_last_hour": [[p, category, n, title] for n, (p, category, title) in pages],
            "latest_visitors": [
                [f"{i} seconds ago", _text(as_of_ms - 1000 * (i + 1)), self._ip(), pick.choice(COUNTRIES)]
                for i in range(10)
            ],
            "category_popularity": [
                [name, pick.randint(3000, 3100) * (9 - i)]
                for i, name in enumerate(dict.fromkeys(category for _, category, _ in PRODUCTS))
            ],
            "raw_data": clicks,
            **self._now(minutes),
        }
        self.clicks_total += pick.randint(40, 56)
        self.facts = {
            "as_of": as_of_ms,
            "published_at": now_ms,
            "publish_every_ms": self.publish_every_ms,
            **self._numbers(),
            "visitors_15m": sum(n for _, n in self.tables["audience_countries"]),
            "sessions_8h": 41_207 + pick.randint(0, 30),
            "sessions_active": 3_058 + pick.randint(0, 30),
            "session_seconds_mean": 754.2,
            "session_clicks_mean": 6.4,
            "session_bounce_share": 0.2871,
            "devices_now": sum(devices),
            "clicks_total": self.clicks_total,
            "late_total": 1_204,
            "ahead": 3,
            "rejected_total": 37,
            "entries_dropped_total": 0,
            "rejected": {"not JSON": 21, "no userId": 9, "more than 5 minutes ahead": 7},
            "positions": {"0": self.clicks_total},
            "lag": pick.randint(0, 3),
        }

    def _now(self, minutes: list[list[int]]) -> dict[str, list[list[Any]]]:
        """Make up who is here now: pages and countries, what rises, bots, journeys."""
        pick = self.random
        looking = sorted(((pick.randint(90, 99) * (12 - i), p) for i, p in enumerate(PRODUCTS)), reverse=True)
        countries = [[name, pick.randint(300, 310) * (8 - i)] for i, name in enumerate(COUNTRIES)]
        countries += [["other", 210], ["Unknown", 96]]
        visitors = sum(n for _, n in countries if isinstance(n, int))
        shares = [visitors // 24 + visitors % 24 * (not place) for place in range(24)]
        people = [[gender, age, shares.pop()] for gender in ("F", "M", "Unknown") for age in AGES]
        offers = self._states()
        return {
            "looking_at": [
                *([p, category, title, n] for n, (p, category, title) in looking),
                [None, None, "(other pages)", 412],
                [None, None, "(no product)", 37],
            ],
            "audience_countries": countries,
            "audience_people": people,
            "trending": [
                [*PRODUCTS[3], 214 + pick.randint(0, 9), 61.4, "rising"],
                [*PRODUCTS[8], 96, 0.0, "new"],
                [*PRODUCTS[5], 131, 70.25, "rising"],
                [*PRODUCTS[0], 44, 131.9, "falling"],
            ],
            "bots": [
                [name, kind, pick.randint(60, 64) * (11 - i)] for i, (name, kind) in enumerate(BOTS.items())
            ],
            "bot_minutes": [[start_ms, clicks // 11] for start_ms, clicks, _ in minutes],
            "journeys": offers,
        }

    def _states(self) -> list[list[Any]]:
        name, pick = "clothing, shoes, other clothing", self.random
        return [
            [name, "clothes_visited", pick.randint(300, 330), 1912],
            [name, "shoes_visited", pick.randint(100, 120), 604],
            [name, "offer", None, 245],
            [name, "init", None, 1622],
        ]

    def _numbers(self) -> dict[str, Any]:
        """Sum up what tables have."""
        bots = sum(n for *_, n in self.tables["bots"])
        return {
            "online_5m": sum(n for *_, n in self.tables["looking_at"]),
            "trending_rising": 3,
            "trending_falling": 1,
            "clicks_1h": bots + sum(n for _, n in self.tables["category_popularity"]),
            "bot_clicks_1h": bots,
            "bot_visitors_15m": 38,
            "offers_1h": 245,
            "offers": {"offer1": 131, "offer2": 114},
            "journeys_over_1h": 940,
            "journeys_offer_share": 0.1287,
            "journeys_offer_seconds": 431.0,
        }

    def empty(self, now_ms: int) -> None:
        """Make every metric empty, as right after the first start without a click."""
        self.tables = {name: [] for name in FRAMES}
        counts = ("visitors_15m", "sessions_8h", "sessions_active", "devices_now", "clicks_total")
        totals = ("late_total", "rejected_total", "entries_dropped_total")
        means = ("session_seconds_mean", "session_clicks_mean", "session_bounce_share", "lag")
        self.facts = {"as_of": now_ms, "published_at": now_ms, "publish_every_ms": self.publish_every_ms}
        self.facts |= {"rejected": {}, "positions": {}}
        self.facts |= dict.fromkeys((*counts, *totals), 0) | dict.fromkeys(means)

    def write(
        self, log: Sequence[Mapping[str, str]] = (), rejected: Sequence[Mapping[str, str]] = ()
    ) -> None:
        """Write the board and append to the streams, in one MULTI/EXEC."""
        with self.client.pipeline(transaction=True) as pipe:
            for name, rows in self.tables.items():
                pipe.set(name, pd.DataFrame(rows, columns=FRAMES[name]).to_json())
            pipe.set("board", json.dumps(self.facts))
            for stream, entries in (("state_logs", log), ("rejected", rejected)):
                for entry in entries:
                    fields: dict[EncodableT, EncodableT] = dict(entry.items())
                    pipe.xadd(stream, fields, maxlen=1000, approximate=True)
            pipe.publish("boards", str(self.facts["as_of"]))
            pipe.execute()

    def publish(self) -> None:
        """Fill as of now and write, with a step or two in the log."""
        now_ms = time.time_ns() // 1_000_000
        self.fill(now_ms)
        self.write(log=self.steps(now_ms, self.random.randint(0, 2)))

    def steps(self, now_ms: int, count: int) -> list[dict[str, str]]:
        """Make up journey steps."""
        return [self._step(now_ms) for _ in range(count)]

    def _step(self, now_ms: int) -> dict[str, str]:
        user, (product, category, _) = self._user(), self.random.choice(PRODUCTS[:2])
        state = {"clothing": "clothes_visited", "shoes": "shoes_visited"}[category]
        msg = f"[User {user} entered state {state}][Event: clicked {product}][Category: {category}]"
        step = {"created": str(now_ms / 1000), "msg": msg, "user": user, "state": state}
        return step | {"from": "init", "product": product, "category": category, "offer": ""}

    def _click(self, at_ms: int) -> list[Any]:
        product, category, title = self.random.choice(PRODUCTS)
        device = self.random.choice(["Desktop", "Mobile", "Tablet"])
        who = [self._user(), self._ip(), AGENT]
        what = [product, category, title, self.random.choice("MF"), self.random.choice(COUNTRIES), device]
        return [at_ms * 1_000_000, 1331800486, *who, *what, self.random.randint(18, 80), "1981-11-14", at_ms]

    def _user(self) -> str:
        return f"{self.random.getrandbits(64):016X}"

    def _ip(self) -> str:
        return ".".join(str(self.random.randint(1, 254)) for _ in range(4))


def _text(epoch_ms: int) -> str:
    return datetime.fromtimestamp(epoch_ms / 1000, timezone.utc).strftime("%Y-%m-%d %H:%M:%S")


def main() -> None:
    """Publish to REDIS_URL once a second: `python -m tests.dashboard.writer URL SECONDS`."""
    parser = argparse.ArgumentParser(description="Publish made-up boards to a Redis.")
    parser.add_argument("url")
    parser.add_argument("seconds", type=float)
    asked = parser.parse_args()
    writer = Writer(redis.from_url(asked.url))
    now_ms = time.time_ns() // 1_000_000
    rejects = [{"reason": "not JSON", "position": f"0:{i}", "record": "{'userId': 'A'"} for i in range(3)]
    writer.fill(now_ms)
    writer.write(log=writer.steps(now_ms, 30), rejected=rejects)
    end_s = time.monotonic() + asked.seconds
    while time.monotonic() < end_s:
        writer.publish()
        time.sleep(1.0 - time.time() % 1.0)


if __name__ == "__main__":
    main()
