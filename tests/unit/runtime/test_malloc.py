"""The heap is trimmed from time to time, and large blocks are made where the last one was."""

from __future__ import annotations

import subprocess
import sys

import pytest

from flows.runtime.malloc import TRIM_EVERY_S, Heap

BLOCK_BYTES, PAGE_BYTES = 40 << 20, 4096


def test_the_heap_is_trimmed_no_more_often_than_it_says() -> None:
    heap, due_s = Heap(5.0), 5.0 + TRIM_EVERY_S
    trimmed = [heap.trim(at_s) for at_s in (5.0, due_s - 0.1, due_s, due_s + 0.1, due_s + TRIM_EVERY_S)]
    assert trimmed == [False, False, True, False, True]


@pytest.mark.parametrize(("prepare", "fresh"), [("reuse(size + (1 << 20))", False), ("", True)])
def test_blocks_come_from_the_heap(prepare: str, fresh: bool) -> None:
    code = f"""
import resource
from flows.runtime.malloc import reuse

size = {BLOCK_BYTES}
{prepare}
made_of_them = []
for made in range(6):
    if made == 3:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    # The one before goes once the next is there; what is made of it stays.
    block = b"x" * size
    made_of_them.append(bytes(100_000))
print((resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before) // 3)
"""
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert (int(found.stdout) > BLOCK_BYTES // PAGE_BYTES // 2) == fresh
