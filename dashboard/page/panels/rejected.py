"""The newest records set aside, folded away below the panels."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import pandas as pd
import streamlit as st

from dashboard.data.board import Figures
from dashboard.page.charts import arrow
from dashboard.page.parts import Grid, Html, Part


def parts(board: Figures) -> Iterator[Part]:
    """Draw them."""
    rows = board.rejected
    if not rows:
        yield Html('<p class="def">None kept.</p>')
        return
    frame = pd.DataFrame(
        [(r.reason, r.position, r.record) for r in rows], columns=["reason", "position", "record"]
    )
    columns = {
        "reason": st.column_config.TextColumn("Reason", width=200),
        "position": st.column_config.TextColumn("Position in the source", width=180),
        "record": st.column_config.TextColumn("First 512 bytes", width=800),
    }
    yield Grid(arrow(frame), columns, "rejected-records", height=300)


def show(drawn: Iterable[Part]) -> None:
    """Put them on the page."""
    with st.expander("Rejected records", key="rejected"):
        for part in drawn:
            part.show()
