"""Reading the page as it stands in the browser."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from playwright.sync_api import Page

from tests.support.servers import wait_until


def figure(page: Page, name: str) -> str:
    """Return the figure of that name as it is written."""
    return page.locator(f'[data-figure="{name}"]').inner_text()


def state(page: Page) -> str:
    """Return the state that the page says it is in."""
    return page.locator(".verdict").get_attribute("data-state") or ""


def wait_state(page: Page, wanted: str, timeout_s: float = 5.0) -> None:
    """Wait until the page says `wanted`."""
    wait_until(lambda: state(page) == wanted, f"the page says {wanted}", timeout_s)


def panel(page: Page, name: str) -> str:
    """Return all text of a panel."""
    return page.locator(f".st-key-panel-{name}").inner_text()


def bars(page: Page, name: str) -> list[tuple[str, str]]:
    """Return names and counts of a panel's bar list."""
    rows = page.locator(f".st-key-panel-{name} ol.bars li")
    return [tuple(row) for row in rows.evaluate_all(_BARS)]


_BARS = "rows => rows.map(r => [r.querySelector('bdi').textContent, r.querySelector('b').textContent])"


def chart(page: Page, name: str) -> list[tuple[str, int]]:
    """Return the rows a chart has drawn: the step's beginning (ISO 8601) and the count."""
    # Vega describes each mark to screen readers by its fields; areas and lines have one for their first row.
    marks = page.locator(
        f'[aria-label="{name}"] :is([aria-roledescription=point], [aria-roledescription=bar])'
    )
    texts: list[str] = marks.evaluate_all("marks => marks.map(mark => mark.getAttribute('aria-label'))")
    found = [re.match(r"\w[\w ]*: (\S+); \w+: ([\d,]+)", text) for text in texts]
    return [(hit[1], int(hit[2].replace(",", ""))) for hit in found if hit]


def cells(page: Page, name: str) -> list[list[str]]:
    """Return the rows that a data table shows at the moment."""
    table = page.locator(f'.st-key-panel-{name} [data-testid="stDataFrame"] table')
    rows: list[list[str]] = table.locator("tbody tr").evaluate_all(
        "rows => rows.map(row => [...row.querySelectorAll('td')].map(cell => cell.textContent))"
    )
    return rows


def places(page: Page) -> list[list[int]]:
    """Return where each panel stands on the page: left, top, width and height in pixels."""
    found: list[list[int]] = page.locator('[class*="st-key-panel-"]').evaluate_all(
        """panels => panels.map(panel => panel.getBoundingClientRect())
          .map(box => [box.x, box.y, box.width, box.height].map(Math.round))"""
    )
    return found


def refreshed(page: Page, times: int = 3) -> None:
    """Wait until the page has been refreshed `times` times."""
    for _ in range(times):
        changes(page, pulse, "the page refreshes")


def changes(page: Page, read: Callable[[Page], object], what: str) -> None:
    """Wait until `read` reads another thing than now."""
    before = read(page)
    wait_until(lambda: read(page) != before, what)


def pulse(page: Page) -> str | None:
    """Return the server's clock at the last refresh."""
    return page.locator(".pulse").get_attribute("data-at")


def settle(page: Page, ready: Callable[[], Any], what: str) -> None:
    """Wait until `ready` holds, reading the page afresh each time."""

    def holds() -> bool:
        try:
            return bool(ready())
        except (IndexError, KeyError):
            return False

    wait_until(holds, what)
