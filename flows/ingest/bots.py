"""Bots: which clicks are no person's, judged by the record alone, so that a replay judges alike.

A click is a bot's if its user agent is on the list of crawler-user-agents, or if its device type is `Bot`:

    Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)    Googlebot, search
    python-requests/2.32.3                                                      python-requests, HTTP client
    {"deviceType": "bot", "userAgent": null}                                    unnamed, device type Bot

Of several patterns that fit, the longest names the bot. A user agent is looked up once, and remembered.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final, NamedTuple

import numpy as np

from flows.model.columns import Columns, Words

UNNAMED: Final = "unnamed"
DECLARED: Final = "device type Bot"
ASSISTANT: Final = "AI assistant"
_KINDS: Final = {
    "search-engine": "search",
    "ai-crawler": "AI crawler",
    "seo": "SEO",
    "monitoring": "monitoring",
    "browser-automation": "headless browser",
    "http-library": "HTTP client",
    "social-preview": "link preview",
    "feed-reader": "feed reader",
    "scanner": "security scanner",
    "advertising": "advertising",
    "archiver": "archive",
    "academic": "research",
}
# Of the list's AI crawlers, those that fetch a page because somebody has asked for it just now.
_ASSISTANTS = re.compile("User$|Agent|DuckAssist|Gemini|NotebookLM|Devin|Operator|Novaact|externalfetcher")
_REMEMBERED = 10_000


class Bot(NamedTuple):
    """A bot of the list, as the board names it."""

    name: str
    kind: str


def bots_of(columns: Columns) -> Words:
    """Return the name of the bot that each click is of, None if it is a person's."""
    agent, device = columns.words("agent"), columns.words("device")
    names: dict[str | None, int] = {None: 0}
    number_of = np.array([names.setdefault(bot_name(word), len(names)) for word in agent.words], np.int32)
    codes = number_of[agent.codes] if len(number_of) else np.zeros(len(agent.codes), np.int32)
    declared = np.array([is_declared(word) for word in device.words], bool)
    if declared.any():
        codes[declared[device.codes] & (codes == 0)] = names.setdefault(UNNAMED, len(names))
    return Words(codes, list(names))


@lru_cache(maxsize=_REMEMBERED)
def bot_name(agent: str | None) -> str | None:
    """Return the name of the bot that a user agent is of, None if it is on no list."""
    if not agent:
        return None
    matched = _list().patterns.Match(agent)
    return _list().bots[min(matched, key=_list().rank)].name if matched else None


def bot_of(agent: object, device: object) -> str | None:
    """Return the name of the bot that a click is of, None if it is a person's, by fields as they came."""
    name = bot_name(agent) if isinstance(agent, str) else None
    return name or (UNNAMED if isinstance(device, str) and is_declared(device) else None)


def is_declared(device: str | None) -> bool:
    """Return whether a device type says itself that it is a bot."""
    return device is not None and device.lower() == "bot"


def kind_of(name: str) -> str:
    """Return what kind of bot one of the list is."""
    return DECLARED if name == UNNAMED else _list().kinds.get(name, "")


class _List:
    """The list, ready to be matched against: all patterns are looked for in one pass."""

    def __init__(self) -> None:
        # Loaded when the first user agent comes: some milliseconds that the page and the tools are spared.
        import re2  # type: ignore[import-untyped]
        from crawleruseragents import CRAWLER_USER_AGENTS_DATA as LISTED  # type: ignore[import-untyped]

        self.patterns = re2.Set.SearchSet()
        self._patterns = [entry["pattern"] for entry in LISTED]
        for pattern in self._patterns:
            self.patterns.Add(pattern)
        self.patterns.Compile()
        self.bots = [_bot(entry["pattern"], entry["tags"][0]) for entry in LISTED]
        self.kinds = {bot.name: bot.kind for bot in reversed(self.bots)}

    def rank(self, number: int) -> tuple[int, int]:
        """Sort patterns: the longest first, then as they are listed."""
        return -len(self._patterns[number]), number


@lru_cache(maxsize=1)
def _list() -> _List:
    return _List()


def _bot(pattern: str, tag: str) -> Bot:
    """Name the bot of a pattern: `S[eE][mM]rushBot` is SEMrushBot."""
    name = re.sub(r"\((?:\^|\[\^[^]]*\])\|[^)]*\)|\[\\s\\S\]\*|\\d\S*", " ", pattern)
    name = re.sub(r"\[(.)(.)\]", lambda match: max(match.groups(), key=str.isupper), name)
    name = re.sub(r"\(([^|)]*)\|[^)]*\)", r"\1", name).split("|")[0]
    name = " ".join(re.sub(r"\\(.)", r"\1", name).split(" (")[0].split()).strip("^$ /;(),-")
    kind = _KINDS.get(tag, tag)
    return Bot(name, ASSISTANT if tag == "ai-crawler" and _ASSISTANTS.search(name) else kind)
