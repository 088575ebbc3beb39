"""The image as `make image` builds it, run by podman on a read-only root as its user; skipped without both.

`PODMAN_OPTIONS` has what podman needs on this machine, such as `--runtime runc`.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import time
from collections.abc import Iterator

import pytest
import redis

from tests.support.servers import RedisServer, wait_until

IMAGE = "localhost/clicks:dev"
MOST_MB = 800
PODMAN = ["podman", *shlex.split(os.environ.get("PODMAN_OPTIONS", ""))]


def podman(*arguments: str) -> str:
    ran = subprocess.run([*PODMAN, *arguments], check=True, capture_output=True, text=True, timeout=60)
    return ran.stdout.strip()


def missing() -> str:
    if shutil.which("podman") is None:
        return "no podman in the PATH"
    found = subprocess.run(["podman", "image", "exists", IMAGE], check=False, capture_output=True)
    return f"no image {IMAGE}: run `make image`" if found.returncode else ""


pytestmark = pytest.mark.skipif(bool(missing()), reason=missing())


@pytest.fixture
def server() -> Iterator[RedisServer]:
    with RedisServer() as started:
        yield started


@pytest.fixture
def container(server: RedisServer) -> Iterator[str]:
    """Return a container of the flow that has just been started."""
    options = ["--network", "host", "--read-only", "--read-only-tmpfs=false", "--tmpfs", "/tmp"]
    options += [
        "--tmpfs",
        "/state:mode=1777",
        "-e",
        f"REDIS_URL={server.url}",
        "-e",
        "CLICKS_STATE_DIR=/state",
    ]
    options += ["-e", "CLICKS_SOURCE=demo:?rate=50&history=10m"]
    started = podman("run", "-d", *options, IMAGE)
    yield started
    podman("rm", "-f", started)


def board(client: redis.Redis) -> bool:
    return client.exists("board") == 1


def stopped(container: str) -> tuple[float, int]:
    """Stop a container; returns (how many seconds that took, its exit status)."""
    began_s = time.monotonic()
    podman("stop", "-t", "25", container)
    return time.monotonic() - began_s, int(podman("inspect", container, "--format", "{{.State.ExitCode}}"))


def test_it_publishes_and_stops_and_leaves_no_zombies(server: RedisServer, container: str) -> None:
    with server.client() as client:
        wait_until(lambda: board(client), "a board", 40)
    assert podman("exec", container, "id", "-u") == "65532"
    for _ in range(2):
        assert "16 of 16 shards" in podman("exec", container, "python", "-m", "flows.state")
    states = podman("exec", container, "sh", "-c", "cat /proc/[0-9]*/stat").splitlines()
    assert [line for line in states if line.rpartition(") ")[2].startswith("Z")] == []
    took_s, status = stopped(container)
    assert status == 0, podman("logs", container)
    assert took_s < 10


@pytest.mark.parametrize("after_s", [0.0, 0.5, 1.5])
def test_a_stop_in_the_first_seconds_is_heard(container: str, after_s: float) -> None:
    until_s = time.monotonic() + after_s
    wait_until(lambda: time.monotonic() >= until_s, "time passes")
    took_s, status = stopped(container)
    assert status in (0, 143)
    assert took_s < 5


def test_a_wrong_setting_is_its_one_line_and_status() -> None:
    ran = subprocess.run(
        [*PODMAN, "run", "--rm", "--network", "host", "-e", "CLICKS_SHARDS=0", IMAGE],
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )
    line = "CLICKS_SHARDS is '0': set it to a whole number from 1 to 4096\n"
    assert (ran.returncode, ran.stderr) == (1, line)


def test_its_size() -> None:
    assert int(podman("image", "inspect", IMAGE, "--format", "{{.Size}}")) < MOST_MB << 20
