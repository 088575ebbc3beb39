"""A worker that hangs fails the probe, which asks for the metrics of its process."""

from __future__ import annotations

import os
import subprocess
import sys
import urllib.request
from http.client import HTTPException
from pathlib import Path

from flows.runtime.pulse import Pulse
from tests.support.servers import free_port, wait_until

HANGS = """
import time
import bytewax.operators as op
from bytewax.connectors.stdio import StdOutSink
from bytewax.dataflow import Dataflow
from bytewax.inputs import DynamicSource, StatelessSourcePartition
from flows.runtime import telemetry as metrics
from flows.runtime.ticks import ticks_ms
from flows.runtime.pulse import PULSE

metrics.SILENT_AFTER_S = 2.0

class Part(StatelessSourcePartition):
    def next_batch(self):
        PULSE.called(self, ticks_ms() / 1000)
        time.sleep(60)
        return []

class Source(DynamicSource):
    def build(self, *_):
        return Part()

flow = Dataflow("hangs")
op.output("out", op.input("in", flow, Source()), StdOutSink())
"""


def test_the_worker_called_longest_ago_counts() -> None:
    pulse = Pulse()
    assert pulse.silent_s(100.0) == 0
    pulse.called(0, 10.0)
    pulse.called(1, 50.0)
    assert pulse.silent_s(60.0) == 50.0
    pulse.called(0, 55.0)
    assert pulse.silent_s(60.0) == 10.0
    for worker in (0, 1):
        pulse.end(worker)
    assert pulse.silent_s(1000.0) == 0


def test_metrics_are_not_given_while_a_worker_hangs(tmp_path: Path) -> None:
    (tmp_path / "hangs.py").write_text(HANGS)
    port = free_port()
    given = {"BYTEWAX_DATAFLOW_API_ENABLED": "1", "BYTEWAX_DATAFLOW_API_PORT": str(port)}
    given |= {"BYTEWAX_DATAFLOW_API_CACHE_PATH": str(tmp_path), "RUST_BACKTRACE": "0"}
    given["PYTHONPATH"] = os.pathsep.join([str(tmp_path), str(Path.cwd())])
    command = [sys.executable, "-m", "bytewax.run", "hangs"]

    def answers() -> bool:
        try:
            url = f"http://127.0.0.1:{port}/metrics"
            with urllib.request.urlopen(url, timeout=5) as answer:
                return b"clicks_workers_silent_seconds" in answer.read()
        except (OSError, HTTPException):
            return False

    with (tmp_path / "output").open("wb") as output:
        process = subprocess.Popen(command, env=os.environ | given, stdout=output, stderr=output)
    try:
        wait_until(answers, "metrics", 30)
        wait_until(lambda: not answers(), "no metrics", 30)
        assert process.poll() is None
        assert "a source was not called for" in (tmp_path / "output").read_text()
    finally:
        process.kill()
        process.wait()
