"""The process, made ready to run a flow: who may read its files, its ports, its log, its signals."""

from __future__ import annotations

import gc
import logging
import os
import sys
from collections.abc import Iterable

from flows.runtime.log_lines import set_up
from flows.runtime.ports import check_ports
from flows.runtime.signals import stop_on_signals


def prepare(log_format: str, *, trust_network: bool, warnings: Iterable[str]) -> None:
    """Make this process ready; to be called from its main thread. Raises SettingsError for a wrong port.

    `warnings` are said first.
    """
    # What the flow writes holds visitors' addresses: it is for its user alone.
    os.umask(0o077)
    # What a flow holds is no garbage: looking for some at Python's pace would take a twentieth of its time.
    gc.set_threshold(100_000, 50, 100)
    if sys.argv[0].endswith("run.py"):
        check_ports(os.environ, sys.argv[1:], trust_network=trust_network)
    set_up(log_format)
    for line in warnings:
        logging.getLogger("clicks").warning("%s", line)
    stop_on_signals()
