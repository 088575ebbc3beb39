"""The live page: `streamlit run dashboard/app.py`. Reads a board from Redis each second and draws it."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from zoneinfo import ZoneInfo, available_timezones

import streamlit as st

HERE = Path(__file__).resolve().parent
if str(HERE.parent) not in sys.path:  # Streamlit puts only this file's folder on the path
    sys.path.insert(0, str(HERE.parent))

from dashboard.data.board import Board, Figures  # noqa: E402
from dashboard.data.reader import BoardError, Reader  # noqa: E402
from dashboard.data.trust import Watch  # noqa: E402
from dashboard.door import is_own, refusal  # noqa: E402
from dashboard.page import header, layout  # noqa: E402
from dashboard.page.panels.panel import View  # noqa: E402
from flows.runtime.exits import SettingsError  # noqa: E402
from flows.settings import EMBEDDED_URL, Settings  # noqa: E402

REFRESH_S = 1.0


def main() -> None:
    """Draw the page once; after that only `live` runs, once a second."""
    st.set_page_config(page_title="Clicks", layout="wide", page_icon=(HERE / "icon.svg").read_text())
    st.html(HERE / "page/style.css")
    host = st.context.headers.get("Host")
    if not is_own(host, [str(st.get_option(name)) for name in ("browser.serverAddress", "server.address")]):
        st.error(refusal(host or ""))
        st.stop()
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
    """Read Redis once and draw everything that changes, all in `zone`."""
    watch: Watch = st.session_state.setdefault("watch", Watch())
    watch.see(_read(), time.monotonic() * 1000)
    now_ms, ticks_ms = time.time() * 1000, time.monotonic() * 1000
    state, flow_ms = watch.state(now_ms, ticks_ms), watch.flow_ms(now_ms, ticks_ms)
    st.html(header.verdict(state, watch, zone, flow_ms, watch.ahead_ms(now_ms, ticks_ms)))
    st.html(header.freshness(state, watch, zone, flow_ms))
    board = watch.board
    ended_ms = board.as_of_ms if board and board.ended else None
    with st.container(key="figures"):
        layout.draw(board or Figures(), View(zone, ended_ms or flow_ms))


def _read() -> Board | BoardError | None:
    try:
        return _reader().read()
    except BoardError as error:
        return error
    except SettingsError as error:
        return BoardError(str(error))


@st.cache_resource(show_spinner=False)
def _reader() -> Reader:
    return Reader(Settings.from_env().redis_url or EMBEDDED_URL, layout.TABLES)


if __name__ == "__main__":
    main()
