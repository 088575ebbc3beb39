"""The mechanism of exactness, broken in one place at a time: what the kill test must find."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from itertools import count
from typing import Any

import numpy as np
import pytest

from flows.ingest import decode as decode_module
from flows.metrics.sessions import Sessions
from flows.metrics.totals import Totals
from flows.model.batch import Batch
from flows.model.clicks import Clicks
from flows.model.mark import NOTHING
from flows.model.packing import encode
from flows.model.rejected import Rejected
from flows.model.shard_clicks import ShardClicks
from flows.model.streams import StreamName
from flows.shards.admission import Admission
from flows.shards.directory import Directory
from flows.shards.opening import Opening
from flows.sinks.redis import sink as redis_sink
from flows.sources import file as sources
from flows.state.shard import Shard
from flows.windows.ring import Ring
from flows.windows.slices import Slices
from flows.windows.table import Table

Patch = pytest.MonkeyPatch


def clicks_applied_are_not_skipped(patch: Patch) -> None:
    patch.setattr(Admission, "_unapplied", staticmethod(lambda item, applied: item))


def half_applied_batches_are_skipped_whole(patch: Patch) -> None:
    """Where readings were noted, what is read again is cut as it was."""

    def skip(item: ShardClicks, applied: int) -> ShardClicks:
        kept = item.take(np.empty(0, np.int64))
        kept.rejected, kept.recent = Rejected(), []
        return kept

    patch.setattr(Opening, "readings", lambda *_: [])
    patch.setattr(Admission, "_unapplied", staticmethod(skip))


def rejections_applied_are_not_skipped(patch: Patch) -> None:
    unapplied = Admission._unapplied

    def keep(item: Any, applied: int) -> Any:
        kept = unapplied(item, applied)
        kept.rejected = item.rejected
        return kept

    patch.setattr(Admission, "_unapplied", staticmethod(keep))


def the_newest_click_is_forgotten(patch: Patch) -> None:
    save = Shard.save_position
    patch.setattr(Shard, "save_position", lambda shard, positions, mark: save(shard, positions, NOTHING))


def the_source_begins_at_the_first_shard(patch: Patch) -> None:
    """Gaps are not noticed either."""

    def applied(opening: Opening, source: str) -> int | None:
        return opening._shards[0].positions.get(source)

    def admit(admission: Admission, item: Any, *, due: bool) -> Any:
        admission.positions[item.header.source] = max(
            item.header.start, admission.positions.get(item.header.source, 0)
        )
        return admit_as_is(admission, item, due=due)

    admit_as_is = Admission._admit
    patch.setattr(Opening, "applied", applied)
    patch.setattr(Admission, "_admit", admit)


def the_source_begins_a_batch_late(patch: Patch) -> None:
    applied = Opening.applied

    def late(opening: Opening, source: str) -> int | None:
        position = applied(opening, source)
        return position and position + sources.BLOCK_BYTES

    patch.setattr(Opening, "applied", late)


def _write(
    patch: Patch, change: Callable[[Shard, dict[str, tuple[bytes, bool]], dict[str, Any]], None]
) -> None:
    """Change what each write gets."""
    write = Shard._write

    def changed(shard: Shard, parts: dict[str, tuple[bytes, bool]], position: dict[str, Any]) -> None:
        change(shard, parts, position)
        write(shard, parts, position)

    patch.setattr(Shard, "_write", changed)


def positions_are_written_without_state(patch: Patch) -> None:
    _write(patch, lambda shard, parts, position: parts.clear())


def one_operator_is_not_written(patch: Patch) -> None:
    def leave_out(shard: Shard, parts: dict[str, tuple[bytes, bool]], position: dict[str, Any]) -> None:
        del parts["sessions"]

    _write(patch, leave_out)


def state_is_written_an_epoch_late(patch: Patch) -> None:
    held: dict[int, dict[str, tuple[bytes, bool]]] = {}

    def delay(shard: Shard, parts: dict[str, tuple[bytes, bool]], position: dict[str, Any]) -> None:
        now = dict(parts)
        if shard.number in held:
            parts.update(held[shard.number])
        held[shard.number] = now

    _write(patch, delay)


def positions_are_written_an_epoch_late(patch: Patch) -> None:
    held: dict[int, dict[str, Any]] = {}

    def delay(shard: Shard, parts: dict[str, tuple[bytes, bool]], position: dict[str, Any]) -> None:
        now = dict(position)
        position.update(held.get(shard.number, {"positions": {}}))
        held[shard.number] = now

    _write(patch, delay)


def a_shard_skips_every_third_write(patch: Patch) -> None:
    write = Shard._write
    writes = [0]

    def skip(shard: Shard, *args: Any) -> None:
        writes[0] += shard.number == 1
        if shard.number != 1 or writes[0] % 3:
            write(shard, *args)

    patch.setattr(Shard, "_write", skip)


def old_parts_stay(patch: Patch) -> None:
    """And are taken for parts that are needed."""

    def stay(shard: Shard, parts: dict[str, tuple[bytes, bool]], position: dict[str, Any]) -> None:
        for operator, (part, _) in parts.items():
            parts[operator] = part, False

    _write(patch, stay)


def changes_after_the_first_are_not_loaded(patch: Patch) -> None:
    load = Shard.load
    patch.setattr(Shard, "load", lambda shard, operator: load(shard, operator)[:1])


def only_the_last_change_is_loaded(patch: Patch) -> None:
    load = Shard.load
    patch.setattr(Shard, "load", lambda shard, operator: load(shard, operator)[-1:])


def parts_are_loaded_backwards(patch: Patch) -> None:
    load = Shard.load
    patch.setattr(Shard, "load", lambda shard, operator: load(shard, operator)[::-1])


def stale_bits_of_a_ring_stay(patch: Patch) -> None:
    def load(ring: Ring, part: dict[str, Any]) -> None:
        ring._newest = part["newest"]
        ring._clicks[:] = part["clicks"]

    patch.setattr(Ring, "load", load)


def slices_forget_when_they_leave(patch: Patch) -> None:
    load = Slices.load
    patch.setattr(Slices, "load", lambda slices, part: load(slices, part | {"from_s": 0}))
    patch.setattr(Slices, "advance", lambda slices, as_of_s: None)


def rows_made_vacant_are_not_written(patch: Patch) -> None:
    def clear(table: Table, rows: Any) -> None:
        for column in table._columns.values():
            column[rows[rows < len(table)]] = 0

    patch.setattr(Table, "clear", clear)


def visitors_are_not_numbered_again(patch: Patch) -> None:
    patch.setattr(Directory, "loaded", lambda directory: None)


def the_newest_sessions_are_not_found_again(patch: Patch) -> None:
    loaded = Sessions.loaded

    def forget(sessions: Sessions) -> None:
        loaded(sessions)
        sessions._newest[:] = 0

    patch.setattr(Sessions, "loaded", forget)


def rejected_records_are_not_sent_again(patch: Patch) -> None:
    """And Redis is slow, so that some are on their way when the flow is killed."""
    write = redis_sink._Writer._write_entries

    def late(writer: redis_sink._Writer, stream: StreamName) -> None:
        time.sleep(0.1)
        write(writer, stream)

    patch.setattr(redis_sink._Writer, "_write_entries", late)
    load = Totals.load
    patch.setattr(Totals, "load", lambda totals, part: load(totals, part | {"outbox": []}))


def positions_are_written_before_state(patch: Patch) -> None:
    """Killed in between."""
    writes = count(1)

    def ahead(shard: Shard, parts: dict[str, tuple[bytes, bool]], position: dict[str, Any]) -> None:
        shard._db.put(b"position", encode({"epoch": shard._epoch + 1, **position}))
        if next(writes) == 15:
            os.kill(os.getpid(), signal.SIGKILL)

    _write(patch, ahead)


MUTANTS: dict[str, Callable[[Patch], None]] = {
    mutant.__name__: mutant
    for mutant in (
        clicks_applied_are_not_skipped,
        half_applied_batches_are_skipped_whole,
        rejections_applied_are_not_skipped,
        the_newest_click_is_forgotten,
        the_source_begins_at_the_first_shard,
        the_source_begins_a_batch_late,
        positions_are_written_without_state,
        one_operator_is_not_written,
        state_is_written_an_epoch_late,
        positions_are_written_an_epoch_late,
        a_shard_skips_every_third_write,
        old_parts_stay,
        changes_after_the_first_are_not_loaded,
        only_the_last_change_is_loaded,
        parts_are_loaded_backwards,
        stale_bits_of_a_ring_stay,
        slices_forget_when_they_leave,
        rows_made_vacant_are_not_written,
        visitors_are_not_numbered_again,
        the_newest_sessions_are_not_found_again,
        rejected_records_are_not_sent_again,
        positions_are_written_before_state,
    )
}

KILLER = b"kill the flow, please"


def a_record_that_kills(patch: Patch) -> None:
    """End the process at once when a batch is decoded that has a record with KILLER in it."""
    decode = decode_module.decode

    def deadly(batch: Batch, **options: Any) -> Clicks:
        data = batch.data if isinstance(batch.data, bytes) else b"".join(batch.data)
        if KILLER in data:
            os.kill(os.getpid(), signal.SIGKILL)
        return decode(batch, **options)

    patch.setattr(decode_module, "decode", deadly)


KILLERS = {"a_record_that_kills": a_record_that_kills}
