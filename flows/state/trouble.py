"""What is told of state that cannot be used: the true reason, and a cure by which nothing is lost.

Only what RocksDB calls corrupt, and what our own checks find missing, is damage, to be moved away.
"""

from __future__ import annotations

import errno
import os
from pathlib import Path

from flows.runtime.exits import one_line

_ROOM = "make room there, then restart the flow"
_RIGHT = "give the flow's user the right to read and write there, then restart it"
_CURES = {
    errno.EACCES: _RIGHT,
    errno.EPERM: _RIGHT,
    errno.EROFS: "mount it so that it can be written to, then restart the flow",
    # Before the other, whose text it begins with.
    errno.ENFILE: "raise the system's limit of open files (fs.file-max), then restart the flow",
    errno.EMFILE: "raise the limit of open files (ulimit -n), then restart the flow",
    errno.EIO: "its disk fails: look at the kernel's log, and copy what can be read",
    errno.ENOLCK: "its file system has no locks: use a local one",
    errno.ENOMEM: "give the flow more memory, then restart it",
    errno.ESTALE: "its network file system has lost it: mount it anew, then restart the flow",
    errno.ENOSPC: _ROOM,
    errno.EDQUOT: _ROOM,
    errno.EFBIG: _ROOM,
}


class DamagedError(Exception):
    """State that is not complete, or cannot be read."""


def unwritable(path: Path, error: Exception) -> str:
    """Return the one line for state that cannot be written."""
    reason = one_line(getattr(error, "strerror", None) or error)
    return f"{path} cannot be written: {reason}: {_cure(error) or 'restart the flow'}"


def unusable(path: Path, error: Exception) -> str:
    """Return the one line for state that cannot be opened or read."""
    cure = _cure(error)
    if cure == _ROOM:
        return unwritable(path, error)
    reason = one_line(getattr(error, "strerror", None) or error)
    if cure is not None:
        return f"{path} cannot be opened: {reason}: {cure}"
    if "/LOCK" in reason:
        return f"{path} is in use by another flow: stop it, or set CLICKS_STATE_DIR to another directory"
    return f"{path} is damaged: {reason}: move it away to rebuild it from the source"


def unmakeable(path: Path, error: OSError) -> str:
    """Return the one line for a directory or file of state that cannot be made."""
    cure = _cure(error) or "set CLICKS_STATE_DIR to a directory to write to"
    return f"{path} cannot be made: {error.strerror}: {cure}"


def _cure(error: Exception) -> str | None:
    return next((cure for number, cure in _CURES.items() if os.strerror(number) in str(error)), None)
