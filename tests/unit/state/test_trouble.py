"""What is told of state that cannot be used: whoever obeys the line loses nothing."""

from __future__ import annotations

import errno
import os
import resource
from pathlib import Path

import pytest

from flows.runtime import open_files as file_limits
from flows.runtime.open_files import allow_open_files
from flows.state.trouble import DamagedError, unmakeable, unusable, unwritable

PATH = Path("/state/shard-0001")


@pytest.mark.parametrize(
    ("number", "cure"),
    [
        (errno.EACCES, "give the flow's user the right to read and write there, then restart it"),
        (errno.EPERM, "give the flow's user the right to read and write there, then restart it"),
        (errno.EROFS, "mount it so that it can be written to, then restart the flow"),
        (errno.EMFILE, "raise the limit of open files (ulimit -n), then restart the flow"),
        (errno.ENFILE, "raise the system's limit of open files (fs.file-max), then restart the flow"),
        (errno.EIO, "its disk fails: look at the kernel's log, and copy what can be read"),
        (errno.ENOLCK, "its file system has no locks: use a local one"),
        (errno.ENOMEM, "give the flow more memory, then restart it"),
        (errno.ESTALE, "its network file system has lost it: mount it anew, then restart the flow"),
    ],
)
def test_each_trouble_has_its_own_cure(number: int, cure: str) -> None:
    reason = os.strerror(number)
    rocks = Exception(f"IO error: While open a file for appending: {PATH}/LOCK: {reason}")
    assert unusable(PATH, rocks) == f"{PATH} cannot be opened: {rocks}: {cure}"
    own = OSError(number, reason)
    assert unusable(PATH, own) == f"{PATH} cannot be opened: {reason}: {cure}"
    assert unmakeable(PATH, own) == f"{PATH} cannot be made: {reason}: {cure}"
    assert unwritable(PATH, own) == f"{PATH} cannot be written: {reason}: {cure}"
    assert "move it away" not in cure


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG])
def test_no_room_is_no_damage(number: int) -> None:
    line = f"{PATH} cannot be written: {os.strerror(number)}: make room there, then restart the flow"
    assert unusable(PATH, OSError(number, os.strerror(number))) == line


def test_only_what_is_corrupt_is_to_be_moved_away() -> None:
    for error in DamagedError("parts of visits are missing"), Exception("Corruption: bad block"):
        remedy = "move it away to rebuild it from the source"
        assert unusable(PATH, error) == f"{PATH} is damaged: {error}: {remedy}"
    held = Exception(f"IO error: While lock file: {PATH}/LOCK: Resource temporarily unavailable")
    assert unusable(PATH, held).startswith(f"{PATH} is in use by another flow: stop it")


def test_the_limit_of_open_files_is_raised_or_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    limits, said = (256, 4000), list[str]()
    raised: list[tuple[int, int]] = []
    monkeypatch.setattr(resource, "getrlimit", lambda _: limits)
    monkeypatch.setattr(resource, "setrlimit", lambda _, wanted: raised.append(wanted))
    monkeypatch.setattr(file_limits, "fail", said.append)
    allow_open_files(16)
    assert (raised, said) == ([(900, 4000)], [])
    allow_open_files(200)
    assert (raised[1:], said) == ([(4000, 4000)], [])
    allow_open_files(300)
    assert said == ["4000 files may be open, 300 shards need 15100: raise the hard limit (ulimit -Hn)"]
