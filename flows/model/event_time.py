"""The rules of event time: how far back a click counts, how far ahead, and the gap that ends a session.

    ──┬───────────────────────────────────────────┬───────────────┬────────┬───────┬──► event time
    2000      late: no window covers it       covered_from_s   newest    clock   clock + AHEAD_S
      too old                                     └──── counts ──────────────┘ waits └─ too new

Lengths of windows are arguments of the metrics (see `flows.clicks`); what is here holds for all of them.
"""

from __future__ import annotations

MINUTE_S, HOUR_S = 60, 3600
# A session ends where the next click comes more than so much later.
SESSION_GAP_S = 30 * MINUTE_S
# The window that reaches back furthest is of so many whole half hours, the newest click's the last of them.
BUCKET_S, BUCKETS = 30 * MINUTE_S, 17
# No click is earlier (the year 2000), or further ahead of the flow's clock.
OLDEST_NS = 946_684_800 * 10**9
AHEAD_S = 5 * MINUTE_S


def covered_from_s(newest_s: int) -> int:
    """Return where the oldest window begins when the newest click is of second `newest_s`.

    That is the half-hour bucket 16 before the newest click's; an older click is late.
    """
    return (newest_s // BUCKET_S - (BUCKETS - 1)) * BUCKET_S
