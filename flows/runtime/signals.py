"""A clean stop: SIGTERM and SIGINT ask the sources to end, so that all state is saved before the flow does.

Bytewax itself ends at once on SIGTERM, and without saving on SIGINT. A thread watches for the signals, since
the main thread runs no handlers while Bytewax connects the processes of a cluster. There the cluster
lets the others know.
"""

from __future__ import annotations

import logging
import os
import select
import signal
import threading

from flows.runtime.exits import fail

# Kubernetes kills 30 s after its SIGTERM; a Redis that hangs takes 10 of them.
GRACE_S = 20.0

log = logging.getLogger("clicks.stopping")
_running, _stop = threading.Event(), threading.Event()


def stop_on_signals() -> None:
    """Handle SIGTERM and SIGINT from here on; to be called from the main thread.

    A second signal ends the process at once, with the status a shell gives it. A flow that has not ended
    GRACE_S seconds after the first is ended with status 1.
    """
    received, sent = os.pipe()
    os.set_blocking(sent, False)
    signal.set_wakeup_fd(sent)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None)
    threading.Thread(target=_watch, args=(received,), name="signals", daemon=True).start()


def note_running() -> None:
    """Note that a worker runs: before, there is nothing to save, and a signal ends the process at once."""
    _running.set()


def stop_requested() -> bool:
    """Return whether the flow has been asked to stop."""
    return _stop.is_set()


def request_stop(reason: str) -> None:
    """Ask the sources of this process to end; says so with the first reason."""
    if not _stop.is_set():
        _stop.set()
        log.info("%s: the flow saves its state and ends", reason)


def _watch(received: int) -> None:
    first = signal.Signals(os.read(received, 1)[0])
    if not _running.is_set():
        os._exit(0)
    request_stop(first.name)
    if select.select([received], [], [], GRACE_S)[0]:
        # Not by the signal's own action: process 1 of a container has none.
        os._exit(128 + os.read(received, 1)[0])
    fail(f"not ended {GRACE_S:.0f} s after {first.name}: ended now, without saving; the next start is exact")
