"""The flow as a process that is killed and started again, and what Redis holds in the end.

`python -m tests.faults.crash --kills 200 [--seed N] [--source kafka]` does it for longer than the suite: a
new log after every 20 kills, with one to sixteen shards, one or two workers and batches of any size, each
compared with the oracle. With `--source kafka` the log is a topic, and a producer writes to it all the time.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import signal
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from multiprocessing.process import BaseProcess
from pathlib import Path
from random import Random
from typing import Any

import redis

from flows.state.store import read_header, shard_path
from flows.state.trouble import DamagedError
from tests.faults import injection
from tests.faults.injection import Faults
from tests.oracle.oracle import recompute
from tests.support import logs
from tests.support.published import assert_same, assert_same_board, published
from tests.support.servers import RedisServer, wait_until

END_S = 180.0
LONGEST_S = 0.25
SLOW = Faults()


@dataclass
class CrashedFlow:
    """A flow over a log of `records` in `folder`, started as often as wanted; its state and Redis stay.

    The state is in `state_in`, by default in `folder`. `arguments` are those of `python -m bytewax.run
    flows.clicks`. `output` is what the last run printed, to the file `printed` in the folder.
    """

    folder: Path
    redis_url: str
    records: list[bytes]
    shards: int = 4
    arguments: list[str] = field(default_factory=lambda: ["-s", "1"])
    printed: str = "output"
    output: str = ""
    state_in: Path | None = None

    def __post_init__(self) -> None:
        logs.write(self.log, self.records)

    @property
    def log(self) -> Path:
        """Where the log is."""
        return self.folder / "log"

    @property
    def state(self) -> Path:
        """Where the state is."""
        return (self.state_in or self.folder) / "state"

    def start(self, made_to_fail: Faults = SLOW) -> BaseProcess:
        """Start the flow; the process is to be given to `end`."""
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(["tests.faults.injection"])
        environment = {
            "CLICKS_SOURCE": f"file:{self.log}",
            "CLICKS_STATE_DIR": str(self.state),
            "CLICKS_SHARDS": str(self.shards),
            "CLICKS_PUBLISH_EVERY": "0.1s",
            "REDIS_URL": self.redis_url,
        }
        process = context.Process(
            target=injection.run,
            args=(environment, self.arguments, made_to_fail, str(self.folder / self.printed)),
        )
        (self.folder / self.printed).touch()
        process.start()
        return process

    def end(self, process: BaseProcess, timeout_s: float = END_S) -> int:
        """Wait for the end of a run; returns its exit status, of a killed one minus the signal's number."""
        process.join(timeout_s)
        hung = process.is_alive()
        if hung:
            assert process.pid is not None
            os.kill(process.pid, signal.SIGUSR1)
            process.join(1)
            process.kill()
            process.join()
        self.output = (self.folder / self.printed).read_text(errors="replace")
        assert not hung, f"not ended after {timeout_s} s: {self.output}"
        assert process.exitcode is not None
        return process.exitcode

    def run(self, made_to_fail: Faults = SLOW) -> int:
        """Run until the flow ends; returns its exit status."""
        return self.end(self.start(made_to_fail))

    def run_for(self, seconds: float, made_to_fail: Faults = SLOW, *, begun: bool = False) -> bool:
        """Run for a while, then kill with SIGKILL; returns False if the flow had ended before.

        With `begun` the time counts from when the flow has written more state.
        """
        process = self.start(made_to_fail)
        if begun:
            await_progress(self, process)
        process.join(seconds)
        if process.is_alive():
            assert process.pid is not None
            os.kill(process.pid, signal.SIGKILL)
        status = self.end(process)
        assert status in (0, -signal.SIGKILL), f"status {status}: {self.output}"
        return status != 0

    def applied(self) -> int:
        """Return the smallest position that a shard on disk has applied; 0 if one has none."""
        try:
            headers = [read_header(shard_path(self.state, number)) for number in range(self.shards)]
        except DamagedError:  # just being made
            return 0
        return min(header.positions.get(f"file:{self.log}", 0) for header in headers)

    def published(self) -> dict[str, Any]:
        """Return what Redis holds."""
        with redis.Redis.from_url(self.redis_url) as client:
            return published(client)

    def assert_exact(self, but: Sequence[str] = ()) -> None:
        """Compare every value in Redis with the oracle's, all keys `but` those given."""
        expected = recompute(self._positioned(), time.time_ns() // 10**6)
        found = self.published()
        for holder in (found, found["board"], expected, expected["board"]):
            holder.update({key: None for key in but if key in holder})
        assert_same(found, expected, f"file:{self.log}")

    def has_board(self) -> bool:
        """Return whether a board has been published."""
        with redis.Redis.from_url(self.redis_url) as client:
            return bool(client.exists("board"))

    def assert_board_exact(self) -> None:
        """Compare the board in Redis with the oracle's of the records that it has read."""
        found = self.published()
        end = found["board"]["positions"].get(f"file:{self.log}", 0)
        read = [(position, record) for position, record in self._positioned() if position < end]
        assert_same_board(found, recompute(read, time.time_ns() // 10**6))

    def _positioned(self) -> list[tuple[int, bytes]]:
        return list(zip(logs.positions(self.records), self.records, strict=True))


def kill_at_random(flow: CrashedFlow, kills: int, rng: Random, made_to_fail: Faults = SLOW) -> int:
    """Kill the flow `kills` times, each at a random moment; returns how often it had not ended before.

    One in five may be killed while it starts, the others have written state.
    """
    done = 0
    while done < kills and flow.run_for(rng.uniform(0.01, LONGEST_S), made_to_fail, begun=rng.random() < 0.8):
        done += 1
    return done


def await_progress(flow: CrashedFlow, process: BaseProcess) -> None:
    """Wait until a run has written more state."""
    begun = flow.applied()
    wait_until(lambda: not process.is_alive() or flow.applied() > begun, "the flow writes state", END_S)


def main() -> None:
    """Kill as often as the command line says; prints a line a log, raises AssertionError if one is wrong."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults.crash")
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--source", choices=["file", "kafka"], default="file")
    options = parser.parse_args()
    rng = Random(options.seed)
    done = 0
    while done < options.kills:
        with tempfile.TemporaryDirectory() as folder, RedisServer() as server:
            shards, workers = rng.choice([1, 2, 4, 16]), rng.choice(["1", "2"])
            wanted, begun_s = min(20, options.kills - done), time.monotonic()
            if options.source == "file":
                flow = CrashedFlow(
                    Path(folder), server.url, _any_log(rng), shards, ["-s", "1", "-w", workers]
                )
                done += _kill(flow, wanted, rng)
            else:
                from tests.kafka.kafka_crash import kill_while_writing

                kill_while_writing(Path(folder), server.url, shards, workers, wanted, rng)
                done += wanted
            took_s = time.monotonic() - begun_s
            print(f"{done} kills: exact ({shards} shards, {workers} workers, {took_s:.0f} s)", flush=True)


def _kill(flow: CrashedFlow, wanted: int, rng: Random) -> int:
    killed = 0
    while killed < wanted and kill_at_random(flow, 1, rng, _any_faults(rng)):
        killed += 1
    assert flow.run() == 0, flow.output
    flow.assert_exact()
    return killed


def _any_log(rng: Random) -> list[bytes]:
    return logs.random_log(rng.randrange(10**6), rng.choice([12_000, 24_000]), large=False, broken=0.02)


def _any_faults(rng: Random) -> Faults:
    return Faults(
        rng.randrange(11_000, 60_000), pause_s=rng.choice([0.01, 0.02]), epoch_ms=rng.choice([0, 10, 100])
    )


if __name__ == "__main__":
    main()
