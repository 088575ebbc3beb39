"""Time: whatever clocks do, a board is exact for its `as_of`, which never goes back; on a made-up clock."""

from __future__ import annotations

import json
import os
from random import Random
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from flows.model.board import Board
from tests.flow.simulation import TOPIC, Disk, Host, Log, Run, figures
from tests.oracle import oracle
from tests.support import logs
from tests.support.published import assert_sums

MINUTE_MS, HOUR_MS = 60_000, 3_600_000
AHEAD_MS = 5 * MINUTE_MS
ALL_READ_MS = 10**13
# Each run draws others.
WORLDS = int(os.environ.get("TIME_WORLDS", "500"))


class World:
    """A shop, its hosts and a flow over them, of one seed: what happens, and what is to be seen of it."""

    def __init__(self, seed: int) -> None:
        self.rng = rng = Random(seed)
        self.now_ms = logs.MIDNIGHT // logs.MS + rng.randrange(HOUR_MS)
        self.log = Log(rng.randint(1, 4))
        self.times: dict[tuple[int, int], int | None] = {}
        wrong = [rng.choice([0, 0, rng.randint(-2 * MINUTE_MS, 2 * MINUTE_MS)])]
        wrong += [rng.randint(-10 * MINUTE_MS, 10 * MINUTE_MS) for _ in range(rng.randint(0, 2))]
        self.hosts = [Host(self.now_ms + ms, rng.randrange(10**9)) for ms in wrong]
        self.disks = [Disk() for _ in range(rng.randint(1, 2))]
        self.as_of_ms = 0
        for partition in self.log.partitions:
            # Reached by every clock: what is many hours older is late from here on.
            self.click(partition, -5 * MINUTE_MS - rng.randrange(2000))
        self.run = Run(self.log, self.hosts, self.disks, rng)

    def click(self, partition: int, ahead_ms: int) -> None:
        """Log a click that is `ahead_ms` of true time; no two are of the same time."""
        time_ns = (self.now_ms + ahead_ms) * 10**6 + len(self.times)
        rng = self.rng
        fields = {
            "userId": f"user-{rng.randrange(8)}",
            "productId": f"P{rng.randrange(4)}",
            "category": rng.choice(["clothing", "shoes", "toys"]),
            "deviceType": rng.choice(["Desktop", "Mobile", "Tablet", "TV"]),
            "gender": rng.choice("MF"),
            "age": rng.choice([30, 35, 40]),
            "title": "A title",
        }
        self.append(partition, json.dumps(fields | {"timestamp": time_ns}).encode(), time_ns)

    def append(self, partition: int, data: bytes, time_ns: int | None) -> None:
        self.times[partition, len(self.log.records[partition])] = time_ns
        self.log.append(partition, data)

    def shop(self) -> None:
        """Let visitors click: mostly now, or with a clock that is fast, or after hours without a net."""
        rng = self.rng
        for _ in range(rng.choice([0, 0, 1, 2, 6])):
            partition = rng.choice(self.log.partitions)
            chance = rng.random()
            if chance < 0.03:
                self.append(partition, b"broken", None)
            else:
                low, high = (
                    (-3000, 0)
                    if chance < 0.5
                    else (0, AHEAD_MS)
                    if chance < 0.75
                    else (AHEAD_MS - 2000, AHEAD_MS + 8000)
                    if chance < 0.85
                    else (-6 * HOUR_MS, -HOUR_MS)
                    if chance < 0.95
                    else (-20 * HOUR_MS, -12 * HOUR_MS)
                )
                self.click(partition, rng.randint(low, high))

    def pass_ms(self, ms: int) -> None:
        self.now_ms += ms
        for host in self.hosts:
            host.pass_ms(ms)

    def bend(self) -> None:
        """Set a wall clock, forward or back."""
        host = self.rng.choice(self.hosts)
        host.wall_ms += self.rng.choice([-1, 1]) * self.rng.choice([20_000, 5 * MINUTE_MS, HOUR_MS])

    def live(self) -> None:
        """Let something happen, then see what is published."""
        rng = self.rng
        self.pass_ms(rng.choice([60, 300, 900, 1000, 1000, 1100, 2500, rng.choice([20_000, 400_000])]))
        self.shop()
        if rng.random() < 0.1:
            self.bend()
        if rng.random() < 0.2:
            self.run.meet()
        for board in self.run.step():
            self.check(board)
        if rng.random() < 0.2:
            self.run.save(len(self.disks))
        if rng.random() < 0.1:
            self.kill()

    def kill(self) -> None:
        self.run.save(self.rng.randint(0, len(self.disks)))
        self.pass_ms(self.rng.choice([100, 5000, 100_000]))
        self.run = Run(self.log, self.hosts, self.disks, self.rng)

    def check(self, board: Board) -> None:
        found = figures(board)
        numbers = found["board"]
        assert self.as_of_ms <= numbers["as_of"] <= self.hosts[0].now_ms()
        self.as_of_ms = numbers["as_of"]
        wanted = self.expected(numbers)
        board_wanted = wanted.pop("board")
        assert numbers["rejected"] == board_wanted.pop("rejected")
        assert {name: numbers[name] for name in board_wanted} == pytest.approx(board_wanted)
        assert {name: found[name] for name in wanted} == wanted
        assert_sums(found)

    def expected(self, numbers: dict[str, Any]) -> dict[str, Any]:
        """Recompute a board from the records that it says it includes, and its `as_of`."""
        shown = [
            place for place in self.times if place[1] < numbers["positions"].get(f"{TOPIC}/{place[0]}", 0)
        ]
        too_new = [place for place in shown if self.is_too_new(place)]
        counted = [
            place
            for place in sorted(set(shown) - set(too_new), key=lambda place: (place[1] > 0, place))
            if (self.times[place] or 0) < numbers["as_of"] * 10**6
        ]
        records = [(number, self.log.records[p][at].data) for number, (p, at) in enumerate(counted)]
        wanted = oracle.recompute(records, ALL_READ_MS, numbers["as_of"])
        # Journeys go by the order of arrival, which is another for each way to read several partitions.
        for key in ("state_logs", "special_offers", "rejected", "journeys"):
            del wanted[key]
        for name in list(wanted["board"]):
            if name == "ahead" or name.startswith(("offers", "journeys")):
                del wanted["board"][name]
        wanted["board"]["rejected_total"] += len(too_new)
        if too_new:
            wanted["board"]["rejected"]["too_new"] = len(too_new)
        return wanted

    def is_too_new(self, place: tuple[int, int]) -> bool:
        """Return whether a click was more than 5 minutes ahead of the clock when it was first read."""
        return (self.times[place] or 0) > (self.log.read_ms[place] + AHEAD_MS) * 10**6

    def end(self) -> None:
        """Let all be read and every time come: in the end nothing waits."""
        boards: list[Board] = []
        for ms in (1000, 1000, 3 * HOUR_MS, 1000, 2000):
            self.pass_ms(ms)
            boards = self.run.step()
            for board in boards:
                self.check(board)
        numbers = figures(boards[-1])["board"]
        accepted = numbers["clicks_total"] + numbers["late_total"] + numbers["rejected_total"]
        assert (accepted, numbers["ahead"], numbers["lag"]) == (len(self.times), 0, 0)


# Set back while the flow was down: what is read again was read by a later clock than that of the new start.
@example(588305)
# Clicks that only the shorter of two windows of pages would have taken in.
@example(687)
@settings(max_examples=WORLDS, deadline=None)
@given(st.integers(min_value=0, max_value=2**32))
def test_boards_are_exact_whatever_clocks_do(seed: int) -> None:
    world = World(seed)
    for _ in range(world.rng.randint(4, 14)):
        world.live()
    world.end()
