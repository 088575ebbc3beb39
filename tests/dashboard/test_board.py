"""The door to Redis: one round trip, typed figures, unknown kept apart from zero, no credentials anywhere."""

from __future__ import annotations

import json
import time
from io import StringIO

import pandas as pd
import pytest
import redis

from dashboard.data.board import Figures
from dashboard.data.reader import BoardError, Reader, UnreachableError, UnreadableError
from dashboard.data.tables import CLICKS, MINUTES, Minute
from dashboard.page import layout
from dashboard.page.panels.categories import POPULARITY
from dashboard.page.panels.devices import TYPES
from dashboard.page.panels.latest import NEWEST, Visitor
from dashboard.page.panels.pages import TOP, Page
from dashboard.page.panels.sessions import HALF_HOURS
from tests.dashboard.conftest import SECRET, now_ms
from tests.dashboard.writer import Writer
from tests.support.published import FRAMES
from tests.support.servers import RedisServer, free_port


def reader_of(url: str) -> Reader:
    return Reader(url, layout.TABLES)


def test_a_board_is_read_as_it_was_written(redis_server: RedisServer, writer: Writer) -> None:
    writer.fill(now_ms())
    steps = writer.steps(1_700_000_000_123, 3)
    writer.write(log=steps, rejected=[{"reason": "not JSON", "position": "0:17", "record": "{"}])
    board = reader_of(redis_server.url).read()
    assert board is not None
    facts, tables = writer.facts, writer.tables
    assert board.as_of_ms == facts["as_of"]
    assert board.published_at_ms == facts["published_at"]
    for name in ("visitors_15m", "sessions_8h", "sessions_active", "session_seconds_mean", "devices_now"):
        assert board.mean(name) == facts[name]
    assert board.rejected_reasons == facts["rejected"]
    assert board.rows(MINUTES) == tuple(Minute(*row) for row in tables["last_15_minutes"])
    assert [sessions for _, sessions in board.rows(HALF_HOURS) or ()] == [r[2] for r in tables["sessions"]]
    assert board.rows(TYPES) == tuple((r[1], r[2]) for r in tables["device_type_popularity"])
    assert board.rows(TOP) == tuple(Page(p, c, title, n) for p, c, n, title in tables["products_last_hour"])
    assert board.rows(POPULARITY) == tuple((r[0], r[1]) for r in tables["category_popularity"])
    latest = [
        Visitor(int(pd.Timestamp(r[1], tz="UTC").timestamp()) * 1000, r[2], r[3])
        for r in tables["latest_visitors"]
    ]
    assert board.rows(NEWEST) == tuple(latest)
    assert board.rows(CLICKS) == tuple(
        dict(zip(FRAMES["raw_data"], r, strict=True)) for r in tables["raw_data"]
    )
    assert [line.msg for line in board.log or ()] == [step["msg"] for step in reversed(steps)]
    assert board.log is not None
    assert board.log[0].at_ms == 1_700_000_000_123
    assert board.rejected is not None
    assert board.rejected[0].reason == "not JSON"


def test_text_that_looks_like_a_number_stays_text(redis_server: RedisServer, writer: Writer) -> None:
    writer.empty(now_ms())
    writer.tables["products_last_hour"] = [["00123", "1e5", 3, "2024-01-01"]]
    writer.write()
    board = reader_of(redis_server.url).read()
    assert board is not None
    assert board.rows(TOP) == (Page("00123", "1e5", "2024-01-01", 3),)
    guessed = pd.read_json(StringIO(str(writer.client.get("products_last_hour"))))
    assert guessed["productId"].tolist() != ["00123"], "pandas no longer guesses: its reader could be used"


def test_empty_is_not_unknown(redis_server: RedisServer, writer: Writer) -> None:
    writer.empty(now_ms())
    writer.write()
    writer.client.delete("sessions")
    board = reader_of(redis_server.url).read()
    assert board is not None
    assert board.rows(MINUTES) == ()
    assert board.rows(HALF_HOURS) is None
    assert board.count("visitors_15m") == 0
    assert board.mean("session_seconds_mean") is None
    assert Figures().count("visitors_15m") is None


def test_a_board_is_read_at_once_and_without_a_transaction(redis_server: RedisServer, writer: Writer) -> None:
    writer.fill(now_ms())
    writer.write()
    reader = reader_of(redis_server.url)
    reader.read()
    before = _calls(writer.client)
    reader.read()
    made = {name: n - before.get(name, 0) for name, n in _calls(writer.client).items()}
    made = {name: n for name, n in made.items() if n and name != "info"}
    assert made == {"strlen": 15, "memory|usage": 2, "mget": 1, "xrevrange": 2}


def _calls(client: redis.Redis) -> dict[str, int]:
    stats = client.info("commandstats")
    return {name.removeprefix("cmdstat_"): stat["calls"] for name, stat in stats.items()}


def test_no_board_is_none(redis_server: RedisServer, client: redis.Redis) -> None:
    assert reader_of(redis_server.url).read() is None


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("board", "[]"),
        ("board", "{}"),
        ("board", "not JSON"),
        ("sessions", '{"datetime": {"0": null}, "userId": {"0": 1}, "count": {"0": 1}}'),
        ("sessions", '{"datetime": {"0": 1}}'),
        ("sessions", '{"datetime": [1]}'),
        ("sessions", '{"datetime": {"0": Infinity}, "userId": {"0": 1}, "count": {"0": 1}}'),
        ("last_15_minutes", '{"datetime": {"0": 1e18}, "visitors": {"0": 1}, "count": {"0": 1}}'),
        ("board", '{"as_of": 1e18, "published_at": 1}'),
        ("category_popularity", "<html>"),
    ],
)
def test_what_is_no_board_is_named(redis_server: RedisServer, writer: Writer, key: str, value: str) -> None:
    writer.fill(now_ms())
    writer.write()
    writer.client.set(key, value)
    with pytest.raises(UnreadableError) as caught:
        reader_of(redis_server.url).read()
    told = f"The key {key} does not hold what this flow publishes: is it the right Redis?"
    assert str(caught.value) == told


