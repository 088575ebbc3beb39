"""The newest records set aside, folded away below the panels."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from dashboard.data.board import Figures
from dashboard.page.panels.panel import ROW_HEIGHT


def rejected(board: Figures) -> None:
    """Draw them."""
    with st.expander("Rejected records", key="rejected"):
        rows = board.rejected
        if not rows:
            st.html('<p class="def">None kept.</p>')
            return
        frame = pd.DataFrame(
            [(r.reason, r.position, r.record) for r in rows], columns=["reason", "position", "record"]
        )
        columns = {
            "reason": st.column_config.TextColumn("Reason", width=200),
            "position": st.column_config.TextColumn("Position in the source", width=180),
            "record": st.column_config.TextColumn("First 512 bytes", width=800),
        }
        st.dataframe(frame, hide_index=True, height=300, row_height=ROW_HEIGHT, column_config=columns)
