"""A clean stop: SIGTERM and SIGINT ask the source to end, so that all state is saved before the flow does.

Bytewax itself ends at once on SIGTERM, and without saving on SIGINT.
"""

from __future__ import annotations

import signal
import threading
from types import FrameType

_stop = threading.Event()


def stop_on_signals() -> None:
    """Handle SIGTERM and SIGINT from here on; a second signal ends the process at once."""
    if threading.current_thread() is threading.main_thread():
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, _request)


def stop_requested() -> bool:
    """Return whether the flow has been asked to stop."""
    return _stop.is_set()


def _request(number: int, _frame: FrameType | None) -> None:
    if _stop.is_set():
        signal.signal(number, signal.SIG_DFL)
        signal.raise_signal(number)
    _stop.set()
