"""What pods run, run: the image's command as process 1, another user, a read-only root, rendered settings."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import urllib.request
from contextlib import ExitStack
from pathlib import Path

import pytest
import yaml
from playwright.sync_api import Browser

from tests.dashboard.looking import wait_state
from tests.k8s.manifests import Manifest, named, pod, rendered
from tests.k8s.sandbox import Pod, can_run, rendered_pod
from tests.k8s.tools import ROOT
from tests.support.servers import RedisServer, free_port, wait_until

DEMO = "demo:?history=5m"
GRACE_S = 10.0
READER = ["on", "nopass", "~*", "resetchannels", "+@read", "+@connection"]


@pytest.fixture(autouse=True)
def sandbox() -> None:
    can_run()


@pytest.fixture
def secrets(redis_url: str) -> dict[str, dict[str, str]]:
    """Return the secrets that the manifests refer to."""
    return {
        "redis": {"REDIS_URL": redis_url},
        "redis-reader": {"REDIS_URL": redis_url},
        "kafka": {"KAFKA_SASL_USERNAME": "clicks", "KAFKA_SASL_PASSWORD": "unused"},
    }


def hosts(count: int) -> list[str]:
    return [f"127.0.0.1:{free_port()}" for _ in range(count)]


def get(address: str) -> bytes:
    """Return what a web server says; nothing while there is none."""
    try:
        with urllib.request.urlopen(f"http://{address}", timeout=5) as answer:
            return bytes(answer.read())
    except OSError:
        return b""


def probe(container: Manifest, name: str, port: str) -> str:
    """Return the address that a probe of the kubelet asks."""
    return f"127.0.0.1:{port}{container[name]['httpGet']['path']}"


def wait_board(redis_server: RedisServer, running: list[Pod]) -> None:
    """Wait for a board with clicks, not one that was there before."""
    with redis_server.client() as client:
        client.flushall()

        def clicks() -> bool:
            assert all(one.running for one in running), "\n".join(one.output for one in running)
            return bool(json.loads(str(client.get("board") or "{}")).get("clicks_total"))

        wait_until(clicks, "a board with clicks", 60)


def test_a_flow_publishes_answers_probes_saves_and_stops(
    tmp_path: Path, redis_server: RedisServer, secrets: dict[str, dict[str, str]]
) -> None:
    manifests = rendered("overlays/laptop")
    flow = named(manifests, "StatefulSet", "clicks")
    port = str(free_port())
    environment = {"CLICKS_SOURCE": DEMO, "BYTEWAX_DATAFLOW_API_PORT": port}
    for _ in range(2):
        (hostfile,) = hosts(1)
        with rendered_pod(
            manifests, flow, tmp_path, secrets=secrets, environment=environment, hostfile=hostfile
        ) as running:
            wait_board(redis_server, [running])
            container = pod(flow)["containers"][0]
            for name in ("startupProbe", "livenessProbe"):
                assert get(probe(container, name, port))
            _, *arguments = container["readinessProbe"]["exec"]["command"]
            asked = [sys.executable, *arguments], {**os.environ, "BYTEWAX_DATAFLOW_API_PORT": port}
            assert subprocess.run(asked[0], env=asked[1], check=False, timeout=20).returncode == 0
            running.signal(signal.SIGTERM)
            assert running.wait(GRACE_S) == 0, running.output
    assert len(list((tmp_path / "state").glob("shard-*"))) == 16
    assert os.listdir(tmp_path / "tmp") == ["dataflow.json"]


def test_the_processes_of_production_find_each_other_and_stop(
    tmp_path: Path, redis_server: RedisServer, secrets: dict[str, dict[str, str]]
) -> None:
    manifests = rendered("overlays/production")
    flow = named(manifests, "StatefulSet", "clicks")
    names = hosts(flow["spec"]["replicas"])
    with ExitStack() as stack:
        running = [
            stack.enter_context(
                rendered_pod(
                    manifests,
                    flow,
                    tmp_path / str(number),
                    secrets=secrets,
                    number=number,
                    environment={"CLICKS_SOURCE": DEMO, "BYTEWAX_DATAFLOW_API_PORT": str(free_port())},
                    hostfile="\n".join(names) + "\n",
                )
            )
            for number in range(len(names))
        ]
        wait_board(redis_server, running)
        for one in running:
            one.signal(signal.SIGTERM)
        for one in running:
            one.wait(pod(flow)["terminationGracePeriodSeconds"])
    shards = [len(list((tmp_path / str(number) / "state").glob("shard-*"))) for number in range(len(names))]
    assert all(shards), shards
    assert sum(shards) == 16


def test_a_flow_that_cannot_run_says_why_and_ends_with_a_status(
    tmp_path: Path, secrets: dict[str, dict[str, str]]
) -> None:
    manifests = rendered("overlays/laptop")
    flow = named(manifests, "StatefulSet", "clicks")
    environment = {"CLICKS_SOURCE": "nonsense"}
    (hostfile,) = hosts(1)
    with rendered_pod(
        manifests, flow, tmp_path, secrets=secrets, environment=environment, hostfile=hostfile
    ) as running:
        assert running.wait(30) == 1
        assert running.output.count("\n") == 1
        assert running.output.startswith("CLICKS_SOURCE is 'nonsense'")


def test_the_dashboard_shows_a_board_with_a_user_that_may_only_read(
    tmp_path: Path, redis_server: RedisServer, secrets: dict[str, dict[str, str]], browser: Browser
) -> None:
    with redis_server.client() as client:
        client.execute_command("ACL", "SETUSER", "reader", *READER)
    secrets["redis-reader"]["REDIS_URL"] = f"redis://reader:any@127.0.0.1:{redis_server.port}/0"
    manifests = rendered("overlays/laptop")
    dashboard = named(manifests, "Deployment", "dashboard")
    port = str(free_port())
    with rendered_pod(
        manifests, dashboard, tmp_path, secrets=secrets, environment={"STREAMLIT_SERVER_PORT": port}
    ) as running:
        address = probe(pod(dashboard)["containers"][0], "readinessProbe", port)
        wait_until(lambda: get(address) == b"ok", "the dashboard is healthy", 30)
        page = browser.new_page()
        page.goto(f"http://127.0.0.1:{port}")
        page.locator(".verdict").wait_for()
        wait_state(page, "waiting", 10)
        page.close()
        running.signal(signal.SIGTERM)
        assert running.wait(GRACE_S) == 0, running.output
    assert "Traceback" not in running.output


def test_the_chart_stops_cleanly_with_our_image(
    tmp_path: Path, redis_server: RedisServer, secrets: dict[str, dict[str, str]]
) -> None:
    values = yaml.safe_load((ROOT / "k8s" / "waxctl" / "values.yaml").read_text())
    port = str(free_port())
    # What the chart sets, as its template does.
    chart = {
        "BYTEWAX_PYTHON_FILE_PATH": "/var/bytewax/clicks.py",
        "BYTEWAX_WORKDIR": "/var/bytewax",
        "BYTEWAX_WORKERS_PER_PROCESS": str(values["configuration"]["workersPerProcess"]),
        "BYTEWAX_POD_NAME": "clicks-0",
        "BYTEWAX_REPLICAS": str(values["configuration"]["processesCount"]),
        "BYTEWAX_KEEP_CONTAINER_ALIVE": "false",
        "BYTEWAX_HOSTFILE_PATH": "/etc/bytewax/hostfile.txt",
        "BYTEWAX_STATEFULSET_NAME": "clicks",
        "BYTEWAX_DATAFLOW_API_PORT": port,
        "BYTEWAX_DATAFLOW_API_CACHE_PATH": "/var/bytewax-api-cache",
        "BYTEWAX_OTLP_URL": "http://clicks-opentelemetry-collector:4317",
        "RUST_LOG": "librdkafka=debug,rdkafka::client=debug",
        "RUST_BACKTRACE": "full",
    }
    given = chart | {name: str(value) for name, value in values["env"].items()} | secrets["redis"]
    given["CLICKS_SOURCE"] = DEMO
    mounts = {"/etc/bytewax": tmp_path / "hosts", "/var/bytewax": tmp_path / "work"}
    for path in mounts.values():
        path.mkdir()
    (tmp_path / "hosts" / "hostfile.txt").write_text(hosts(1)[0])
    # The chart's command; /etc/bytewax can be written to as well, but need not.
    command = ["sh", "-c", "sh ./entrypoint.sh"]
    with Pod(tmp_path, command, given, mounts, ("/var/bytewax",)) as running:
        wait_board(redis_server, [running])
        assert get(f"127.0.0.1:{port}/metrics")
        running.signal(signal.SIGTERM)
        assert running.wait(GRACE_S) == 0, running.output
        # The image brings what is compiled, and is read-only.
        assert "compiling" not in running.output
    assert (tmp_path / "work" / "state").is_dir()
