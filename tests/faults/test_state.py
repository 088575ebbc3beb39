"""State on disk: what is lost of its files is noticed or does no harm; what is loaded is what was saved."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random
from typing import Any, NoReturn

import numpy as np
import numpy.typing as npt
import pytest
import redis
from hypothesis import given
from hypothesis import strategies as st
from rocksdict import Rdict

from flows.model.mark import Mark
from flows.model.packing import decode, encode
from flows.state import part_sizes
from flows.state import shard as shard_module
from flows.state import state as state_module
from flows.state.inspection import inspect
from flows.state.shard import Shard
from flows.state.state import State
from flows.state.store import VERSION, opened, part_key, shard_path
from flows.windows.ring import Ring
from flows.windows.slices import Slices
from flows.windows.table import Table
from tests.faults.crash import CrashedFlow, await_progress
from tests.faults.injection import Faults, troubles
from tests.support import logs
from tests.support.servers import RedisServer

# Damage: what it does to a state directory, and what becomes of the flow: "" where it ends with exact values,
# else a piece of the one line with which it refuses.


@dataclass
class Killed:
    """A flow killed in the midst: what was on disk and in Redis then, and on disk before."""

    flow: CrashedFlow
    intact: Path
    older: Path
    in_redis: dict[str, bytes]

    def restore(self) -> None:
        """Put everything back as it was."""
        state = self.flow.state
        if state.is_file():
            state.unlink()
        shutil.rmtree(state, ignore_errors=True)
        shutil.copytree(self.intact, state)
        with redis.Redis.from_url(self.flow.redis_url) as client:
            client.flushall()
            for key, value in self.in_redis.items():
                client.restore(key, 0, value)


@pytest.fixture(scope="module")
def killed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Killed]:
    """Return a flow whose shards have both table files and a log."""
    records = logs.random_log(7, clicks=6_000, visitors=60, large=False, broken=0.03)
    with RedisServer() as server, redis.Redis.from_url(server.url) as client:
        flow = CrashedFlow(tmp_path_factory.mktemp("killed"), server.url, records, shards=3)
        for share in (0.3, 0.2, 0.2):
            batches = int(flow.log.stat().st_size * share / 15_000)
            kill_at = "after the write", batches * flow.shards + 1
            assert flow.run(Faults(15_000, pause_s=0.0, epoch_ms=0, kill_at=kill_at)) < 0, flow.output
            if share == 0.3:
                shutil.copytree(flow.state, flow.folder / "older")
        shutil.copytree(flow.state, flow.folder / "intact")
        in_redis = {key: client.dump(key) for key in client.scan_iter()}
        yield Killed(flow, flow.folder / "intact", flow.folder / "older", in_redis)


Damage = Callable[[Path, Killed], None]


def _file(pattern: str, shard: int = 1) -> Callable[[Path], Path]:
    """Return a finder of a shard's largest file of a kind."""
    return lambda folder: max(
        shard_path(folder, shard).glob(pattern), key=lambda path: (path.stat().st_size, path)
    )


def delete(pattern: str, shard: int = 1) -> Damage:
    return lambda folder, _: _file(pattern, shard)(folder).unlink()


def delete_all(pattern: str) -> Damage:
    def damage(folder: Path, _: Killed) -> None:
        for path in shard_path(folder, 1).glob(pattern):
            path.unlink()

    return damage


def truncate(pattern: str, share: float) -> Damage:
    def damage(folder: Path, _: Killed) -> None:
        path = _file(pattern)(folder)
        os.truncate(path, int(path.stat().st_size * share) - (share == 1))

    return damage


def flip(pattern: str, share: float) -> Damage:
    """Flip one bit."""

    def damage(folder: Path, _: Killed) -> None:
        path = _file(pattern)(folder)
        data = bytearray(path.read_bytes())
        data[int((len(data) - 1) * share)] ^= 16
        path.write_bytes(data)

    return damage


