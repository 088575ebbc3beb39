"""The rows of who is here now: what they look at, who they are, what is rising, and which are bots."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from functools import cache
from math import floor as whole
from math import sqrt

from crawleruseragents import is_crawler  # type: ignore[import-untyped]

from tests.oracle.metrics import newest_first, page_rows, within
from tests.oracle.records import HOUR, MINUTE, SECOND, Click, Row

# What bots of the logs in these tests are: name and kind by the user agent.
KNOWN_BOTS = {
    "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)": ("Googlebot", "search"),
    "Mozilla/5.0 (compatible; bingbot/2.0; +http://www.bing.com/bingbot.htm)": ("bingbot", "search"),
    "GPTBot/1.2": ("GPTBot", "AI crawler"),
    "Mozilla/5.0 (compatible; ChatGPT-User/1.0; +https://openai.com/bot)": ("ChatGPT-User", "AI assistant"),
    "Mozilla/5.0 (compatible; AhrefsBot/7.0; +http://ahrefs.com/robot/)": ("AhrefsBot", "SEO"),
    "Mozilla/5.0 (compatible; UptimeRobot/2.0; http://www.uptimerobot.com/)": ("UptimeRobot", "monitoring"),
    "Mozilla/5.0 (X11; Linux x86_64) HeadlessChrome/126.0 Safari/537.36": (
        "HeadlessChrome",
        "headless browser",
    ),
    "python-requests/2.32.3": ("python-requests", "HTTP client"),
    "curl/8.5.0": ("curl", "HTTP client"),
}


@cache
def listed(agent: str) -> bool:
    """Return whether a user agent is on the list, by the list's own reading of it."""
    return bool(is_crawler(agent))


def bot_of(click: Click) -> tuple[str, str] | None:
    """Return name and kind of the bot that a click is of, None if it is a person's."""
    agent = click.fields["userAgent"]
    if isinstance(agent, str) and listed(agent):
        return KNOWN_BOTS[agent]
    return ("unnamed", "device type Bot") if click.device.lower() == "bot" else None


def newest_of_each(clicks: Iterable[Click]) -> list[Click]:
    """Return the newest click of each visitor, the newest first."""
    newest: dict[str, Click] = {}
    for click in newest_first(clicks):
        newest.setdefault(click.user, click)
    return list(newest.values())


def looking_rows(clicks: list[Click]) -> list[Row]:
    """Return the ten pages that most visitors look at, then all other pages, then no page."""
    pages: dict[tuple[str, str], list[Click]] = {}
    nowhere = 0
    for click in newest_of_each(clicks):
        if click.fields["productId"] is None:
            nowhere += 1
        else:
            pages.setdefault((click.fields["productId"], click.category), []).append(click)
    ranked = sorted(pages.items(), key=lambda page: (-len(page[1]), page[0]))
    rows = [
        {
            "productId": product,
            "category": category,
            "title": max((click.time, click.fields["title"] or "") for click in own)[1] or None,
            "visitors": len(own),
        }
        for (product, category), own in ranked[:10]
    ]
    others = sum(len(own) for _, own in ranked[10:])
    rest = [("(other pages)", others), ("(no product)", nowhere)]
    rows += [
        {"productId": None, "category": None, "title": name, "visitors": visitors}
        for name, visitors in rest
        if visitors
    ]
    return rows


def country_rows(clicks: list[Click]) -> list[Row]:
    """Count visitors by the country of their newest click: ten countries, the others, those unknown."""
    found = Counter(
        country if isinstance(country := click.fields["country"], str) else "Unknown"
        for click in newest_of_each(clicks)
    )
    unknown = found.pop("Unknown", 0)
    ranked = sorted(found.items(), key=lambda item: (-item[1], item[0]))
    rest = [("other", sum(number for _, number in ranked[10:])), ("Unknown", unknown)]
    rows = [*ranked[:10], *((name, number) for name, number in rest if number)]
    return [{"country": country, "visitors": visitors} for country, visitors in rows]


