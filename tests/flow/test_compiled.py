"""What is compiled: once, with a line that says so, and again only for another version."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from numba.core import config

from flows.runtime.code_cache import OfUser
from flows.runtime.compiled import entry

ROOT = Path(__file__).parents[2]
SCAN = """
import logging, sys
logging.basicConfig(stream=sys.stdout, level=logging.INFO, format="%(message)s")
from flows.model.lines import Lines
from flows.ingest.scanned import scanned_in
print(scanned_in(Lines(b'{"userId":"u","timestamp":1709229600}', 0, None), 1 << 62).time_ns)
"""


def scan(folder: Path) -> list[str]:
    given = os.environ | {"NUMBA_CACHE_DIR": str(folder), "NUMBA_CPU_NAME": "generic"}
    command = [sys.executable, "-c", SCAN]
    return subprocess.run(
        command, cwd=ROOT, env=given, capture_output=True, text=True, check=True
    ).stdout.splitlines()


def test_the_first_start_compiles_and_says_so_and_the_next_one_has_it(tmp_path: Path) -> None:
    assert scan(tmp_path) == [
        "compiling, once for this version; it takes some seconds",
        "[1709229600000000000]",
    ]
    (made,) = tmp_path.iterdir()
    made.chmod(0o555)
    before = sorted(made.iterdir())
    assert scan(tmp_path) == ["[1709229600000000000]"]
    assert sorted(made.iterdir()) == before


class Nowhere(OfUser):
    """No folder can be written to."""

    def ensure_cache_path(self) -> None:
        raise PermissionError


def test_without_a_place_to_keep_it_it_runs_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(config, "CACHE_LOCATOR_CLASSES", f"{__name__}.Nowhere")

    def double(number: int) -> int:
        return 2 * number

    assert entry("int64")(double)(21) == 42
