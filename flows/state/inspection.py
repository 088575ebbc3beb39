"""What a state directory holds, for people: `python -m flows.state [DIR]`.

Writes nothing, and works while a flow runs. DIR is by default what CLICKS_STATE_DIR says.
"""

from __future__ import annotations

import os
import sys
from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path

from rocksdict import Rdict

from flows.settings import Settings
from flows.state.store import Header, header_of, parts_of, read, read_header
from flows.state.trouble import DamagedError, unusable


@dataclass(frozen=True, slots=True)
class Shard:
    """A shard on disk: the bytes its files take, and those of each part of its state by operator."""

    number: int
    header: Header
    disk_bytes: int
    parts: dict[str, list[int]]


def inspect(directory: Path) -> list[Shard]:
    """Return the shards in `directory`; raises DamagedError if one cannot be read."""
    paths = [path for path in directory.glob("shard-*") if path.name[6:].isdecimal() and path.is_dir()]
    return [_shard(path, int(path.name[6:])) for path in sorted(paths)]


def _shard(path: Path, number: int) -> Shard:
    try:
        header = read_header(path)
        operators: list[str] = header.format.get("operators", []) if header.epoch >= 0 else []
        parts: dict[str, list[int]] = {}

        def look(db: Rdict) -> Header:
            header = header_of(db)
            for operator in operators:
                parts[operator] = [size_bytes for size_bytes, _ in parts_of(db, operator, header.epoch)]
            return header

        if operators:
            header = read(path, look)
    except (DamagedError, OSError) as error:
        raise DamagedError(unusable(path, error)) from error
    return Shard(number, header, _disk_bytes(path), parts)


def _disk_bytes(path: Path) -> int:
    size_bytes = 0
    for entry in os.scandir(path):
        try:
            size_bytes += entry.stat().st_blocks * 512
        except FileNotFoundError:  # a flow that runs has just deleted it
            continue
    return size_bytes


def describe(directory: Path, shards: list[Shard]) -> str:
    """Return what is to be printed."""
    own_format = next((shard.header.format for shard in shards if shard.header.format), {})
    lines = [
        f"{directory}: format {own_format.get('version', '-')}, source {own_format.get('source', '-')}, "
        f"{len(shards)} of {own_format.get('shards', '-')} shards",
        "",
        f"{'shard':<12}{'bytes on disk':>14}  {'newest click (UTC)':<19}  positions",
    ]
    for shard in shards:
        positions = ", ".join(f"{name}@{at}" for name, at in sorted(shard.header.positions.items())) or "-"
        second = _second(shard.header.mark.newest_ns)
        lines.append(f"{shard.number:04d}{shard.disk_bytes:>22,}  {second:<19}  {positions}")
    parts: dict[str, list[int]] = defaultdict(list)
    for shard in shards:
        for operator, sizes in shard.parts.items():
            parts[operator] += sizes
            parts["all"] += sizes
    lines += ["", f"{'operator':<12}{'bytes':>14}{'parts':>8}"]
    lines += [f"{operator:<12}{sum(sizes):>14,}{len(sizes):>8,}" for operator, sizes in sorted(parts.items())]
    return "\n".join(lines)


def _second(newest_ns: int) -> str:
    if not newest_ns:
        return "-"
    return datetime.fromtimestamp(newest_ns // 10**9, timezone.utc).strftime("%Y-%m-%d %H:%M:%S")


def main() -> None:
    """Print what a state directory holds; exits with one line and status 1 if it cannot be read."""
    if len(sys.argv) > 2 or sys.argv[1:] in (["-h"], ["--help"]):
        sys.exit("usage: python -m flows.state [DIR]")
    directory = Path(sys.argv[1]) if sys.argv[1:] else Settings.from_env().state_dir
    try:
        shards = inspect(directory)
    except DamagedError as error:
        sys.exit(str(error))
    if not shards:
        sys.exit(f"{directory} holds no state: give the directory of a flow's state (CLICKS_STATE_DIR)")
    print(describe(directory, shards))
