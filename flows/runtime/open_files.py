"""How many files may be open: as many as the shards need if the system allows it, else one line says so."""

from __future__ import annotations

import resource

from flows.runtime.exits import fail

# Of a shard at the start, and once its tables are many; of all else.
_LEAST, _MOST, _OTHERS = 16, 50, 100


def allow_open_files(shards: int) -> None:
    """Raise the soft limit as far as so many shards may need; ends the flow if it stays too low to start."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _OTHERS + _MOST * shards
    if soft < wanted:
        soft = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    if soft < _OTHERS + _LEAST * shards:
        fail(f"{soft} files may be open, {shards} shards need {wanted}: raise the hard limit (ulimit -Hn)")