def age_band(age: float | None) -> str:
    """Return the band of an age."""
    if age is None or not 0 <= age < 130:
        return "Unknown"
    years = whole(age)
    for name, below in (("under 18", 18), ("18-24", 25), ("25-34", 35), ("35-44", 45), ("45-54", 55)):
        if years < below:
            return name
    return "55-64" if years < 65 else "65 and over"


def people_rows(clicks: list[Click]) -> list[Row]:
    """Count visitors by gender and band of age of their newest click, those that there are."""
    found: Counter[tuple[str, str]] = Counter()
    for click in newest_of_each(clicks):
        gender = click.fields["gender"]
        named = gender if gender in ("F", "M") else "Unknown" if gender is None else "other"
        found[named, age_band(click.fields["age"])] += 1
    bands = ["under 18", "18-24", "25-34", "35-44", "45-54", "55-64", "65 and over", "Unknown"]
    return [
        {"gender": gender, "age": band, "visitors": found[gender, band]}
        for gender in ("F", "M", "other", "Unknown")
        for band in bands
        if found[gender, band]
    ]


def viewed(clicks: list[Click], start: int, end: int) -> Counter[tuple[str, str]]:
    """Count the clicks in [start, end) by page."""
    inside = (click for click in within(clicks, start, end) if click.fields["productId"] is not None)
    return Counter((click.fields["productId"], click.category) for click in inside)


def trending_known(clicks: list[Click], as_of: int) -> bool:
    """Return whether an hour is over since the first click on a page, and 100 clicks are there to compare."""
    times = [click.time for click in clicks if click.fields["productId"] is not None]
    before = viewed(clicks, as_of - HOUR, as_of - 15 * MINUTE)
    first = min(times, default=as_of) // SECOND * SECOND
    return first <= as_of - HOUR and sum(before.values()) >= 100


def trending_of(clicks: list[Click], as_of: int) -> list[Row]:
    """Compare pages of the last 15 minutes with the 45 before."""
    a = viewed(clicks, as_of - 15 * MINUTE, as_of)
    b = viewed(clicks, as_of - HOUR, as_of - 15 * MINUTE)
    rising, falling = [], []
    ten = sorted(b, key=lambda page: (-b[page], page))[:10]
    for page in {*a, *b}:
        expected = (b[page] / 3) * sum(a.values()) / (sum(b.values()) / 3)
        z = (a[page] - expected) / sqrt(max(expected, 1))
        if a[page] >= 20 and a[page] >= 1.5 * expected and z >= 4:
            rising.append((-z, page, expected, "rising" if b[page] else "new"))
        if page in ten and a[page] <= expected / 2 and z <= -4:
            falling.append((z, page, expected, "falling"))
    hour = page_rows(within(clicks, as_of - HOUR, as_of), top=None)
    title_of = {(row["productId"], row["category"]): row["title"] for row in hour}
    return [
        {
            "productId": page[0],
            "category": page[1],
            "title": title_of[page],
            "clicks": a[page],
            "expected": expected,
            "direction": direction,
        }
        for _, page, expected, direction in [*sorted(rising)[:5], *sorted(falling)[:3]]
    ]


def trending_figures(rows: list[Row]) -> Row:
    """Count what rises and what falls."""
    falling = sum(row["direction"] == "falling" for row in rows)
    return {"trending_rising": len(rows) - falling, "trending_falling": falling}


def bot_rows(clicks: list[Click]) -> list[Row]:
    """Count clicks by the bot, the ten busiest first, ties by name."""
    found = Counter(bot for click in clicks if (bot := bot_of(click)) is not None)
    ranked = sorted(found.items(), key=lambda item: (-item[1], item[0]))
    return [{"name": name, "kind": kind, "clicks": number} for (name, kind), number in ranked[:10]]
