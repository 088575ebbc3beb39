"""Hostile records of every kind, among plain clicks, against a flow: `python -m tests.faults.hostile`.

For `--minutes` it writes `--megabytes` a second to a Kafka topic, of all kinds or of one `--kind`, at lengths
of all powers of two up to a record's limit. It watches the flow's memory and the time between its boards, and
in the end compares what was counted with what the oracle says of each record. It prints a line for each.
"""

from __future__ import annotations

import argparse
import signal
import subprocess
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from functools import partial
from itertools import pairwise
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

import redis

from tests.bench.live import RedisWatch, board_in, started_flow
from tests.bench.process import cpu_s, peak_rss_mib
from tests.oracle import records as oracle_records
from tests.support import logs
from tests.support.brokers import Broker
from tests.support.servers import RedisServer, wait_until

TOPIC, PARTITIONS = "clicks", 2
MOST_MIB, MOST_APART_S, MOST_STOP_S = 600, 2.0, 5.0
# So much of the records is made beforehand, and written again and again.
POOL_BYTES, POOL_RECORDS = 16 << 20, 20_000
# More a broker does not take.
BROKER_BYTES = 5 << 19
CATCH_UP_S = 120.0

SECOND = 10**9
Made = dict[str, Any]


class Written(NamedTuple):
    """What was written."""

    seconds: float
    megabytes: float
    records: int
    expected: Counter[str]


class Outcome(NamedTuple):
    """What was seen of a flow: seconds from board to board, ascending, and what it took."""

    written: Written
    apart_s: list[float]
    peak_mib: float
    cpu_s: float
    stop_s: float
    status: int

    def __str__(self) -> str:
        seconds, megabytes, records, _ = self.written
        return (
            f"{seconds:.0f} s, {megabytes:.0f} MB, {records:,} records: at most {self.peak_mib:.0f} MiB, "
            f"{self.cpu_s / seconds:.2f} cores, boards 99 % within {self.apart(0.99):.1f} s, "
            f"at most {self.apart(1):.1f} s apart, stopped in {self.stop_s:.1f} s"
        )

    def apart(self, share: float) -> float:
        """Return how far apart that share of the boards is at most, in seconds."""
        return self.apart_s[min(len(self.apart_s) - 1, int(share * len(self.apart_s)))]

    def missed(self) -> list[str]:
        """Return the goals that are missed."""
        goals = {
            f"more than {MOST_MIB} MiB": self.peak_mib <= MOST_MIB,
            f"boards more than {MOST_APART_S} s apart": self.apart(0.99) <= MOST_APART_S,
            f"not stopped within {MOST_STOP_S} s": self.stop_s <= MOST_STOP_S and self.status == 0,
        }
        return [goal for goal, met in goals.items() if not met]


def size(rng: Random) -> int:
    """Return a length: a power of two up to a record's limit, or one beside it."""
    return max(1, (1 << rng.randrange(21)) + rng.choice([-1, 0, 0, 1]))


def text(rng: Random, length: int) -> str:
    """Return a text of so many characters, of one, two or four bytes each."""
    return rng.choice(["x", "é", "\U0001f6cd", "\\", '"', "\x01", " "]) * length


def plain(rng: Random, now_ns: int, **fields: Any) -> bytes:
    """Return a plain click."""
    visitor = f"visitor-{rng.randrange(5000)}"
    journey = rng.choice(["clothing", "shoes", "clothing", "toys"])
    made = {"gender": "M", "age": 40, "category": journey, "productId": f"P{rng.randrange(50)}"}
    return logs.record_of(logs.click_of(visitor, now_ns - rng.randrange(SECOND), **(made | fields)))


