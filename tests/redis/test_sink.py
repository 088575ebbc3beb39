"""The Redis sink against real servers that die, hang, fill up, forget and refuse."""

from __future__ import annotations

import json
import logging
import selectors
import socket
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager, suppress
from threading import Event, Thread
from typing import Any, cast

import numpy as np
import pytest
import redis
from bytewax.outputs import StatelessSinkPartition

from flows.entries.entry import Entries, Ordinal, pack
from flows.entries.outbox import Note, Receipts
from flows.model.board import Board
from flows.model.streams import StreamName
from flows.settings import Settings
from flows.sinks import writer as writer_module
from flows.sinks.queue import Queue
from flows.sinks.redis import sink as redis_sink
from flows.sinks.redis.backlog import MAXLEN
from flows.sinks.redis.entries import arguments
from flows.sinks.redis.sink import RedisSink
from flows.sinks.redis.url import address
from tests.support.published import FRAMES
from tests.support.servers import Kind, RedisServer, free_port, wait_until

KEYS = tuple(FRAMES)
Partition = StatelessSinkPartition[Board | list[Entries]]


@pytest.fixture
def server() -> Iterator[RedisServer]:
    with RedisServer() as running:
        yield running


@pytest.fixture(autouse=True)
def _logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "clicks.redis")


def board(number: int, padding: int = 0) -> Board:
    values = {key: json.dumps({"number": number, "padding": "x" * padding}) for key in KEYS}
    return Board(number, {**values, "board": json.dumps({"as_of": number, "number": number})})


REJECTED = {"reason": ["not_json"] * 1200, "record": [b"{"] * 1200}
# The field that has an entry's number.
NUMBER = {"state_logs": "user", "special_offers": "offer", "rejected": "reason"}


def entries(stream: StreamName, numbers: range, origin: str = "0") -> list[Board | list[Entries]]:
    texts = [str(number) for number in numbers]
    number = np.array(numbers, np.int64)
    fields: dict[str, Any] = {"reason": texts, "record": [b"\xff"] * len(texts)}
    if stream != "rejected":
        fields = dict.fromkeys(("user", "product", "category", "state", "offer"), texts) | {"time_ns": number}
    return [list(pack(stream, origin, [number], fields))]


def entry(origin: str, ordinal: Ordinal, value: str) -> list[Board | list[Entries]]:
    fields = {"reason": [value], "record": [value.encode(errors="surrogatepass")]}
    return [list(pack("rejected", origin, [np.array([number]) for number in ordinal], fields))]


class Written(Receipts):
    """What the sink says of streams: the ordinal up to which each is written."""

    def __init__(self) -> None:
        super().__init__()
        self.up_to: dict[str, list[int]] = {}

    def sink(self, streams: Iterable[StreamName]) -> Note:
        return self.note

    def note(self, stream: StreamName, origin: str, ordinal: Ordinal) -> None:
        self.up_to.setdefault(stream, []).append(ordinal[0])

    def all_up_to(self, ordinal: int, *streams: StreamName) -> bool:
        return all(self.up_to.get(stream, [-1])[-1] == ordinal for stream in streams)


@contextmanager
def opened(
    server: RedisServer, receipts: Receipts | None = None, keep_ms: int = 86_400_000
) -> Iterator[Partition]:
    partition = RedisSink(Settings(redis_url=server.url, keep_ms=keep_ms), receipts).build("redis", 0, 1)
    yield partition
    partition.close()


@contextmanager
def boards_flowing(
    partition: Partition, every_s: float = 0.02, padding: int = 0
) -> Iterator[Callable[[], int]]:
    """Put boards 1, 2, 3 ... from a thread; yields a function that tells the number of the last one."""
    done, last = Event(), 0

    def flow() -> None:
        nonlocal last
        while not done.wait(every_s):
            partition.write_batch([board(last + 1, padding)])
            last += 1

    thread = Thread(target=flow)
    thread.start()
    try:
        yield lambda: last
    finally:
        done.set()
        thread.join()


def numbers_seen(client: redis.Redis) -> set[int | None]:
    """Return the numbers of the boards that one transaction finds; None stands for a missing key."""
    with client.pipeline(transaction=True) as pipe:
        for key in (*KEYS, "board"):
            pipe.get(key)
        return {None if value is None else json.loads(value)["number"] for value in pipe.execute()}


