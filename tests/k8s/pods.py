"""The flow as the pods of a StatefulSet: a process each, with the environment that pods get.

Whatever ends is started again by itself, as Kubernetes does: after a longer while each time it ends soon. A
change of their number stops all first.
`python -m tests.k8s.pods --rounds 20 [--seed N]` kills and scales them at random for longer than the suite: a
new topic each round, compared with the oracle at its end.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import signal
import tempfile
import threading
import time
from multiprocessing.process import BaseProcess
from pathlib import Path
from random import Random
from types import TracebackType
from typing import Any

import redis

from tests.faults import injection
from tests.faults.injection import Faults
from tests.oracle.oracle import recompute
from tests.support.brokers import Broker
from tests.support.published import assert_same, published
from tests.support.servers import RedisServer, free_port, wait_until

NAME = "clicks"
FAULTS = Faults(pause_s=0.0, epoch_ms=100)
KEEP_S = 0.1
# Kubernetes waits for 0, 10, 20, 40... 300 seconds, and begins anew when a container has run for 10 minutes.
BACKOFF_S = (0.0, 0.5, 1.0, 2.0, 4.0)
RUNS_S = 10.0


class _Pod:
    """A process and when it was started, how often it ended soon, and when to start it again."""

    def __init__(self, process: BaseProcess) -> None:
        self.process = process
        self.ended = 0
        self.again_s: float | None = None
        self.started_s = time.monotonic()

    def due(self) -> bool:
        """Return whether the process has ended and is to be started again now."""
        if self.process.is_alive():
            return False
        at_s = time.monotonic()
        if self.again_s is None:
            self.ended = 0 if at_s > self.started_s + RUNS_S else self.ended
            self.again_s = at_s + BACKOFF_S[min(self.ended, len(BACKOFF_S) - 1)]
            self.ended += 1
        return at_s >= self.again_s

    def start(self, process: BaseProcess) -> None:
        """Take note of another process."""
        self.process, self.again_s, self.started_s = process, None, time.monotonic()


class Pods:
    """Pods of the flow over `source`; each keeps its state on a disk of its own, or all on one (`shared`)."""

    def __init__(
        self, folder: Path, source: str, redis_url: str, *, shared: bool, environment: dict[str, str]
    ) -> None:
        self.folder, self.shared = folder, shared
        self.redis = redis.Redis.from_url(redis_url)
        self.restarts = 0
        self._environment = {"CLICKS_SOURCE": source, "REDIS_URL": redis_url, "CLICKS_PUBLISH_EVERY": "0.2s"}
        self._environment |= environment
        self._pods: list[_Pod] = []
        self._scaled = self._replicas = self._workers = 0
        self._context = multiprocessing.get_context("forkserver")
        self._context.set_forkserver_preload(["tests.faults.injection", "confluent_kafka"])
        self._lock = threading.Lock()
        self._closed = threading.Event()
        self._keeper = threading.Thread(target=self._keep, daemon=True)
        self._keeper.start()

    def scale(self, replicas: int, workers: int = 1) -> None:
        """Stop all pods (SIGTERM) and start `replicas` of them, with `workers` each."""
        with self._lock:
            self._stop(signal.SIGTERM)
            hosts = [f"127.0.0.1:{free_port()}\n" for _ in range(replicas)]
            (self.folder / "hostfile.txt").write_text("".join(hosts))
            self._scaled, self._replicas, self._workers = self._scaled + 1, replicas, workers
            self._pods = [_Pod(self._start(number)) for number in range(replicas)]

    def kill(self, number: int) -> None:
        """Kill a pod (SIGKILL); one that has just ended is dead already."""
        with self._lock:
            self._pods[number].process.kill()

    @property
    def output(self) -> str:
        """What all pods have printed since they were last scaled, one after the other."""
        paths = sorted(self.folder.glob(f"output-{self._scaled}-*"))
        return "".join(path.read_text(errors="replace") for path in paths)

    def state(self, number: int) -> Path:
        """Where a pod keeps its state."""
        return self.folder / ("state" if self.shared else f"state-{number}")

    def board(self) -> dict[str, Any]:
        """Return the newest board, {} before any."""
        value: Any = self.redis.get("board")
        return json.loads(value) if value else {}

    def progress(self) -> int:
        """Return how many records the newest board has read."""
        return sum(self.board().get("positions", {}).values())

    def wait_for(self, positions: dict[str, int], timeout_s: float = 60) -> None:
        """Wait until a board is published that has read up to `positions`."""
        wait_until(lambda: self.board().get("positions") == positions, f"board at {positions}", timeout_s)

    def assert_exact(self, records: list[tuple[int, bytes]]) -> None:
        """Compare all of Redis with the oracle, once entries have come after the board."""
        deadline_s = time.monotonic() + 15
        while True:
            found = published(self.redis)
            expected = recompute(records, time.time_ns() // 10**6, found["board"]["as_of"])
            try:
                assert_same(found, expected)
            except AssertionError:
                if time.monotonic() > deadline_s:
                    raise
                time.sleep(0.2)
            else:
                return

    def _environment_of(self, number: int) -> dict[str, str]:
        return self._environment | {
            "BYTEWAX_PYTHON_FILE_PATH": "flows.clicks",
            "BYTEWAX_WORKDIR": "/var/bytewax",
            "BYTEWAX_WORKERS_PER_PROCESS": str(self._workers),
            "BYTEWAX_POD_NAME": f"{NAME}-{number}",
            "BYTEWAX_STATEFULSET_NAME": NAME,
            "BYTEWAX_REPLICAS": str(self._replicas),
            "BYTEWAX_HOSTFILE_PATH": str(self.folder / "hostfile.txt"),
            "BYTEWAX_KEEP_CONTAINER_ALIVE": "no",
            "BYTEWAX_SNAPSHOT_INTERVAL": "1",
            "CLICKS_STATE_DIR": str(self.state(number)),
        }

    def _start(self, number: int) -> BaseProcess:
        output = str(self.folder / f"output-{self._scaled}-{number}-{self.restarts}")
        pod = self._context.Process(
            target=injection.run, args=(self._environment_of(number), [], FAULTS, output)
        )
        pod.start()
        return pod

    def _keep(self) -> None:
        while not self._closed.wait(KEEP_S):
            with self._lock:
                for number, pod in enumerate(self._pods):
                    if pod.due():
                        self.restarts += 1
                        pod.start(self._start(number))

    def _stop(self, number: signal.Signals) -> None:
        processes = [pod.process for pod in self._pods]
        for process in processes:
            if process.is_alive() and process.pid is not None:
                os.kill(process.pid, number)
        for process in processes:
            process.join(10)
            process.kill()
            process.join()
        self._pods = []

    def __enter__(self) -> Pods:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closed.set()
        self._keeper.join()
        self._stop(signal.SIGKILL)
        self.redis.close()


def run_to_the_end(folder: Path, source: str, redis_url: str, processes: int, workers: int) -> None:
    """Run the flow over a finite source by so many processes (`-i`, `-a`, `-w`), with a disk each."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tests.faults.injection", "confluent_kafka"])
    addresses = ";".join(f"127.0.0.1:{free_port()}" for _ in range(processes))
    running = []
    for number in range(processes):
        arguments = ["-s", "1", "-w", str(workers)]
        arguments += ["-i", str(number), "-a", addresses] if processes > 1 else []
        environment = {
            "CLICKS_SOURCE": source,
            "REDIS_URL": redis_url,
            "CLICKS_STATE_DIR": str(folder / f"state-{number}"),
        }
        output = str(folder / f"output-{number}")
        process = context.Process(target=injection.run, args=(environment, arguments, FAULTS, output))
        process.start()
        running.append(process)
    for number, process in enumerate(running):
        process.join(60)
        process.kill()
        assert process.exitcode == 0, (folder / f"output-{number}").read_text(errors="replace")