def drop_shards(*numbers: int) -> Damage:
    def damage(folder: Path, _: Killed) -> None:
        for number in numbers:
            shutil.rmtree(shard_path(folder, number))

    return damage


def empty(folder: Path, _: Killed) -> None:
    for path in shard_path(folder, 1).iterdir():
        path.unlink()


def put_back(*numbers: int) -> Damage:
    def damage(folder: Path, killed: Killed) -> None:
        for number in numbers:
            shutil.rmtree(shard_path(folder, number))
            shutil.copytree(shard_path(killed.older, number), shard_path(folder, number))

    return damage


def swap(folder: Path, _: Killed) -> None:
    first, second, aside = shard_path(folder, 1), shard_path(folder, 2), folder / "aside"
    first.rename(aside)
    second.rename(first)
    aside.rename(second)


def older_manifest(folder: Path, killed: Killed) -> None:
    for path in [
        *shard_path(killed.older, 1).glob("MANIFEST*"),
        _file("CURRENT")(killed.older),
    ]:
        shutil.copy(path, shard_path(folder, 1))


def in_rocksdb(change: Callable[[Rdict], None], shard: int = 1) -> Damage:
    """Change what the database holds by its own means."""

    def damage(folder: Path, _: Killed) -> None:
        db = opened(shard_path(folder, shard))
        change(db)
        db.close()

    return damage


def in_format(**changes: Any) -> Damage:
    def change(db: Rdict) -> None:
        db.put(b"format", encode(decode(_bytes(db.get(b"format"))) | changes))

    return in_rocksdb(change)


def _bytes(value: Any) -> bytes:
    assert isinstance(value, bytes)
    return value


def change_parts(operator: str, change: Callable[[Any, list[bytes]], None]) -> Damage:
    def damage(db: Rdict) -> None:
        change(db, keys_of(db, operator))

    return in_rocksdb(damage)


def keys_of(db: Rdict, operator: str) -> list[bytes]:
    prefix = part_key(operator, 0)[:-8]
    return [key for key in map(_bytes, db.keys()) if key.startswith(prefix)]


def drop(operator: str) -> Callable[[Rdict], None]:
    def parts(db: Rdict) -> None:
        for key in keys_of(db, operator):
            db.delete(key)

    return parts


def as_file(folder: Path, _: Killed) -> None:
    shutil.rmtree(folder)
    folder.write_text("")


def shard_as_file(folder: Path, _: Killed) -> None:
    shutil.rmtree(shard_path(folder, 1))
    shard_path(folder, 1).write_text("")


DAMAGED = "shard-0001 is damaged: "
EITHER = "either"  # RocksDB's choice: exact or refused

