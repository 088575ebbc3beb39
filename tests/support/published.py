"""What Redis holds, in the form in which the oracle states it."""

from __future__ import annotations

import json
from io import StringIO
from typing import Any

import pandas as pd
import pytest
import redis

from tests.oracle.records import Expected

FRAMES = {
    "last_15_minutes": ["datetime", "count", "visitors"],
    "sessions": ["datetime", "userId", "count"],
    "device_type_popularity": ["Device", "Device type", "Total"],
    "products_last_hour": ["productId", "category", "count", "title"],
    "latest_visitors": ["Relative Time", "Date and Time", "ip", "country"],
    "category_popularity": ["category", "count"],
    "looking_at": ["productId", "category", "title", "visitors"],
    "audience_countries": ["country", "visitors"],
    "audience_people": ["gender", "age", "visitors"],
    "trending": ["productId", "category", "title", "clicks", "expected", "direction"],
    "bots": ["name", "kind", "clicks"],
    "bot_minutes": ["datetime", "count"],
    "journeys": ["journey", "state", "now", "entered_1h"],
    "raw_data": [
        *("timestamp", "original_timestamp", "userId", "ip", "userAgent", "productId", "category", "title"),
        *("gender", "country", "deviceType", "age", "birthdate", "datetime"),
    ],
}
NOT_EXPECTED = (
    "owner",
    "published_at",
    "positions",
    "lag",
    "publish_every_ms",
    "ended",
    "entries_dropped_total",
)


def rows_of(text: str) -> list[dict[str, Any]]:
    """Return the rows of a frame as JSON has them, and check that pandas reads the same number back."""
    columns = json.loads(text)
    values = zip(*(column.values() for column in columns.values()), strict=True)
    rows = [dict(zip(columns, row, strict=True)) for row in values]
    assert len(pd.read_json(StringIO(text))) == len(rows)
    return rows


def published(client: redis.Redis) -> dict[str, Any]:
    """Return every frame as rows, `board`, and the streams' entries."""
    pipe = client.pipeline(transaction=True)
    for key in [*FRAMES, "board"]:
        pipe.get(key)
    values: list[bytes] = pipe.execute()
    assert None not in values
    found: dict[str, Any] = {}
    for (key, columns), value in zip(FRAMES.items(), values, strict=False):
        assert list(json.loads(value)) == columns
        found[key] = rows_of(value.decode())
    found["board"] = json.loads(values[-1])
    for stream in ("rejected", "state_logs", "special_offers"):
        entries: Any = client.xrange(stream)
        found[stream] = [{k.decode(): v.decode() for k, v in fields.items()} for _, fields in entries]
    return found


def assert_sums(found: dict[str, Any]) -> None:
    """Check that what is to add up on a board does, whatever else it shows."""
    board = found["board"]
    sums = {key: sum(row["visitors"] for row in found[key]) for key in FRAMES if "visitors" in FRAMES[key]}
    assert sums["looking_at"] == board["online_5m"] <= board["visitors_15m"]
    assert sums["audience_countries"] == sums["audience_people"] == board["visitors_15m"]
    named = sum(row["clicks"] for row in found["bots"])
    assert named == board["bot_clicks_1h"] if len(found["bots"]) < 10 else named <= board["bot_clicks_1h"]
    assert sum(board["offers"].values()) == board["offers_1h"]
    assert board["rejected_total"] == sum(board["rejected"].values())


def assert_same(found: dict[str, Any], expected: Expected, source: str | None = None) -> None:
    """Compare every value of every key; with `source`, the whole stream of rejected records too."""
    assert_same_board(found, expected)
    assert_same_journeys(found, expected)
    if source is not None:
        assert [(e["reason"], e["position"], e["record"]) for e in found["rejected"]] == [
            (reason, f"{source}@{position}", record.decode(errors="replace"))
            for reason, position, record in expected["rejected"]
        ]


def assert_same_board(found: dict[str, Any], expected: Expected) -> None:
    """Compare every value of the board's keys."""
    board = {key: value for key, value in found["board"].items() if key not in NOT_EXPECTED}
    assert board.keys() == expected["board"].keys()
    for key, value in expected["board"].items():
        assert board[key] == (pytest.approx(value, rel=1e-12) if isinstance(value, float) else value), key
    for key in FRAMES:
        assert found[key] == expected[key], key
    assert_sums(found)


def assert_same_journeys(found: dict[str, Any], expected: Expected) -> None:
    """Compare the log and the offers: each visitor's in order, the newest of all visitors' that are kept."""
    logs = [(e["msg"], e["user"], e["state"], float(e["created"])) for e in found["state_logs"]]
    whole = [tuple(entry) for entry in expected["state_logs"]]
    assert len(logs) == len(whole) if len(whole) < 900 else len(logs) >= 900
    for user in {entry[1] for entry in logs}:
        of_user = [entry for entry in logs if entry[1] == user]
        assert of_user == [entry for entry in whole if entry[1] == user][-len(of_user) :]
    offers = [(e["user"], e["offer"], float(e["created"])) for e in found["special_offers"]]
    assert sorted(offers) == sorted(tuple(offer) for offer in expected["special_offers"])
