"""The way of the pandas service that this project replaces, to be measured beside it.

An hour of rows is one value in RocksDB. Every batch of 1,000 rows is concatenated to it, and it is written
back; once a second every metric is computed from all rows held and written to Redis. Rows older than an hour
go. (Sessions and visitors then cover that hour alone: this is the least that such a service does.)
"""

from __future__ import annotations

import time
from itertools import islice
from pathlib import Path
from typing import Any

import msgspec
import pandas as pd
import redis
from rocksdict import Rdict

BATCH = 1000
HELD = 100_000
# Of nanoseconds; other clicks are left out.
OLDEST_NS, NEWEST_NS = 10**18, time.time_ns()


class Seed:
    """The service over one RocksDB and one Redis."""

    def __init__(self, folder: Path, client: redis.Redis) -> None:
        self._db = Rdict(str(folder))
        self._client = client
        self._published_s = 0.0

    def take(self, rows: list[dict[str, object]]) -> None:
        """Take in a batch; once a second publish."""
        frame = pd.DataFrame(rows)
        frame["datetime"] = pd.to_datetime(frame["timestamp"])
        held: pd.DataFrame | None = self._db.get("clicks")
        if held is not None:
            frame = pd.concat([held, frame], ignore_index=True)
        self._db["clicks"] = frame[frame["datetime"] > frame["datetime"].max() - pd.Timedelta(hours=1)]
        if time.monotonic() - self._published_s >= 1:
            self._published_s = time.monotonic()
            self.publish()

    def publish(self) -> None:
        """Compute every metric from all rows held."""
        rows: Any = self._db["clicks"]
        as_of = rows["datetime"].max()
        recent = rows[rows["datetime"] > as_of - pd.Timedelta(minutes=15)]
        now = rows[rows["datetime"] > as_of - pd.Timedelta(minutes=10)]
        newest = rows.sort_values("datetime", ascending=False)
        by_minute = recent.groupby(pd.Grouper(key="datetime", freq="1min"))["userId"]
        by_half_hour = rows.groupby(pd.Grouper(key="datetime", freq="30min"))["userId"]
        pages = rows.groupby(["productId", "category"]).size().nlargest(10)
        frames = {
            "last_15_minutes": by_minute.agg(["count", "nunique"]).reset_index(),
            "sessions": by_half_hour.nunique().reset_index(),
            "device_type_popularity": now.groupby("deviceType")["userId"].nunique().reset_index(),
            "products_last_hour": pages.reset_index(),
            "latest_visitors": newest.drop_duplicates("userId").head(10)[["datetime", "ip", "country"]],
            "category_popularity": rows["category"].value_counts().reset_index(),
            "raw_data": newest.head(100),
        }
        with self._client.pipeline(transaction=True) as pipe:
            for key, frame in frames.items():
                pipe.set(key, frame.to_json())
            pipe.execute()

    def close(self) -> None:
        """Close the database."""
        self._db.close()


def plain_rows(log: Path, count: int) -> list[dict[str, object]]:
    """Return the first `count` plain clicks of a log."""
    with log.open("rb") as lines:
        return list(islice((row for row in map(_row, lines) if row is not None), count))


def _row(line: bytes) -> dict[str, object] | None:
    try:
        row: dict[str, object] = msgspec.json.decode(line)
    except ValueError:
        return None
    plain = isinstance(row, dict) and isinstance(row.get("timestamp"), int) and row.get("userId")
    return row if plain and OLDEST_NS < int(str(row["timestamp"])) < NEWEST_NS else None
