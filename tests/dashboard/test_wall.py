"""The wall view in Chromium: one screen, what Redis holds, no single visitor, and its state from afar."""

from __future__ import annotations

import pytest
from playwright.sync_api import Browser, Page

from dashboard.page.text import number
from tests.dashboard.conftest import PageServer, now_ms
from tests.dashboard.looking import figure, wait_state
from tests.dashboard.writer import Writer
from tests.support.servers import wait_until

SIZES = [(1920, 1080), (1080, 1920)]


def opened(browser: Browser, server: PageServer, width: int, height: int, scheme: str = "light") -> Page:
    page = browser.new_page(viewport={"width": width, "height": height}, color_scheme=scheme)  # type: ignore[arg-type]
    page.goto(server.url + "/?view=wall")
    page.wait_for_selector(".wall", timeout=20_000)
    return page


@pytest.mark.parametrize(("width", "height"), SIZES)
def test_one_screen_shows_what_redis_holds(
    browser: Browser, page_server: PageServer, writer: Writer, width: int, height: int
) -> None:
    writer.publish()
    page = opened(browser, page_server, width, height)
    wait_state(page, "live")
    facts, tables = writer.facts, writer.tables
    wait_until(lambda: figure(page, "wall_online") == number(facts["online_5m"]), "who is online")
    assert figure(page, "wall_clicks") == number(tables["last_15_minutes"][-2][1])
    assert figure(page, "wall_offers") == number(facts["offers_1h"])
    names = (
        "rows => rows.map(row => [row.querySelector('bdi').textContent, row.querySelector('b').textContent])"
    )
    looking = page.locator(".wall .looking li").evaluate_all(names)
    assert looking == [[title, number(n)] for _, _, title, n in tables["looking_at"][:6]]
    categories = page.locator(".wall .categories li").evaluate_all(names)
    assert categories == [[name, number(n)] for name, n in tables["category_popularity"][:6]]
    assert page.locator(".wall .rising li").count() == len(tables["trending"])
    assert_fits(page)
    smallest = """Math.min(...[...document.querySelectorAll('.wall :is(bdi, b, h2, p)')]
      .map(e => parseFloat(getComputedStyle(e).fontSize)))"""
    # Letters of 5.5 mm on a screen of 60 cm height: one in 730 of 4 m, which a normal eye reads with ease.
    assert page.evaluate(smallest) >= 20
    page.close()


def assert_fits(page: Page) -> None:
    """Check that all of it is on the screen: nothing to scroll, nothing beyond its edges."""
    scrolls = """[document.documentElement, document.querySelector('.stMain')]
      .some(e => e.scrollHeight > innerHeight + 1 || e.scrollWidth > innerWidth + 1)"""
    assert not page.evaluate(scrolls)
    cut = """[...document.querySelectorAll('.wall section, .wall li, .wall p')].filter(e => {
        const box = e.getBoundingClientRect(), around = e.closest('section').getBoundingClientRect();
        return box.bottom > Math.min(innerHeight, around.bottom + 1) || box.right > innerWidth;
      }).length"""
    assert page.evaluate(cut) == 0


def test_it_shows_no_single_visitor(browser: Browser, page_server: PageServer, writer: Writer) -> None:
    writer.fill(now_ms())
    writer.write(log=writer.steps(now_ms(), 30))
    page = opened(browser, page_server, *SIZES[0])
    wait_state(page, "live")
    content = page.content()
    for row in writer.tables["raw_data"]:
        assert str(row[2]) not in content
        assert str(row[3]) not in content
    assert page.locator("[data-testid=stDataFrame]").count() == 0
    page.close()


def test_its_state_is_a_frame_around_the_screen(
    browser: Browser, page_server: PageServer, writer: Writer
) -> None:
    frame = "getComputedStyle(document.querySelector('.stApp'), '::after').borderTopWidth"
    writer.publish()
    page = opened(browser, page_server, *SIZES[0])
    wait_state(page, "live")
    assert page.evaluate(frame) in ("0px", "")
    writer.client.set("board", "no board")
    wait_state(page, "unreadable")
    wait_until(lambda: float(page.evaluate(frame).removesuffix("px") or 0) > 10, "the frame is there")
    assert "Cannot read the board" in page.locator(".verdict").inner_text()
    assert page.locator(".verdict.greyed").count() == 1
    assert_fits(page)
    page.close()
