"""How large the parts of state on disk are, and so when an operator writes itself whole again.

whole │ changes │ changes │ changes │ whole ...     once the changes outgrow the whole before them
"""

from __future__ import annotations

_SLACK_BYTES = 1 << 16
_CREDIT_BYTES = 1 << 20


class Credit:
    """What whole parts may cost, over all shards: not much more than the changes of late took."""

    def __init__(self) -> None:
        self._bytes = 0

    @property
    def left(self) -> bool:
        """Whether another whole part may be written."""
        return self._bytes > 0

    def note(self, size_bytes: int, *, whole: bool) -> None:
        """Take note of a part; changes earn twice their size, since what grows is larger the next time."""
        self._bytes = self._bytes - size_bytes if whole else min(self._bytes + 2 * size_bytes, _CREDIT_BYTES)


class Sizes:
    """How large an operator's parts on disk are: when to write it whole."""

    def __init__(self) -> None:
        self._whole_bytes: int | None = None
        self._since_bytes = 0

    def add(self, size_bytes: int, *, whole: bool) -> None:
        """Take note of a part that is written."""
        if whole:
            self._whole_bytes, self._since_bytes = size_bytes, 0
        else:
            self._since_bytes += size_bytes

    @property
    def first(self) -> bool:
        """Whether nothing is written yet."""
        return self._whole_bytes is None

    @property
    def all_bytes(self) -> int:
        """How many bytes there are."""
        return (self._whole_bytes or 0) + self._since_bytes

    @property
    def outgrown(self) -> bool:
        """Whether the changes are more than the whole part before them."""
        return self._since_bytes > (self._whole_bytes or 0) + _SLACK_BYTES
