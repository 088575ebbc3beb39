"""The page's logic, run by Streamlit's own AppTest without a browser."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from dashboard.data import feed, trust
from dashboard.page.text import number
from tests.dashboard.conftest import ROOT, now_ms
from tests.dashboard.writer import Writer
from tests.support.servers import RedisServer


@pytest.fixture
def app(redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[AppTest]:
    st.cache_resource.clear()
    # Each run of the page looks anew.
    monkeypatch.setattr(feed, "FRESH_MS", -1)
    monkeypatch.setenv("REDIS_URL", redis_server.url)
    yield AppTest.from_file(str(ROOT / "dashboard" / "app.py"), default_timeout=20)
    st.cache_resource.clear()


def html(app: AppTest) -> str:
    """Return all of the page's own HTML."""
    assert not app.exception
    return "\n".join(element.proto.body for element in app.get("html"))


def state(app: AppTest) -> str:
    """Return the state the page says it is in."""
    found = re.search(r'data-state="(\w+)"', html(app))
    return found[1] if found else ""


def figure(app: AppTest, name: str) -> str:
    """Return the figure of that name."""
    found = re.search(f'data-figure="{name}">([^<]*)<', html(app))
    return found[1] if found else ""


def test_from_nothing_to_boards_and_their_rate(app: AppTest, writer: Writer) -> None:
    assert state(app.run()) == "waiting"
    writer.publish()
    assert state(app.run()) == "live"
    assert figure(app, "rate") == "\u2013"
    writer.facts |= {"published_at": writer.facts["published_at"] + 500}
    writer.facts |= {"clicks_total": writer.facts["clicks_total"] + 1000}
    writer.write()
    assert figure(app.run(), "rate") == "2,000"


def test_the_panels_have_their_names(app: AppTest) -> None:
    names = re.findall("<h2>(.*?)</h2>", html(app.run()))
    assert names == [
        "What they look at now",
        "Rising and falling",
        "Visitors in the last 15 minutes",
        "Sessions in the last 8 hours",
        "Top 10 viewed pages in the last hour",
        "Category popularity in the last hour",
        "Devices connected right now",
        "Latest visitor details",
        "Audience in the last 15 minutes",
        "Bots",
        "Journeys",
        "State machine log",
        "Raw data view",
    ]


def test_zone_is_a_choice_that_starts_with_utc(app: AppTest, writer: Writer) -> None:
    writer.fill(1_700_000_000_000)
    writer.write()
    app.run()
    assert app.selectbox(key="zone").value == "UTC"
    assert figure(app, "as_of").endswith("22:13:21")
    app.selectbox(key="zone").select("Asia/Kathmandu").run()
    assert figure(app, "as_of").endswith("03:58:21")


def test_old_boards_are_stale_and_the_tables_whole(
    app: AppTest, writer: Writer, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer.publish_every_ms = 1000
    writer.fill(now_ms() - 60_000)
    writer.write(log=writer.steps(now_ms(), 3))
    assert state(app.run()) == "live"
    monkeypatch.setattr(trust, "STALE_AFTER_MS", -1)  # seen for so long, whatever its time of day
    monkeypatch.setattr(trust, "STALE_AFTER_INTERVALS", 0)
    assert state(app.run()) == "stale"
    log, raw = (table.value for table in app.dataframe)
    assert len(log) == 3
    assert len(raw) == 100
    assert raw["timestamp"].tolist() == [str(click[0]) for click in writer.tables["raw_data"]]
    assert raw["userAgent"].tolist() == [click[4] for click in writer.tables["raw_data"]]


def test_odd_cells_break_nothing(app: AppTest, writer: Writer) -> None:
    writer.fill(now_ms())
    odd = [None, 10**30, -1.5, True, {"a": 1}, ["x"], "", 1e308]
    writer.tables["raw_data"] = [[value] * 14 for value in odd]
    writer.write(log=[{"created": "1e300", "msg": "m"}, {"created": "nan", "user": "u"}])
    assert state(app.run()) == "live"
    assert len(app.dataframe[-1].value) == len(odd)


@pytest.mark.parametrize(
    ("variable", "value", "told"),
    [
        ("REDIS_URL", "http://u:s3cret@h", "REDIS_URL is &#x27;http&#x27;: start it with redis://"),
        ("REDIS_URL", "redis://u:s3c/ret@h", "REDIS_URL cannot be understood: percent-encode"),
        ("CLICKS_SHARDS", "<b>", "CLICKS_SHARDS is &#x27;&lt;b&gt;&#x27;: set it to a whole number"),
    ],
)
def test_a_wrong_setting_is_told(
    app: AppTest, monkeypatch: pytest.MonkeyPatch, variable: str, value: str, told: str
) -> None:
    monkeypatch.setenv(variable, value)
    assert told in html(app.run())
    assert "s3c" not in html(app)


def test_the_embedded_address_is_known(app: AppTest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("REDIS_URL")
    monkeypatch.setattr("flows.settings.EMBEDDED_URL", "unix:///tmp/nobody/valkey.sock")
    assert "Redis at /tmp/nobody/valkey.sock does not answer" in html(app.run())


def test_single_visitors_are_not_drawn_where_the_flow_or_the_page_says_so(
    app: AppTest, writer: Writer, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer.fill(now_ms())
    user = writer.tables["raw_data"][0][2]
    writer.facts["show_visitors"] = False
    writer.write(log=writer.steps(now_ms(), 3), rejected=[{"reason": "r", "position": "p", "record": user}])
    assert_impersonal(app.run())
    del writer.facts["show_visitors"]
    writer.write()
    assert len(app.run().dataframe) == 3
    monkeypatch.setenv("CLICKS_SHOW_VISITORS", "0")
    assert_impersonal(app.run())


def assert_impersonal(app: AppTest) -> None:
    """Check that nothing of a single visitor is on the page."""
    assert len(app.dataframe) == 0
    names = re.findall("<h2>(.*?)</h2>", html(app))
    assert "Bots" in names
    assert not {"Latest visitor details", "State machine log", "Raw data view"} & {*names}
    assert 'table class="plain"' not in html(app)


def test_the_log_can_be_searched_for_a_visitor_and_paused(app: AppTest, writer: Writer) -> None:
    writer.fill(now_ms())
    steps = writer.steps(now_ms(), 5)
    writer.write(log=steps)
    app.run()
    assert app.dataframe[0].value["user"].tolist() == [step["user"] for step in reversed(steps)]
    app.text_input(key="visitor").set_value(steps[1]["user"][:9].lower()).run()
    assert app.dataframe[0].value["user"].tolist() == [steps[1]["user"]]
    app.text_input(key="visitor").set_value("").run()
    app.toggle(key="pause-log").set_value(True).run()
    app.toggle(key="pause-raw").set_value(True).run()
    raw = app.dataframe[1].value["userId"].tolist()
    writer.fill(now_ms())
    writer.write(log=writer.steps(now_ms(), 1))
    app.run()
    assert len(app.dataframe[0].value) == 5
    assert app.dataframe[1].value["userId"].tolist() == raw
    assert figure(app, "online_5m") == number(writer.facts["online_5m"]), "all else goes on"
    app.toggle(key="pause-log").set_value(False).run()
    assert len(app.dataframe[0].value) == 6
    app.toggle(key="pause-raw").set_value(False).run()
    assert app.dataframe[1].value["userId"].tolist() == [row[2] for row in writer.tables["raw_data"]]
