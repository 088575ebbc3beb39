"""The demo: the flow over its built-in shop, and the dashboard, until Ctrl-C (`make demo`).

Without CLICKS_STATE_DIR its state lives in a temporary directory, so that every demo begins afresh.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from types import FrameType

FIRST_PORT = 8501
# A shop whose past of 8 hours and a half is read within some seconds.
SOURCE = "demo:?rate=12&visitors=25000"


def main() -> int:
    """Run both until one ends or a signal asks to; returns the exit status."""
    port = _free_port()
    asked: list[int] = []

    def ask(number: int, _frame: FrameType | None) -> None:
        asked.append(number)

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, ask)
    with tempfile.TemporaryDirectory(prefix="clicks-") as state:
        environment = {"CLICKS_STATE_DIR": state, "CLICKS_SOURCE": SOURCE, **os.environ}
        commands = [
            ["bytewax.run", "flows.clicks"],
            ["streamlit", "run", "dashboard/app.py", f"--server.port={port}", "--server.address=127.0.0.1"],
        ]
        processes = [_start(command, environment) for command in commands]
        print(f"The dashboard is at http://127.0.0.1:{port} - Ctrl-C ends it.", flush=True)
        while not asked and all(process.poll() is None for process in processes):
            time.sleep(0.2)
        return _end(processes) if asked else _fail(processes)


def _start(command: list[str], environment: dict[str, str]) -> subprocess.Popen[bytes]:
    """Start a Python module in a session of its own, so that Ctrl-C reaches it only through `_end`."""
    quiet = subprocess.DEVNULL if command[0] == "streamlit" else None
    return subprocess.Popen(
        [sys.executable, "-m", *command], env=environment, stdout=quiet, start_new_session=True
    )


def _end(processes: list[subprocess.Popen[bytes]]) -> int:
    for process in processes:
        process.terminate()
    for process in processes:
        try:
            process.wait(timeout=15)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    return 0


def _fail(processes: list[subprocess.Popen[bytes]]) -> int:
    _end([process for process in processes if process.poll() is None])
    print("The demo ended, since one of its two processes did.", file=sys.stderr)
    return 1


def _free_port() -> int:
    for port in range(FIRST_PORT, FIRST_PORT + 100):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)):
                return port
    message = f"ports {FIRST_PORT} to {FIRST_PORT + 99} are all taken: free one of them"
    raise SystemExit(message)


if __name__ == "__main__":
    sys.exit(main())
