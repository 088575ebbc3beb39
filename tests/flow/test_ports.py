"""The ports of a process: what is open to others than its own is refused, what cannot be had is one line."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from flows.runtime.exits import SettingsError
from flows.runtime.ports import check_ports
from tests.support.processes import Flow
from tests.support.servers import free_port

CLOSED = "127.0.0.1:1;127.0.0.1:2"


def refused(env: dict[str, str], *arguments: str, trust: bool = False) -> str | None:
    """Return the line with which it is refused, if it is."""
    try:
        check_ports(env, arguments, trust_network=trust)
    except SettingsError as error:
        return str(error)
    return None


def told(own: str) -> str:
    return (
        f"the process port {own} runs code for whoever reaches it, and its address is neither loopback nor "
        "private: close it to all but the flow's processes, then set CLICKS_TRUST_NETWORK=1"
    )


@pytest.mark.parametrize(
    ("own", "closed"),
    [
        *(
            (own, True)
            for own in ("127.0.0.1:1", "localhost:1", "10.1.2.3:1", "172.16.0.9:1", "192.168.1.1:1")
        ),
        *((own, True) for own in ("100.64.3.4:1", "[::1]:1", "[fd00::1]:1", "169.254.1.1:1")),
        *((own, True) for own in ("not-known-yet.invalid:1",)),
        *((own, False) for own in ("0.0.0.0:1", "[::]:1", "8.8.8.8:1", "[2001:4860::1]:1", "172.32.0.1:1")),
    ],
)
def test_a_process_port_is_closed_or_refused(own: str, closed: bool, tmp_path: Path) -> None:
    expected = None if closed else told(own)
    both = f"127.0.0.1:9;{own}"
    assert refused({}, "flows.clicks", "-i", "1", "-a", both) == expected
    assert refused({}, "flows.clicks", f"--addresses={both}", "--process-id=1") == expected
    assert refused({"BYTEWAX_ADDRESSES": both, "BYTEWAX_PROCESS_ID": "1"}, "flows.clicks") == expected
    (tmp_path / "hosts").write_text(both.replace(";", "\n") + "\n")
    pod = {"BYTEWAX_POD_NAME": "flow-1", "BYTEWAX_STATEFULSET_NAME": "flow"}
    assert refused({**pod, "BYTEWAX_HOSTFILE_PATH": str(tmp_path / "hosts")}, "flows.clicks") == expected
    assert refused({}, "flows.clicks", "-i", "0", "-a", both) is None
    assert refused({}, "flows.clicks", "-i", "1", "-a", both, trust=True) is None


@pytest.mark.parametrize("arguments", [(), ("-w", "2"), ("-i", "7", "-a", CLOSED), ("-i", "x", "-a", CLOSED)])
def test_what_listens_nowhere_is_not_refused(arguments: tuple[str, ...]) -> None:
    assert refused({}, "flows.clicks", *arguments) is None


@pytest.mark.parametrize(
    ("environment", "line"),
    [
        *(
            (
                {"BYTEWAX_DATAFLOW_API_PORT": port},
                f"BYTEWAX_DATAFLOW_API_PORT is {port!r}: set it to a number from 1 to 65535",
            )
            for port in ("", "x", "0", "65536", "-1", "30 30", "3030.5")
        ),
        *(
            (
                {"BYTEWAX_DATAFLOW_API_ENABLED": value},
                f"BYTEWAX_DATAFLOW_API_ENABLED is {value!r}, which Bytewax takes for yes: unset it",
            )
            for value in ("", "0", "false", "No", "OFF")
        ),
        (
            {"BYTEWAX_DATAFLOW_API_CACHE_PATH": "/nowhere"},
            "Bytewax's web server writes dataflow.json to '/nowhere', and cannot: set "
            "BYTEWAX_DATAFLOW_API_CACHE_PATH to a directory that this user may write to",
        ),
    ],
)
def test_wrong_values_of_the_web_server(environment: dict[str, str], line: str) -> None:
    free = {"BYTEWAX_DATAFLOW_API_ENABLED": "1", "BYTEWAX_DATAFLOW_API_PORT": str(free_port())}
    assert refused(free) is None
    assert refused(free | environment) == line


def test_a_port_that_is_taken_is_one_line(tmp_path: Path, redis_url: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        environment = {"BYTEWAX_DATAFLOW_API_PORT": str(port), "REDIS_URL": redis_url}
        with Flow(tmp_path, environment) as flow:
            assert flow.end() == [1]
        assert flow.output.splitlines() == [
            f"BYTEWAX_DATAFLOW_API_PORT {port} cannot be had ({os.strerror(98)}): set it to a free port"
        ]


def test_an_open_process_port_ends_the_flow(tmp_path: Path, redis_url: str) -> None:
    addresses = f"0.0.0.0:{free_port()};127.0.0.1:{free_port()}"
    arguments = ("-i", "0", "-a", addresses)
    with Flow(tmp_path, {"REDIS_URL": redis_url}, arguments=arguments) as flow:
        assert flow.end() == [1]
    assert flow.output.splitlines() == [told(addresses.partition(";")[0])]
