"""The whole flow against the oracle: what Redis holds after a log equals the batch recomputation."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest
import redis
from bytewax.testing import run_main
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from flows import sources
from flows.clicks import build
from flows.settings import Settings
from tests import logs
from tests.oracle import recompute
from tests.published import assert_same, published


def run(records: list[bytes], folder: Path, redis_url: str, shards: int = 16) -> dict[str, Any]:
    """Run the flow over a log of `records`; returns what Redis holds then."""
    logs.write(folder / "log", records)
    run_main(
        build(
            Settings(
                source=f"file:{folder / 'log'}",
                redis_url=redis_url,
                state_dir=folder / f"state-{time.monotonic_ns()}",
                shards=shards,
            )
        )
    )
    with redis.Redis.from_url(redis_url) as client:
        return published(client)


def expected(records: list[bytes]) -> dict[str, Any]:
    return recompute(list(zip(logs.positions(records), records, strict=True)), time.time_ns() // 10**6)


@pytest.mark.parametrize("seed", range(20))
def test_random_logs(seed: int, tmp_path: Path, redis_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "BLOCK_BYTES", (1 << 23, 1 << 20, 1 << 16)[seed % 3])
    records = logs.random_log(
        seed, visitors=(3, 40, 400)[seed % 3], days=(0.5, 2.0, 4.0)[seed % 3], large=seed % 3 == 0
    )
    found = run(records, tmp_path, redis_url)
    assert_same(found, expected(records), f"file:{tmp_path / 'log'}" if seed % 2 else None)


@pytest.mark.parametrize("records", [logs.one_visitor(), logs.many_visitors(100_000)], ids=["one", "many"])
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
