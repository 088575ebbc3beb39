"""Journeys: the state machine, click by click."""

from __future__ import annotations

from dataclasses import dataclass

from tests.oracle.records import (
    HALF_HOUR,
    SECOND,
    Click,
)


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


def journeys(
    clicks: list[Click],
) -> tuple[list[tuple[str, str, str, float]], list[tuple[str, str, float]]]:
    """Return the entries of the state machine log and the offers, in arrival order."""
    logs: list[tuple[str, str, str, float]] = []
    offers: list[tuple[str, str, float]] = []
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
        journey.state = "init" if state == "offer" else state

        created = click.time / SECOND
        clicked = "None" if product is None else product
        event = f"[Event: clicked {clicked}][Category: {click.category}]"
        logs.append((f"[User {click.user} entered state {state}]{event}", click.user, state, created))
        offer = {"M": "offer1", "F": "offer2"}.get(click.fields["gender"])
        if state == "offer" and offer is not None:
            logs.append((f"[User {click.user} triggered offer {offer}]", click.user, state, created))
            offers.append((click.user, offer, created))
    return logs, offers


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
