"""No room for the state: the flow stops with one line, no board is wrong, with room it goes on exactly."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.crash import CrashedFlow, await_progress
from tests.faults.injection import Faults, troubles
from tests.support import logs

ROOM_BYTES = 64 << 20


def records(seed: int) -> list[bytes]:
    return logs.random_log(seed, clicks=8_000, visitors=100, large=False, broken=0.03)


def assert_stopped(flow: CrashedFlow, status: int, reason: str) -> None:
    """Check that a flow has ended for want of room, with one line, and that its last board is exact."""
    assert status == 1, flow.output
    [line] = troubles(flow.output)
    assert line.startswith(str(flow.state)), flow.output
    assert line.endswith(f": {reason}: make room there, then restart the flow"), flow.output
    if flow.has_board():
        flow.assert_board_exact()


def test_files_that_cannot_grow(tmp_path: Path, redis_url: str) -> None:
    flow = CrashedFlow(tmp_path, redis_url, records(11), shards=2)
    applied = [0]
    for room_bytes in (1_000, 20_000, *range(60_000, 360_000, 50_000)):
        status = flow.run(Faults(pause_s=0.0, epoch_ms=0, file_bytes=room_bytes))
        assert_stopped(flow, status, "File too large")
        applied.append(flow.applied())
    assert applied == sorted(applied)
    assert 0 < applied[-1] < flow.log.stat().st_size
    assert flow.run(Faults(pause_s=0.0)) == 0, flow.output
    flow.assert_exact()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Return a file system of its own, of ROOM_BYTES."""
    path = tmp_path / "disk"
    path.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={ROOM_BYTES}", "clicks-test", str(path)]
    try:
        mounted = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        pytest.skip("there is no mount command")
    if mounted.returncode != 0:
        pytest.skip(f"a file system cannot be mounted: {mounted.stderr.strip()}")
    yield path
    subprocess.run(["umount", str(path)], check=True)


def test_a_disk_that_is_full(small_disk: Path, tmp_path: Path, redis_url: str) -> None:
    flow = CrashedFlow(tmp_path, redis_url, records(12), shards=2, state_in=small_disk)
    ballast = small_disk / "ballast"
    for _ in range(3):
        process = flow.start(Faults(pause_s=0.01, epoch_ms=10))
        await_progress(flow, process)
        fill(ballast)
        assert_stopped(flow, flow.end(process), "No space left on device")
        # Still full at the next start.
        assert_stopped(flow, flow.run(), "No space left on device")
        ballast.unlink()
    assert flow.applied() < flow.log.stat().st_size
    assert flow.run(Faults(pause_s=0.0)) == 0, flow.output
    flow.assert_exact()


def fill(path: Path) -> None:
    """Write to a file until there is no room."""
    with path.open("wb", buffering=0) as file:
        for size in (1 << 16, 1):
            try:
                while file.write(bytes(size)):
                    pass
            except OSError:
                continue
