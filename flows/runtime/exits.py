"""How a flow that cannot go on ends: one line on standard error, and at once."""

from __future__ import annotations

import faulthandler
import logging
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from enum import Enum
from typing import NoReturn

log = logging.getLogger("clicks")


class Kind(Enum):
    """What an error of a server's calls for."""

    OUTAGE = "waiting heals it"
    FINAL = "someone has to change something"
    OURS = "its client was called or set wrongly"


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


# Arguments: seconds, the line, the process to end. Told to stop, it sees to its own child: process 1 of a
# container, as Python may be, would keep it as a zombie. One just forked may be deaf to all but a kill.
_WATCH = """
trap 'test -z "$!" || kill -9 $!; wait; exit' TERM
sleep "$1" & wait $!
printf "%s\\n" "$2" >&2
kill -9 "$3"
"""
# Process 1 of a container does not die of a kill from within: it ends itself so much later.
_LATER_S = 1.0


@contextmanager
def within(seconds: float, message: str) -> Iterator[None]:
    """End the process with the one line if what is done in this context takes longer.

    Watched from another process, since native code that never returns may keep all of Python waiting.
    """
    command = ["/bin/sh", "-c", _WATCH, "sh", str(seconds), message, str(os.getpid())]
    watch = subprocess.Popen(command, start_new_session=True)
    try:
        with open(os.devnull, "w") as nowhere:
            faulthandler.dump_traceback_later(seconds + _LATER_S, exit=True, file=nowhere)
            yield
    finally:
        faulthandler.cancel_dump_traceback_later()
        watch.terminate()
        watch.wait()


class SettingsError(SystemExit):
    """A wrong setting: one line that names the variable, what was found and what to do.

    A `SystemExit`, so that the user of a command sees that line and no traceback.
    """