def holds(client: redis.Redis, newest: Callable[[], int]) -> Callable[[], bool]:
    """Make a condition: Redis holds one whole board, at least as new as the newest when this was made."""
    wanted = newest()

    def condition() -> bool:
        seen = numbers_seen(client)
        return len(seen) == 1 and all(number is not None and number >= wanted for number in seen)

    return condition


def stream_fields(client: redis.Redis, stream: StreamName, name: str) -> list[str]:
    return [fields[name] for _, fields in cast(Any, client.xrange(stream))]


def stream_numbers(client: redis.Redis, stream: StreamName) -> list[int]:
    return list(map(int, stream_fields(client, stream, NUMBER[stream])))


def levels(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.levelname for record in caplog.records if record.name == "clicks.redis"]


def test_a_board_is_stamped_written_and_announced(server: RedisServer) -> None:
    with server.client() as client, client.pubsub() as channel, opened(server) as partition:
        channel.subscribe("boards")
        wait_until(lambda: channel.get_message(), "subscribed")
        before_ms = time.time_ns() // 1_000_000
        partition.write_batch([board(7)])
        announced: list[dict[str, str]] = []
        wait_until(lambda: announced.append(channel.get_message()) or announced[-1], "announced")  # type: ignore[func-returns-value]
        assert announced[-1]["data"] == "7"
        assert numbers_seen(client) == {7}
        summary = json.loads(str(client.get("board")))
        assert len(summary.pop("owner")) == 12
        assert before_ms <= summary.pop("published_at") <= time.time_ns() // 1_000_000
        assert summary == {"as_of": 7, "number": 7}


def test_no_reader_ever_sees_two_boards_mixed(server: RedisServer) -> None:
    # So large that the server takes a board in several reads, between which it serves others.
    with server.client() as client, opened(server) as partition, boards_flowing(partition, 0.0001, 20_000):
        wait_until(lambda: None not in numbers_seen(client), "the first board")
        seen: list[set[int | None]] = []

        def enough() -> bool:
            # On a slow machine 500 reads do not meet 100 boards: it is the boards that count.
            seen.extend(numbers_seen(client) for _ in range(500))
            return len(set(map(frozenset, seen))) > 100

        wait_until(enough, "more than 100 boards", 30)
    assert {len(numbers) for numbers in seen} == {1}
    assert len(set(map(frozenset, seen))) > 100, "the boards must change while they are read"


def test_killed_and_restarted(server: RedisServer, caplog: pytest.LogCaptureFixture) -> None:
    with opened(server) as partition, boards_flowing(partition) as last:
        with server.client() as client:
            wait_until(holds(client, last), "the first board")
        partition.write_batch(entries("special_offers", range(1)))
        server.kill()
        partition.write_batch(entries("special_offers", range(1, 1001)))
        began = last()
        wait_until(lambda: last() > began + 50, "the flow goes on")
        assert levels(caplog) == ["WARNING"]
        server.start()
        with server.client() as client:
            wait_until(holds(client, last), "a whole board", timeout_s=2)
            wait_until(lambda: levels(caplog) == ["WARNING", "INFO"], "one line when it is back")
            wait_until(lambda: stream_numbers(client, "special_offers")[-1] == 1000, "the offers")
            # The first offer may have been lost with the server; those after it waited.
            assert stream_numbers(client, "special_offers")[-1000:] == list(range(1, 1001))


def test_hung_it_does_not_slow_the_flow(server: RedisServer, caplog: pytest.LogCaptureFixture) -> None:
    slowest_s, number = 0.0, 0

    def put() -> None:
        nonlocal slowest_s, number
        number += 1
        items = [board(number), *entries("rejected", range(number, number + 1))]
        began_s = time.monotonic()
        partition.write_batch(items)
        slowest_s = max(slowest_s, time.monotonic() - began_s)

    with server.client() as client, opened(server) as partition:
        logged: list[str] = []
        for _ in range(2):
            for _ in range(100):  # so that one of them may be on its way when the server hangs
                put()
            server.pause()
            logged.append("WARNING")
            while levels(caplog) != logged:
                put()
                time.sleep(0.002)
            server.resume()
            wait_until(lambda: numbers_seen(client) == {number}, "the newest board", timeout_s=2)
            logged.append("INFO")
            wait_until(lambda: levels(caplog) == logged, "one line when it is back")
            assert all(numbers_seen(client) == {number} for _ in range(200))
        wait_until(lambda: stream_numbers(client, "rejected")[-1] == number, "the newest entry")
    assert slowest_s < 0.05