CASES: list[tuple[str, Damage, str]] = [
    ("first shard deleted", drop_shards(0), ""),
    ("another shard deleted", drop_shards(1), ""),
    ("all shards deleted", drop_shards(0, 1, 2), ""),
    ("shard emptied", empty, ""),
    ("old first shard put back", put_back(0), ""),
    ("old shard put back", put_back(1), ""),
    ("old state put back", put_back(0, 1, 2), ""),
    ("shards swapped", swap, "holds state of shard 2, this flow has 1"),
    ("shard is a file", shard_as_file, "shard-0001 cannot be made: File exists"),
    ("directory is a file", as_file, "cannot be made: Not a directory"),
    ("CURRENT deleted", delete("CURRENT"), DAMAGED + "its file CURRENT is missing"),
    ("CURRENT emptied", truncate("CURRENT", 0), DAMAGED),
    ("CURRENT flipped", flip("CURRENT", 0.9), DAMAGED),
    ("MANIFEST deleted", delete("MANIFEST*"), DAMAGED),
    ("MANIFEST emptied", truncate("MANIFEST*", 0), DAMAGED),
    ("MANIFEST halved", truncate("MANIFEST*", 0.5), EITHER),
    ("MANIFEST a byte short", truncate("MANIFEST*", 1), EITHER),
    ("MANIFEST flipped at its start", flip("MANIFEST*", 0.02), DAMAGED),
    ("MANIFEST flipped in its middle", flip("MANIFEST*", 0.5), DAMAGED),
    ("MANIFEST flipped at its end", flip("MANIFEST*", 0.98), EITHER),
    ("older MANIFEST put back", older_manifest, DAMAGED),
    ("log deleted", delete_all("*.log"), ""),
    ("log emptied", truncate("*.log", 0), ""),
    ("log halved", truncate("*.log", 0.5), ""),
    ("log a byte short", truncate("*.log", 1), ""),
    ("log flipped at its start", flip("*.log", 0.0), ""),
    ("log flipped in its middle", flip("*.log", 0.5), ""),
    ("log flipped at its end", flip("*.log", 1.0), ""),
    ("table deleted", delete("*.sst"), DAMAGED),
    ("tables deleted", delete_all("*.sst"), DAMAGED),
    ("table emptied", truncate("*.sst", 0), DAMAGED),
    ("table halved", truncate("*.sst", 0.5), DAMAGED),
    ("table a byte short", truncate("*.sst", 1), DAMAGED),
    ("table flipped at its start", flip("*.sst", 0.01), DAMAGED),
    ("table flipped in its middle", flip("*.sst", 0.5), EITHER),
    ("table flipped at its end", flip("*.sst", 1.0), DAMAGED),
    ("IDENTITY deleted", delete("IDENTITY"), ""),
    ("OPTIONS deleted", delete_all("OPTIONS*"), ""),
    ("OPTIONS halved", truncate("OPTIONS*", 0.5), ""),
    ("rocksdict's file halved", truncate("rocksdict-config.json", 0.5), ""),
    ("all parts of one deleted", in_rocksdb(drop("sessions")), DAMAGED),
    (
        "first part deleted",
        change_parts("pages", lambda db, keys: db.delete(keys[0])),
        DAMAGED + "parts of pages",
    ),
    (
        "last part deleted",
        change_parts("visits", lambda db, keys: db.delete(keys[-1])),
        DAMAGED + "parts of visits",
    ),
    ("part is junk", change_parts("totals", lambda db, keys: db.put(keys[0], b"\xc1")), DAMAGED),
    ("position deleted", in_rocksdb(lambda db: db.delete(b"position")), DAMAGED + "parts of"),
    ("position is junk", in_rocksdb(lambda db: db.put(b"position", b"\xc1")), DAMAGED),
    ("format deleted", in_rocksdb(lambda db: db.delete(b"format")), DAMAGED + "its format is missing"),
    (
        "another version",
        in_format(version=3),
        f"holds state of version 3, this flow has {VERSION}: run the version",
    ),
    ("another shard count", in_format(shards=16), "of shards 16, this flow has 3: set CLICKS_SHARDS back"),
    ("another source", in_format(source="demo:"), "of source demo:, this flow has file:"),
    (
        "other operators",
        in_format(operators=["countries", "visits"]),
        "holds state of operators ['countries', 'visits'], this flow has",
    ),
]