def test_a_stream_of_another_type_is_unknown_and_hides_nothing_else(
    redis_server: RedisServer, writer: Writer
) -> None:
    writer.fill(now_ms())
    writer.write()
    writer.client.delete("state_logs")
    writer.client.set("state_logs", "no stream")
    board = reader_of(redis_server.url).read()
    assert board is not None
    assert (board.log, board.rejected) == (None, ())
    assert board.count("visitors_15m") == writer.facts["visitors_15m"]


@pytest.mark.parametrize("value", ["[" * 100_000, '{"a":' * 100_000])
def test_what_is_nested_without_end_is_no_board(
    redis_server: RedisServer, writer: Writer, value: str
) -> None:
    writer.fill(now_ms())
    writer.write()
    writer.client.set("raw_data", value)
    with pytest.raises(UnreadableError, match="The key raw_data does not hold what this flow publishes"):
        reader_of(redis_server.url).read()


def test_what_no_flow_publishes_is_not_loaded(redis_server: RedisServer, writer: Writer) -> None:
    writer.fill(now_ms())
    writer.write()
    writer.client.set("raw_data", " " * (18 << 20))
    with pytest.raises(UnreadableError) as caught:
        reader_of(redis_server.url).read()
    told = "The key raw_data has 18 MB, more than any flow publishes: is it the right Redis?"
    assert str(caught.value) == told
    writer.write()
    for _ in range(40):
        writer.client.xadd("rejected", {"record": "x" * 500_000})
    with pytest.raises(UnreadableError, match=r"^The key rejected has \d+ MB, more than any flow publishes"):
        reader_of(redis_server.url).read()


def test_the_page_takes_no_more_than_it_draws(redis_server: RedisServer, writer: Writer) -> None:
    writer.fill(now_ms())
    writer.tables["category_popularity"] = [[f"category {n}", n] for n in range(10_000)]
    writer.tables["raw_data"] = [["x" * 5000 for _ in FRAMES["raw_data"]] for _ in range(150)]
    writer.facts["publish_every_ms"] = 10**17
    writer.write()
    board = reader_of(redis_server.url).read()
    assert board is not None
    categories, clicks = board.rows(POPULARITY) or (), board.rows(CLICKS) or ()
    assert (len(categories), len(clicks)) == (101, 101)
    assert {len(str(cell)) for row in clicks for cell in row.values()} == {512}
    assert board.publish_every_ms == 3_600_000


def test_a_full_redis_still_shows_its_board() -> None:
    with RedisServer() as server, server.client() as client:
        writer = Writer(client)
        writer.fill(now_ms())
        writer.write()
        client.config_set("maxmemory-policy", "noeviction")
        client.config_set("maxmemory", "1mb")
        board = reader_of(server.url).read()
        assert board is not None
        assert board.count("visitors_15m") == writer.facts["visitors_15m"]


def test_no_redis(redis_server: RedisServer) -> None:
    port = free_port()
    with pytest.raises(UnreachableError) as caught:
        reader_of(f"redis://u:{SECRET}@127.0.0.1:{port}/0").read()
    reason = f"Error 111 connecting to 127.0.0.1:{port}. Connection refused"
    assert str(caught.value) == f"Redis at 127.0.0.1:{port}/0 does not answer ({reason}): is it running?"


def test_a_wrong_password(redis_server: RedisServer) -> None:
    with pytest.raises(UnreachableError) as caught:
        reader_of(redis_server.url.replace(SECRET, "wr0ng")).read()
    where = f"Redis at 127.0.0.1:{redis_server.port}/0"
    reason = "invalid username-password pair or user is disabled"
    assert str(caught.value) == f"{where} refuses this user or password ({reason}): check REDIS_URL"


def test_a_redis_that_hangs_is_told_in_time() -> None:
    with RedisServer() as server:
        reader = reader_of(server.url)
        assert reader.read() is None
        server.pause()
        start_s = time.monotonic()
        with pytest.raises(UnreachableError, match="does not answer"):
            reader.read()
        assert time.monotonic() - start_s < 3
        server.resume()
        assert reader.read() is None


@pytest.mark.parametrize(
    "url",
    ["redis://u:12/s3cret@h:1/0", "redis://u:12?s3cret@h/0", "redis://:s3cret/x@h", "redis://u:1#s3cret@h"],
)
def test_a_password_that_breaks_the_url_stays_secret(url: str) -> None:
    with pytest.raises(BoardError) as caught:
        reader_of(url).read()
    told = "REDIS_URL cannot be understood: percent-encode the special characters of its password."
    assert str(caught.value) == told
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__ or caught.value.__context__ is None


def test_a_wrong_option_of_the_url() -> None:
    with pytest.raises(BoardError, match=r"^REDIS_URL has an option 'socket_timeout' that cannot be read"):
        reader_of(f"redis://u:{SECRET}@127.0.0.1:1/0?socket_timeout=soon").read()


def test_the_writer_follows_the_contract(writer: Writer) -> None:
    writer.fill(now_ms())
    writer.write()
    frame = pd.read_json(StringIO(str(writer.client.get("last_15_minutes"))))
    assert list(frame.columns) == ["datetime", "count", "visitors"]
    assert json.loads(str(writer.client.get("board")))["as_of"] == writer.facts["as_of"]
