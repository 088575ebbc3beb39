"""CLICKS_SHOW_VISITORS=0: of single visitors nothing is left in Redis."""

from __future__ import annotations

import gc
import json
from pathlib import Path
from typing import Any

import redis
from bytewax.testing import run_main

from flows.clicks import build
from flows.settings import Settings
from tests.support import logs


def run(log: Path, redis_url: str, folder: Path, *, show_visitors: bool) -> None:
    settings = Settings(
        source=f"file:{log}", redis_url=redis_url, state_dir=folder, shards=2, show_visitors=show_visitors
    )
    run_main(build(settings))
    # The next run in this process may open the databases once nothing holds them any more.
    gc.collect()


def everything(client: redis.Redis) -> str:
    """Return all that a Redis holds as one text."""
    found: list[Any] = []
    for key in client.scan_iter():
        kind: Any = client.type(key)
        read: Any = {"string": client.get, "stream": client.xrange, "hash": client.hgetall}[kind]
        found.append((key, read(key)))
    return repr(found)


def test_nothing_of_single_visitors_is_in_redis(tmp_path: Path, redis_url: str) -> None:
    records = logs.random_log(3, 3000, days=0.1, large=False)
    records.append(b'{"userId": "visitor-1", "ip": "198.51.100.1"}')
    logs.write(tmp_path / "log", records)
    with redis.Redis.from_url(redis_url, decode_responses=True) as client:
        run(tmp_path / "log", redis_url, tmp_path / "shown", show_visitors=True)
        told = everything(client)
        assert "visitor-1" in told
        assert "198.51.100." in told
        entries: Any = client.xlen("special_offers"), client.xlen("rejected")
        assert min(entries) > 0
        client.delete("special_offers", "rejected", "entries_written")
        # A state that shows them goes on without them.
        run(tmp_path / "log", redis_url, tmp_path / "hidden", show_visitors=False)
        hidden = everything(client)
        assert "visitor-" not in hidden
        assert "scene-" not in hidden
        assert "198.51.100." not in hidden
        assert not client.exists("latest_visitors", "raw_data", "state_logs")
        assert (client.xlen("special_offers"), client.xlen("rejected")) == entries
        board = json.loads(str(client.get("board")))
        assert board["show_visitors"] is False
        assert board["offers_1h"] >= 0
        assert "newest_click" in board


def test_a_flow_with_state_may_be_told_so_and_told_otherwise(tmp_path: Path, redis_url: str) -> None:
    logs.write(tmp_path / "log", logs.random_log(4, 1000, days=0.1, large=False))
    with redis.Redis.from_url(redis_url, decode_responses=True) as client:
        for shown in (True, False, True):
            run(tmp_path / "log", redis_url, tmp_path / "state", show_visitors=shown)
            assert client.exists("latest_visitors", "raw_data") == 2 * shown
