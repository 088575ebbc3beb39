"""What Prometheus sees of this process: `/metrics` of Bytewax's web server serves it beside Bytewax's own.

Counters and histograms are of what this process has done since its start, so their rates add up over a
cluster; after a crash what is replayed counts again. Gauges of the board are of the newest one in Redis, and
only the process that wrote it has them.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Protocol
from weakref import ref

from prometheus_client import REGISTRY, Counter, Gauge, Histogram, disable_created_metrics
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from flows import __version__
from flows.runtime.pulse import PULSE, Pulse
from flows.runtime.ticks import ticks_ms

# A worker that was not called for so long hangs; the longest that one does anything at once is far less.
SILENT_AFTER_S = 60.0
BEHIND_AFTER_MS = 60_000

log = logging.getLogger("clicks.board")
disable_created_metrics()  # type: ignore[no-untyped-call]

_BUCKETS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
ACCEPTED = Counter("clicks_accepted", "Clicks taken into the metrics by this process")
LATE = Counter("clicks_late", "Clicks that no window covers any more, met by this process")
REJECTED = Counter("clicks_rejected", "Records that are no click, met by this process", ["reason"])
TOMBSTONES = Counter("clicks_tombstones", "Kafka records without a value, passed over by this process")
SNAPSHOT_SECONDS = Histogram(
    "clicks_snapshot_seconds", "Time to write a shard's changes of an epoch to disk", buckets=_BUCKETS_S
)
STATE_BYTES = Gauge("clicks_state_bytes", "State that the shards of this process hold on disk")
BOARDS_WRITTEN = Counter("clicks_boards_written", "Boards that this process wrote to Redis")
REPORTS = Counter("clicks_reports", "What metrics of this process's shards have reported to boards")
REDIS_WRITE_SECONDS = Histogram(
    "clicks_redis_write_seconds", "Time to write a board to Redis", buckets=_BUCKETS_S
)
REDIS_FAILURES = Counter("clicks_redis_failures", "Attempts to write to Redis that failed")
CLOCK_STEPS = Counter("clicks_clock_steps", "How often this host's wall clock was set since the start")
CLOCK_DIFFERENCE = Gauge("clicks_clock_difference_seconds", "This host's wall clock less the flow's clock")
Gauge("clicks_build_info", "The version that runs; always 1", ["version"]).labels(__version__).set(1)

# Of a board's summary: key, name, meaning, how many of the key's units make one of the name's.
_GAUGES = [
    (
        "published_at",
        "clicks_board_published_timestamp_seconds",
        "When the board was written, since 1970",
        1000,
    ),
    ("as_of", "clicks_board_as_of_timestamp_seconds", "The end of the board's windows, since 1970", 1000),
    ("publish_every_ms", "clicks_board_interval_seconds", "How often a board is due", 1000),
    ("clicks_total", "clicks_board_accepted_clicks", "Clicks since the state began", 1),
    ("late_total", "clicks_board_late_clicks", "Late clicks since the state began", 1),
    ("entries_dropped_total", "clicks_board_dropped_entries", "Stream entries given up", 1),
    ("ahead", "clicks_board_ahead_clicks", "Clicks that wait for their time", 1),
    ("lag", "clicks_source_lag_records", "Records not read yet, where the source knows", 1),
]


class _Held(Protocol):
    @property
    def held_bytes(self) -> int: ...


def watch_state(state: _Held) -> None:
    """Let the gauge show what `state` holds, without keeping it open."""
    held = ref(state)
    STATE_BYTES.set_function(lambda: found.held_bytes if (found := held()) else 0)


def count(accepted: int, late: int, rejected: Mapping[str, int]) -> None:
    """Count clicks, and rejected records by reason."""
    ACCEPTED.inc(accepted)
    LATE.inc(late)
    for reason, number in rejected.items():
        REJECTED.labels(reason).inc(number)


@contextmanager
def writing_board(summary: dict[str, Any]) -> Iterator[None]:
    """Measure the writing of a board with this `summary`, and show it unless that raises."""
    began_s = time.monotonic()
    yield
    REDIS_WRITE_SECONDS.observe(time.monotonic() - began_s)
    BOARDS_WRITTEN.inc()
    BOARD.written(summary)


class NewestBoard(Collector):
    """The newest board in Redis; nothing while this process has written none."""

    def __init__(self) -> None:
        self._summary: dict[str, Any] | None = None
        self._behind = True

    def written(self, summary: dict[str, Any]) -> None:
        """Take in a board's summary; says when boards have caught up with the wall clock, or fall behind."""
        self._summary = summary
        behind_ms = summary["published_at"] - summary["as_of"]
        behind, was_behind = behind_ms > BEHIND_AFTER_MS, self._behind
        self._behind = behind
        fields = {name: summary.get(name) for name in ("as_of", "clicks_total", "lag")}
        if summary.get("ended"):
            log.info("the whole log is read: %s", _totals(summary), extra=fields)
        elif was_behind and not behind:
            log.info("caught up: the board is as of %.1f s ago", behind_ms / 1000, extra=fields)
        elif behind and not was_behind:
            log.warning("fallen behind: the board is as of %.0f s ago", behind_ms / 1000, extra=fields)

    def collect(self) -> Iterable[GaugeMetricFamily]:
        """Yield the gauges."""
        summary = self._summary
        if summary is None:
            return
        for key, name, text, units in _GAUGES:
            if summary.get(key) is not None:
                yield GaugeMetricFamily(name, text, summary[key] / units)
        slow = int(bool(summary.get("clock_slow")))
        yield GaugeMetricFamily(
            "clicks_clock_slow", "Most clicks are ahead of the flow's clock: it is slow", slow
        )
        rejected = GaugeMetricFamily(
            "clicks_board_rejected_records", "Rejected records since the state began", labels=["reason"]
        )
        for reason, count in summary["rejected"].items():
            rejected.add_metric([reason], count)
        yield rejected


def _totals(summary: dict[str, Any]) -> str:
    """Return `1,234 clicks, 2 late, 5 records rejected (4 not_json, 1 no_user)`."""
    told = [_number(summary["clicks_total"], "click")]
    if summary["late_total"]:
        told.append(f"{summary['late_total']:,} late")
    if summary["rejected_total"]:
        reasons = sorted(summary["rejected"].items(), key=lambda item: -item[1])
        named = ", ".join(f"{number:,} {reason}" for reason, number in reasons)
        told.append(f"{_number(summary['rejected_total'], 'record')} rejected ({named})")
    return ", ".join(told)


def _number(number: int, of: str) -> str:
    return f"{number:,} {of}{'' if number == 1 else 's'}"


class SilentError(Exception):
    """Workers hang: whoever asks for metrics is not to be told that all is well."""


class Workers(Collector):
    """How long a source of this process has not been called; raises SilentError after SILENT_AFTER_S.

    Bytewax's web server then gives no answer, and so the probe that asks it fails.
    """

    def __init__(self, pulse: Pulse) -> None:
        self._pulse = pulse

    def collect(self) -> Iterable[GaugeMetricFamily]:
        """Yield the gauge."""
        silent_s = self._pulse.silent_s(ticks_ms() / 1000)
        if silent_s > SILENT_AFTER_S:
            message = f"a source was not called for {silent_s:.0f} s: restart the flow"
            raise SilentError(message)
        yield GaugeMetricFamily(
            "clicks_workers_silent_seconds", "How long a source of this process was not called", silent_s
        )


BOARD = NewestBoard()
REGISTRY.register(BOARD)
REGISTRY.register(Workers(PULSE))
