"""How a flow that cannot go on ends."""

from __future__ import annotations

import subprocess
import sys
import time

import pytest

from flows.runtime.exits import within

HANGING = """
from flows.runtime.exits import within
with within({seconds}, "it took too long"):
    # A regular expression that backtracks without end: native code that lets nothing else run.
    import re
    re.match("(a|a)*$", "a" * {length} + "b")
"""


@pytest.mark.parametrize(("seconds", "length", "line"), [(1, 60, "it took too long\n"), (30, 3, "")])
def test_native_code_that_does_not_return_ends_with_one_line(seconds: int, length: int, line: str) -> None:
    script = HANGING.format(seconds=seconds, length=length)
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=20)
    assert (ended.returncode != 0, ended.stderr) == (bool(line), line)


def test_it_lets_go_at_once_at_whatever_moment() -> None:
    """Also while the watch has just begun its own child."""
    for number in range(100):
        began_s = time.monotonic()
        with within(30, "it took too long"):
            while time.monotonic() < began_s + number % 10 * 0.0005:
                pass
        assert time.monotonic() < began_s + 10


def test_nothing_is_left_behind() -> None:
    """As process 1 of a container is, this one is given what others leave behind."""
    script = """
import ctypes, os
from flows.runtime.exits import within
ctypes.CDLL(None).prctl(36, 1)  # PR_SET_CHILD_SUBREAPER
for _ in range(3):
    with within(30, "it took too long"):
        pass
try:
    os.waitpid(-1, os.WNOHANG)
except ChildProcessError:
    print("nothing")
"""
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=20)
    assert (ended.stdout, ended.stderr) == ("nothing\n", "")


def test_what_ends_in_time_is_left_alone() -> None:
    began_s = time.monotonic()
    with within(0.2, "it took too long"):
        pass
    while time.monotonic() < began_s + 0.4:
        time.sleep(0.05)
