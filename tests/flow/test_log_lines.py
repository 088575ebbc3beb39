"""What the flow says: one line an event, as text or JSON, and never a password."""

from __future__ import annotations

import json
import logging
import re
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from flows import __version__
from flows.runtime.log_lines import Json, Text
from tests.support.brokers import Broker
from tests.support.processes import Flow
from tests.support.servers import RedisServer


def as_json(line: str) -> dict[str, Any]:
    """Return a line's object; checks that it has what each has."""
    found: dict[str, Any] = json.loads(line)
    assert list(found)[:4] == ["time", "level", "logger", "message"]
    return found


def as_text(line: str) -> dict[str, Any]:
    """Return what a line of text tells."""
    match = re.fullmatch(r"(?P<time>\S+) (?P<level>[A-Z]+) (?P<message>.*)", line)
    assert match is not None, line
    return match.groupdict() | {"level": match["level"].lower()}


@pytest.mark.parametrize(("form", "read"), [("json", as_json), ("text", as_text)])
def test_a_line_an_event_without_passwords(
    form: str, read: Callable[[str], dict[str, Any]], tmp_path: Path
) -> None:
    with Broker() as broker, RedisServer(password="s3cret-redis") as server:
        broker.create("clicks")
        environment = {
            "CLICKS_LOG_FORMAT": form,
            "CLICKS_SOURCE": f"kafka:{broker.address}/clicks",
            "CLICKS_SHARDS": "3",
            "KAFKA_SASL_PASSWORD": "s3cret-kafka",
            "REDIS_URL": server.url,
        }
        with Flow(tmp_path, environment) as flow:
            flow.wait_for("caught up")
            server.kill()
            flow.wait_for("trying again")
            server.start()
            flow.wait_for("back after")
            broker.kill()
            flow.wait_for("is down")
            flow.signal(signal.SIGTERM)
            assert flow.end() == [0]
            output = flow.output
    assert "s3cret" not in output
    lines = [read(line) for line in output.splitlines()]
    assert [line["level"] for line in lines] == [*["info"] * 3, "warning", "info", "warning", "info"]
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", line["time"]) for line in lines)
    starts = [
        f"clicks {__version__}: worker 0 of 1, kafka:clicks, state in {tmp_path / 'state'}",
        "reading clicks/0 from 0 on",
        "caught up: the board is as of ",
        f"Redis at 127.0.0.1:{server.port}/0 does not answer (",
        f"Redis at 127.0.0.1:{server.port}/0: back after ",
        f"Kafka at {broker.address} is down (",
        "SIGTERM: the flow saves its state and ends",
    ]
    for line, start in zip(lines, starts, strict=True):
        assert line["message"].startswith(start)
    if form == "json":
        assert lines[0]["shards"] == 3
        assert (lines[1]["partition"], lines[1]["position"]) == ("clicks/0", 0)
        assert lines[2]["clicks_total"] == 0


@pytest.mark.parametrize("form", ["json", "text"])
def test_what_ends_the_flow(form: str, tmp_path: Path) -> None:
    environment = {"CLICKS_LOG_FORMAT": form, "CLICKS_SOURCE": f"file:{tmp_path / 'none'}"}
    environment |= {"REDIS_URL": "redis://127.0.0.1:1/0"}
    with Flow(tmp_path, environment) as flow:
        assert flow.end() == [1]
    said = f"CLICKS_SOURCE names '{tmp_path / 'none'}': No such file or directory: set it to a readable file"
    line = flow.output.splitlines()[-1]
    if form == "json":
        found = as_json(line)
        assert (found["level"], found["message"]) == ("critical", said)
    else:
        assert line == said


def test_an_event_is_one_line_whatever_it_tells() -> None:
    record = logging.makeLogRecord(
        {"msg": "a\nb %s", "args": ("c\nd",), "levelno": logging.INFO, "own": "\n"}
    )
    assert "\n" not in Text().format(record)
    assert "\n" not in Json().format(record)
    assert as_json(Json().format(record))["own"] == "\n"
