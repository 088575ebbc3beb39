"""Which clicks are bots': by the list, or by the device type."""

from __future__ import annotations

import re
from typing import Any

import pytest
from crawleruseragents import CRAWLER_USER_AGENTS_DATA as LISTED  # type: ignore[import-untyped]
from crawleruseragents import is_crawler
from hypothesis import given, settings
from hypothesis import strategies as st

from flows.ingest import bots
from flows.ingest.bots import bot_name, bots_of, kind_of
from flows.ingest.decode import decode
from flows.model.batch import Batch
from tests.oracle.now import KNOWN_BOTS
from tests.support import bad_input

PEOPLE = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 "
    "Safari/537.36",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) "
    "Version/17.5 Mobile/15E148 Safari/604.1",
    "Mozilla/5.0 (X11; Linux x86_64; rv:127.0) Gecko/20100101 Firefox/127.0",
    "Mozilla/5.0",
    "",
    "日本 \U0001f6cd",
)


def bots_in(*clicks: dict[str, Any]) -> list[str | None]:
    records = [bad_input.but(**fields) for fields in clicks]
    found = bots_of(
        decode(Batch("log", 0, len(records), records, 2 * 10**12, list(range(len(records))))).columns
    )
    return [found.words[code] for code in found.codes.tolist()]


@pytest.mark.parametrize(("agent", "named"), KNOWN_BOTS.items())
def test_bots_have_a_name_and_a_kind(agent: str, named: tuple[str, str]) -> None:
    name = bot_name(agent)
    assert name is not None
    assert (name, kind_of(name)) == named


@pytest.mark.parametrize("agent", PEOPLE)
def test_people_are_no_bots(agent: str) -> None:
    assert bot_name(agent) is None


def test_every_example_of_the_list_is_a_bot_and_as_the_list_itself_reads_it() -> None:
    agents = [agent for entry in LISTED for agent in entry.get("instances", ())]
    assert len(agents) > 1000
    wrong = [agent for agent in agents if (bot_name(agent) is not None) != is_crawler(agent)]
    assert wrong == []


PIECES = [entry["pattern"].replace("\\", "") for entry in LISTED[::40]]


@given(
    st.lists(st.sampled_from([*PIECES, "Mozilla/5.0 ", "(X11; ", " ", "bot", "Crawl", "/2.1"]), max_size=6)
)
@settings(max_examples=300, deadline=None)
def test_it_finds_what_the_list_itself_finds(pieces: list[str]) -> None:
    agent = "".join(pieces)
    assert (bot_name(agent) is not None) == is_crawler(agent)


def test_names_are_words_and_kinds_are_known() -> None:
    listed = bots._list().bots
    assert [bot for bot in listed if not bot.name or re.search(r"[\\\[\]()*|^$]", bot.name)] == []
    assert {bot.kind for bot in listed} == {*bots._KINDS.values(), "AI assistant"}


def test_a_device_type_says_it_in_any_case() -> None:
    clicks = [{"deviceType": device, "userAgent": None} for device in ("Bot", "bot", "BOT", "Robot", None)]
    assert bots_in(*clicks) == ["unnamed", "unnamed", "unnamed", None, None]
    assert kind_of("unnamed") == "device type Bot"
    assert bots_in({"deviceType": "Bot", "userAgent": "curl/8.5.0"}) == ["curl"]


@pytest.mark.parametrize("agent", [7, True, None, "", [], {}, ["curl/8.5.0"], {"agent": "curl/8.5.0"}])
def test_what_is_no_text_is_no_agent_and_no_reason_to_reject(agent: Any) -> None:
    assert bots_in({"userAgent": agent}) == [None]


def test_an_agent_is_judged_by_what_is_shown_of_it() -> None:
    assert bots_in({"userAgent": "curl/8.5.0 " + "x" * 5000}) == ["curl"]
    assert bots_in({"userAgent": "x" * 510 + " python-requests"}) == [None]


def test_the_memory_of_agents_is_bounded() -> None:
    for number in range(12_000):
        bot_name(f"agent {number}")
    assert bot_name.cache_info().currsize == 10_000
