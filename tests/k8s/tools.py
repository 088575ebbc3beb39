"""The programs these tests run beside Python: found, or the test is skipped; where CI is set it fails."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
BUILT = ROOT / ".cache" / "bin"


def found(*names: str) -> str | None:
    """Return the path of the first of these programs that is there, built by `make` or installed."""
    places = os.pathsep.join([str(BUILT), os.environ["PATH"]])
    return next((path for name in names if (path := shutil.which(name, path=places))), None)


def needed(*names: str) -> str:
    """Return the path of the first of these programs; skips the test without any, or fails it in CI."""
    path = found(*names)
    if path is None:
        missing(f"no {' or '.join(names)} in the PATH: `make tools`")
    assert path is not None
    return path


def missing(what: str) -> None:
    """Skip a test for lack of something; in CI, where nothing is to be lacking, fail it."""
    (pytest.fail if os.environ.get("CI") else pytest.skip)(what)


def run(*command: str | Path, stdin: str | None = None) -> str:
    """Run a program and return what it prints; fails the test with its errors."""
    done = subprocess.run(command, input=stdin, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, f"{command[0]} ended with {done.returncode}: {done.stdout}{done.stderr}"
    return done.stdout
