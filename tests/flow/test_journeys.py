"""Journeys against a naive interpreter, across restarts and replays; tables of one's own; wrong tables."""

from __future__ import annotations

import gc
import shutil
import time
from pathlib import Path
from random import Random
from typing import Any

import pytest
import redis
from bytewax.testing import run_main

from flows import clicks
from flows.journeys.table import ANY, ANYONE, JOURNEYS, NEW, SAME, Journey, Person, Step, check
from flows.runtime.exits import SettingsError
from flows.settings import Settings
from tests.oracle.oracle import recompute
from tests.support import logs
from tests.support.published import assert_same_journeys, published

GAPS_NS = [0, 1, logs.SECOND, 5 * logs.MINUTE, logs.HALF_HOUR - 1, logs.HALF_HOUR, logs.HALF_HOUR + 1]
PEOPLE = [
    ("M", 35),
    ("M", 45.0),
    ("M", 46),
    ("F", 25),
    ("F", 34.5),
    ("F", 36),
    ("X", 40),
    (None, 40),
    ("M", None),
]
BROWSING = Journey(
    "browsing",
    limit_s=300,
    offers={"*": "offer3"},
    steps=(
        Step("init", ANY, ANY, ANYONE, "one_viewed"),
        Step("one_viewed", SAME, NEW, ANYONE, "two_viewed"),
        Step("two_viewed", SAME, NEW, ANYONE, "offer"),
    ),
)


def journey_log(seed: int, clicks: int) -> list[bytes]:
    """Return a clickstream in which journeys meet every limit: visitors mixed, some clicks late."""
    rng = Random(seed)
    clock = {f"user-{n}": logs.MIDNIGHT - 6 * logs.HOUR for n in range(12)}
    records = []
    for _ in range(clicks):
        user = rng.choice(list(clock))
        clock[user] += rng.choice(GAPS_NS)
        time_ns = clock[user] - rng.choice([0, 0, 0, 0, 1, logs.MINUTE, logs.HALF_HOUR])
        gender, age = PEOPLE[0] if rng.random() < 0.7 else rng.choice(PEOPLE)
        product = rng.choice(["C1", "C2", "C3", "S1", "S2", "B1", None])
        category = {"C": "clothing", "S": "shoes", "B": "books"}.get((product or "C")[0])
        made = {"productId": product, "category": category, "gender": gender, "age": age}
        records.append(logs.record_of(logs.click_of(user, time_ns, **made)))
    return records


def run(records: list[bytes], folder: Path, redis_url: str) -> dict[str, Any]:
    logs.write(folder / "log", records)
    source = f"file:{folder / 'log'}"
    run_main(clicks.build(Settings(source=source, redis_url=redis_url, state_dir=folder / "state", shards=3)))
    # The next run in this process may open the databases once nothing holds them any more.
    gc.collect()
    with redis.Redis.from_url(redis_url) as client:
        return published(client)


