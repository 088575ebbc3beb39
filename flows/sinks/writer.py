"""The writer of a sink: one thread a process, which all of its workers hand over to.

    worker 0 ─ write_batch ─┐
    worker 1 ─ write_batch ─┴─► what waits ──► the writer's thread ──► Redis, or Kafka

So a server that is down costs the flow nothing: the thread waits for it. What waits is bounded by each sink.
"""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from collections.abc import Callable
from threading import Lock, Thread
from typing import Generic, TypeVar

from bytewax.outputs import DynamicSink, StatelessSinkPartition

from flows.runtime.exits import fail, one_line

Item = TypeVar("Item")


class Writer(StatelessSinkPartition[Item], ABC):
    """Is the partition of every worker; ends with the last of them, at most `close_s` seconds later.

    `where` is what its lines begin with, such as "Redis at localhost:6379".
    """

    def __init__(self, where: str, logger: logging.Logger, close_s: float) -> None:
        self.where, self._logger, self._close_s = where, logger, close_s
        self._partitions, self._lock = 0, Lock()
        self._thread = Thread(target=self._run, name=f"{logger.name}-writer", daemon=True)

    def open(self) -> None:
        """Begin, or count another worker."""
        with self._lock:
            self._partitions += 1
            if self._partitions == 1:
                self._thread.start()

    def close(self) -> None:
        """Close one partition; with the last one, write what is left for a while."""
        with self._lock:
            self._partitions -= 1
            if self._partitions:
                return
        self.finish()
        self._thread.join(self._close_s)
        self.abandon()
        if left := self.left():
            self._logger.error("%s: %s", self.where, left)

    @property
    def closed(self) -> bool:
        """Whether no worker writes any more."""
        return not self._partitions

    def _run(self) -> None:
        try:
            self.write()
        except Exception as error:  # our own: the flow must not go on as if there were a writer
            fail(f"{self.where}: {type(error).__name__}: {one_line(error)}: restart the flow")

    @abstractmethod
    def write(self) -> None:
        """Write what comes, until `finish` is called and all is written, or `abandon` is."""

    @abstractmethod
    def finish(self) -> None:
        """Note that nothing more will come."""

    @abstractmethod
    def abandon(self) -> None:
        """Note that nothing is waited for any more."""

    @abstractmethod
    def left(self) -> str:
        """Return what is to be said of what is not written, empty if all is."""


class WriterSink(DynamicSink[Item], Generic[Item]):
    """A sink with one writer a process, made by `make` for its first worker."""

    def __init__(self, make: Callable[[], Writer[Item]]) -> None:
        self._make = make
        self._writer: Writer[Item] | None = None
        self._lock = Lock()

    def build(self, step_id: str, worker_index: int, worker_count: int) -> Writer[Item]:
        """Return the writer, begun."""
        with self._lock:
            if self._writer is None or self._writer.closed:
                self._writer = self._make()
            self._writer.open()
            return self._writer
