"""What is compiled: once, with a line that says so, and again only for another version."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from flows.model.columns import Ints
from flows.runtime import code_cache
from flows.runtime.compiled import entry

ROOT = Path(__file__).parents[2]
SCAN = """
import logging, sys
logging.basicConfig(stream=sys.stdout, level=logging.INFO, format="%(message)s")
from flows.model.lines import Lines
from flows.ingest.scanned import scanned_in
print(scanned_in(Lines(b'{"userId":"u","timestamp":1709229600}', 0, None), 1 << 62).time_ns)
print("numba" in sys.modules)
"""


def scan(folder: Path) -> list[str]:
    given = os.environ | {"NUMBA_CACHE_DIR": str(folder), "NUMBA_CPU_NAME": "generic"}
    command = [sys.executable, "-c", SCAN]
    return subprocess.run(
        command, cwd=ROOT, env=given, capture_output=True, text=True, check=True
    ).stdout.splitlines()


def test_the_first_start_compiles_and_says_so_and_the_next_one_needs_no_compiler(tmp_path: Path) -> None:
    assert scan(tmp_path) == [
        "compiling, once for this version; it takes some seconds",
        "[1709229600000000000]",
        "True",
    ]
    (made,) = tmp_path.iterdir()
    made.chmod(0o555)
    before = sorted(made.iterdir())
    assert scan(tmp_path) == ["[1709229600000000000]", "False"]
    assert sorted(made.iterdir()) == before


def test_few_versions_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path))
    for number in range(6):
        (tmp_path / str(number)).mkdir()
        os.utime(tmp_path / str(number), (number, number))

    assert entry("int64")(negative)(21) == -21
    assert sorted(path.name for path in tmp_path.iterdir() if len(path.name) == 1) == ["3", "4", "5"]


def test_without_a_place_to_keep_it_it_runs_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(code_cache, "_places", lambda: iter([Path("/proc/nowhere")]))
    assert entry("int64")(negative)(21) == -21


def test_what_was_compiled_for_other_types_is_not_called(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path))
    first = entry("int32[:, ::1]")(first_of)
    rows = np.arange(6, dtype=np.int32).reshape(2, 3) + 7
    # Of the same type by another name.
    assert first(rows) == first(pickle.loads(pickle.dumps(rows))) == first(rows.view(np.intc)) == 7
    others: list[Ints] = [rows.astype(np.int64), rows[0], rows.T, rows[:, :2]]
    for other in others:
        with pytest.raises(TypeError, match=r"first_of-\w+ takes int32\[:, ::1\], not int\d\d of shape"):
            first(other)
    with pytest.raises(TypeError, match="float"):
        entry("int64")(negative)(2.5)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="longer"):
        first()  # type: ignore[call-arg]


def negative(number: int) -> int:
    return -number


def first_of(rows: Ints) -> int:
    first: int = rows[0, 0]
    return first
