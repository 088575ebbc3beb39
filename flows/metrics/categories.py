"""Category popularity: clicks per category."""

from __future__ import annotations

from flows.metrics.by_word import ByWord


class Categories(ByWord):
    """Clicks per category in the window."""

    column = "category"
    frames = ("category_popularity",)