def one_round(rng: Random, broker: Broker, topic: str, folder: Path, redis_url: str) -> str:
    """Kill and scale pods at random while a producer writes; returns what was done."""
    # Here, since the tests of Kafka hold what makes a log.
    from tests.kafka.kafka_flow import clicks, numbered, writing

    count = rng.randrange(1, 5)
    parts = clicks(rng.choice([1000, 4000]), rng.randrange(10**6), parts=count)
    broker.create(topic, count)
    hurry = threading.Event()
    writer = writing(broker.producer(), topic, parts, 10**4, hurry)
    environment = {"KAFKA_GROUP_ID": topic, "CLICKS_SHARDS": str(rng.choice([1, 3, 16]))}
    shared = rng.random() < 0.5
    disks = "one disk" if shared else "a disk each"
    done = [f"{count} partitions, {environment['CLICKS_SHARDS']} shards, {disks}"]
    source = f"kafka:{broker.address}/{topic}"
    with Pods(folder, source, redis_url, shared=shared, environment=environment) as pods:
        for _ in range(rng.randrange(2, 5)):
            replicas, workers = rng.randrange(1, 5), rng.choice([1, 1, 2])
            pods.scale(replicas, workers)
            kills = rng.randrange(3)
            for _ in range(kills):
                before = pods.progress()
                wait_until(lambda: pods.progress() > before, "progress", 90)  # noqa: B023
                time.sleep(rng.uniform(0, 1))
                pods.kill(rng.randrange(replicas))
            done.append(f"{replicas} of {workers} workers, {kills} kills")
        hurry.set()
        writer.join()
        pods.wait_for({f"{topic}/{number}": len(part) for number, part in enumerate(parts)}, 90)
        pods.assert_exact(numbered(parts))
    return "; ".join(done)


def main() -> None:
    """Do as many rounds as the command line says; raises AssertionError if one is wrong."""
    parser = argparse.ArgumentParser(prog="python -m tests.k8s.pods")
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    rng = Random(options.seed)
    with Broker() as broker:
        for number in range(options.rounds):
            with tempfile.TemporaryDirectory() as folder, RedisServer() as server:
                begun_s = time.monotonic()
                done = one_round(rng, broker, f"pods-{number}", Path(folder), server.url)
                print(f"{number + 1}: exact ({done}; {time.monotonic() - begun_s:.0f} s)", flush=True)


if __name__ == "__main__":
    main()
