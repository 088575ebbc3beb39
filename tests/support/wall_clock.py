"""A wall clock that tests may set, for the processes they start: Bytewax goes by it as Python does."""

from __future__ import annotations

import subprocess
from pathlib import Path


class WallClock:
    """The clock of processes with this `environment`: `ahead_s` seconds of the true one, until `set`."""

    def __init__(self, folder: Path, ahead_s: float = 0) -> None:
        self._file, self._library = folder / "wall-clock", folder / "wall-clock.so"
        source = Path(__file__).with_suffix(".c")
        subprocess.run(["cc", "-O", "-shared", "-fPIC", source, "-o", self._library, "-ldl"], check=True)
        self._file.write_bytes(bytes(8))
        self.set(ahead_s)

    def set(self, ahead_s: float) -> None:
        """Set the clock, forward or back."""
        with self._file.open("r+b") as file:
            file.write(round(ahead_s * 1000).to_bytes(8, "little", signed=True))

    @property
    def environment(self) -> dict[str, str]:
        """What makes a process go by it; ticks stay as they are."""
        return {"LD_PRELOAD": str(self._library), "WALL_CLOCK": str(self._file)}


def python_clock(folder: Path, ahead_s: int) -> dict[str, str]:
    """Return what makes Python alone go by a clock that is off: librdkafka waits by the true one."""
    (folder / "sitecustomize.py").write_text(
        f"import time\ntrue_ns = time.time_ns\ntime.time_ns = lambda: true_ns() + {ahead_s * 10**9}\n"
    )
    return {"PYTHONPATH": f"{folder}:{Path.cwd()}"}
