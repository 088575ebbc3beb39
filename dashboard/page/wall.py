"""The wall view (`?view=wall`): one screen for all in the office, legible from afar.

It shows no visitor's id, no address, no log and no raw data.
"""

from __future__ import annotations

from collections.abc import Sequence

from dashboard.data.board import Figures
from dashboard.data.tables import MINUTES
from dashboard.page.html import Bar, bar_list
from dashboard.page.panels.categories import POPULARITY
from dashboard.page.panels.journeys import offers
from dashboard.page.panels.looking_at import VIEWS
from dashboard.page.panels.trending import TRENDS, trend_html
from dashboard.page.parts import Html
from dashboard.page.text import UNKNOWN, number, safe

_PAGES, _TRENDS, _CATEGORIES = 6, 5, 6


def wall(board: Figures) -> Html:
    """Draw the figures of the wall."""
    return Html(
        '<div class="wall">'
        + _box("online", "Online now", "5 minutes", _large("wall_online", board.count("online_5m")))
        + _box(
            "clicks", "Clicks a minute", "the last whole minute", _large("wall_clicks", _last_minute(board))
        )
        + _box("offers", "Offers", "1 hour", _offers(board))
        + _box("looking", "What they look at now", "5 minutes", _looking(board))
        + _box("rising", "Rising and falling", "15 minutes", _trends(board))
        + _box("categories", "Categories", "clicks in 1 hour", _categories(board))
        + "</div>"
    )


def _box(name: str, title: str, window: str, body: str) -> str:
    return f'<section class="{name}"><h2>{title}<small>{window}</small></h2>{body}</section>'


def _large(name: str, value: int | None) -> str:
    return f'<p class="large" data-figure="{name}">{number(value)}</p>'


def _last_minute(board: Figures) -> int | None:
    minutes = board.rows(MINUTES)
    return minutes[-2].clicks if minutes and len(minutes) > 1 else None


def _offers(board: Figures) -> str:
    named = " · ".join(f"{safe(name)} {number(made)}" for name, made in offers(board)[:3])
    return _large("wall_offers", board.count("offers_1h")) + f'<p class="named">{named}</p>'


def _looking(board: Figures) -> str:
    rows = (board.rows(VIEWS) or ())[:_PAGES]
    return _bars([(row.title or row.product_id, row.visitors) for row in rows])


def _trends(board: Figures) -> str:
    if board.count("trending_rising") is None:
        return f'<p class="none">{UNKNOWN}</p>'
    rows = (board.rows(TRENDS) or ())[:_TRENDS]
    lines = "".join(map(trend_html, rows))
    return f'<ul class="trends">{lines}</ul>' if rows else '<p class="none">Nothing rises or falls.</p>'


def _categories(board: Figures) -> str:
    return _bars((board.rows(POPULARITY) or ())[:_CATEGORIES])


def _bars(rows: Sequence[tuple[str, int]]) -> str:
    most = max((count for _, count in rows), default=0)
    return (
        bar_list(Bar(name, count, most) for name, count in rows) if rows else f'<p class="none">{UNKNOWN}</p>'
    )
