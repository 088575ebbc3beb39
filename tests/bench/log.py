"""Logs to measure with: clicks of the built-in shop, some hours of a day that is over; and single clicks."""

from __future__ import annotations

import time
from pathlib import Path
from random import Random
from zlib import crc32

from flows.sources.shop.catalogue import goods, look
from flows.sources.shop.shop import Shop

HOURS = 9.5
_SHOP, _DEVICE, _DAY = 1, 0, 20_000


def partition_of(record: bytes, partitions: int) -> int:
    """Return a partition for a record of the shop's, the same for all plain clicks of a visitor."""
    return crc32(record.partition(b'"userId"')[2][:44]) % partitions


def first_second() -> int:
    """Return where HOURS hours of a day that is over begin (seconds since 1970)."""
    return int(time.time()) // 86_400 * 86_400 - 6 * 3600 - int(HOURS * 3600)


def click(time_ns: int, rest: bytes) -> bytes:
    """Return a record from its time and what `rest_of_click` made."""
    return b'{"timestamp":%d%b' % (time_ns, rest)


def rest_of_click(visitor: int, rng: Random) -> bytes:
    """Return a click of one of the shop's visitors on any product, without its time; about 400 bytes."""
    head, tail = look(_SHOP, visitor, _DEVICE, _DAY)
    products, popular, *_ = goods()
    return b',"original_timestamp":1331800486%b%b%b' % (head, products[rng.choice(popular)], tail)


def make_log(path: Path, clicks: int, visitors: int) -> None:
    """Write `clicks` records or somewhat more of HOURS hours, by about `visitors` visitors."""
    begin_s = first_second()
    shop = Shop(rate=clicks / (HOURS * 3600) * 0.8, visitors=2 * visitors)
    made = 0
    with path.open("wb") as log:
        for second_s in range(begin_s, begin_s + int(HOURS * 3600)):
            records = shop.second(second_s)
            made += len(records)
            log.writelines(record + b"\n" for record in records)
            if made >= clicks:
                return