@pytest.mark.parametrize("seed", range(8))
def test_each_entry_once_whatever_is_replayed(seed: int, tmp_path: Path, redis_url: str) -> None:
    records = journey_log(seed, 1200)
    rng = Random(seed)
    cuts = sorted(rng.sample(range(len(records)), 4))
    for number, cut in enumerate([*cuts, len(records)]):
        found = run(records[:cut], tmp_path, redis_url)
        if number % 2 == 0 and number < 4:
            shutil.copytree(tmp_path / "state", tmp_path / "older")
        elif number < 4:
            # As if the flow had been killed before it saved anything since.
            shutil.rmtree(tmp_path / "state")
            (tmp_path / "older").rename(tmp_path / "state")
    expected = recompute(list(zip(logs.positions(records), records, strict=True)), time.time_ns() // 10**6)
    assert len(expected["state_logs"]) > 100
    assert len(expected["special_offers"]) > 3
    assert_same_journeys(found, expected)


def test_entries_that_were_not_written_are_sent_by_the_next_run(tmp_path: Path, redis_url: str) -> None:
    records = journey_log(1, 400)
    down = "redis://127.0.0.1:1/0"
    logs.write(tmp_path / "log", records)
    run_main(
        clicks.build(
            Settings(
                source=f"file:{tmp_path / 'log'}", redis_url=down, state_dir=tmp_path / "state", shards=3
            )
        )
    )
    gc.collect()
    found = run(records, tmp_path, redis_url)
    expected = recompute(list(zip(logs.positions(records), records, strict=True)), time.time_ns() // 10**6)
    assert_same_journeys(found, expected)


def test_a_journey_of_ones_own(tmp_path: Path, redis_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clicks, "JOURNEYS", (*JOURNEYS, BROWSING))
    views = [
        ("a", 0, "P1", "books"),
        ("a", 60, "P2", "books"),
        ("a", 61, "P2", "books"),
        ("a", 90, "P1", "books"),
    ]
    views += [("a", 100, "P4", "tools"), ("a", 110, "P2", "tools"), ("a", 399, "P3", "tools")]
    views += [("b", 0, "P1", "books"), ("b", 10, "P2", "books"), ("b", 300, "P3", "books")]
    records = [
        logs.record_of(
            logs.click_of(
                user,
                logs.MIDNIGHT + second * logs.SECOND,
                productId=product,
                category=category,
                gender="X",
                age=99,
            )
        )
        for user, second, product, category in views
    ]
    found = run(records, tmp_path, redis_url)
    states = [(entry["user"], entry["state"]) for entry in found["state_logs"]]
    assert [state for user, state in states if user == "a"] == (
        ["one_viewed", "two_viewed", "init", "one_viewed", "two_viewed", "offer", "offer"]
    )
    assert [state for user, state in states if user == "b"] == ["one_viewed", "two_viewed", "init"]
    assert [(entry["user"], entry["offer"]) for entry in found["special_offers"]] == [("a", "offer3")]


@pytest.mark.parametrize("limit_s", [7200, 28_800])
def test_a_limit_of_hours_is_one(
    limit_s: int, tmp_path: Path, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A visitor is remembered for as long as any journey may take, whatever the others allow."""
    steps = (Step("init", "sofas", ANY, ANYONE, "seen"), Step("seen", "delivery", ANY, ANYONE, "offer"))
    monkeypatch.setattr(clicks, "JOURNEYS", (*JOURNEYS, Journey("considered", limit_s, {"*": "o"}, steps)))
    start, records = logs.MIDNIGHT - 9 * logs.HOUR, []
    for user, second in ("in time", limit_s - 1), ("late", limit_s):
        for category, at_s in ("sofas", 0), ("delivery", second):
            made = {"productId": category, "category": category, "gender": "M", "age": 50}
            records.append(logs.record_of(logs.click_of(user, start + at_s * logs.SECOND, **made)))
    # Others go on clicking, so that visitors of whom nothing is heard are looked through.
    for hour in range(0, 9 * 6):
        records.append(logs.record_of(logs.click_of("other", start + hour * 10 * logs.MINUTE)))
    records.sort(key=lambda record: int(record.split(b"timestamp")[1][2:22].strip(b'": ,')))
    found = run(records, tmp_path, redis_url)
    assert [entry["user"] for entry in found["special_offers"]] == ["in time"]


def test_another_log_under_the_same_name_has_entries_of_its_own(tmp_path: Path, redis_url: str) -> None:
    """As the line says that refuses it: with another state directory, and the same Redis."""
    kept = 0
    for day in range(2):
        records = [b"broken", *journey_log(day, 400 - 200 * day)]
        records.insert(0, logs.record_of(logs.click_of(f"day {day}", logs.MIDNIGHT - 7 * logs.HOUR)))
        found = run(records, tmp_path, redis_url)
        (tmp_path / "state").rename(tmp_path / f"state of day {day}")
        placed = list(zip(logs.positions(records), records, strict=True))
        expected = recompute(placed, time.time_ns() // 10**6)
        new = {name: found[name][-len(expected[name]) :] for name in ("state_logs", "special_offers")}
        assert_same_journeys(found | new, expected)
        kept += len(expected["special_offers"])
        assert len(found["special_offers"]) == kept
        assert len(found["rejected"]) == day + 1


STEP = Step("init", "shoes", ANY, ANYONE, "offer")


@pytest.mark.parametrize(
    ("journey", "line"),
    [
        (
            Journey("j", 0, {}, (STEP,)),
            "journey 'j': limit_s is 0: set it to a number of seconds above 0, at most 28800 (8 hours)",
        ),
        (
            Journey("j", 28801, {}, (STEP,)),
            "journey 'j': limit_s is 28801: set it to a number of seconds above 0, at most 28800 (8 hours)",
        ),
        (Journey("j", 9, {}, ()), "journey 'j': no row leaves state 'init': add one"),
        (Journey("j", 9, {}, (STEP,) * 63), "journey 'j': has 63 rows: 62 are the most, so make it two"),
        (
            Journey("j", 9, {}, (Step("init", ANY, ANY, ANYONE, "a"),)),
            "journey 'j' row 1 leads to 'a', which no row leaves: add such a row, or mend the name",
        ),
        (
            Journey("j", 9, {}, (STEP, Step("b", ANY, ANY, ANYONE, "offer"))),
            "journey 'j' row 2 leaves 'b', which no row enters: add such a row, or mend the name",
        ),
        (
            Journey("j", 9, {}, (STEP, Step("offer", ANY, ANY, ANYONE, "init"))),
            "journey 'j' row 2 leaves 'offer', where a journey ends: remove it",
        ),
        (
            Journey("j", 9, {}, (Step("init", ANY, "P1", ANYONE, "offer"),)),
            "journey 'j' row 1 has product 'P1': set it to ANY, FIRST, OTHER or NEW",
        ),
        (
            Journey("j", 9, {}, (Step("init", SAME, ANY, ANYONE, "offer"),)),
            "journey 'j' row 1 compares with an earlier click, but leaves 'init': use ANY",
        ),
        (
            Journey("j", 9, {}, (Step("init", ANY, ANY, (Person("M", 9, 8),), "offer"),)),
            "journey 'j' row 1 has ages from 9 to 8: swap them",
        ),
    ],
)
def test_a_wrong_table_is_one_line(journey: Journey, line: str) -> None:
    with pytest.raises(SettingsError) as error:
        check([BROWSING, journey])
    assert str(error.value) == line


def test_the_default_table_is_right() -> None:
    assert check(JOURNEYS) == JOURNEYS
