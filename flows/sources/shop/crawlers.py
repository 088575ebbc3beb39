"""The bots of the simulated shop: who they are, and how much each of them clicks."""

from __future__ import annotations

from collections.abc import Callable
from itertools import accumulate

from flows.sources.shop.catalogue import Look, ladder

# Of all clicks so many are bots'.
SHARE = 0.06
# Their numbers as visitors: beyond all people.
FIRST = (1 << 27) - 256

_COMPATIBLE = "Mozilla/5.0 (compatible; "
# User agent, device type, how many there are of it, how much of the bots' clicks are theirs.
_KINDS = (
    (f"{_COMPATIBLE}Googlebot/2.1; +http://www.google.com/bot.html)", "Bot", 6, 24),
    (f"{_COMPATIBLE}bingbot/2.0; +http://www.bing.com/bingbot.htm)", "Bot", 4, 14),
    (f"{_COMPATIBLE}GPTBot/1.2; +https://openai.com/gptbot)", "Desktop", 3, 16),
    (f"{_COMPATIBLE}ClaudeBot/1.0; +claudebot@anthropic.com)", "Desktop", 2, 9),
    (f"{_COMPATIBLE}ChatGPT-User/1.0; +https://openai.com/bot)", "Mobile", 5, 6),
    (f"{_COMPATIBLE}AhrefsBot/7.0; +http://ahrefs.com/robot/)", "Desktop", 2, 11),
    (f"{_COMPATIBLE}UptimeRobot/2.0; http://www.uptimerobot.com/)", "Desktop", 1, 4),
    ("Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) HeadlessChrome/126.0.0.0 "
     "Safari/537.36", "Desktop", 3, 8),
    ("python-requests/2.32.3", "Other", 3, 5),
    ("curl/8.5.0", "Other", 1, 2),
    ("facebookexternalhit/1.1 (+http://www.facebook.com/externalhit_uatext.php)", "Mobile", 2, 3),
)  # fmt: skip
_STARTS = [0, *accumulate(number for _, _, number, _ in _KINDS)]
_BY_SHARE = ladder((share for *_, share in _KINDS), 1 << 10)


def crawlers(draw: Callable[[], float], clicks: int) -> list[int]:
    """Return the bot of each of so many clicks, as the number of a visitor."""
    kinds = [_BY_SHARE[int(draw() * len(_BY_SHARE))] for _ in range(clicks)]
    return [FIRST + _STARTS[kind] + int(draw() * _KINDS[kind][2]) for kind in kinds]


def crawler(visitor: int) -> Look:
    """Return how a bot looks, which tells nothing of gender or age."""
    number = visitor - FIRST
    kind = sum(start <= number for start in _STARTS) - 1
    agent, device, *_ = _KINDS[kind]
    return Look(
        f',"userId":"crawler-{number:02}","ip":"203.0.113.{number + 1}","userAgent":"{agent}"'.encode(),
        f',"gender":null,"country":"United States","deviceType":"{device}","age":null'.encode()
        + b',"birthdate":null}',
    )
