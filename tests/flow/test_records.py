"""Records of all named forms through a whole flow."""

from __future__ import annotations

import random
import time
from pathlib import Path
from typing import Any

import pytest

from flows.model.rejected import REASONS
from tests.flow.test_flow import run
from tests.oracle import oracle
from tests.support import bad_input, logs
from tests.support.bad_input import FORMS, TIME, USER
from tests.support.published import assert_same
from tests.unit.ingest.test_decode import GOOD


def test_a_log_with_all_named_forms_gives_what_the_oracle_says(tmp_path: Path, redis_url: str) -> None:
    rng = random.Random(7)
    records = logs.random_log(7, clicks=5200, days=0.2, broken=0, large=False)
    for record, _ in FORMS.values():
        records.insert(rng.randrange(1, len(records)), record)
    found = run(records, tmp_path, redis_url)
    placed = zip(logs.positions(records), records, strict=True)
    # Blank lines of a log are no records.
    expected = oracle.recompute([item for item in placed if item[1].strip()], time.time_ns() // 10**6)
    assert expected["board"]["clicks_total"] >= 5000
    assert set(expected["board"]["rejected"]) == set(REASONS) - {"poison"}
    assert_same(found, expected, f"file:{tmp_path / 'log'}")


@pytest.mark.parametrize(
    ("digits", "shown"),
    [
        (b"9223372036854775807", 2**63 - 1),
        (b"9223372036854775808", pytest.approx(2**63)),
        (b"-9223372036854775809", pytest.approx(-(2**63))),
        (b"[1,%s]" % (b"9" * 30), [1, pytest.approx(10**30)]),
        (b"9" * 400, None),
        (b"7" * 5000, None),
        (b"1e400", None),
    ],
)
def test_a_number_of_any_size_reaches_raw_data(
    digits: bytes, shown: Any, tmp_path: Path, redis_url: str
) -> None:
    found = run([GOOD[0], bad_input.spelled("original_timestamp", digits)], tmp_path, redis_url)
    rows = {row["userId"]: row for row in found["raw_data"]}
    assert rows[USER]["original_timestamp"] == shown
    assert rows[USER]["ip"] == "192.0.2.7"
    assert rows["good-0"]["original_timestamp"] == TIME // 10**9
