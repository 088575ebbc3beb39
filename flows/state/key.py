"""The secret that a flow hashes visitors with, as STATE_DIR/key: 16 hexadecimal digits beside the shards.

Without it anybody could make ids that share a place in a table, and so wait for each other. Each shard has it
too, and theirs counts; the file is for when all of them are lost.
"""

from __future__ import annotations

import os
import secrets
from contextlib import suppress
from pathlib import Path

from flows.runtime.exits import fail
from flows.state.trouble import unmakeable

_BITS = 64


def drawn_key() -> int:
    """Return a new key."""
    return secrets.randbits(_BITS)


def read_key(directory: Path) -> int | None:
    """Return the key that is kept in a state directory, None if there is none."""
    with suppress(OSError, ValueError):
        return int((directory / "key").read_text(), 16) % (1 << _BITS)
    return None


def write_key(directory: Path, key: int) -> None:
    """Keep a key, readable for its owner alone; ends the flow with one line if that cannot be."""
    if read_key(directory) == key:
        return
    path, new = directory / "key", directory / f"key.{os.getpid()}"
    try:
        with suppress(FileExistsError):  # if it is no directory, what is to be in it cannot be made
            directory.mkdir(parents=True)
        with open(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            file.write(f"{key:016x}\n")
        new.replace(path)
    except OSError as error:
        fail(unmakeable(path, error))
