"""A process is ready once its shards have reported to a board, and not while it only answers."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from flows.ready import reports
from tests.support.processes import Flow
from tests.support.servers import free_port, wait_until


def asked(port: int) -> tuple[int, str]:
    """Return (status, line) of the probe."""
    ran = subprocess.run(
        [sys.executable, "-m", "flows.ready"],
        env={**os.environ, "BYTEWAX_DATAFLOW_API_PORT": str(port)},
        check=False,
        capture_output=True,
        text=True,
        timeout=20,
    )
    return ran.returncode, ran.stderr.strip()


def test_what_is_served_tells_it() -> None:
    assert reports("# TYPE clicks_reports_total counter\nclicks_reports_total 0.0\n") == 0
    assert reports("clicks_reports_total 1.2e+06\n") == 1.2e6
    assert reports("") == 0


def test_a_process_that_does_not_answer_is_not_ready() -> None:
    status, line = asked(port := free_port())
    assert status == 1
    assert line.startswith(f"http://127.0.0.1:{port}/metrics does not answer (")


def test_it_is_ready_with_its_first_report(tmp_path: Path, redis_url: str) -> None:
    """One process of two waits for the other: it answers, and is not ready."""
    environment = {"CLICKS_SOURCE": "demo:?rate=20&history=5m", "REDIS_URL": redis_url}
    addresses = f"127.0.0.1:{free_port()};127.0.0.1:{free_port()}"
    with Flow(tmp_path, environment, arguments=("-i", "0", "-a", addresses)) as waiting:
        assert "clicks_reports_total 0.0" in waiting.metrics()
        assert asked(waiting.ports[0]) == (1, "no shard of this process has reported to a board yet")
    with Flow(tmp_path, environment, 2) as flow:
        wait_until(lambda: [asked(port)[0] for port in flow.ports] == [0, 0], "both are ready", 40)
