"""A log to measure with: clicks of the built-in shop, some hours of a day that is over."""

from __future__ import annotations

import time
from pathlib import Path
from zlib import crc32

from flows.shop import Shop

HOURS = 9.5


def partition_of(record: bytes, partitions: int) -> int:
    """Return a partition for a record of the shop's, the same for all plain clicks of a visitor."""
    return crc32(record.partition(b'"userId"')[2][:44]) % partitions


def make_log(path: Path, clicks: int, visitors: int) -> None:
    """Write `clicks` records or somewhat more of HOURS hours, by about `visitors` visitors."""
    end_s = int(time.time()) // 86_400 * 86_400 - 6 * 3600
    shop = Shop(rate=clicks / (HOURS * 3600) * 0.8, visitors=2 * visitors)
    made = 0
    with path.open("wb") as log:
        for second_s in range(end_s - int(HOURS * 3600), end_s):
            records = shop.second(second_s)
            made += len(records)
            log.writelines(record + b"\n" for record in records)
            if made >= clicks:
                return
