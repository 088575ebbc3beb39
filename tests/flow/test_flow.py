"""The whole flow against the oracle: what Redis holds after a log equals the batch recomputation."""

from __future__ import annotations

import time
from pathlib import Path
from random import Random
from typing import Any

import pytest
import redis
from bytewax.testing import run_main
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from flows.clicks import build
from flows.settings import Settings
from flows.sources import file as sources
from tests.oracle.now import bot_of
from tests.oracle.oracle import recompute
from tests.oracle.records import Click, decoded
from tests.support import logs
from tests.support.published import (
    FRAMES,
    NOT_EXPECTED,
    assert_same,
    assert_same_journeys,
    published,
)


def run(
    records: list[bytes], folder: Path, redis_url: str, shards: int = 16, *, bots_apart: bool = True
) -> dict[str, Any]:
    """Run the flow over a log of `records`; returns what Redis holds then."""
    logs.write(folder / "log", records)
    run_main(
        build(
            Settings(
                source=f"file:{folder / 'log'}",
                redis_url=redis_url,
                state_dir=folder / f"state-{time.monotonic_ns()}",
                shards=shards,
                bots_apart=bots_apart,
            )
        )
    )
    with redis.Redis.from_url(redis_url) as client:
        return published(client)


def expected(records: list[bytes], as_of_ms: int | None = None, *, bots_apart: bool = True) -> dict[str, Any]:
    numbered = list(zip(logs.positions(records), records, strict=True))
    return recompute(numbered, time.time_ns() // 10**6, as_of_ms, bots_apart=bots_apart)


def test_random_logs(log_seed: int, tmp_path: Path, redis_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "BLOCK_BYTES", (1 << 23, 1 << 20, 1 << 16)[log_seed % 3])
    records = logs.random_log(
        log_seed,
        visitors=(3, 40, 400)[log_seed % 3],
        days=(0.5, 2.0, 4.0)[log_seed % 3],
        large=log_seed % 3 == 0,
    )
    found = run(records, tmp_path, redis_url)
    assert_same(found, expected(records), f"file:{tmp_path / 'log'}" if log_seed % 2 else None)


def test_bots_may_count_as_everybody(tmp_path: Path, redis_url: str) -> None:
    records = logs.random_log(5, 4000, days=0.2, large=False)
    found = run(records, tmp_path, redis_url, bots_apart=False)
    assert_same(found, expected(records, bots_apart=False))
    assert found["board"]["bot_clicks_1h"] > 0 == found["board"]["bot_clicks_total"]


@pytest.mark.parametrize("seed", range(3))
def test_with_bots_apart_a_board_is_that_of_a_log_without_them(
    seed: int, tmp_path: Path, redis_url: str
) -> None:
    log = logs.random_log(seed, 4000, days=0.2, table_share=0, large=False)
    without = [
        record
        for record in log
        if not any(isinstance(c, Click) and bot_of(c) for c in decoded(record, logs.READ_MS))
    ]
    assert len(without) < len(log)
    found = run(log, tmp_path, redis_url)
    wanted = expected(without, found["board"]["as_of"])
    for key in FRAMES.keys() - {"raw_data", "bots", "bot_minutes"}:
        assert found[key] == wanted[key], key
    numbers = {name: value for name, value in wanted["board"].items() if not name.startswith("bot_")}
    del numbers["clicks_1h"]
    for name, value in numbers.items():
        assert found["board"][name] == (pytest.approx(value) if isinstance(value, float) else value), name
    assert_same_journeys(found, wanted)


@pytest.mark.parametrize("records", [logs.one_visitor(), logs.many_visitors(50_000)], ids=["one", "many"])
def test_extreme_logs(records: list[bytes], tmp_path: Path, redis_url: str) -> None:
    assert_same(run(records, tmp_path, redis_url), expected(records))


@settings(
    max_examples=60,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(records=logs.small_logs(), shards=st.integers(1, 5), block_bytes=st.integers(200, 5000))
def test_any_log_whatever_the_batches_and_shards(
    records: list[bytes],
    shards: int,
    block_bytes: int,
    tmp_path_factory: pytest.TempPathFactory,
    redis_url: str,
) -> None:
    with pytest.MonkeyPatch.context() as patch, redis.Redis.from_url(redis_url) as client:
        patch.setattr(sources, "BLOCK_BYTES", max(block_bytes, max(map(len, records), default=0) + 2))
        client.flushall()
        folder = tmp_path_factory.mktemp("log")
        found = run(records, folder, redis_url, shards)
    assert_same(found, expected(records), f"file:{folder / 'log'}")


def test_the_order_of_arrival_does_not_matter_within_what_windows_cover(
    tmp_path: Path, redis_url: str
) -> None:
    rng = Random(3)
    times = [logs.MIDNIGHT - rng.randrange(7 * logs.HOUR) for _ in range(4000)]
    clicks = [logs.click_of(f"user-{rng.randrange(60)}", time, productId=f"P{time % 9}") for time in times]
    records = [logs.record_of(click) for click in clicks]
    boards = []
    for seed in range(3):
        (tmp_path / str(seed)).mkdir()
        boards.append(run(records, tmp_path / str(seed), redis_url))
        Random(seed).shuffle(records)
    assert [board["board"]["late_total"] for board in boards] == [0, 0, 0]
    for board in boards:
        for page in board["products_last_hour"]:
            del page["title"]
    without_order = set(FRAMES) - {"latest_visitors", "raw_data", "journeys"}
    for key in without_order:
        assert boards[1][key] == boards[0][key], key
        assert boards[2][key] == boards[0][key], key
    numbers = [
        {
            name: value
            for name, value in board["board"].items()
            if name not in NOT_EXPECTED and not name.startswith(("offers", "journeys"))
        }
        for board in boards
    ]
    assert numbers[0] == numbers[1] == numbers[2]
