"""Values of Redis taken with care: whatever is stored, what comes out has its type, or is unknown (None)."""

from __future__ import annotations

from datetime import datetime, timezone

# Before the year 9000: until then every time zone has a calendar.
LAST_MOMENT_MS = 221_845_392_000_000
# More characters than any cell of a board has.
MOST_CHARS = 512


def text(value: object) -> str:
    """Return a cell as text, cut if endless; empty for null."""
    return "" if value is None else str(value)[:MOST_CHARS]


def cell(value: object) -> object:
    """Return a cell as it came; what is endless as a text that is cut."""
    found = str(value)
    return value if len(found) <= MOST_CHARS else found[:MOST_CHARS]


def count(value: object) -> int | None:
    """Return a whole number."""
    known = isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) < 2**63
    return int(value) if known else None  # type: ignore[call-overload]


def mean(value: object) -> float | None:
    """Return a number that need not be whole."""
    known = isinstance(value, (int, float)) and not isinstance(value, bool) and value == value
    return float(value) if known else None  # type: ignore[arg-type]


def moment_ms(value: float) -> int:
    """Return epoch milliseconds before LAST_MOMENT_MS; raises ValueError."""
    found_ms = round(value)
    if not 0 <= found_ms < LAST_MOMENT_MS:
        raise ValueError
    return found_ms


def utc_ms(value: str) -> int | None:
    """Return the epoch milliseconds of `2026-03-01 12:00:00`."""
    try:
        at = datetime.strptime(value, "%Y-%m-%d %H:%M:%S").replace(tzinfo=timezone.utc)
    except ValueError:
        return None
    return round(at.timestamp() * 1000)
