"""The flow as users and pods start it: `python -m bytewax.run flows.clicks`, in one process or several."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path

from tests.support.servers import free_port, wait_until

END_S = 30.0


class Flow:
    """A flow of some processes on this host, each with a web server; its state and output are in `folder`.

    `environment` is that of all processes, `own` what some have besides, by their number; `command` is what
    runs Python (with its arguments, if any).
    """

    def __init__(
        self,
        folder: Path,
        environment: dict[str, str],
        processes: int = 1,
        arguments: tuple[str, ...] = (),
        command: tuple[str, ...] = (sys.executable,),
        own: Mapping[int, dict[str, str]] | None = None,
    ) -> None:
        addresses = ";".join(f"127.0.0.1:{free_port()}" for _ in range(processes))
        self.ports = [free_port() for _ in range(processes)]
        self.outputs = [folder / f"output-{number}" for number in range(processes)]
        self._processes: list[subprocess.Popen[bytes]] = []
        for number in range(processes):
            cluster = ("-i", str(number), "-a", addresses) if processes > 1 else ()
            given = {
                "BYTEWAX_DATAFLOW_API_ENABLED": "1",
                "BYTEWAX_DATAFLOW_API_PORT": str(self.ports[number]),
            }
            given |= {"BYTEWAX_DATAFLOW_API_CACHE_PATH": str(folder)}
            given |= {"CLICKS_STATE_DIR": str(folder / "state"), "RUST_BACKTRACE": "0", **environment}
            given |= (own or {}).get(number, {})
            with self.outputs[number].open("wb") as output:
                self._processes.append(
                    subprocess.Popen(
                        [*command, "-m", "bytewax.run", "flows.clicks", "-s", "1", *cluster, *arguments],
                        env=os.environ | given,
                        stdout=output,
                        stderr=output,
                    )
                )

    @property
    def output(self) -> str:
        """What its processes have printed."""
        return "".join(path.read_text(errors="replace") for path in self.outputs)

    @property
    def pids(self) -> list[int]:
        """The numbers of its processes."""
        return [process.pid for process in self._processes]

    def signal(self, number: signal.Signals, process: int = 0) -> None:
        """Send a signal to one of its processes."""
        self._processes[process].send_signal(number)

    def end(self) -> list[int]:
        """Wait until all processes have ended; returns their exit status."""
        until_s = time.monotonic() + END_S
        for process in self._processes:
            try:
                process.wait(max(0.0, until_s - time.monotonic()))
            except subprocess.TimeoutExpired:
                self.kill()
                message = f"not ended after {END_S:.0f} s: {self.output}"
                raise AssertionError(message) from None
        return [process.returncode for process in self._processes]

    def kill(self) -> None:
        """Kill what still runs."""
        for process in self._processes:
            if process.poll() is None:
                process.kill()
                process.wait()

    def wait_for(self, text: str) -> None:
        """Wait until it has printed `text`."""
        wait_until(lambda: text in self.output or self._dead(), text, END_S)
        assert text in self.output, self.output

    def metrics(self, process: int = 0) -> str:
        """Return what a process serves to Prometheus; waits until it does."""
        url = f"http://127.0.0.1:{self.ports[process]}/metrics"
        found: list[str] = []

        def answers() -> bool:
            assert not self._dead(), self.output
            try:
                found.append(urllib.request.urlopen(url, timeout=5).read().decode())
            except urllib.error.URLError:
                return False
            return True

        wait_until(answers, f"{url} answers", END_S)
        return found[-1]

    def _dead(self) -> bool:
        return any(process.poll() is not None for process in self._processes)

    def __enter__(self) -> Flow:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()
