"""What is asked of a batch visitor by visitor, against the same asked click by click."""

from __future__ import annotations

from random import Random

import numpy as np
import pytest

from flows.windows.by_visitor import ByVisitor
from tests.support import logs


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("span_ns", [3, logs.HOUR, 25 * 365 * 24 * logs.HOUR])
def test_each_click_is_told_of_those_before_it(seed: int, span_ns: int) -> None:
    rng = Random(seed)
    slots = [rng.randrange(1, 40) for _ in range(rng.randrange(1, 200))]
    times = [logs.MIDNIGHT + rng.randrange(span_ns) for _ in slots]
    happened = [rng.random() < 0.2 for _ in slots]
    held_ns = {slot: rng.choice([0, logs.MIDNIGHT + rng.randrange(span_ns)]) for slot in set(slots)}
    seen: dict[int, list[int]] = {slot: [held] for slot, held in held_ns.items()}
    begun: set[int] = set()
    before, newest, since = [], [], []
    for slot, time_ns, begins in zip(slots, times, happened, strict=True):
        before.append(seen[slot][-1])
        seen[slot].append(time_ns)
        newest.append(max(seen[slot]))
        begun |= {slot} if begins else set()
        since.append(slot in begun)

    visits = ByVisitor.of(np.array(slots, np.int32))
    assert visits.slots.tolist() == sorted(seen)
    held = np.array([held_ns[slot] for slot in sorted(seen)])
    assert visits.before(np.array(times), held).tolist() == before
    assert visits.newest(np.array(times), held).tolist() == newest
    assert visits.since(np.array(happened)).tolist() == since
    assert visits.last(np.array(times)).tolist() == [seen[slot][-1] for slot in sorted(seen)]
