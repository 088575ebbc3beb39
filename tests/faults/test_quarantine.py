"""Quarantine: what ends the flow is set aside, and nothing else is, however often it is killed."""

from __future__ import annotations

import json
import signal
import time
from pathlib import Path
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flows.model.batch import Barrier, Batch
from flows.model.notes import NOTHING, Flight
from flows.shards.quarantine import Quarantine
from tests.faults.crash import CrashedFlow
from tests.faults.injection import Faults
from tests.faults.mutants import KILLER
from tests.oracle import oracle
from tests.support import logs
from tests.support.published import assert_same

SIZE = 30


class Disk:
    """What outlives the flow."""

    def __init__(self) -> None:
        self.flight = NOTHING
        self.poisoned: set[int] = set()

    def fly(self, source: str, flight: Flight) -> None:
        self.flight = flight

    def poison(self, source: str, position: int) -> None:
        self.poisoned.add(position)


def batches(rng: Random, gaps: bool, text: bool) -> list[Batch]:
    """Return records 0 to SIZE in batches; the same each time, as readings see to."""
    made, at = [], 0
    while at < SIZE:
        end = min(SIZE, at + rng.randrange(1, 9))
        records = [b"%02d" % number for number in range(at, end)]
        if text:
            data = b"".join(record + b"\n" for record in records)
            made.append(Batch("t", 3 * at, 3 * end, data, 0, barrier=Barrier(at)))
        elif gaps:
            positions = list(range(2 * at + 1, 2 * end + 1, 2))
            made.append(Batch("t", 2 * at, 2 * end, records, 0, positions, barrier=Barrier(at)))
        else:
            made.append(Batch("t", at, end, records, 0, barrier=Barrier(at)))
        at = end
    return made


class KilledError(Exception):
    """The flow has ended."""


def live(disk: Disk, log: list[Batch], killers: set[bytes], killed_at: int | None) -> list[bytes]:
    """Run once from the beginning; returns what was taken in or set aside. Raises KilledError."""
    quarantine = Quarantine("t", disk.flight, disk.poisoned, disk)
    seen: list[bytes] = []
    for batch in log:
        barriers = []
        for part in quarantine.parts(batch):
            quarantine.take(part, len(seen) + 1)
            records = part.data.split() if isinstance(part.data, bytes) else [*part.data]
            if killers & {*records} or (killed_at is not None and len(seen) + len(records) > killed_at):
                raise KilledError
            assert not [reason for reason, *_ in part.set_aside if reason != "poison"]
            seen += [*records, *(head for _, _, head in part.set_aside)]
            barriers.append(part.barrier)
            quarantine.landed(seen.__len__)
        assert barriers == [None] * (len(barriers) - 1) + [batch.barrier]
    return seen


@settings(max_examples=300)
@given(st.integers(0, 1 << 30), st.sets(st.integers(0, SIZE - 1), max_size=3), st.booleans(), st.booleans())
def test_killers_are_set_aside_and_nothing_else(seed: int, numbers: set[int], gaps: bool, text: bool) -> None:
    rng, disk = Random(seed), Disk()
    log = batches(rng, gaps, text)
    killers = {b"%02d" % number for number in numbers}
    for _ in range(4 * len(killers)):
        with pytest.raises(KilledError):
            live(disk, log, killers, None)
    assert live(disk, log, killers, None) == [b"%02d" % number for number in range(SIZE)]
    assert len(disk.poisoned) == len(killers)
    assert disk.flight.start == -1


@settings(max_examples=300)
@given(st.integers(0, 1 << 30), st.lists(st.integers(0, SIZE - 1), max_size=12))
def test_a_kill_that_meets_a_record_costs_none(seed: int, kills: list[int]) -> None:
    """Wherever it is killed, unless that is thrice in a row while it takes in the very same record."""
    rng, disk = Random(seed), Disk()
    log = batches(rng, gaps=False, text=False)
    kills = [kill for n, kill in enumerate(kills) if kill not in kills[max(0, n - 3) : n]]
    for kill in kills:
        with pytest.raises(KilledError):
            live(disk, log, set(), kill)
    assert live(disk, log, set(), None) == [b"%02d" % number for number in range(SIZE)]
    assert disk.poisoned == set()


def test_a_record_that_kills_the_process_is_counted_and_kept(tmp_path: Path, redis_url: str) -> None:
    records = logs.random_log(3, clicks=900, days=0.2, broken=0.01, large=False)
    killer = logs.record_of(logs.click_of("u", logs.MIDNIGHT - logs.HOUR, title=KILLER.decode()))
    records.insert(500, killer)
    flow = CrashedFlow(tmp_path, redis_url, records, shards=2)
    deadly = Faults(pause_s=0.0, mutant="a_record_that_kills")
    statuses: list[int] = []
    while not statuses or (statuses[-1] != 0 and len(statuses) < 7):
        statuses.append(flow.run(deadly))
    # The first one met it while it was decoded ahead.
    assert statuses == [-signal.SIGKILL] * 5 + [0], flow.output
    found = flow.published()
    placed = [item for item in zip(logs.positions(records), records, strict=True) if item[1] != killer]
    expected = oracle.recompute(placed, time.time_ns() // 10**6)
    [entry] = [entry for entry in found["rejected"] if entry["reason"] == "poison"]
    assert json.loads(entry["record"])["title"] == KILLER.decode()
    assert entry["position"] == f"file:{flow.log}@{logs.positions(records)[500]}"
    assert found["board"]["rejected"].pop("poison") == 1
    found["board"]["rejected_total"] -= 1
    found["rejected"].remove(entry)
    assert_same(found, expected)
