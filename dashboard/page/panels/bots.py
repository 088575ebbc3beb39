"""Bots, which all other panels leave out: how many, which, and what share of the clicks is theirs."""

from __future__ import annotations

from collections.abc import Iterator

from dashboard.data.board import Figures, Row, Table
from dashboard.data.values import text
from dashboard.page.html import Bar, bar_list, figures
from dashboard.page.panels.panel import Panel, View, empty
from dashboard.page.parts import Html, Part
from dashboard.page.text import number, share
from flows.metrics.bots import Bots

HEIGHT = 332


def _bot(row: Row) -> tuple[str, str, int]:
    return text(row["name"]), text(row["kind"]), int(row["clicks"])


# (name, kind, clicks in the last hour)
NAMES = Table(Bots.frames[0], _bot)


def bot_share(board: Figures) -> float | None:
    """Return the share of all clicks of the last hour that are bots'; None if unknown, or of nothing."""
    bots, clicks = board.count("bot_clicks_1h"), board.count("clicks_1h")
    return bots / clicks if bots is not None and clicks else None


def _draw(board: Figures, view: View) -> Iterator[Part]:
    yield Html(
        figures(
            [
                (share(bot_share(board)), "of all clicks, 1 h", "bot_share"),
                (number(board.count("bot_clicks_1h")), "clicks of bots, 1 h", "bot_clicks_1h"),
                (number(board.count("bot_visitors_15m")), "bots, 15 min", "bot_visitors_15m"),
            ]
        )
    )
    rows = board.rows(NAMES)
    yield Html('<p class="of">The ten busiest<em>clicks in the last hour</em></p>')
    if not rows:
        yield empty(rows, "No bot in the last hour.", HEIGHT)
        return
    most = max(clicks for _, _, clicks in rows)
    yield Html(bar_list(Bar(name, clicks, most, under=kind) for name, kind, clicks in rows))


BOTS = Panel(
    key="bots",
    title="Bots",
    definition="By user agent or device type; all else is without them, unless CLICKS_BOTS is count.",
    tables=[NAMES],
    draw=_draw,
)
