"""What a log's file is: refused with the reason where it cannot be read as lines of UTF-8, and again."""

from __future__ import annotations

import stat
from pathlib import Path

import msgspec

BYTE_ORDER_MARK = b"\xef\xbb\xbf"
# By how it begins: what it is, and what to do about it.
_OTHERS = {
    b"\x1f\x8b": "it is gzipped: unpack it with gunzip",
    b"\x28\xb5\x2f\xfd": "it is packed by zstd: unpack it",
    b"PK\x03\x04": "it is a zip archive: unpack it",
    b"BZh": "it is packed by bzip2: unpack it",
    b"\xfd7zXZ": "it is packed by xz: unpack it",
    b"\xff\xfe": "it is UTF-16: save it as UTF-8",
    b"\xfe\xff": "it is UTF-16: save it as UTF-8",
}


def refusal(path: Path) -> str | None:
    """Return why a file is not to be read, and what to do; None if nothing is wrong. Raises OSError."""
    mode = path.stat().st_mode
    if stat.S_ISDIR(mode):
        return "it is a directory: set it to a file"
    if not stat.S_ISREG(mode):
        return "a pipe cannot be read again after a crash: write it to a file, and set it to that"
    with path.open("rb") as file:
        head = file.read(64)
    for begin, what in _OTHERS.items():
        if head.startswith(begin):
            return what
    # Without a mark, text of UTF-16 has a zero in every second byte.
    if len(head) > 1 and b"\0" in (head[:1], head[1:2]) and head.count(b"\0") == len(head) // 2:
        return _OTHERS[b"\xff\xfe"]
    return None


def is_finished(line: bytes) -> bool:
    """Return whether a line without a line end is all that it is going to be."""
    try:
        msgspec.json.decode(line)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return False
    return True
