"""The demo as a newcomer meets it, and the flow's picture."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest
import redis

from flows.settings import EMBEDDED_URL
from tests.support.servers import wait_until

pytestmark = pytest.mark.usefixtures("fixed_place")


def test_the_demo_fills_the_board_and_ctrl_c_ends_all_of_it(tmp_path: Path) -> None:
    output = tmp_path / "output"
    with output.open("wb") as out:
        demo = subprocess.Popen(
            [sys.executable, "-m", "dashboard.demo"], stdout=out, stderr=subprocess.STDOUT
        )
    client = redis.Redis.from_url(EMBEDDED_URL)
    try:

        def caught_up() -> bool:
            assert demo.poll() is None, output.read_text()
            try:
                board = json.loads(client.get("board") or "{}")
            except redis.exceptions.ConnectionError:
                return False
            return bool(board.get("visitors_15m", 0) > 500 and board["sessions_8h"] > 10_000)

        wait_until(caught_up, "a board with visitors of the last 15 minutes", 180)
        address = re.search(r"http://127\.0\.0\.1:\d+", output.read_text())
        assert address is not None
        assert b"<html" in urllib.request.urlopen(address[0], timeout=10).read()
    finally:
        demo.send_signal(signal.SIGINT)
        assert demo.wait(timeout=40) == 0, output.read_text()
    assert "Traceback" not in output.read_text()
    with pytest.raises(redis.exceptions.ConnectionError):
        client.ping()


def test_the_picture_shows_each_metric() -> None:
    command = [sys.executable, "-m", "bytewax.visualize", "flows.clicks"]
    picture = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout
    metrics = [
        "visitors",
        "sessions",
        "devices",
        "pages",
        "latest",
        "categories",
        "raw",
        "totals",
        "journeys",
    ]
    assert [name for name in metrics if f'["{name} (' not in picture] == []
