"""Large blocks are made where the last one was."""

from __future__ import annotations

import subprocess
import sys

import pytest

BLOCK_BYTES, PAGE_BYTES = 40 << 20, 4096


@pytest.mark.parametrize(("prepare", "fresh"), [("reuse(size + (1 << 20))", False), ("", True)])
def test_blocks_come_from_the_heap(prepare: str, fresh: bool) -> None:
    code = f"""
import resource
from flows.runtime.malloc import reuse

size = {BLOCK_BYTES}
{prepare}
for made in range(6):
    if made == 3:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    # The one before goes once the next is there; what is made of it stays.
    block = b"x" * size
    made_of_it = bytes(100_000), made and made_of_it
print((resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before) // 3)
"""
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert (int(found.stdout) > BLOCK_BYTES // PAGE_BYTES // 2) == fresh
