"""The finite log and the demo shop as sources: positions, resuming, and what goes wrong."""

from __future__ import annotations

import gzip
import os
import subprocess
import sys
from pathlib import Path

import pytest

from flows.ingest.decode import decode
from flows.model.batch import Batch
from flows.shards.clock import FlowClock
from flows.sources import file as sources
from flows.sources.barriers import Barriers
from flows.sources.demo import DemoPartition
from flows.sources.file import FilePartition
from flows.sources.log_files import refusal
from flows.sources.shop.shop import Shop
from tests.faults.injection import troubles
from tests.support.clocks import StillClock
from tests.support.servers import free_port


def read(path: Path, position: int = 0) -> list[Batch]:
    part = FilePartition(path, "log", position, FlowClock(), Barriers(1000))
    batches: list[Batch] = []
    try:
        while True:
            batches += part.next_batch()
    except StopIteration:
        part.close()
    return batches


def test_a_log_is_read_in_whole_lines_by_byte_position(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sources, "BLOCK_BYTES", 8)
    log = tmp_path / "log"
    log.write_bytes(b"a\nbb\n\nccc\n1234")
    batches = read(log)
    assert [(b.start, b.end, b.data) for b in batches] == [
        (0, 6, b"a\nbb\n\n"),
        (6, 10, b"ccc\n"),
        (10, 14, b"1234"),
    ]
    for batch in batches:
        assert (
            b"".join(b.data for b in read(log, batch.end) if isinstance(b.data, bytes))
            == (log.read_bytes()[batch.end :])
        )


@pytest.mark.parametrize("tail", [b"", b"\n", b"\nafter", b"\nafter\n"])
def test_a_line_longer_than_a_block_is_skipped_and_told_of(
    tail: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sources, "BLOCK_BYTES", 10)
    log = tmp_path / "log"
    log.write_bytes(b"first\n" + b"x" * 57 + tail)
    batches = read(log)
    assert [head for batch in batches for head in batch.set_aside] == [("too_large", 6, b"x" * 10)]
    assert [(b.start, b.end) for b in batches] == list(
        zip([0, *(b.end for b in batches)], [b.end for b in batches], strict=False)
    )
    wanted = tail[1:] if tail.endswith(b"\n") else b""
    assert b"".join(b.data for b in batches if isinstance(b.data, bytes)) == b"first\n" + wanted


def test_an_empty_log_gives_one_batch_and_so_a_board(tmp_path: Path) -> None:
    (tmp_path / "log").touch()
    assert [(b.start, b.end, b.data) for b in read(tmp_path / "log")] == [(0, 0, b"")]


def run(source: str, state: Path, redis_url: str | None = None) -> subprocess.CompletedProcess[str]:
    env = {"CLICKS_SOURCE": source, "CLICKS_STATE_DIR": str(state), "CLICKS_SHARDS": "2"}
    env |= {"REDIS_URL": redis_url or f"redis://127.0.0.1:{free_port()}/0", "RUST_BACKTRACE": "0"}
    command = [sys.executable, "-m", "bytewax.run", "flows.clicks"]
    return subprocess.run(command, env=env, capture_output=True, text=True, check=False, timeout=60)


def test_a_missing_log_is_one_line(tmp_path: Path) -> None:
    ended = run(f"file:{tmp_path / 'none'}", tmp_path / "state")
    found = f"CLICKS_SOURCE names {str(tmp_path / 'none')!r}: No such file or directory"
    assert ended.returncode == 1
    assert troubles(ended.stderr) == [f"{found}: set it to a readable file"]


def test_a_log_shorter_than_what_was_applied_is_one_line(tmp_path: Path, redis_url: str) -> None:
    log = tmp_path / "log"
    log.write_bytes(b"{}\n" * 9)
    assert run(f"file:{log}", tmp_path / "state", redis_url).returncode == 0
    log.write_bytes(b"{}\n")
    ended = run(f"file:{log}", tmp_path / "state")
    assert ended.returncode == 1
    found = f"{log} has 3 bytes, but 27 were applied: it is another log"
    assert troubles(ended.stderr) == [f"{found}; set CLICKS_STATE_DIR to another directory"]