@pytest.mark.parametrize(("damage", "refusal"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_damage_is_healed_or_refused(damage: Damage, refusal: str, killed: Killed) -> None:
    killed.restore()
    damage(killed.flow.state, killed)
    status = killed.flow.run(Faults(pause_s=0.0))
    if status == 0 and refusal in ("", EITHER):
        killed.flow.assert_exact()
    else:
        assert_refused(killed.flow, status, DAMAGED if refusal == EITHER else refusal or "to be healed")


def test_a_metric_that_is_added_begins_empty_and_the_others_go_on(killed: Killed) -> None:
    killed.restore()

    def remove(db: Rdict) -> None:
        own_format = decode(_bytes(db.get(b"format")))
        own_format["operators"].remove("devices")
        db.put(b"format", encode(own_format))
        drop("devices")(db)

    for number in range(killed.flow.shards):
        in_rocksdb(remove, number)(killed.flow.state, killed)
    assert killed.flow.run(Faults(pause_s=0.0)) == 0, killed.flow.output
    killed.flow.assert_exact(but=("device_type_popularity", "devices_now"))


def assert_refused(flow: CrashedFlow, status: int, refusal: str) -> None:
    """Check that a flow has ended with status 1 and one line, but for what is said of an empty shard."""
    assert status == 1
    [line] = [line for line in troubles(flow.output) if not line.startswith("no state of shards")]
    assert refusal in line


def test_a_lock_is_respected(tmp_path: Path, redis_url: str, killed: Killed) -> None:
    flow = CrashedFlow(tmp_path, redis_url, killed.flow.records)
    process = flow.start(Faults(pause_s=0.1))
    await_progress(flow, process)
    second = CrashedFlow(tmp_path, redis_url, killed.flow.records)
    assert_refused(second, second.run(), "is in use by another flow: stop it, or set CLICKS_STATE_DIR")
    process.kill()
    assert flow.end(process) < 0
    assert flow.run(Faults(pause_s=0.0)) == 0, flow.output
    flow.assert_exact()


@pytest.mark.parametrize(
    ("shards", "refusal"),
    [(2, "of shards 3, this flow has 2: set CLICKS_SHARDS back"), (5, "this flow has 5")],
)
def test_the_number_of_shards_is_fixed(shards: int, refusal: str, killed: Killed) -> None:
    killed.restore()
    flow = replace(killed.flow, shards=shards)
    assert_refused(flow, flow.run(), refusal)


def test_a_shorter_log_is_refused(killed: Killed) -> None:
    killed.restore()
    flow = replace(killed.flow, records=killed.flow.records[:100])
    try:
        assert_refused(flow, flow.run(), "it is another log")
    finally:
        logs.write(killed.flow.log, killed.flow.records)


# Any damage, without a flow


def fill(directory: Path, rng: Random) -> list[dict[str, list[dict[str, Any]]]]:
    """Write a shard of two operators in three sessions; returns what was to be loaded after each epoch."""
    held: dict[str, list[dict[str, Any]]] = {"a": [], "b": []}
    history: list[dict[str, list[dict[str, Any]]]] = [{"a": [], "b": []}]
    for session in range(3):
        shard = state_of(directory).shard(0)
        for operator in held:
            assert len(shard.load(operator)) == len(held[operator])
        for _ in range(40):
            shard.save_position({"log": len(history)}, Mark())
            for operator in held:
                save(shard, operator, held, {"n": len(history), "data": rng.randbytes(rng.randrange(400))})
            history.append({operator: list(parts) for operator, parts in held.items()})
        if session == 2:  # as a kill leaves it, where closing would write all to tables
            shutil.copytree(directory, directory.with_name("killed"))
        shard.close()
    return history


def save(shard: Shard, operator: str, held: dict[str, list[dict[str, Any]]], part: dict[str, Any]) -> None:
    def changes(*, everything: bool) -> dict[str, Any]:
        if everything:
            held[operator].clear()
        held[operator].append(part)
        return part

    shard.save(operator, changes)


def state_of(directory: Path, operators: Sequence[str] = ("a", "b")) -> State:
    store = State(directory, 1, "log")
    for operator in operators:
        store.expect(operator, everywhere=True)
    return store


def loaded(directory: Path) -> tuple[int, dict[str, list[dict[str, Any]]]] | None:
    """Return the position of a shard and what is loaded of it; None if it is refused."""
    try:
        store = state_of(directory)
        shard = store.shard(0)
        found = {operator: shard.load(operator) for operator in ("a", "b")}
        shard.close()
    except Refused:
        return None
    return shard.positions.get("log", 0), found


class Refused(Exception):  # noqa: N818
    """In place of the end of the process."""


@pytest.fixture
def refusing(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(message: str) -> NoReturn:
        assert "\n" not in message
        raise Refused(message)

    monkeypatch.setattr(state_module, "fail", refuse)
    monkeypatch.setattr(shard_module, "fail", refuse)
    monkeypatch.setattr(part_sizes, "_SLACK_BYTES", 3000)


@pytest.mark.parametrize("saves", [True, False])
def test_an_operator_that_is_added_begins_empty(saves: bool, tmp_path: Path) -> None:
    history = fill(tmp_path / "state", Random(1))
    shard = state_of(tmp_path / "state", "abc").shard(0)
    assert {operator: shard.load(operator) for operator in "abc"} == {**history[-1], "c": []}
    held: dict[str, list[dict[str, Any]]] = {**history[-1], "c": []}
    if saves:
        for operator in held:
            save(shard, operator, held, {"n": len(history), "data": b"new"})
            shard.save_position({"log": len(history)}, Mark()) if operator == "a" else None
    shard.close()
    again = state_of(tmp_path / "state", "abc").shard(0)
    assert {operator: again.load(operator) for operator in held} == held
    assert again.positions == {"log": len(history) - 1 + saves}
    again.close()
    if not saves:  # nothing is left of it: a flow without it goes on
        without = state_of(tmp_path / "state").shard(0)
        assert {operator: without.load(operator) for operator in "ab"} == history[-1]
        without.close()


@pytest.mark.usefixtures("refusing")
def test_no_damage_gives_state_that_never_was(tmp_path: Path) -> None:
    rng = Random(3)
    history = fill(tmp_path / "filled", rng)
    shutil.copytree(tmp_path / "killed", tmp_path / "intact")
    assert loaded(tmp_path / "intact") == (len(history) - 1, history[-1])
    outcomes = Counter[str]()
    for number in range(300):
        copy = tmp_path / str(number)
        shutil.copytree(tmp_path / "killed", copy)
        path = rng.choice(sorted(shard_path(copy, 0).iterdir()))
        data = bytearray(path.read_bytes())
        at = rng.randrange(len(data) or 1)
        match rng.randrange(4):
            case 0:
                del data[at:]
            case 1:
                data[at : at + 512] = bytes(len(data[at : at + 512]))
            case _ if data:
                data[at] ^= 1 << rng.randrange(8)
        path.write_bytes(data)
        found = loaded(copy)
        assert found is None or found[1] == history[found[0]], (path, at)
        kind = "refused" if found is None else "whole" if found[0] == len(history) - 1 else "behind"
        outcomes[kind] += 1
        shutil.rmtree(copy)
    print(outcomes)
    assert min(outcomes[kind] for kind in ("refused", "whole", "behind")) > 5


# Bounds


@pytest.mark.usefixtures("refusing")
def test_the_store_stays_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(part_sizes, "_SLACK_BYTES", 1 << 16)
    table, shard = Table(seen=np.uint32, clicks=np.uint32), state_of(tmp_path).shard(0)
    for operator in ("a", "b"):
        shard.load(operator)
    table.reserve(20_000)
    rng = np.random.default_rng(1)
    largest = 0
    for epoch in range(2_000):
        rows = rng.integers(0, 20_000, 1000)
        table["seen"][rows], table["clicks"][rows] = epoch + 1, rows
        table.touch(rows)
        shard.save_position({"log": epoch}, Mark())
        shard.save("a", lambda *, everything: table.everything("seen") if everything else table.changes())
        shard.save("b", lambda *, everything: {})
        if epoch % 50 == 0:
            largest = max(largest, inspect(tmp_path)[0].disk_bytes)
    live = len(encode(table.everything("seen")))
    written = 2_000 * 12_000
    print(f"{live:,} bytes held, {written:,} written, at most {largest:,} on disk")
    assert largest < 12 * live + (16 << 20)
    parts = inspect(tmp_path)[0].parts["a"]
    assert sum(parts) < 3 * live + (1 << 17)


def test_on_disk_is_what_all_shards_have_written(tmp_path: Path) -> None:
    state = State(tmp_path, 2, "log")
    state.expect("a", everywhere=True)
    assert state.on_disk("log", 9) == 9
    shards = [state.shard(number) for number in range(2)]
    assert state.on_disk("log", 9) == 0
    for shard, position in zip(shards, (5, 3), strict=True):
        shard.save_position({"log": position}, Mark())
        assert state.on_disk("log", 9) == 0
        save(shard, "a", {"a": []}, {"row": []})
    assert [state.on_disk("log", position) for position in (9, 2)] == [3, 2]


@pytest.mark.usefixtures("refusing")
def test_an_epoch_writes_what_changed_whatever_is_held(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(part_sizes, "_CREDIT_BYTES", 1 << 14)
    state = State(tmp_path, 8, "log")
    state.expect("a", everywhere=True)
    shards, held, rng = [state.shard(number) for number in range(8)], 10_000, np.random.default_rng(1)
    tables = [Table(seen=np.uint32) for _ in shards]
    wholes: list[list[int]] = []
    for epoch in range(1, 601):
        wholes.append([])
        for shard, table in zip(shards, tables, strict=True):
            rows = rng.integers(0, held, 200 if epoch > 1 else 50 * held)
            table.reserve(held)
            table["seen"][rows] = rng.integers(1, 1 << 32, len(rows))
            table.touch(rows)

            def changes(*, everything: bool, table: Table = table) -> dict[str, Any]:
                part = table.everything("seen") if everything else table.changes()
                wholes[-1] += [len(part["row"])] * everything
                return part

            shard.save_position({"log": epoch}, Mark())
            shard.save("a", changes)
    # The shards are alike, and would be written whole all in the same epochs.
    assert wholes[0] == [held] * 8
    assert sum(map(len, wholes[1:])) > 3 * len(shards)
    assert max(map(len, wholes[1:])) == 1
    largest = max(sum(shard.parts["a"]) for shard in inspect(tmp_path))
    assert largest < 3 * len(encode(tables[0].everything("seen")))


# What is loaded is what was saved


@pytest.mark.parametrize(
    "array",
    [
        np.array([], np.int64),
        np.array([5, 5, 5], np.uint8),
        np.array([7]),
        np.arange(100, 400, dtype=np.uint32),
        np.array([3, 1, 2]),
        np.array([3, 4, 4, 6]),
        np.array([-3, 1 << 62, 7]),
        np.array([-(1 << 63), (1 << 63) - 1]),
        np.array([(1 << 64) - 1, 0], np.uint64),
        np.array([(1 << 64) - 1, (1 << 64) - 300], np.uint64),
        np.array([[1, 2], [3, 4]], np.int16),
        np.array([0.5, np.inf]),
        np.array([0.0, -0.0, 0.0, np.nan, 0.0]),
        np.array([0, 0, 700, 0, 0, 1 << 40, 0]),
        np.array([0, 0, -700, 0]),
        np.array([[0, 0, 0], [0, 0, 70_000]], np.uint32),
        np.zeros(9, np.uint64),
        np.array([3, 4, 300, 301, 302, 500, 555], np.uint32),
        np.array([(1 << 64) - 300, (1 << 64) - 200, (1 << 64) - 1], np.uint64),
        np.array([(1 << 64) - 1, 0, 5], np.uint64),
        np.array([-(1 << 63), -1, (1 << 63) - 1]),
        np.array([-300, -100, 100]),
        np.array([[1, 300], [400, 500]]),
        np.array([True, False]),
    ],
)
def test_an_array_survives(array: npt.NDArray[Any]) -> None:
    found = decode(encode({"array": array}))["array"]
    assert (found.dtype, found.shape) == (array.dtype, array.shape)
    assert np.array_equal(found, array, equal_nan=array.dtype.kind == "f")
    assert np.array_equal(np.signbit(found), np.signbit(array)) or array.dtype.kind != "f"


def test_an_array_takes_what_its_numbers_differ_by() -> None:
    now_ns = logs.MIDNIGHT + np.array([0, 65_535])
    sizes = [len(encode({"": array})) for array in (np.arange(10**6), np.full(10**6, 7), now_ns)]
    assert sizes[0] < 50
    assert sizes[1] < 50
    assert sizes[2] < 50


def test_an_array_that_is_mostly_zero_takes_a_bit_for_each_zero() -> None:
    seconds = np.zeros(8000, np.uint32)
    seconds[::10] = logs.MIDNIGHT // logs.SECOND + np.arange(800) * 3
    assert len(encode({"": seconds})) < 1000 + 2 * 800 + 100


Rows = list[tuple[int, int]]


@given(
    steps=st.lists(
        st.tuples(st.sampled_from(["set", "clear", "changes", "everything"]), st.lists(st.integers(0, 200))),
        max_size=30,
    )
)
def test_table_round_trips(steps: list[tuple[str, list[int]]]) -> None:
    table, naive, parts = Table(value=np.uint32, other=np.int64), dict[int, int](), list[dict[str, Any]]()
    for number, (kind, rows) in enumerate(steps, 1):
        index = np.array(rows, np.int64)
        if kind == "set" and rows:
            table.reserve(max(rows) + 1)
            table["value"][index], table["other"][index] = number, -index
            table.touch(index)
            naive |= dict.fromkeys(rows, number)
        elif kind == "clear":
            table.clear(index)
            naive = {row: value for row, value in naive.items() if row not in rows}
        elif kind == "changes":
            parts.append(table.changes())
        elif kind == "everything":
            parts = [table.everything("value")]
    parts.append(table.changes())
    copy = Table(value=np.uint32, other=np.int64)
    for part in parts:
        copy.load(decode(encode(part)))
    rows_held = np.flatnonzero(copy["value"])
    assert dict(zip(rows_held.tolist(), copy["value"][rows_held].tolist(), strict=True)) == naive
    assert copy["other"][rows_held].tolist() == [-row for row in naive_rows(naive)]


def naive_rows(naive: dict[int, int]) -> list[int]:
    return sorted(naive)


# Steps of a clock: how far it moves on, and clicks as (visitor, seconds ago).
CLOCKS = st.lists(
    st.tuples(
        st.integers(0, 400),
        st.lists(st.tuples(st.integers(0, 5), st.integers(0, 900))),
        st.sampled_from(["", "save", "whole", "restart"]),
    ),
    max_size=25,
)


@given(steps=CLOCKS)
def test_ring_equals_a_naive_one_whatever_is_saved_when(
    steps: list[tuple[int, list[tuple[int, int]], str]],
) -> None:
    def make() -> tuple[Table, Ring]:
        table = Table(bits=np.uint16)
        return table, Ring(table, "bits", slice_s=60, kept=15)

    (table, ring), parts = make(), list[dict[str, Any]]()
    clicks: list[tuple[int, int]] = []
    now_s = 100_000
    table.reserve(6)
    for ahead_s, new, then in steps:
        now_s += ahead_s
        slots = np.array([slot for slot, _ in new], np.int32)
        seconds = np.array([now_s - ago_s for _, ago_s in new], np.int64)
        clicks += zip(slots.tolist(), seconds.tolist(), strict=True)
        if new:
            table.touch(slots)
            ring.add(slots, seconds, now_s)
        if then:
            part = table.everything("bits") if then == "whole" else table.changes()
            parts = [] if then == "whole" else parts
            parts.append(decode(encode(part | ring.state())))
        if then == "restart":
            table, ring = make()
            table.reserve(6)
            for part in parts:
                ring.load(part)
                table.load(part)
        minutes = range(now_s // 60 - 14, now_s // 60 + 1)
        found = ring.report(now_s + 1)
        assert found[0] == [sum(s // 60 == minute for _, s in clicks) for minute in minutes]
        assert found[1] == [len({v for v, s in clicks if s // 60 == minute}) for minute in minutes]


@given(steps=CLOCKS)
def test_slices_equal_naive_ones_whatever_is_saved_when(
    steps: list[tuple[int, list[tuple[int, int]], str]],
) -> None:
    slices, parts = Slices(600), list[dict[str, Any]]()
    clicks: list[tuple[int, int]] = []
    now_s = 100_000
    for ahead_s, new, then in steps:
        now_s += ahead_s
        keys = np.array([key for key, _ in new], np.int64)
        seconds = np.array([now_s - ago_s for _, ago_s in new], np.int64)
        clicks += zip(keys.tolist(), seconds.tolist(), strict=True)
        slices.add(seconds, keys, now_s)
        if then:
            parts = [] if then == "whole" else parts
            parts.append(decode(encode(slices.changes(everything=then == "whole"))))
        if then == "restart":
            slices = Slices(600)
            for part in parts:
                slices.load(part)
        slices.advance(now_s + 1)
        counts = [sum(k == key and s > now_s - 600 for k, s in clicks) for key in range(6)]
        assert np.resize(slices.totals, 6).tolist()[: len(slices.totals)] == counts[: len(slices.totals)]
        assert not any(counts[len(slices.totals) :])


# The command


def inspected(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "flows.state", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_inspection_shows_what_is_held_and_changes_nothing(killed: Killed) -> None:
    killed.restore()
    files = {path: path.read_bytes() for path in killed.flow.state.rglob("*") if path.is_file()}
    shown = inspected(str(killed.flow.state))
    assert shown.returncode == 0, shown.stderr
    lines = shown.stdout.splitlines()
    assert lines[0] == f"{killed.flow.state}: format {VERSION}, source file:{killed.flow.log}, 3 of 3 shards"
    assert [line.split()[0] for line in lines[3:6]] == ["0000", "0001", "0002"]
    assert all(f"file:{killed.flow.log}@" in line and "2024-02-2" in line for line in lines[3:6])
    operators = [line.split()[0] for line in lines[8:]]
    assert operators == sorted(operators)
    assert {"visits", "visitors", "sessions", "pages", "totals", "raw", "all"} <= set(operators)
    assert {path: path.read_bytes() for path in killed.flow.state.rglob("*") if path.is_file()} == files


def test_inspection_works_while_a_flow_runs(tmp_path: Path, redis_url: str, killed: Killed) -> None:
    flow = CrashedFlow(tmp_path, redis_url, killed.flow.records, shards=2)
    process = flow.start(Faults(pause_s=0.02))
    await_progress(flow, process)
    looks = 0
    while process.is_alive():
        assert len(inspect(flow.state)) == 2
        looks += 1
    assert flow.end(process) == 0, flow.output
    assert looks > 5
    flow.assert_exact()


def test_inspection_says_what_is_wrong_in_one_line(tmp_path: Path, killed: Killed) -> None:
    killed.restore()
    _file("CURRENT")(killed.flow.state).unlink()
    for arguments, said in [
        ([str(killed.flow.state)], "shard-0001 is damaged: its file CURRENT is missing: move it away"),
        ([str(tmp_path)], "holds no state: give the directory of a flow's state (CLICKS_STATE_DIR)"),
        ([str(tmp_path / "nowhere")], "holds no state"),
        (["a", "b"], "usage: python -m flows.state [DIR]"),
    ]:
        shown = inspected(*arguments)
        assert shown.returncode == 1
        assert shown.stdout == ""
        assert shown.stderr.count("\n") == 1, shown.stderr
        assert said in shown.stderr
