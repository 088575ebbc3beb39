"""ClickHouse doing the same work, embedded (chdb): it takes the log in, and computes the board each second.

What a team would use that keeps clicks in a database. chdb is no part of this project: install it by hand
(`pip install chdb==4.4.0`). Each panel is a query over the table, exact as the flow's; what the flow shows
beyond these (journeys, bots, rising products, who looks at what) is left out.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import Any

CHUNK_BYTES = 48 << 20
SECOND_NS = 10**9
COLUMNS = {
    "timestamp": "Int64",
    "userId": "String",
    "productId": "String",
    "category": "LowCardinality(String)",
    "title": "String",
    "country": "LowCardinality(String)",
    "deviceType": "LowCardinality(String)",
    "gender": "LowCardinality(String)",
    "age": "Nullable(Float64)",
    "ip": "String",
    "userAgent": "String",
    "birthdate": "String",
    "original_timestamp": "Int64",
}
SESSIONS = """
SELECT count(), avg(last - first), avg(clicks) FROM (
    SELECT userId, number, min(timestamp) AS first, max(timestamp) AS last, count() AS clicks FROM (
        SELECT userId, timestamp, sum(begins) OVER (PARTITION BY userId ORDER BY timestamp) AS number FROM (
            SELECT userId, timestamp, timestamp - lagInFrame(timestamp) OVER (
                PARTITION BY userId ORDER BY timestamp ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
            ) > 1800 * 1000000000 AS begins FROM clicks WHERE timestamp >= newest - 9 * 3600 * 1000000000))
    GROUP BY userId, number) WHERE last >= newest - 8 * 3600 * 1000000000
"""


def _since(what: str, seconds: int, rest: str = "") -> str:
    return f"SELECT {what} FROM clicks WHERE timestamp >= newest - {seconds * SECOND_NS} {rest}"


PANELS = {
    "visitors": _since("uniqExact(userId)", 900),
    "sessions": SESSIONS,
    "sessions by half hour": _since(
        f"intDiv(timestamp, {1800 * SECOND_NS}) AS slice, uniqExact(userId)", 30_600, "GROUP BY slice"
    ),
    "clicks by minute": _since(
        f"intDiv(timestamp, {60 * SECOND_NS}) AS slice, count(), uniqExact(userId)", 900, "GROUP BY slice"
    ),
    "devices": _since("deviceType, uniqExact(userId)", 600, "GROUP BY deviceType"),
    "pages": _since(
        "productId, any(category), any(title), count() AS views",
        3600,
        "GROUP BY productId ORDER BY views DESC LIMIT 10",
    ),
    "categories": _since("category, count(), uniqExact(userId)", 3600, "GROUP BY category"),
    "audience": _since("country, gender, uniqExact(userId)", 900, "GROUP BY country, gender"),
    "latest": _since("userId, max(timestamp) AS last", 3600, "GROUP BY userId ORDER BY last DESC LIMIT 10"),
    "raw": "SELECT * FROM clicks ORDER BY timestamp DESC LIMIT 100",
}


def take_in(log: Path, timed: Any, threads: int) -> None:
    """Take the log in on so many threads, with all panels computed each second of the wall."""
    from chdb import session

    columns = ", ".join(f"{name} {kind}" for name, kind in COLUMNS.items())
    settings = f"max_threads={threads}, max_insert_threads={threads}"
    with tempfile.TemporaryDirectory() as folder:
        chunks = _chunks(log, Path(folder))
        database = session.Session()
        database.query("CREATE DATABASE bench ENGINE=Atomic")
        database.query("USE bench")
        database.query(f"CREATE TABLE clicks ({columns}) ENGINE=MergeTree ORDER BY timestamp")
        with timed.measured():
            board_s = time.perf_counter()
            for chunk in chunks:
                database.query(
                    f"INSERT INTO clicks SELECT * FROM file('{chunk}', 'JSONEachRow', '{columns}') "
                    f"SETTINGS {settings}, input_format_parallel_parsing={int(threads > 1)}, "
                    "input_format_skip_unknown_fields=1, input_format_allow_errors_ratio=1"
                )
                if time.perf_counter() >= board_s + 1 or chunk == chunks[-1]:
                    board_s = time.perf_counter()
                    for query in PANELS.values():
                        newest = "WITH (SELECT max(timestamp) FROM clicks) AS newest"
                        assert database.query(f"{newest} {query} SETTINGS {settings}").bytes()
        timed.clicks = int(str(database.query("SELECT count() FROM clicks")))
        database.close()


def _chunks(log: Path, folder: Path) -> list[Path]:
    """Write a log in parts of whole lines, as it would be taken in while it grows."""
    chunks: list[Path] = []
    with log.open("rb") as lines:
        while data := lines.read(CHUNK_BYTES):
            chunks.append(folder / f"{len(chunks)}.jsonl")
            chunks[-1].write_bytes(data + lines.readline())
    return chunks
