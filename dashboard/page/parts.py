"""Parts of a panel: what is drawn of a board, made once for all viewers and then shown to each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import pyarrow as pa  # type: ignore[import-untyped]
import streamlit as st

from dashboard.page.text import UNKNOWN

TABLE_HEIGHT = 420
ROW_HEIGHT = 32


class Part(Protocol):
    """A part of a panel, complete: to show it costs next to nothing."""

    def show(self) -> None:
        """Put it on the page of the viewer who is served."""


@dataclass(frozen=True)
class Html:
    """A piece of HTML."""

    text: str

    def show(self) -> None:
        """Put it on the page."""
        st.html(self.text)


@dataclass(frozen=True)
class Chart:
    """A chart: its Vega-Lite specification with its rows in it; `name` is what it is called when read out."""

    spec: Mapping[str, Any]
    height: int
    name: str

    def show(self) -> None:
        """Put it on the page."""
        st.vega_lite_chart(None, dict(self.spec), height=self.height, key=self.name, alt=self.name)


@dataclass(frozen=True)
class Grid:
    """A table to sort and search in; it keeps its sort and scroll from board to board, by its `key`."""

    table: pa.Table
    columns: Mapping[str, Any]
    key: str
    height: int = TABLE_HEIGHT

    def show(self) -> None:
        """Put it on the page."""
        st.dataframe(
            self.table,
            hide_index=True,
            height=self.height,
            row_height=ROW_HEIGHT,
            column_config=dict(self.columns),
            key=self.key,
            placeholder=UNKNOWN,
        )
