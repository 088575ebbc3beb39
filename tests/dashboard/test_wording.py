"""How figures, times and foreign text read."""

from __future__ import annotations

from zoneinfo import ZoneInfo

import pytest

from dashboard.page.charts import half_hour_frame, sessions_spec
from dashboard.page.text import ago, clock, duration, hint, number, rate, safe, share

BERLIN = ZoneInfo("Europe/Berlin")


@pytest.mark.parametrize(
    ("written", "read"),
    [
        (number(1234567), "1,234,567"),
        (number(6.44, 1), "6.4"),
        (number(0), "0"),
        (number(None), "\u2013"),
        (rate(None), "\u2013"),
        (rate(0), "0"),
        (rate(99.94), "99.9"),
        (rate(1234.4), "1,234"),
        (share(0.2871), "28.7 %"),
        (share(None), "\u2013"),
        (duration(None), "\u2013"),
        (duration(59.4), "59 s"),
        (duration(59.6), "1 min 00 s"),
        (duration(754.2), "12 min 34 s"),
        (duration(4020), "1 h 07 min"),
        (ago(999), "0 s ago"),
        (ago(-999), "0 s ago"),
        (ago(59_999), "59 s ago"),
        (ago(60_000), "1 min ago"),
        (ago(7_200_000), "2 h ago"),
        (ago(3 * 86_400_000), "3 days ago"),
        (ago(-90_000), "1 min 30 s ahead"),
        (ago(None), "\u2013"),
        (clock(1_700_000_000_000, ZoneInfo("UTC"), 1_700_000_000_000), "22:13:20"),
        (clock(1_700_000_000_000, BERLIN, 1_700_000_000_000), "23:13:20"),
        (clock(1_700_000_000_000, BERLIN, 1_700_010_000_000), "2023-11-14 23:13:20"),
        (safe("<b>&"), "<bdi>&lt;b&gt;&amp;</bdi>"),
        (hint('" onload="x'), "&quot; onload=&quot;x"),
    ],
)
def test_it_reads(written: str, read: str) -> None:
    assert written == read


def test_endless_text_is_cut() -> None:
    assert len(safe("x" * 100_000)) < 400
    assert len(hint("x" * 100_000)) < 400


def test_the_hour_a_clock_is_turned_back_is_two_hours_in_a_chart() -> None:
    start_ms = 1_698_537_600_000  # 2023-10-29 00:00 UTC, an hour before Berlin turns its clock back
    frame = half_hour_frame([(start_ms + 1_800_000 * i, i) for i in range(6)], BERLIN)
    assert [label[11:16] for label in frame["from"]] == ["02:00", "02:30", "02:00", "02:30", "03:00", "03:30"]
    assert frame["from"].is_unique
    assert frame["part"].tolist() == ["whole"] * 5 + ["so far"]
    assert sessions_spec() is sessions_spec(), (
        "drawn up once: a chart with another specification is another chart"
    )
