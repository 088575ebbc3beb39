"""Pieces of HTML that the panels are made of; the foreign text of a bar is made safe here."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from dashboard.page.text import hint, number, safe


def figures(rows: Iterable[tuple[str, str, str]]) -> str:
    """Set figures large with their captions; each is marked with the board's name for it."""
    cells = "".join(
        f'<div><dt>{caption}</dt><dd data-figure="{name}">{value}</dd></div>' for value, caption, name in rows
    )
    return f'<dl class="figures">{cells}</dl>'


@dataclass(frozen=True)
class Bar:
    """A line of a bar list, in foreign text as it came: name, count, the longest bar's count, small print."""

    name: str
    count: int
    most: int
    under: str = ""
    note: str = ""

    def html(self) -> str:
        """Draw it."""
        width = f"{self.count / self.most:.1%}" if self.most else "0"
        under = f"<small>{safe(self.under)}</small>" if self.under else ""
        note = f"<em>{self.note}</em>" if self.note else ""
        full = hint(f"{self.name} · {self.under}" if self.under else self.name)
        return (
            f'<li><span class="name" title="{full}"><i style="width:{width}"></i>'
            f"<span>{safe(self.name)}{under}</span></span><b>{number(self.count)}</b>{note}</li>"
        )


def bar_list(bars: Iterable[Bar]) -> str:
    """Draw bars below each other; many can be scrolled, with the keyboard too."""
    return f'<ol class="bars" tabindex="0">{"".join(bar.html() for bar in bars)}</ol>'
