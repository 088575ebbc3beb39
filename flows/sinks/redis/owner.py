"""Whose board it is that Redis holds: two flows that write to the same keys are noticed.

Every run of a flow names itself in its boards, as `owner`. Once it has written one, what it finds before the
next has to be its own.
"""

from __future__ import annotations

import re
import uuid

# The board begins with it.
HEAD_BYTES = 64
_OWNER = re.compile(rb'^\{"owner": "(\w{1,40})"')


class Owner:
    """A run's name, whether it `has_written` a board, and whether it was `told` of another's."""

    def __init__(self) -> None:
        self.name = uuid.uuid4().hex[:12]
        self.has_written = self.told = False

    def meets_another(self, head: bytes) -> bool:
        """Return whether a board that begins with `head` is another flow's, once: the first time."""
        found = _OWNER.match(head)
        other = bool(head) and (found is None or found[1] != self.name.encode())
        first = self.has_written and other and not self.told
        self.told = self.told or first
        return first
