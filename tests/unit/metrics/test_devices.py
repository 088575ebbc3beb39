"""Devices: visitors by type in 10 minutes; one who uses two types counts twice."""

from __future__ import annotations

import pytest

from flows.metrics.devices import Devices
from tests.unit.metrics.shard import NOON_S, OneShard, rows

CASES = [
    # what, (second, visitor, type)..., as of, [Desktop, Tablet, Mobile, Other]
    ("one of each", [(0, "a", "Desktop"), (0, "b", "Tablet"), (0, "c", "Mobile")], 1, [1, 1, 1, 0]),
    ("two types", [(0, "a", "Desktop"), (1, "a", "Mobile")], 2, [1, 0, 1, 0]),
    ("the same twice", [(0, "a", "Desktop"), (1, "a", "Desktop")], 2, [1, 0, 0, 0]),
    ("another, and none", [(0, "a", "TV"), (1, "a", None), (2, "b", "TV")], 3, [0, 0, 0, 3]),
    ("until 10 minutes are over", [(0, "a", "Desktop"), (0, "b", "TV")], 600, [1, 0, 0, 1]),
    ("and no longer", [(0, "a", "Desktop"), (0, "b", "TV")], 601, [0, 0, 0, 0]),
]


@pytest.mark.parametrize(("clicks", "as_of", "totals"), [c[1:] for c in CASES], ids=[c[0] for c in CASES])
def test_devices(clicks: list[tuple[int, str, str | None]], as_of: int, totals: list[int]) -> None:
    shard = OneShard(Devices(window_s=600))
    shard.take([(NOON_S + second, visitor, {"device": device}) for second, visitor, device in clicks])
    board = shard.board(NOON_S + as_of)
    assert [total for *_, total in rows(board.frames["device_type_popularity"])] == totals
    assert board.numbers == {"devices_now": sum(totals)}