def long_shown(rng: Random, now_ns: int) -> bytes:
    """Return a click with a long field that is only shown."""
    name = rng.choice(["title", "userAgent", "ip", "country", "birthdate", "gender", "original_timestamp"])
    return plain(rng, now_ns, **{name: text(rng, size(rng) // 8)})


def long_name(rng: Random, now_ns: int) -> bytes:
    """Return a click with a long name, of its own."""
    name = rng.choice(["userId", "productId", "category", "deviceType"])
    length = min(size(rng), rng.choice([256, 300_000]))
    return plain(rng, now_ns, **{name: f"{rng.randrange(1 << 40):012d}{text(rng, length)}"[:length]})


def new_names(rng: Random, now_ns: int) -> bytes:
    """Return a click of a visitor, product, category and device that no other has."""
    names = "userId", "productId", "category", "deviceType"
    return plain(rng, now_ns, **{name: f"{rng.randrange(1 << 60):016x}" for name in names})


def nested(rng: Random, now_ns: int) -> bytes:
    """Return a click with lists in lists, some deeper than is allowed."""
    deep = rng.choice([1, 100, 490, 510, 5000])
    unused = b"[" * deep + b"]" * deep
    return plain(rng, now_ns)[:-1] + b',"note":[%s]}' % b",".join([unused] * max(1, size(rng) // 8 // deep))


def columns(rng: Random, now_ns: int, *, good: bool) -> bytes:
    """Return a column-shaped record; some have more rows than are allowed, some many columns."""
    rows = min(size(rng), 100_000) // rng.choice([1, 4])
    user: Any = "a" if good else None
    table = {"userId": [user] * rows, rng.choice(["title", "category", "note"]): ["b"] * rows}
    wide = {f"c{number}": [1] * rows for number in range(min(20_000, 100_000 // max(rows, 1)))}
    record = {"Epoch": now_ns, "Timestamps": [0] * rows, "StringValues": table, "NumericValues": wide}
    return logs.record_of(record)


def brackets(rng: Random, now_ns: int) -> bytes:
    """Return what takes long to tell from JSON."""
    length = size(rng) // 2
    ends = [
        b'"' * length,
        b"\\" * length,
        b'"' + b'\\"' * (length // 2),
        b"[]," * (length // 3),
        b"9" * length,
        b"a:" * (length // 2),
    ]
    return b'{"timestamp":%d,"userId":"a","x":[%s%s' % (now_ns, b"[" * min(600, length), rng.choice(ends))


def numbers(rng: Random, now_ns: int) -> bytes:
    """Return a click with numbers that no machine has."""
    digits = rng.choice([b"1e400", b"-1e999", b"9" * (size(rng) // 4)])
    return plain(rng, now_ns)[:-1] + b',"age":%s,"original_timestamp":%s}' % (digits, digits)


def short(rng: Random, _now_ns: int) -> bytes:
    """Return a few bytes."""
    return rng.choice(
        [b"{}", b"[]", b"", b"0", b"{", b'{"a":1}', bytes(rng.randrange(256) for _ in range(4))]
    )


def moments(rng: Random, now_ns: int) -> bytes:
    """Return a click of another time: long past, ahead, too far ahead, or written as ISO 8601."""
    seconds = rng.choice([-(10**9), -9 * 3600, -1800, -1, 4, 290, 400, 10**10])
    stamp: Any = now_ns + seconds * SECOND
    if rng.random() < 0.5:
        stamp = rng.choice(["2024-02-29T12:00:00Z", "2024-02-30", "2024-02-29 12:00:00." + "9" * size(rng)])
    return plain(rng, now_ns, timestamp=stamp)


KINDS: dict[str, Callable[[Random, int], bytes]] = {
    "plain": plain,
    "long_shown": long_shown,
    "long_name": long_name,
    "new_names": new_names,
    "nested": nested,
    "columns": partial(columns, good=True),
    "bad_columns": partial(columns, good=False),
    "brackets": brackets,
    "numbers": numbers,
    "short": short,
    "moments": moments,
}


class Pool:
    """Records made beforehand, and what the oracle says of each: how many are clicks, and the reasons."""

    def __init__(self, kinds: list[str], rng: Random) -> None:
        self.records: list[tuple[bytes, Counter[str]]] = []
        made_bytes, now_ns = 0, time.time_ns()
        while made_bytes < POOL_BYTES and len(self.records) < POOL_RECORDS:
            record = KINDS[rng.choice([rng.choice(kinds), "plain"])](rng, now_ns)
            if len(record) > BROKER_BYTES:
                continue
            made_bytes += len(record)
            self.records.append((record, verdicts(record, now_ns // 10**6)))


def verdicts(record: bytes, read_ms: int) -> Counter[str]:
    """Return what becomes of a record; one that is too new becomes a click as time goes on: both are one."""
    found = Counter(
        item if isinstance(item, str) else "clicks" for item in oracle_records.decoded(record, read_ms)
    )
    return found + Counter(clicks=found["too_new"]) - Counter(too_new=found["too_new"])


def counted(board: Made) -> Counter[str]:
    """Return what a board has counted, in the same terms."""
    found: Counter[str] = Counter(board["rejected"])
    clicks = board["clicks_total"] + board["late_total"] + board["ahead"] + found.pop("too_new", 0)
    return +(found + Counter(clicks=clicks))


def attack(kinds: list[str], seconds: float, mb_a_second: float, seed: int, **settings: str) -> Outcome:
    """Write hostile records for a while to a flow, broker and Redis of its own, and watch the flow."""
    rng = Random(seed)
    pool = Pool(kinds, rng)
    with (
        tempfile.TemporaryDirectory() as folder,
        Broker() as broker,
        RedisServer() as server,
        server.client() as client,
    ):
        broker.create(TOPIC, PARTITIONS)
        flow = started_flow(broker, TOPIC, server.url, Path(folder), **settings)
        watch = RedisWatch(client)
        try:
            wait_until(lambda: client.exists("board"), "a board", 60)
            written = _write(broker, pool, rng, seconds, mb_a_second)
            wait_until(lambda: flow.poll() is not None or _read(client) == written.records, "all", CATCH_UP_S)
            assert flow.poll() is None, (Path(folder) / "flow.log").read_text()
            # A click of the last second is on the board after that is over.
            wait_until(lambda: counted(board_in(client)) == written.expected, "all is counted", 10)
            return _outcome(flow, watch, written)
        finally:
            watch.stop()
            flow.kill()
            flow.wait()


def _read(client: redis.Redis) -> int:
    """Return how many records the board has read."""
    return sum(board_in(client)["positions"].values())


def _write(broker: Broker, pool: Pool, rng: Random, seconds: float, mb_a_second: float) -> Written:
    """Write records of the pool for a while, evenly."""
    producer, begun_s = broker.producer(), time.monotonic()
    size, records, expected = 0, 0, Counter[str]()
    while (passed_s := time.monotonic() - begun_s) < seconds:
        while size < passed_s * mb_a_second * 1e6:
            record, verdict = rng.choice(pool.records)
            while len(producer) > 20_000:
                producer.poll(0.01)
            producer.produce(TOPIC, record, partition=records % PARTITIONS)
            size, records = size + len(record) + 50, records + 1
            expected.update(verdict)
        producer.poll(0.01)
    assert producer.flush(60) == 0
    return Written(time.monotonic() - begun_s, size / 1e6, records, expected)


def _outcome(flow: subprocess.Popen[bytes], watch: RedisWatch, written: Written) -> Outcome:
    seen_s = [at_ms / 1000 for at_ms, _ in watch.boards]
    apart_s = sorted(after - before for before, after in pairwise(seen_s))
    peak_mib, used_s = peak_rss_mib(flow.pid), cpu_s(flow.pid)
    begun_s = time.monotonic()
    flow.send_signal(signal.SIGTERM)
    status = flow.wait(30)
    return Outcome(written, apart_s, peak_mib, used_s, time.monotonic() - begun_s, status)


def main() -> None:
    """Attack as the command line says; raises AssertionError if a goal is missed."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults.hostile")
    parser.add_argument("--minutes", type=float, default=1)
    parser.add_argument("--megabytes", type=float, default=5, help="a second")
    parser.add_argument("--kind", choices=[*KINDS, "each"], help="one kind alone, or each in turn")
    parser.add_argument("--mask", action="store_true", help="with CLICKS_MASK_IP=1")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    settings = {"CLICKS_MASK_IP": str(int(options.mask))}
    groups = {"all kinds": list(KINDS)}
    if options.kind is not None:
        names = list(KINDS) if options.kind == "each" else [options.kind]
        groups = {name: [name, "plain"] for name in names}
    missed = []
    for name, kinds in groups.items():
        seconds = options.minutes * 60
        outcome = attack(kinds, seconds, options.megabytes, options.seed, **settings)
        print(f"{name}: {outcome}", flush=True)
        missed += [f"{name}: {goal}" for goal in outcome.missed()]
    assert not missed, missed


if __name__ == "__main__":
    main()