@contextmanager
def first_exec_held(server: RedisServer) -> Iterator[tuple[str, Event, Event]]:
    """Stand between a client and `server`, and hold up the first EXEC, as a network might.

    Yields the URL, an event to set so that the EXEC goes on, and one that is set once it was answered.
    """
    held, go_on, answered = Event(), Event(), Event()

    def relay(client: socket.socket) -> None:
        with client, socket.create_connection(("127.0.0.1", server.port)) as upstream:
            either = selectors.DefaultSelector()
            for each in (client, upstream):
                either.register(each, selectors.EVENT_READ)
            while True:
                for source in [cast(socket.socket, key.fileobj) for key, _ in either.select()]:
                    data = source.recv(65536)
                    if b"EXEC" in data and not held.is_set():
                        held.set()
                        go_on.wait()
                        upstream.sendall(data)
                        upstream.recv(65536)
                        answered.set()
                        return
                    if not data:
                        return
                    (upstream if source is client else client).sendall(data)

    def accept() -> None:
        with suppress(OSError):
            while True:
                threads.append(Thread(target=relay, args=(listener.accept()[0],)))
                threads[-1].start()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threads = [Thread(target=accept)]
        threads[0].start()
        try:
            yield f"redis://127.0.0.1:{listener.getsockname()[1]}/0", go_on, answered
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            go_on.set()
            for thread in threads:
                thread.join()


def test_a_board_that_was_given_up_does_not_replace_a_newer_one(
    server: RedisServer, caplog: pytest.LogCaptureFixture
) -> None:
    with (
        server.client() as client,
        first_exec_held(server) as (url, go_on, answered),
        closing(RedisSink(Settings(redis_url=url)).build("redis", 0, 1)) as partition,
    ):
        partition.write_batch([board(1)])
        wait_until(lambda: levels(caplog) == ["WARNING"], "given up")
        partition.write_batch([board(2)])
        wait_until(lambda: numbers_seen(client) == {2}, "the newer board")
        go_on.set()
        assert answered.wait(5)
        assert numbers_seen(client) == {2}


def test_flushed(server: RedisServer, caplog: pytest.LogCaptureFixture) -> None:
    with server.client() as client, opened(server) as partition, boards_flowing(partition) as last:
        wait_until(holds(client, last), "the first board")
        client.flushall()
        wait_until(holds(client, last), "a whole board", timeout_s=2)
    assert levels(caplog) == []


@pytest.mark.parametrize("kind", ["redis", "valkey"])
@pytest.mark.parametrize("trouble", ["read-only", "out of memory"])
def test_it_answers_but_takes_no_writes(kind: Kind, trouble: str, caplog: pytest.LogCaptureFixture) -> None:
    written = Written()
    with (
        RedisServer(kind) as server,
        server.client() as client,
        opened(server, written) as partition,
        boards_flowing(partition) as last,
    ):
        wait_until(holds(client, last), "the first board")
        if trouble == "read-only":
            client.config_set("replica-read-only", "yes")
            client.execute_command("REPLICAOF", "127.0.0.1", str(free_port()))
        else:
            client.config_set("maxmemory-policy", "noeviction")
            client.config_set("maxmemory", "1")
        wait_until(lambda: levels(caplog) == ["WARNING"], "one line when it refuses")
        partition.write_batch(entries("special_offers", range(1200)))
        began = last()
        wait_until(lambda: last() > began + 50, "the flow goes on")
        assert not client.exists("special_offers")
        assert not written.up_to
        if trouble == "read-only":
            client.execute_command("REPLICAOF", "NO", "ONE")
        else:
            client.config_set("maxmemory", "0")
        wait_until(holds(client, last), "a whole board", timeout_s=2)
        wait_until(lambda: written.all_up_to(1199, "special_offers"), "the offers")
        assert stream_numbers(client, "special_offers") == list(range(1200))
        assert levels(caplog) == ["WARNING", "INFO"]


