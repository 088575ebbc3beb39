"""The live page: `streamlit run dashboard/app.py`. Shows the newest board each second, to all who look."""

from __future__ import annotations

import gc
import sys
from pathlib import Path
from zoneinfo import ZoneInfo, available_timezones

import streamlit as st

HERE = Path(__file__).resolve().parent
if str(HERE.parent) not in sys.path:  # Streamlit puts only this file's folder on the path
    sys.path.insert(0, str(HERE.parent))

from dashboard.data.board import Board, Figures  # noqa: E402
from dashboard.data.feed import Feed, Sight  # noqa: E402
from dashboard.data.reader import Reader  # noqa: E402
from dashboard.door import is_own, refusal  # noqa: E402
from dashboard.page import header, layout  # noqa: E402
from dashboard.page.drawings import Drawings, Drawn  # noqa: E402
from dashboard.page.headline import headline  # noqa: E402
from dashboard.page.panels import rejected  # noqa: E402
from dashboard.page.panels.log import LOG  # noqa: E402
from dashboard.page.panels.panel import Panel, View  # noqa: E402
from dashboard.page.parts import Part  # noqa: E402
from flows.runtime.exits import SettingsError  # noqa: E402
from flows.settings import EMBEDDED_URL, Settings  # noqa: E402

REFRESH_S = 1.0


def main() -> None:
    """Draw the page once; after that only what is live runs, once a second."""
    st.set_page_config(page_title="Clicks", layout="wide", page_icon=(HERE / "icon.svg").read_text())
    st.html(HERE / "page/style.css")
    host = st.context.headers.get("Host")
    if not is_own(host, [str(st.get_option(name)) for name in ("browser.serverAddress", "server.address")]):
        st.error(refusal(host or ""))
        st.stop()
    if st.query_params.get("view") == "wall":
        asked = st.query_params.get("zone", "UTC")
        wall(ZoneInfo(asked if asked in available_timezones() else "UTC"))
        return
    title, choice = st.columns([4, 1], vertical_alignment="bottom")
    title.html("<h1>Clicks</h1>")
    with choice:
        zone = st.selectbox("Time zone", _zones(), key="zone", bind="query-params")
    live(ZoneInfo(zone or "UTC"))


def _zones() -> list[str]:
    """UTC, the browser's own zone, then all others."""
    own = [name for name in (st.context.timezone,) if name in available_timezones() and name != "UTC"]
    return ["UTC", *own, *sorted(available_timezones() - {"UTC", *own})]


@st.fragment(run_every=REFRESH_S)
def live(zone: ZoneInfo) -> None:
    """Show all that changes, all in `zone`."""
    feed, drawings = _shared()
    sight = feed.look()
    watch, flow_ms = sight.watch, sight.flow_ms
    st.html(
        header.verdict(sight.state, watch, zone, flow_ms, sight.ahead_ms)
        + headline(sight.board or Figures())
        + header.freshness(sight.state, watch, zone, flow_ms)
    )
    drawn, personal = drawings.of(sight.board, zone), _is_personal(sight.board)
    with st.container(key="figures"):
        for row in layout.rows(personal=personal):
            places = st.columns([width for _, width in row]) if len(row) > 1 else [st.container(gap=None)]
            for place, (panel, _) in zip(places, row, strict=True):
                with place, panel.frame():
                    for part in _parts(panel, sight, zone, drawn):
                        part.show()
        if personal:
            rejected.show(drawn["rejected"])


def _parts(panel: Panel, sight: Sight, zone: ZoneInfo, drawn: Drawn) -> list[Part]:
    """Return what a viewer is shown of a panel: of the newest board, or as it was when they paused it."""
    if not panel.can_pause:
        return drawn[panel.key]
    with st.container(horizontal=True, key=f"controls-{panel.key}", vertical_alignment="center"):
        visitor = _visitor() if panel is LOG else ""
        paused = st.toggle("Pause", key=f"pause-{panel.key}")
    if not paused:
        st.session_state.pop(f"paused-{panel.key}", None)
        if not visitor:
            return drawn[panel.key]
    board = st.session_state.setdefault(f"paused-{panel.key}", sight.board) if paused else sight.board
    kept = st.session_state.get(f"kept-{panel.key}")
    if kept is None or kept[:3] != (id(board), zone.key, visitor):
        view = View(zone, board.as_of_ms if board else 0, visitor)
        kept = id(board), zone.key, visitor, panel.parts(board or Figures(), view)
        st.session_state[f"kept-{panel.key}"] = kept
    parts: list[Part] = kept[3]
    return parts


def _visitor() -> str:
    """Return the part of a visitor's id that a viewer looks for."""
    return st.text_input(
        "Visitor", key="visitor", placeholder="Visitor's id", label_visibility="collapsed", max_chars=256
    )


@st.fragment(run_every=REFRESH_S)
def wall(zone: ZoneInfo) -> None:
    """Show the figures of the wall, and the state of the page around them."""
    feed, drawings = _shared()
    sight = feed.look()
    verdict = header.verdict(sight.state, sight.watch, zone, sight.flow_ms, sight.ahead_ms)
    st.html(verdict + header.pulse(sight.flow_ms))
    with st.container(key="figures"):
        for part in drawings.of(sight.board, zone)["wall"]:
            part.show()


def _is_personal(board: Board | None) -> bool:
    """Return whether single visitors are shown: neither the flow nor the page's own settings say no."""
    try:
        shown = Settings.from_env().show_visitors
    except SettingsError:
        return False
    return shown and (board is None or board.facts.get("show_visitors") is not False)


@st.cache_resource(show_spinner=False)
def _shared() -> tuple[Feed, Drawings]:
    """Return what all viewers share."""
    # Streamlit collects garbage after each run of the page. What is there now stays: not looked at again.
    gc.collect()
    gc.freeze()
    return Feed(lambda: Reader(Settings.from_env().redis_url or EMBEDDED_URL, layout.TABLES)), Drawings()


if __name__ == "__main__":
    main()
