"""The page keeps its doors closed wherever it is started from, and answers under its own names alone."""

from __future__ import annotations

import urllib.request
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from dashboard.door import is_own
from tests.dashboard.conftest import ROOT, PageServer, now_ms
from tests.dashboard.writer import Writer
from tests.support.servers import RedisServer, listening


@pytest.mark.parametrize(
    ("host", "own"),
    [
        *((host, True) for host in ("localhost", "localhost:8501", "LOCALHOST.:1", "clicks.localhost:8501")),
        *((host, True) for host in ("127.0.0.1:8501", "10.1.2.3", "[::1]:8501", "[fe80::1]")),
        *((host, True) for host in ("clicks.shop.example", "CLICKS.shop.example:443", None)),
        *(
            (host, False)
            for host in ("evil.example", "127.0.0.1.evil.example:8501", "localhost.evil.example")
        ),
        *((host, False) for host in ("shop.example", "xclicks.shop.example", "evil.example@127.0.0.1x")),
        *((host, False) for host in ("[::1", "evil.example:80:80", " ")),
    ],
)
def test_a_host_is_own_or_not(host: str | None, own: bool) -> None:
    assert is_own(host, ["clicks.shop.example", "None"]) == own


def test_a_name_that_is_not_the_pages_is_shown_nothing(
    browser: Browser, page_server: PageServer, writer: Writer
) -> None:
    writer.fill(now_ms())
    writer.write()
    page = browser.new_page()
    page.goto(page_server.url.replace("127.0.0.1", "evil.example"))
    page.get_by_text("This page is not served as 'evil.example'").wait_for()
    assert page.locator("[data-figure]").count() == 0
    page.goto(page_server.url.replace("127.0.0.1", "localhost"))
    page.locator("[data-figure]").first.wait_for()
    page.close()


@pytest.mark.parametrize(
    "cwd", [ROOT, ROOT / "dashboard", Path("/"), None], ids=["here", "in it", "/", "tmp"]
)
def test_its_settings_hold_wherever_it_is_started(
    cwd: Path | None, redis_server: RedisServer, tmp_path: Path
) -> None:
    """Without a home, too: no settings are looked for there."""
    with PageServer(redis_server.url, tmp_path, cwd or tmp_path, without=("HOME",)) as server:
        port = server.url.rpartition(":")[2]
        assert listening(int(port)) == ["127.0.0.1"]
        assert "External URL" not in server.log
        assert "usage statistics" not in server.log
        page = urllib.request.urlopen(server.url, timeout=5).read().decode()
        assert "<html" in page