def test_entries_are_written_once_however_often_they_are_sent(server: RedisServer) -> None:
    written = Written()
    with server.client() as client:
        for end in (700, 1500):  # the second sink object is sent all of it again
            with opened(server, written) as partition:
                partition.write_batch(entries("special_offers", range(end)))
                partition.write_batch(entries("special_offers", range(end)))
                wait_until(lambda: written.all_up_to(end - 1, "special_offers"), "written")  # noqa: B023
                client.script_flush()
            assert stream_numbers(client, "special_offers") == list(range(end))
            written.up_to.clear()
        assert client.hgetall("entries_written") == {"special_offers|0": f"{1499:020d}"}


def test_each_lane_has_its_own_ordinals(server: RedisServer) -> None:
    sent: list[tuple[str, Ordinal]] = [
        ("a", (9, 0, 0)),
        ("b", (10, 0, 0)),
        ("a", (10, 0, 0)),
        ("a", (10, 0, 1)),
        ("a", (10, 2, 0)),
        ("a", (10, 1, 5)),
        ("a", (9, 7, 7)),
        ("a", (1 << 50, 0, 0)),
        ("a", ((1 << 50) - 1, 0, 0)),
    ]
    with server.client() as client:
        with opened(server) as partition:
            for origin, ordinal in sent:
                partition.write_batch(entry(origin, ordinal, f"{origin}{ordinal}"))
        assert stream_fields(client, "rejected", "reason") == [
            f"{origin}{ordinal}" for origin, ordinal in [*sent[:5], sent[7]]
        ]
        assert client.hget("entries_written", "rejected|b") == "00000000000000000010-000000-000"


def test_of_entries_sent_together_only_the_new_ones_are_added(server: RedisServer) -> None:
    with server.client() as client:
        for numbers in (range(5), range(3, 9), range(2)):
            with opened(server) as partition:
                partition.write_batch(entries("special_offers", numbers))
        assert stream_numbers(client, "special_offers") == list(range(9))


