"""Journeys: the state machine, click by click."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from statistics import median
from typing import NamedTuple

from tests.oracle.records import HALF_HOUR, HOUR, SECOND, Click, Row


@dataclass
class Journey:
    """Where a visitor stands; `previous` is the product of the last click that was not ignored.

    `newest` is the time of the newest click with gender and age: when the next one comes more than 30 minutes
    after it, the visitor is as one never seen.
    """

    newest: int
    state: str = "init"
    first_product: str | None = None
    first_time: int = 0
    previous: str | None = None


class Step(NamedTuple):
    """A step of a visitor: the click, the states before and after it, when the journey began, the offer."""

    click: Click
    left: str
    state: str
    began: int
    offer: str | None


def steps(clicks: list[Click]) -> tuple[list[Step], list[Journey]]:
    """Return all steps in arrival order, and where everybody stands in the end."""
    found: list[Step] = []
    by_user: dict[str, Journey] = {}
    for click in clicks:
        product = click.fields["productId"]
        if click.fields["gender"] is None or click.fields["age"] is None:
            continue
        journey = by_user.setdefault(click.user, Journey(click.time))
        if click.time - journey.newest > HALF_HOUR:
            journey = by_user[click.user] = Journey(click.time)
        journey.newest = max(journey.newest, click.time)
        if product is not None and product == journey.previous:
            continue
        journey.previous = product
        state = next_state(journey, click)
        if state == journey.state:
            continue
        if journey.state == "init":
            journey.first_product, journey.first_time = product, click.time
        offer = {"M": "offer1", "F": "offer2"}.get(click.fields["gender"]) if state == "offer" else None
        found.append(Step(click, journey.state, state, journey.first_time, offer))
        journey.state = "init" if state == "offer" else state
    return found, list(by_user.values())


def journeys(
    clicks: list[Click],
) -> tuple[list[tuple[str, str, str, float]], list[tuple[str, str, float]]]:
    """Return the entries of the state machine log and the offers, in arrival order."""
    logs: list[tuple[str, str, str, float]] = []
    offers: list[tuple[str, str, float]] = []
    for click, _, state, _, offer in steps(clicks)[0]:
        created, product = click.time / SECOND, click.fields["productId"]
        clicked = "None" if product is None else product
        event = f"[Event: clicked {clicked}][Category: {click.category}]"
        logs.append((f"[User {click.user} entered state {state}]{event}", click.user, state, created))
        if offer is not None:
            logs.append((f"[User {click.user} triggered offer {offer}]", click.user, state, created))
            offers.append((click.user, offer, created))
    return logs, offers


def journey_rows(clicks: list[Click], as_of: int) -> list[Row]:
    """Count visitors in each state now, and how often each state was entered in the last hour."""
    all_steps, standing = steps(clicks)
    now = Counter(each.state for each in standing if as_of - each.first_time < HALF_HOUR)
    entered = Counter(step.state for step in all_steps if as_of - HOUR <= step.click.time < as_of)
    return [
        {
            "journey": "clothing, shoes, other clothing",
            "state": state,
            "now": now[state] if state in ("clothes_visited", "shoes_visited") else None,
            "entered_1h": entered[state],
        }
        for state in ("clothes_visited", "shoes_visited", "offer", "init")
    ]


def journey_figures(clicks: list[Click], as_of: int) -> Row:
    """Return the offers of the last hour, and what the journeys begun in it came to once they are over."""
    all_steps = steps(clicks)[0]
    offers = Counter(s.offer for s in all_steps if s.offer and as_of - HOUR <= s.click.time < as_of)
    over = [s for s in all_steps if as_of - HOUR <= s.began <= as_of - HALF_HOUR]
    begun = sum(step.left == "init" for step in over)
    took = [max(s.click.time - s.began, 0) for s in over if s.state == "offer"]
    return {
        "offers_1h": sum(offers.values()),
        "offers": dict(offers),
        "journeys_over_1h": begun,
        **({"journeys_offer_share": len(took) / begun} if begun else {}),
        **({"journeys_offer_seconds": median(took) / SECOND} if took else {}),
    }


def next_state(journey: Journey, click: Click) -> str:
    """Return the state that a click which is not ignored leads to."""
    clothing = click.category == "clothing"
    if journey.state == "init":
        gender, age = click.fields["gender"], click.fields["age"]
        wanted = (gender == "M" and 35 <= age <= 45) or (gender == "F" and 25 <= age <= 35)
        return "clothes_visited" if clothing and wanted else "init"
    if click.time - journey.first_time >= HALF_HOUR:
        return "init"
    if journey.state == "clothes_visited" and click.category == "shoes":
        return "shoes_visited"
    if not clothing:
        return "init"
    if journey.state == "clothes_visited" or click.fields["productId"] == journey.first_product:
        return "clothes_visited"
    return "offer"
