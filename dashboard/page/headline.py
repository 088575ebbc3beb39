"""The headline: the answer at the top, in four figures; each says its window."""

from __future__ import annotations

from dashboard.data.board import Figures
from dashboard.page.panels.bots import bot_share
from dashboard.page.text import number, share


def headline(board: Figures) -> str:
    """Write who is here now, and what they do."""
    cells = (
        ("online_5m", number(board.count("online_5m")), "online now", "clicked in the last 5 minutes"),
        (
            "sessions_now",
            number(board.count("sessions_active")),
            "sessions active",
            "a click in the last 30 minutes",
        ),
        ("offers_now", number(board.count("offers_1h")), "offers", "made in the last hour"),
        ("bots_now", share(bot_share(board)), "bots", "of all clicks in the last hour"),
    )
    return (
        '<dl class="headline">'
        + "".join(
            f'<div><dt>{name}<small>{window}</small></dt><dd data-figure="{key}">{value}</dd></div>'
            for key, value, name, window in cells
        )
        + "</dl>"
    )