def test_every_stream_is_trimmed(server: RedisServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(MAXLEN, "special_offers", 3000)
    with server.client() as client:
        with opened(server) as partition:
            for stream in MAXLEN:
                partition.write_batch(entries(stream, range(8000)))
        for stream, most in MAXLEN.items():
            kept = stream_numbers(client, stream)
            assert most <= len(kept) < most + 200
            assert kept == list(range(8000 - len(kept), 8000))


def test_what_is_old_goes(server: RedisServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Once a minute, by the clock of Redis, whether or not there is anything new for the stream."""
    monkeypatch.setattr(redis_sink, "TRIM_EVERY_S", 0.05)
    with server.client() as client:
        now_ms = int(client.time()[0]) * 1000
        for age_s in (7000, 3700, 3500):
            for stream in MAXLEN:
                client.xadd(stream, {"age_s": age_s}, id=f"{now_ms - 1000 * age_s}-0")
        with opened(server, keep_ms=3_600_000) as partition, boards_flowing(partition):
            for stream in MAXLEN:
                wait_until(lambda: stream_fields(client, stream, "age_s") == ["3500"], "old ones go")  # noqa: B023


def test_a_redis_that_cannot_trim_by_age_is_told_of_once(
    server: RedisServer, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(redis_sink, "TRIM_EVERY_S", 0.01)
    with server.client() as client:
        client.execute_command("ACL", "SETUSER", "default", "-time")
        with opened(server) as partition, boards_flowing(partition) as last:
            wait_until(holds(client, last), "the newest board")
            wait_until(lambda: last() > 20, "some boards")
    [line] = [record.getMessage() for record in caplog.records]
    assert "old entries stay" in line
    assert line.endswith(": use Redis 6.2 or later, and allow TIME and XTRIM")


def test_a_full_redis_takes_boards_before_old_entries(
    server: RedisServer, caplog: pytest.LogCaptureFixture
) -> None:
    receipts = Receipts()
    with server.client() as client, opened(server, receipts) as partition:
        client.config_set("maxmemory-policy", "noeviction")
        for number in range(3000):
            client.xadd("special_offers", {"offer": "x" * 2000, "created": number})
        client.config_set("maxmemory", int(client.info("memory")["used_memory"]) - 100_000)
        partition.write_batch([board(1, 50_000)])
        # This server refuses any MULTI while it is full.
        wait_until(lambda: client.get("board"), "the board")
        assert 300 < int(client.xlen("special_offers")) <= 1500
        assert receipts.take_dropped() == 3000 - int(client.xlen("special_offers"))
    assert "is full: 1500 entries of special_offers go" in caplog.text


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return the lines with which a flow would end; the writer goes no further than the first."""
    lines: list[str] = []

    def fail(line: str) -> None:
        lines.append(line)
        Event().wait()

    monkeypatch.setattr(redis_sink, "fail", fail)
    monkeypatch.setattr(writer_module, "fail", fail)
    monkeypatch.setattr(redis_sink, "CLOSE_S", 0.2)
    return lines


def test_an_error_of_our_own_ends_the_flow(
    server: RedisServer, monkeypatch: pytest.MonkeyPatch, said: list[str]
) -> None:
    monkeypatch.setattr(redis_sink._Writer, "_write_board", lambda writer: {"a": 1}["missing"])
    with opened(server) as partition:
        partition.write_batch([board(1)])
        wait_until(lambda: said, "the line")
    assert said[0] == f"Redis at {address(server.url)}: KeyError: 'missing': restart the flow"


def test_what_newer_entries_push_out_in_the_same_write_is_not_added_later_either(server: RedisServer) -> None:
    older, newer = range(10_000, 10_600), range(2000)
    with server.client() as client:
        for sent in (older, newer), (older,):
            with opened(server) as partition:
                partition.write_batch(
                    [each for origin in sent for each in entries("rejected", origin, str(origin))]
                )
            kept = stream_numbers(client, "rejected")
            assert 1000 <= len(kept) < 1200
            assert kept == list(range(2000 - len(kept), 2000))
        assert set(client.hgetall("entries_written").values()) == {f"{10_599:020d}", f"{1999:020d}"}


def test_what_is_left_out_leaves_no_hole(server: RedisServer) -> None:
    """Older entries that trimming by whole nodes would leave do not stay where newer ones were left out."""
    written = Written()
    with server.client() as client, opened(server, written) as partition:
        partition.write_batch([*entries("state_logs", range(600)), *entries("state_logs", range(1), "1")])
        wait_until(lambda: client.xlen("state_logs") == 601, "the first")
        partition.write_batch(
            [*entries("state_logs", range(600, 700)), *entries("state_logs", range(1000, 2020), "1")]
        )
        wait_until(lambda: written.all_up_to(2019, "state_logs"), "the last")
        assert stream_numbers(client, "state_logs") == list(range(1020, 2020))


def test_what_is_sent_again_pushes_nothing_out(server: RedisServer) -> None:
    new, again = range(10_000, 10_600), range(2000)
    with server.client() as client:
        with opened(server) as partition:
            partition.write_batch(entries("state_logs", again, "again"))
        with opened(server) as partition:
            partition.write_batch(
                [*entries("state_logs", new, "new"), *entries("state_logs", again, "again")]
            )
        assert stream_numbers(client, "state_logs")[-600:] == list(new)


def test_only_entries_that_are_new_for_certain_keep_older_ones_from_being_sent() -> None:
    older, newer = (
        list(pack("rejected", origin, [np.arange(1200)], REJECTED)) for origin in ("older", "newer")
    )
    for begun, sent in (set(), 6), ({"older"}, 6), ({"newer"}, 3):
        maxlen, *pieces = arguments([*older, *newer], 1000, begun)
        assert (maxlen, pieces[::3]) == (1000, ["rejected|older"] * 3 + ["rejected|newer"] * 3)
        assert [bool(shown) for shown in pieces[2::3]] == [False] * (6 - sent) + [True] * sent


def test_what_overflows_is_counted_and_superseded_entries_are_done_with(
    server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = Written()
    monkeypatch.setitem(MAXLEN, "special_offers", 11_000)
    with opened(server, written) as partition:
        server.kill()
        partition.write_batch([board(1)])
        for stream in MAXLEN:
            partition.write_batch(entries(stream, range(11_500)))
        server.start()
        with server.client() as client:
            wait_until(lambda: written.all_up_to(11_499, *MAXLEN), "written")
            partition.write_batch([board(2)])
            wait_until(lambda: numbers_seen(client) == {2}, "the board")
            offers = stream_numbers(client, "special_offers")
            assert offers == list(range(11_500 - len(offers), 11_500))
            assert len(offers) == 11_000
            assert written.take_dropped() == 3500
    assert all(told == sorted(set(told)) for told in written.up_to.values())


def test_what_waits_has_a_greatest_size() -> None:
    queue = Queue(room=2000, most_bytes=100_000)
    for first in range(0, 5000, 500):
        [pieces] = entries("rejected", range(first, first + 500))
        assert isinstance(pieces, list)
        for piece in pieces:
            queue.append(piece)
        assert queue.entries <= 2500
    pieces = list(
        pack("rejected", "0", [np.arange(300)], {"reason": ["r"] * 300, "record": [bytes(512)] * 300})
    )
    gone = [each for piece in pieces for each in queue.append(piece)]
    assert gone
    assert queue.bytes == sum(len(piece.packed) for piece in queue.pieces)
    assert [each.last for each in queue.pieces] == [(299,)], "one piece is kept however large"


def test_a_stream_that_is_refused_holds_up_nothing_else(
    server: RedisServer, caplog: pytest.LogCaptureFixture
) -> None:
    with server.client() as client, opened(server) as partition, boards_flowing(partition) as last:
        client.set("special_offers", "not a stream")
        partition.write_batch(entries("special_offers", range(3)) + entries("rejected", range(3)))
        wait_until(lambda: levels(caplog) == ["WARNING"], "one line when it refuses")
        wait_until(lambda: client.xlen("rejected") == 3, "the other stream")
        wait_until(holds(client, last), "the newest board", timeout_s=2)
        client.delete("special_offers")
        wait_until(lambda: client.xlen("special_offers") == 3, "the refused stream")
        wait_until(lambda: levels(caplog) == ["WARNING", "INFO"], "one line when it is well again")


def test_text_that_is_no_unicode_holds_up_nothing(
    server: RedisServer, caplog: pytest.LogCaptureFixture
) -> None:
    with server.client() as client:
        with opened(server) as partition:
            partition.write_batch(entry("0", (1,), "a\ud800b"))
        assert stream_fields(client, "rejected", "reason") == ["a?b"]
    assert levels(caplog) == []


def test_workers_share_a_writer_until_the_last_one_closes(server: RedisServer) -> None:
    sink = RedisSink(Settings(redis_url=server.url))
    first, second = sink.build("redis", 0, 2), sink.build("redis", 1, 2)
    first.write_batch(entries("rejected", range(5)))
    first.close()
    second.write_batch(entries("rejected", range(5, 10)))
    second.close()
    again = sink.build("redis", 0, 1)
    again.write_batch(entries("rejected", range(10, 15)))
    again.close()
    with server.client() as client:
        assert stream_numbers(client, "rejected") == list(range(15))


def test_closing_gives_up_and_says_what_is_not_written(
    server: RedisServer, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(redis_sink, "CLOSE_S", 0.5)
    with opened(server) as partition:
        server.kill()
        partition.write_batch(
            [board(1), *entries("special_offers", range(3)), *entries("rejected", range(2))]
        )
        began_s = time.monotonic()
    assert time.monotonic() - began_s < 2
    assert levels(caplog) == ["WARNING", "ERROR"]
    what = "not written at the end: the newest board, 3 special_offers entries, 2 rejected entries"
    assert caplog.records[-1].getMessage() == f"Redis at 127.0.0.1:{server.port}/0: {what}"


def test_the_password_is_never_logged(caplog: pytest.LogCaptureFixture, said: list[str]) -> None:
    caplog.set_level(logging.DEBUG)
    with RedisServer(password="s3cret-right") as server:
        with opened(server) as partition:
            partition.write_batch([board(1)])
        with server.client() as client:
            wait_until(lambda: numbers_seen(client) == {1}, "the board")
        server.password = "s3cret-wrong"
        with opened(server) as partition:
            partition.write_batch([board(2)])
            wait_until(lambda: said, "refused for its password")
        server.kill()
        with opened(server) as partition:
            partition.write_batch([board(3)])
            wait_until(lambda: "WARNING" in levels(caplog), "no server")
    assert f"Redis at 127.0.0.1:{server.port}/0 " in caplog.text
    assert "s3cret" not in caplog.text + "".join(said)
