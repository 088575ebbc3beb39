"""How a flow that cannot go on ends: one line on standard error, and at once."""

from __future__ import annotations

import logging
import os
import sys
from typing import NoReturn

log = logging.getLogger("clicks")


def one_line(text: object) -> str:
    """Return what a text or an error says, on one line."""
    return " ".join(str(text).split())


def fail(message: str) -> NoReturn:
    """Say the one line and end the process with status 1.

    At once, since an exception would reach the user through Bytewax as pages of tracebacks, and since state
    and position are one write: there is nothing to be saved by going on.
    """
    sys.stdout.flush()
    log.critical("%s", message)
    os._exit(1)