@pytest.mark.parametrize(
    ("begin", "why"),
    [
        (gzip.compress(b"{}\n", mtime=0), "it is gzipped: unpack it with gunzip"),
        (b"\x28\xb5\x2f\xfd..", "it is packed by zstd: unpack it"),
        ("{}\n".encode("utf-16"), "it is UTF-16: save it as UTF-8"),
        ("{}\n".encode("utf-16-le"), "it is UTF-16: save it as UTF-8"),
        ("{}\n".encode("utf-16-be"), "it is UTF-16: save it as UTF-8"),
        (b"{}\n\0\0\0\0\0", None),
        (b"0\n", None),
        (b"", None),
    ],
)
def test_what_is_no_text_of_lines_is_refused(begin: bytes, why: str | None, tmp_path: Path) -> None:
    (tmp_path / "log").write_bytes(begin)
    assert refusal(tmp_path / "log") == why


def test_a_pipe_and_a_directory_are_one_line(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for name, why in (
        ("pipe", "a pipe cannot be read again after a crash: write it to a file, and set it to that"),
        (".", "it is a directory: set it to a file"),
    ):
        ended = run(f"file:{tmp_path / name}", tmp_path / "state")
        assert ended.returncode == 1
        assert troubles(ended.stderr) == [f"CLICKS_SOURCE names {str(tmp_path / name)!r}: {why}"]


def test_a_byte_order_mark_is_no_part_of_the_first_record(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_bytes(b'\xef\xbb\xbf{"timestamp": 1709229600000, "userId": "a"}\n')
    [batch] = read(log)
    assert len(decode(batch).row) == 1
    assert batch.end == log.stat().st_size


def test_a_last_line_is_read_once_it_is_finished(tmp_path: Path, redis_url: str) -> None:
    log, state = tmp_path / "log", tmp_path / "state"
    click = b'{"timestamp": 1709229600000, "userId": "a"}'
    ends = []
    for written in (click + b"\n" + click[:20], click[20:], b"\n" + click, b"\n[]\n"):
        with log.open("ab") as file:
            file.write(written)
        ended = run(f"file:{log}", state, redis_url)
        assert ended.returncode == 0
        ends.append(ended.stderr.splitlines()[-1].partition("read: ")[2])
        unfinished = "the last line is not finished: its 20 bytes from 44 on are read once it is"
        assert (unfinished in ended.stderr) == (written.endswith(click[:20]))
    assert ends == ["1 click", "2 clicks", "3 clicks", "3 clicks, 1 record rejected (1 not_a_click)"]


def test_another_log_under_the_same_name_is_one_line(tmp_path: Path, redis_url: str) -> None:
    log, state = tmp_path / "log", tmp_path / "state"
    for written in (b"", b'{"n": ', b"1}\n", b"{}\n"):
        # As long as there is no whole line, nothing can be said.
        with log.open("ab") as file:
            file.write(written)
        ended = run(f"file:{log}", state, redis_url)
        assert ended.returncode == 0
        assert [line for line in troubles(ended.stderr) if "last line is not finished" not in line] == []
    log.write_bytes(b"[]\n" * 99)
    ended = run(f"file:{log}", state, redis_url)
    assert ended.returncode == 1
    [line] = troubles(ended.stderr)
    shard, _, found = line.partition(" holds state of log ")
    assert shard == f"{state}/shard-0000"
    remedy = "it is another log under the same name, so put the one back that was read"
    assert found.endswith(f": {remedy}, or set CLICKS_STATE_DIR to another directory")


def test_the_demo_brings_its_past_and_resumes_without_a_gap() -> None:
    clock = StillClock(1_700_000_000_500)
    shop = Shop(rate=5, visitors=50, history_s=1500)
    now_s = clock.now_ms() // 1000

    def bring(first_s: int) -> list[Batch]:
        part = DemoPartition(shop, first_s, now_s - 1500, clock, Barriers(1000))
        return [batch for _ in range(9) for batch in part.next_batch()]

    whole = bring(now_s - 1500)
    records = [record for second in range(now_s - 1500, now_s) for record in shop.second(second)]
    assert [record for batch in whole for record in batch.data] == records
    assert [batch.start for batch in whole[1:]] == [batch.end for batch in whole[:-1]]
    resumed = bring(now_s - 10)
    assert resumed[0].start == (now_s - 10) << 24
    assert [r for b in resumed for r in b.data] == [
        r for s in range(now_s - 10, now_s) for r in shop.second(s)
    ]
    # After a long pause the first batch spans it, and brings no more than the history.
    late = bring(now_s - 99_999)
    assert late[0].start == (now_s - 99_999) << 24
    assert [record for batch in late for record in batch.data] == records


def test_a_marker_comes_once_per_interval() -> None:
    barriers = Barriers(500)
    given = [barriers.barrier(at_ms, finite=False) for at_ms in (1000, 1200, 1499, 1500, 2600, 2400)]
    assert [mark and mark.number for mark in given] == [2, None, None, 3, 5, None]
    assert barriers.next_ms() == 3000
