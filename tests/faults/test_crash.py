"""The flow killed, stopped and restarted: afterwards every value in Redis equals the oracle's."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
from pathlib import Path
from random import Random

import pytest
import redis

from tests.faults.crash import CrashedFlow, await_progress, kill_at_random
from tests.faults.injection import KILL_POINTS, Faults, troubles
from tests.faults.mutants import MUTANTS
from tests.support import logs
from tests.support.published import FRAMES
from tests.support.servers import RedisServer

KILLS = 20
KILLS_AT_POINT = 6


def long_log(seed: int) -> list[bytes]:
    """Return clicks of two days, with fewer rejected records than their stream keeps."""
    return logs.random_log(seed, clicks=12_000, visitors=120, large=False, broken=0.04)


def dense_log(seed: int) -> list[bytes]:
    """Return clicks of 12 hours, half of them of the last 20 minutes; runs of them are too late to count."""
    rng = Random(seed)
    clocks = [logs.MIDNIGHT - 12 * logs.HOUR + n * 12 * logs.HOUR // 2000 for n in range(1900)]
    clocks += [logs.MIDNIGHT - 20 * logs.MINUTE + n * 20 * logs.MINUTE // 2000 for n in range(2000)]
    clicks: list[bytes] = []
    for number, clock in enumerate(clocks):
        if number % 40 == 0:
            late = [logs.click_of(f"late-{n}", logs.MIDNIGHT - logs.DAY + n) for n in range(90)]
            clicks += map(logs.record_of, late)
        if number % 25 == 0:
            clicks.append(logs.random_broken(rng, clock))
        if number % 50 == 0:
            clicks += map(logs.record_of, logs.joined_scene(rng, f"joined-{number}", clock))
        clicks.append(logs.spelled(rng, logs.random_click(rng, clock, 100)))
    return clicks


@pytest.fixture
def flow(tmp_path: Path, redis_url: str) -> CrashedFlow:
    return CrashedFlow(tmp_path, redis_url, long_log(3))


def test_killed_at_random(flow: CrashedFlow) -> None:
    slow = Faults(pause_s=0.02)
    assert kill_at_random(flow, KILLS, Random(1), slow) == KILLS, (
        "the log is too short to kill the flow that often"
    )
    assert flow.run() == 0, flow.output
    flow.assert_exact()


@pytest.mark.parametrize("point", KILL_POINTS)
def test_killed_at(point: str, flow: CrashedFlow) -> None:
    rng = Random(point)
    for _ in range(KILLS_AT_POINT):
        made_to_fail = Faults(pause_s=0.02, kill_at=(point, rng.randrange(1, 9)))
        assert flow.run(made_to_fail) == -signal.SIGKILL, flow.output
    assert flow.run() == 0, flow.output
    flow.assert_exact()


def test_killed_with_the_recovery_of_bytewax(flow: CrashedFlow) -> None:
    recovery = flow.folder / "recovery"
    recovery.mkdir()
    subprocess.run([sys.executable, "-m", "bytewax.recovery", str(recovery), "1"], check=True)
    flow.arguments += ["-r", str(recovery), "-b", "0"]
    for nth in (3, 9, 14, 20):
        assert flow.run(Faults(kill_at=("after the write", nth))) == -signal.SIGKILL, flow.output
    # Bytewax would go on from its own position, beyond what a shard without state has.
    shutil.rmtree(flow.state / "shard-0001")
    assert flow.run(Faults(kill_at=("before the write", 5))) == -signal.SIGKILL, flow.output
    assert flow.run() == 0, flow.output
    flow.assert_exact()


def test_killed_with_two_workers(flow: CrashedFlow) -> None:
    flow.arguments += ["-w", "2"]
    for point in KILL_POINTS:
        assert flow.run(Faults(kill_at=(point, 7))) == -signal.SIGKILL, flow.output
    assert flow.run() == 0, flow.output
    flow.assert_exact()


@pytest.mark.parametrize("workers", ["1", "2"])
def test_stopped_and_restarted(workers: str, flow: CrashedFlow) -> None:
    flow.arguments += ["-w", workers]
    for _ in range(3):
        process = flow.start(Faults(pause_s=0.02))
        await_progress(flow, process)
        process.terminate()
        assert flow.end(process) == 0, flow.output
        assert troubles(flow.output) == []
        assert flow.applied() < flow.log.stat().st_size, "it was to be stopped before the end"
    assert flow.run() == 0, flow.output
    flow.assert_exact()


def test_started_again_at_the_end(flow: CrashedFlow) -> None:
    for _ in range(2):
        assert flow.run(Faults(pause_s=0.0)) == 0, flow.output
        flow.assert_exact()
    expected = flow.published()
    with RedisServer() as another:
        flow.redis_url = another.url
        assert flow.run() == 0, flow.output
        found = flow.published()
    # A Redis of its own gets the whole board; of the streams only what the last one may not have.
    assert {key: found[key] for key in FRAMES} == {key: expected[key] for key in FRAMES}
    assert found["board"]["clicks_total"] == expected["board"]["clicks_total"]


# Mutants


def broken(flow: CrashedFlow, mutant: str | None) -> str:
    """Kill and restart the flow with one of its mechanisms broken; returns what is wrong then, if anything.

    Every batch is an epoch, so that the kills are the same each time: at about a third and two thirds of the
    log and just before its end. Batches never begin where they did before.
    """
    runs = [(0.35, "after the write", 16_000), (0.3, "between two shards' writes", 12_500)]
    runs += [(0.33, "before the write", 14_000)]
    for share, point, block_bytes in runs:
        batches = int(flow.log.stat().st_size * share / block_bytes)
        kill_at = point, batches if point.startswith("between") else batches * flow.shards
        status = flow.run(plain(block_bytes, kill_at, mutant))
        if status != -signal.SIGKILL:
            return f"status {status}: {flow.output}"
    status = flow.run(plain(15_000, None, mutant))
    if status != 0:
        return f"status {status}: {flow.output}"
    try:
        flow.assert_exact()
    except AssertionError as error:
        return f"wrong: {error}"
    return ""


def plain(block_bytes: int, kill_at: tuple[str, int] | None, mutant: str | None) -> Faults:
    """Return faults that do not slow down."""
    return Faults(block_bytes, pause_s=0.0, epoch_ms=0, slack_bytes=1000, kill_at=kill_at, mutant=mutant)


@pytest.mark.parametrize("mutant", [None, *MUTANTS])
def test_a_broken_mechanism_is_found(mutant: str | None, tmp_path: Path, redis_url: str) -> None:
    """Whether a kill meets what is broken depends on the log: one of several has to show it."""
    found = ""
    for seed in range(5, 7 if mutant is None else 12):
        folder = tmp_path / str(seed)
        folder.mkdir()
        with redis.Redis.from_url(redis_url) as client:
            client.flushall()
        found = found or broken(CrashedFlow(folder, redis_url, dense_log(seed), shards=2), mutant)
        if found and mutant is not None:
            break
    print(found)
    assert bool(found) == (mutant is not None)
