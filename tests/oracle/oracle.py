"""The batch oracle: every published value, recomputed naively from the whole log.

It shares no code with the flow. It reads like the contract: decode records, decide which clicks are late,
then one small function a metric. Times are integer nanoseconds since 1970 UTC unless a name ends in `_ms`;
windows are half open, [start, end).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from tests.oracle.journeys import journey_figures, journey_rows, journeys
from tests.oracle.metrics import (
    category_rows,
    device_rows,
    distinct_users,
    floor,
    latest_rows,
    minute_rows,
    page_rows,
    raw_rows,
    session_figures,
    session_rows,
    sessions_of,
    within,
)
from tests.oracle.now import (
    bot_of,
    bot_rows,
    country_rows,
    looking_rows,
    people_rows,
    trending_figures,
    trending_known,
    trending_of,
)
from tests.oracle.records import (
    HALF_HOUR,
    HOUR,
    KEPT_BYTES,
    MINUTE,
    MS,
    SECOND,
    Click,
    Expected,
    decoded,
)


def recompute(
    records: Sequence[tuple[int, bytes]],
    read_ms: int,
    as_of_ms: int | None = None,
    *,
    bots_apart: bool = True,
) -> Expected:
    """Return every value the contract publishes for a log.

    `records` are (position, bytes) of one partition in arrival order. `read_ms` is the wall clock when they
    were read. `as_of_ms` is by default the end of the second of the newest click (0 without any click); one
    that is before that raises ValueError. The result has a list of rows for each frame key, the `board`
    (without `published_at`, `positions` and `lag`), `state_logs` as (msg, user, state, created),
    `special_offers` as (user, offer, created) and `rejected` as (reason, position, first 512 bytes).
    """
    everyone: list[Click] = []
    rejected: list[tuple[str, int, bytes]] = []
    late: list[Click] = []
    newest: int | None = None
    for position, record in records:
        for item in decoded(record, read_ms):
            if isinstance(item, str):
                rejected.append((item, position, record[:KEPT_BYTES]))
                continue
            newest = item.time if newest is None else max(newest, item.time)
            if item.time < floor(newest, HALF_HOUR) - 16 * HALF_HOUR:
                late.append(item)
            else:
                everyone.append(item)

    first_as_of_ms = 0 if newest is None else (newest // SECOND + 1) * 1000
    as_of = (first_as_of_ms if as_of_ms is None else as_of_ms) * MS
    if as_of < first_as_of_ms * MS:
        msg = f"as_of_ms is {as_of_ms}, but there are newer clicks: give {first_as_of_ms} or later"
        raise ValueError(msg)

    bots = [click for click in everyone if bot_of(click)]
    clicks = [click for click in everyone if not bots_apart or not bot_of(click)]
    people_late = [click for click in late if not bots_apart or not bot_of(click)]
    state_logs, offers = journeys(clicks)
    sessions = sessions_of(clicks)
    last_hour = within(clicks, as_of - HOUR, as_of)
    last_quarter = within(clicks, as_of - 15 * MINUTE, as_of)
    five_minutes = within(clicks, as_of - 5 * MINUTE, as_of)
    trending = trending_known(clicks, as_of)
    rising = trending_of(clicks, as_of) if trending else []
    devices = device_rows(within(clicks, as_of - 10 * MINUTE, as_of))
    return {
        "last_15_minutes": minute_rows(clicks, as_of),
        "sessions": session_rows(sessions, as_of),
        "device_type_popularity": devices,
        "products_last_hour": page_rows(last_hour),
        "latest_visitors": latest_rows(last_hour, as_of),
        "category_popularity": category_rows(last_hour),
        "raw_data": raw_rows(within(everyone, as_of - HOUR, as_of)),
        "looking_at": looking_rows(five_minutes),
        "audience_countries": country_rows(last_quarter),
        "audience_people": people_rows(last_quarter),
        "trending": rising,
        "bots": bot_rows(within(bots, as_of - HOUR, as_of)),
        "bot_minutes": [
            {name: row[name] for name in ("datetime", "count")} for row in minute_rows(bots, as_of)
        ],
        "journeys": journey_rows(clicks, as_of),
        "board": {
            "as_of": as_of // MS,
            **({"newest_click": newest // MS} if newest is not None else {}),
            "online_5m": distinct_users(five_minutes),
            "visitors_15m": distinct_users(last_quarter),
            "clicks_1h": len(within(everyone, as_of - HOUR, as_of)),
            "bot_clicks_1h": len(within(bots, as_of - HOUR, as_of)),
            "bot_visitors_15m": distinct_users(within(bots, as_of - 15 * MINUTE, as_of)),
            "bot_clicks_total": len(everyone) - len(clicks),
            "bot_late_total": len(late) - len(people_late),
            **journey_figures(clicks, as_of),
            **(trending_figures(rising) if trending else {}),
            **session_figures(sessions, as_of),
            "devices_now": sum(row["Total"] for row in devices),
            "clicks_total": len(clicks),
            "late_total": len(people_late),
            "ahead": 0,  # of a log that is over nothing waits
            "rejected_total": len(rejected),
            "rejected": dict(Counter(reason for reason, _, _ in rejected)),
        },
        "state_logs": state_logs,
        "special_offers": offers,
        "rejected": rejected,
    }
