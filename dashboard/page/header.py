"""The head of the page: how far to trust the figures, and how fresh they are."""

from __future__ import annotations

import html
import re
from zoneinfo import ZoneInfo

from dashboard.data.board import Board, Figures
from dashboard.data.trust import State, Watch, silent_since_ms
from dashboard.page.text import ago, at, clock, hint, number, rate, safe


def verdict(state: State, watch: Watch, zone: ZoneInfo, now_ms: float, ahead_ms: float = 0) -> str:
    """Say the state in a word and a sentence; the text stays the same while the state does: no flicker.

    `now_ms` is the flow's clock, `ahead_ms` by how much that of this host is ahead if it is worth a word.
    """
    kind = "trusted" if state.trusted else "untrusted greyed" if watch.board else "untrusted"
    return (
        f'<div class="verdict {kind}" data-state="{state.name.lower()}" role="status">'
        f"<strong>{state.value}</strong>"
        f"<span>{_sentence(state, watch, zone, now_ms)}{_flows(watch)}{_clocks(watch, ahead_ms)}</span></div>"
    )


def _flows(watch: Watch) -> str:
    """Return what is to be said of flows that write over each other's boards."""
    if watch.flows < 2:
        return ""
    return (
        f" {watch.flows} flows write their boards to this Redis in turn: end all but one, or give each a "
        "database of its own in REDIS_URL."
    )


def _clocks(watch: Watch, ahead_ms: float) -> str:
    """Return what is to be said of clocks: that the flow's is slow, that this host's is another."""
    said = ""
    if watch.board and watch.board.is_set("clock_slow"):
        said += (
            " Most clicks of the last minute are ahead of the flow's clock: it is slow. "
            "Set the clock of its host (NTP), then restart the flow."
        )
    if ahead_ms:
        way = "ahead of" if ahead_ms > 0 else "behind"
        seconds = number(round(abs(ahead_ms) / 1000))
        said += f" This page's clock is {seconds} s {way} the flow's: check NTP on both hosts."
    return said


def _sentence(state: State, watch: Watch, zone: ZoneInfo, now_ms: float) -> str:
    board = watch.board
    if state is State.WAITING:
        return (
            "Redis answers, but no board is published yet. Start the flow: python -m bytewax.run flows.clicks"
        )
    if watch.error:
        kept = " The greyed figures are the last ones read." if board else ""
        return f"{safe(str(watch.error))}{kept}"
    assert board is not None
    as_of = clock(board.as_of_ms, zone, now_ms)
    if state is State.STALE:
        since = clock(board.published_at_ms, zone, now_ms)
        return f"The flow has published nothing since {since}. The greyed figures are of {as_of}."
    if state is State.SOURCE_STALE:
        since = clock(silent_since_ms(board, board.published_at_ms), zone, now_ms)
        return f"No click since {since}, and the source does not answer the flow."
    if state is State.ENDED:
        return f"The flow has read its whole log. The figures are final, as of {as_of}."
    if state is State.BEHIND:
        return (
            "The flow is still reading older clicks: the figures are true for their as-of time, not for now."
        )
    if state is State.SILENT:
        since = clock(silent_since_ms(board, board.as_of_ms), zone, now_ms)
        return f"No click since {since}: a quiet spell, or a source that gets none."
    return "All figures on this page are of one moment."


def freshness(state: State, watch: Watch, zone: ZoneInfo, now_ms: float) -> str:
    """Write the status line: as-of time and age, clicks per second, lag, and what was set aside and why."""
    board = watch.board or Figures()
    as_of_ms = board.as_of_ms if isinstance(board, Board) else None
    when = zone.key if as_of_ms is None else f"{at(as_of_ms, zone).tzname()}, {ago(now_ms - as_of_ms)}"
    lag = board.count("lag") if state.trusted else None
    clicks = board.count("clicks_total")
    total = "total unknown" if clicks is None else f"{number(clicks)} in all"
    facts = [
        ("as_of", "As of", clock(as_of_ms, zone, now_ms), when),
        (
            "rate",
            "Clicks per second",
            rate(watch.clicks_per_s(state)),
            total,
        ),
        ("lag", "Lag", "unknown" if lag is None else number(lag), "clicks not read yet"),
        ("rejected", "Rejected", number(board.count("rejected_total")), _reasons(board)),
        ("late", "Late", number(board.count("late_total")), "older than every window"),
        ("ahead", "Ahead", number(board.count("ahead")), "waiting for their time"),
    ]
    if dropped := board.count("entries_dropped_total"):
        facts.append(("dropped", "Log entries lost", number(dropped), "Redis or Kafka was away"))
    cells = "".join(
        f'<div><dt>{label}</dt><dd><span data-figure="{key}">{value}</span>'
        f'<small title="{hint(plain)}">{note}</small></dd></div>'
        for key, label, value, note in facts
        for plain in [html.unescape(_TAGS.sub("", note))]
    )
    return f'<dl class="fresh">{cells}</dl>{pulse(now_ms)}'


def pulse(now_ms: float) -> str:
    """Write what tells that no refresh has come for 5 s: a new node starts the style sheet's clock anew."""
    return f'<div class="pulse" data-at="{now_ms:.0f}">No answer from the dashboard\'s own server</div>'


_TAGS = re.compile(r"<[^>]*>")


def _reasons(board: Figures) -> str:
    if board.count("rejected_total") is None:
        return "reasons unknown"
    counts = sorted(board.rejected_reasons.items(), key=lambda item: (-item[1], item[0]))
    return (
        ", ".join(f"{number(count)} {safe(reason.replace('_', ' '))}" for reason, count in counts if count)
        or "no record refused"
    )
