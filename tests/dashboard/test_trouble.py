"""When things go wrong: the page says so within 5 seconds, greys what it shows, and believes no text."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest
import redis
from playwright.sync_api import Browser, Page

from tests.dashboard.conftest import SECRET, PageServer, now_ms
from tests.dashboard.looking import bars, cells, figure, panel, places, refreshed, settle, state, wait_state
from tests.dashboard.writer import Writer
from tests.support.servers import RedisServer, wait_until

Open = Callable[..., Page]
UNKNOWN = "\u2013"
HOSTILE = [
    "<script>window.hacked = 1</script>",
    "<img src=x onerror='window.hacked = 1'>",
    '"><svg onload=window.hacked=1>',
    "</bdi></span><h1>Owned</h1>",
    "<style>body { display: none }</style>",
    "**bold** [link](javascript:window.hacked=1) :red[red] $x^2$ ![](http://127.0.0.1:9/x)",
    "'; DROP TABLE clicks; --",
    "\u202eright to left \u05e9\u05dc\u05d5\u05dd \u0645\u0631\u062d\u0628\u0627",
    "\x00\x1b[31m\ufeff\ufffe",
    "long" * 50_000,
]


def greyed(page: Page) -> bool:
    """Whether the figures are painted grey."""
    style = page.locator(".st-key-figures").evaluate("f => getComputedStyle(f).filter")
    return bool(style == "grayscale(1)")


def test_an_empty_redis_waits_for_the_flow(open_page: Open, writer: Writer) -> None:
    page = open_page(height=4200)
    assert state(page) == "waiting"
    before = places(page)
    assert "python -m bytewax.run flows.clicks" in page.locator(".verdict").inner_text()
    for name in (
        "visitors_15m",
        "sessions_8h",
        "sessions_active",
        "devices_now",
        "rate",
        "rejected",
        "as_of",
    ):
        assert figure(page, name) == UNKNOWN
    assert figure(page, "lag") == "unknown"
    assert page.locator(".stVegaLiteChart").count() == 0, "an axis with a zero would look like a measurement"
    writer.fill(now_ms())
    writer.write(log=writer.steps(now_ms(), 30))
    wait_state(page, "live")
    wait_until(lambda: figure(page, "visitors_15m") != UNKNOWN, "figures arrive")
    settle(page, lambda: len(cells(page, "raw")) > 8, "the table is drawn")
    assert places(page) == before, "nothing jumps when data arrive"


def test_a_board_without_clicks_shows_zeros_and_says_why(open_page: Open, writer: Writer) -> None:
    writer.empty(now_ms())
    writer.write()
    page = open_page()
    assert figure(page, "visitors_15m") == "0"
    assert figure(page, "session_seconds_mean") == UNKNOWN
    assert "No click yet." in panel(page, "visitors")
    assert "No product was clicked in the last hour." in panel(page, "pages")
    assert "No visitor in the last hour." in panel(page, "latest")
    assert "No journey yet" in panel(page, "log")


def test_a_key_that_is_missing_is_unknown(open_page: Open, writer: Writer) -> None:
    writer.fill(now_ms())
    del writer.tables["category_popularity"]
    del writer.facts["visitors_15m"]
    writer.write()
    page = open_page()
    assert "Unknown" in panel(page, "categories")
    assert figure(page, "visitors_15m") == UNKNOWN


def test_a_flow_that_stops_is_said_to_be_stale(open_page: Open, writer: Writer) -> None:
    writer.publish()
    page = open_page()
    writer.publish_every_ms = 1000
    wait_state(page, "live")
    assert not greyed(page)
    writer.publish()
    stopped_s = time.monotonic()
    # A second until it is seen, three of patience, one until the page looks again, and drawing.
    wait_state(page, "stale", 15)
    wait_until(lambda: greyed(page), "the figures are grey")
    assert time.monotonic() - stopped_s < 15
    assert "The flow has published nothing since" in page.locator(".verdict").inner_text()
    assert figure(page, "rate") == UNKNOWN
    assert figure(page, "visitors_15m") not in (UNKNOWN, "0", "")
    writer.publish()
    wait_state(page, "live")
    wait_until(lambda: not greyed(page), "the figures are in colour again")


def test_a_source_that_stops_is_told(open_page: Open, writer: Writer) -> None:
    writer.publish()
    page = open_page()
    wait_state(page, "live")
    writer.fill(now_ms())
    clicks = writer.tables["raw_data"]
    for click in clicks:
        click[-1] -= 6000
    writer.write()
    wait_state(page, "silent")
    assert not greyed(page)
    writer.facts |= {"published_at": now_ms(), "lag": None}
    writer.write()
    wait_state(page, "source_stale")
    assert greyed(page)


@pytest.mark.parametrize("trouble", ["pause", "kill"])
def test_a_redis_that_goes_is_told_within_five_seconds(
    open_page: Open, writer: Writer, redis_server: RedisServer, trouble: str
) -> None:
    writer.publish()
    page = open_page()
    wait_state(page, "live")
    start_s = time.monotonic()
    getattr(redis_server, trouble)()
    wait_state(page, "unreachable")
    wait_until(lambda: greyed(page), "the figures are grey")
    assert time.monotonic() - start_s < 5
    told = page.locator(".verdict").inner_text()
    assert "Cannot reach Redis" in told
    assert f"Redis at 127.0.0.1:{redis_server.port}/0 does not answer (" in told
    assert "): is it running? " in told
    assert figure(page, "visitors_15m") not in (UNKNOWN, "0")
    assert figure(page, "rate") == UNKNOWN
    assert figure(page, "lag") == "unknown"
    if trouble == "pause":
        redis_server.resume()
    else:
        redis_server.start()
    writer.publish()
    wait_state(page, "live", timeout_s=10)


def test_a_page_whose_own_server_goes_says_so(
    browser: Browser, tmp_path: Path, redis_server: RedisServer
) -> None:
    with PageServer(redis_server.url, tmp_path) as server:
        page = browser.new_page()
        page.goto(server.url)
        page.wait_for_selector(".pulse", state="attached", timeout=20_000)
        refreshed(page, 1)
        visible = "getComputedStyle(document.querySelector('.pulse')).visibility"
        assert page.evaluate(visible) == "hidden"
        assert server.process is not None
        server.process.kill()
        start_s = time.monotonic()
        wait_until(lambda: page.evaluate(visible) == "visible", "the page says that its server is gone")
        assert time.monotonic() - start_s < 6.5
        page.close()


def test_hostile_text_is_text(open_page: Open, writer: Writer) -> None:
    writer.fill(now_ms())
    tables = writer.tables
    tables["products_last_hour"] = [[f"P{i}", text, 100 - i, text] for i, text in enumerate(HOSTILE)]
    tables["category_popularity"] = [[text, 100 - i] for i, text in enumerate(HOSTILE)]
    tables["device_type_popularity"] = [["Device type", text, 5] for text in HOSTILE[:4]]
    for row, text in zip(tables["latest_visitors"], HOSTILE, strict=True):
        row[2:] = [text, text]
    for row, text in zip(tables["raw_data"], HOSTILE, strict=False):
        for i in (1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12):
            row[i] = text
    writer.facts["rejected"] = dict.fromkeys(HOSTILE[:5], 1)
    log = [{"created": "x", "msg": text, "user": text, "state": text} for text in reversed(HOSTILE)]
    writer.write(log=log, rejected=[{"reason": t, "position": t, "record": t} for t in HOSTILE])
    page = open_page(height=4200)
    outside: list[str] = []
    page.on(
        "request", lambda r: outside.append(r.url) if "/x" in r.url[-3:] or "127.0.0.1:9/" in r.url else None
    )
    settle(page, lambda: len(cells(page, "raw")) > 8, "the table is drawn")
    refreshed(page, 2)
    plain = HOSTILE[:7]
    assert [name for name, _ in bars(page, "pages")][:7] == plain
    assert [name for name, _ in bars(page, "categories")][:7] == plain
    assert [name for name, _ in bars(page, "devices")] == plain[:4]
    addresses = page.locator("table.plain td:nth-child(3) bdi").all_text_contents()
    assert addresses[:7] == plain
    assert [row[1] for row in cells(page, "log")][:7] == plain
    assert [row[1] for row in cells(page, "raw")][:7] == plain
    status = page.locator(".fresh").inner_text()
    assert all(text in status for text in HOSTILE[:5])
    assert page.evaluate("window.hacked") is None
    assert page.locator(".stApp h1").all_text_contents() == ["Clicks"]
    assert page.locator(".st-key-figures :is(script, img, style, a[href^=javascript])").count() == 0
    assert outside == []
    assert page.evaluate("document.querySelector('.stMain').scrollWidth") <= 1440


def test_a_refusing_or_broken_redis_is_told(open_page: Open, writer: Writer) -> None:
    page = open_page()
    writer.publish()
    wait_state(page, "live")
    writer.client.set("board", "<b>no board</b>")
    wait_state(page, "unreadable")
    assert "The key board does not hold what this flow publishes" in page.locator(".verdict").inner_text()


def test_credentials_reach_neither_page_nor_log(
    open_page: Open, page_server: PageServer, redis_server: RedisServer, client: redis.Redis
) -> None:
    page = open_page()
    seen = [page.content()]
    redis_server.kill()
    wait_state(page, "unreachable")
    seen.append(page.content())
    redis_server.start()
    with redis_server.client() as anew:
        anew.config_set("requirepass", "another")
    settle(
        page, lambda: "refuses this user or password" in page.locator(".verdict").inner_text(), "a refusal"
    )
    seen.append(page.content())
    redis_server.restart()
    assert SECRET in redis_server.url
    assert not [text for text in (*seen, page_server.log) if SECRET in text]
    assert "Traceback" not in page_server.log
