"""The page in Chromium: every panel shows what Redis holds, and goes on showing it without flicker."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timezone
from zoneinfo import ZoneInfo

import pytest
from playwright.sync_api import Page

from dashboard.page.text import duration, number, share
from tests.dashboard.conftest import now_ms
from tests.dashboard.looking import (
    bars,
    cells,
    chart,
    figure,
    panel,
    places,
    refreshed,
    settle,
    state,
    wait_state,
)  # fmt: skip
from tests.dashboard.writer import Writer
from tests.support.servers import wait_until

Open = Callable[..., Page]
CHARTS = ("Visitors per minute", "Clicks per minute", "Sessions per half hour")


def test_every_panel_shows_what_redis_holds(open_page: Open, writer: Writer) -> None:
    writer.fill(now_ms())
    steps = writer.steps(now_ms(), 30)
    writer.write(log=steps)
    facts, tables = writer.facts, writer.tables
    page = open_page(height=4200)
    for name in ("visitors_15m", "sessions_8h", "sessions_active", "devices_now"):
        assert figure(page, name) == number(facts[name])
    assert figure(page, "session_seconds_mean") == duration(facts["session_seconds_mean"]) == "12 min 34 s"
    assert figure(page, "session_clicks_mean") == "6.4"
    assert figure(page, "session_bounce_share") == share(facts["session_bounce_share"]) == "28.7 %"
    minutes, halves = tables["last_15_minutes"], tables["sessions"]
    settle(
        page, lambda: chart(page, CHARTS[0]) == [(_iso(r[0]), r[2]) for r in minutes], "visitors per minute"
    )
    settle(page, lambda: chart(page, CHARTS[1]) == [(_iso(r[0]), r[1]) for r in minutes], "clicks per minute")
    settle(page, lambda: chart(page, CHARTS[2]) == [(_iso(r[0]), r[2]) for r in halves], "sessions")
    products = tables["products_last_hour"]
    assert bars(page, "pages") == [(title, number(n)) for _, _, n, title in products]
    assert all(f"{category} · {product}" in panel(page, "pages") for product, category, _, _ in products)
    assert bars(page, "categories") == [(name, number(n)) for name, n in tables["category_popularity"]]
    assert bars(page, "devices") == [(name, number(n)) for _, name, n in tables["device_type_popularity"]]
    total = sum(n for _, n in tables["category_popularity"])
    assert share(tables["category_popularity"][0][1] / total) in panel(page, "categories")
    for _, when, address, country in tables["latest_visitors"]:
        assert f"{when[11:]}\t{address}\t{country}" in panel(page, "latest")
    settle(page, lambda: [row[1] for row in cells(page, "log")], "the log is drawn")
    names = ("user", "from", "state", "product", "category")
    newest = [[step[name] for name in names] for step in reversed(steps)]
    shown = [row[1:6] for row in cells(page, "log")]
    assert len(shown) > 5
    assert shown == newest[: len(shown)]
    assert_now(page, writer)
    settle(page, lambda: cells(page, "raw"), "the raw data are drawn")
    for row, click in zip(cells(page, "raw"), tables["raw_data"], strict=False):
        assert row[1:9] == [str(click[i]) for i in (2, 7, 6, 5, 10, 9, 8, 11)]
        assert row[10] == click[3]


def assert_now(page: Page, writer: Writer) -> None:
    """Check the panels of who is here now against Redis."""
    facts, tables = writer.facts, writer.tables
    for name in ("online_5m", "bot_clicks_1h", "bot_visitors_15m", "offers_1h"):
        assert figure(page, name) == number(facts[name]), name
    assert figure(page, "sessions_now") == number(facts["sessions_active"])
    assert (
        figure(page, "bots_now")
        == figure(page, "bot_share")
        == share(facts["bot_clicks_1h"] / facts["clicks_1h"])
    )
    assert figure(page, "journeys_offer_share") == "12.9 %"
    assert figure(page, "journeys_offer_seconds") == "7 min 11 s"
    assert (figure(page, "offer-0"), figure(page, "offer-1")) == ("131", "114")
    looking = tables["looking_at"]
    assert bars(page, "looking-at") == [(title, number(n)) for _, _, title, n in looking]
    assert bars(page, "audience") == [(name, number(n)) for name, n in tables["audience_countries"]]
    assert bars(page, "bots") == [(name, number(n)) for name, _, n in tables["bots"]]
    assert all(kind in panel(page, "bots") for _, kind, _ in tables["bots"])
    trends = page.locator(".st-key-panel-trending ul.trends li")
    found = trends.evaluate_all(
        "rows => rows.map(r => [r.querySelector('bdi').textContent, r.querySelector('b').innerText])"
    )
    assert [(title, text.split()[0]) for title, text in found] == [
        (row[2], number(row[3])) for row in tables["trending"]
    ]
    assert [row.split()[1] for row in trends.locator("em").all_inner_texts()] == [
        row[5] for row in tables["trending"]
    ]
    people = page.locator(".st-key-panel-audience table.people td").all_inner_texts()
    wanted = {(gender, age): n for gender, age, n in tables["audience_people"]}
    ages = list(dict.fromkeys(age for _, age, _ in tables["audience_people"]))
    assert people == [number(wanted[gender, age]) for age in ages for gender in ("F", "M", "Unknown")]
    states = page.locator(".st-key-panel-journeys table.states tbody td").all_inner_texts()
    assert states == [
        text
        for _, state_, now, entered in tables["journeys"]
        for text in (
            "given up" if state_ == "init" else state_,
            "" if now is None else number(now),
            number(entered),
        )
    ]


def _iso(epoch_ms: int, zone: str = "UTC") -> str:
    return datetime.fromtimestamp(epoch_ms / 1000, timezone.utc).astimezone(ZoneInfo(zone)).isoformat()


def test_the_status_line(open_page: Open, writer: Writer) -> None:
    page = open_page()
    wait_state(page, "waiting")
    writer.publish()
    wait_state(page, "live")
    assert figure(page, "rate") == "\u2013", "one board says nothing of a rate"
    as_of = datetime.fromtimestamp(writer.facts["as_of"] / 1000, timezone.utc).strftime("%H:%M:%S")
    assert figure(page, "as_of") == as_of
    status = page.locator(".fresh").inner_text()
    assert "UTC, " in status
    assert "21 not JSON, 9 no userId, 7 more than 5 minutes ahead" in status
    assert figure(page, "rejected") == "37"
    assert figure(page, "late") == "1,204"
    assert figure(page, "lag") == str(writer.facts["lag"])
    first = dict(writer.facts)
    writer.fill(now_ms())
    writer.facts |= {"published_at": first["published_at"] + 2000, "clicks_total": first["clicks_total"] + 90}
    writer.facts |= {"lag": None, "entries_dropped_total": 5}
    writer.write()
    wait_until(lambda: figure(page, "rate") == "45.0", "clicks per second from two boards")
    assert figure(page, "lag") == "unknown"
    assert figure(page, "dropped") == "5"


def test_a_refresh_moves_nothing_and_keeps_every_chart(open_page: Open, writer: Writer) -> None:
    writer.fill(now_ms())
    writer.write(log=writer.steps(now_ms(), 30))
    page = open_page(height=4200)
    settle(page, lambda: len(chart(page, CHARTS[2])) == 17, "the charts are drawn")
    settle(page, lambda: len(cells(page, "raw")) > 5, "the tables are drawn")
    refreshed(page)
    page.evaluate(_REMEMBER)
    before = places(page)
    for _ in range(3):
        writer.publish()
        settle(page, lambda: chart(page, CHARTS[1]) == _clicks(writer), "the chart follows")
        wait_until(
            lambda: figure(page, "visitors_15m") == number(writer.facts["visitors_15m"]), "so do figures"
        )
    assert page.evaluate("kept.length") == 5
    assert page.evaluate("kept.every((node, i) => node.isConnected && node === find()[i])")
    assert places(page) == before
    assert page.evaluate("faded") == 0


def _clicks(writer: Writer) -> list[tuple[str, int]]:
    return [(_iso(minute_ms), clicks) for minute_ms, clicks, _ in writer.tables["last_15_minutes"]]


# Chart and table nodes, and how often a node was dimmed for being out of date.
_REMEMBER = """() => {
  window.find = () => [...document.querySelectorAll('.stVegaLiteChart svg, [data-testid=data-grid-canvas]')];
  window.kept = find(); window.faded = 0;
  const look = () => {
    const shown = [...document.querySelectorAll('.stElementContainer')];
    window.faded += shown.filter(node => getComputedStyle(node).opacity < 1).length;
    requestAnimationFrame(look);
  };
  look();
}"""


def test_a_table_keeps_sort_and_scroll(open_page: Open, writer: Writer) -> None:
    writer.publish()
    page = open_page(height=4200)
    settle(page, lambda: len(cells(page, "raw")) > 5, "the table is drawn")
    page.locator(".st-key-panel-raw .dvn-scroller").scroll_into_view_if_needed()
    box = page.locator(".st-key-panel-raw .dvn-scroller").bounding_box()
    assert box is not None
    page.mouse.click(box["x"] + 380, box["y"] + 16)  # the heading Title
    settle(page, lambda: _ordered([row[2] for row in cells(page, "raw")]), "the table is sorted by title")
    scroller = page.locator(".st-key-panel-raw .dvn-scroller")
    scroller.evaluate("s => { s.scrollTop = 640; s.scrollLeft = 120; }")
    for _ in range(2):
        writer.publish()
        settle(
            page, lambda: _visitors(page) <= {click[2] for click in writer.tables["raw_data"]}, "it follows"
        )
        refreshed(page, 1)
        assert _ordered([row[2] for row in cells(page, "raw")])
        assert scroller.evaluate("s => [s.scrollTop, s.scrollLeft]") == [640, 120]
        titles = sorted(click[7] for click in writer.tables["raw_data"])
        assert cells(page, "raw")[0][2] in titles[8:24], "scrolled, so not the first titles"


def _visitors(page: Page) -> set[str]:
    return {row[1] for row in cells(page, "raw")}


def _ordered(texts: list[str]) -> bool:
    return len(texts) > 5 and texts == sorted(texts) and texts[0] != texts[-1]


def test_one_time_zone_for_the_whole_page(open_page: Open, writer: Writer) -> None:
    writer.publish()
    page = open_page(height=4200, query="/?zone=Asia/Kolkata")
    as_of_ms, minute_ms = writer.facts["as_of"], writer.tables["last_15_minutes"][0][0]
    local = datetime.fromtimestamp(as_of_ms / 1000, ZoneInfo("Asia/Kolkata"))
    assert figure(page, "as_of") == local.strftime("%H:%M:%S")
    assert "IST, " in page.locator(".fresh").inner_text()
    settle(
        page,
        lambda: chart(page, CHARTS[0])[0][0] == _iso(minute_ms, "Asia/Kolkata"),
        "charts are in the zone",
    )
    seen = datetime.strptime(writer.tables["latest_visitors"][0][1] + "+0000", "%Y-%m-%d %H:%M:%S%z")
    assert seen.astimezone(ZoneInfo("Asia/Kolkata")).strftime("%H:%M:%S") in panel(page, "latest")
    page.get_by_role("combobox").click()
    page.keyboard.type("UTC")
    page.keyboard.press("Enter")
    utc = datetime.fromtimestamp(as_of_ms / 1000, timezone.utc)
    wait_until(lambda: figure(page, "as_of") == utc.strftime("%H:%M:%S"), "UTC is chosen")
    settle(page, lambda: chart(page, CHARTS[0])[0][0] == _iso(minute_ms), "charts are in UTC")


def test_utc_until_chosen_and_the_browser_zone_offered(open_page: Open, writer: Writer) -> None:
    writer.publish()
    page = open_page()
    assert "UTC, " in page.locator(".fresh").inner_text()
    page.get_by_role("combobox").click()
    assert page.get_by_role("option").all_inner_texts()[:2] == ["UTC", "America/New_York"]


@pytest.mark.parametrize(("scheme", "low", "high"), [("light", 200, 255), ("dark", 0, 60)])
def test_light_and_dark(open_page: Open, writer: Writer, scheme: str, low: int, high: int) -> None:
    writer.publish()
    page = open_page(scheme=scheme)
    settle(page, lambda: len(chart(page, CHARTS[0])) == 15, "the chart is drawn")
    card = _shades(page, ".st-key-panel-visitors", "backgroundColor")
    for shade in (*card, *_shades(page, ".stMain", "backgroundColor")):
        assert low <= shade <= high
    assert abs(_shades(page, "h2", "color")[1] - card[1]) > 150


def _shades(page: Page, part: str, style: str) -> list[int]:
    """Return red, green and blue (0 to 255) of a colour as it is painted."""
    shades: list[int] = page.evaluate(
        """([part, style]) => {
          const paint = document.createElement('canvas').getContext('2d');
          paint.fillStyle = getComputedStyle(document.querySelector(part))[style];
          paint.fillRect(0, 0, 1, 1);
          return [...paint.getImageData(0, 0, 1, 1).data].slice(0, 3);
        }""",
        [part, style],
    )
    return shades


def test_a_narrow_screen_shows_all_without_scrolling_sideways(open_page: Open, writer: Writer) -> None:
    writer.publish()
    page = open_page(width=390, height=844)
    settle(page, lambda: len(chart(page, CHARTS[2])) == 17, "the charts are drawn")
    widths = "[document.documentElement, document.querySelector('.stMain')].map(e => e.scrollWidth)"
    assert max(page.evaluate(widths)) <= 390
    outside = """[...document.querySelectorAll('[class*=st-key-panel-], [data-figure], ol.bars, table.plain')]
      .map(e => e.getBoundingClientRect()).filter(b => b.left < 0 || b.right > 390).length"""
    assert page.evaluate(outside) == 0
    assert [page.locator(f".st-key-panel-{name}").count() for name in ("visitors", "raw")] == [1, 1]


def test_many_categories_scroll_in_a_panel_of_its_size(open_page: Open, writer: Writer) -> None:
    writer.fill(now_ms())
    names = [f"Category {n}" for n in range(100)] + ["(2900 others)"]
    writer.tables["category_popularity"] = [[name, 200 - n] for n, name in enumerate(names)]
    writer.write()
    page = open_page()
    bars = page.locator(".st-key-panel-categories ol.bars")
    assert bars.locator("li").count() == 101
    assert "(2900 others)" in bars.inner_text()
    assert bars.evaluate("list => list.scrollHeight > 2 * list.clientHeight && list.clientHeight < 500")
    top_px = page.evaluate("document.querySelector('.st-key-panel-raw').getBoundingClientRect().top")
    assert top_px < 4000, "what is below is not pushed away"


def test_the_end_of_a_log_is_no_alarm(open_page: Open, writer: Writer) -> None:
    writer.fill(now_ms() - 86_400_000)
    writer.facts |= {"ended": True}
    writer.write()
    page = open_page()
    assert state(page) == "ended"
    assert page.locator(".greyed").count() == 0
    assert "has read its whole log" in page.locator(".verdict").inner_text()
    assert "1 s ago" in panel(page, "latest"), "times are relative to the log's end"
