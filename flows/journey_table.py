"""The journeys that the flow looks for: tables that are meant to be edited.

A row says: in `state`, a click in `category` on `product` by `who` leads to state `to`. The first row that
fits decides; where none does the journey is over and the visitor back in `init`. So is one whose click comes
`limit_s` seconds or more after the journey's first. Reaching `offer` makes the offer, and the journey starts
anew. Another journey is another entry of JOURNEYS; for example, three products of one category viewed within
five minutes:

    Journey(
        "browsing",
        limit_s=300,
        offers={"*": "offer3"},
        steps=(
            Step("init", ANY, ANY, ANYONE, "one_viewed"),
            Step("one_viewed", SAME, NEW, ANYONE, "two_viewed"),
            Step("two_viewed", SAME, NEW, ANYONE, "offer"),
        ),
    )
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, NoReturn

import msgspec
import numpy as np

from flows.columns import UNKNOWN, Ints, Words
from flows.settings import SettingsError

INIT = "init"
OFFER = "offer"

ANY = "*"
# Of a category: that of the journey's first click.
SAME = "same"
# Of a product: that of the journey's first click; any but that; none by which the journey has come this far.
FIRST, OTHER, NEW = "first", "other", "new"


class Person(NamedTuple):
    """Visitors of one gender, from one age to another, both inclusive."""

    gender: str
    from_age: float
    to_age: float


class Progress(msgspec.Struct, array_like=True, gc=False):
    """A visitor on a journey: where, since which first click, by which products (the first one first)."""

    state: str
    first_ns: int
    category: str
    products: tuple[str | None, ...]


ANYONE: tuple[Person, ...] = ()


@dataclass(frozen=True, slots=True)
class Step:
    """A row of the table."""

    state: str
    category: str
    product: str
    who: Sequence[Person]
    to: str

    @property
    def is_plain(self) -> bool:
        """Whether any click of its category fits."""
        return self.category != SAME and self.product == ANY and not self.who

    def fits(self, category: str, product: str | None, gender: str, age: float, seen: Progress) -> bool:
        """Return whether a click takes this step on a journey that has come as far as `seen`."""
        return (
            (self.category in (ANY, category) or (self.category == SAME and seen.category == category))
            and self._fits_product(product, seen)
            and (not self.who or any(p.gender == gender and p.from_age <= age <= p.to_age for p in self.who))
        )

    def _fits_product(self, product: str | None, seen: Progress) -> bool:
        if self.product == ANY:
            return True
        if self.product == NEW:
            return product not in seen.products
        return (product == seen.products[0]) == (self.product == FIRST)

    def columns(self, category: Words, gender: Words, age: Ints) -> Ints:
        """Return for each click, as columns, whether it takes this step out of `init`."""
        fits = np.ones(len(age), bool)
        if self.category not in (ANY, SAME):
            names = [UNKNOWN if word is None else word for word in category.words]
            fits &= np.array([name == self.category for name in names], bool)[category.codes]
        if self.who:
            fits &= np.logical_or.reduce(
                [
                    np.array([word == person.gender for word in gender.words], bool)[gender.codes]
                    & (age >= person.from_age)
                    & (age <= person.to_age)
                    for person in self.who
                ]
            )
        return fits


@dataclass(frozen=True, slots=True)
class Journey:
    """A journey: its rows, its limit in seconds from the first click, its offer by gender (`*`: any)."""

    name: str
    limit_s: int
    offers: Mapping[str, str]
    steps: Sequence[Step]

    def by_state(self) -> dict[str, dict[str, list[tuple[Step, bool]]]]:
        """Return the rows that may fit, in order, by state and category (ANY: any category not named).

        Beside each row, whether any click of the category fits it.
        """
        states = {step.state for step in self.steps}
        categories = {step.category for step in self.steps} - {SAME} | {ANY}
        return {
            state: {
                category: [
                    (step, step.is_plain)
                    for step in self.steps
                    if step.state == state and step.category in (category, ANY, SAME)
                ]
                for category in categories
            }
            for state in states
        }

    def beginning(self, category: Words, gender: Words, age: Ints) -> Ints:
        """Return for each click, as columns, the number of the row it takes out of `init`, or -1."""
        taken = np.full(len(age), -1)
        for number, step in enumerate(self.steps):
            if step.state == INIT:
                taken[(taken < 0) & step.columns(category, gender, age)] = number
        return taken

    def offer(self, gender: str) -> str | None:
        """Return the offer for a visitor, None if there is none for them."""
        return self.offers.get(gender, self.offers.get(ANY))


_BUYERS = (Person("M", 35, 45), Person("F", 25, 35))

JOURNEYS: tuple[Journey, ...] = (
    Journey(
        "clothing, shoes, other clothing",
        limit_s=1800,
        offers={"M": "offer1", "F": "offer2"},
        steps=(
            Step("init", "clothing", ANY, _BUYERS, "clothes_visited"),
            Step("clothes_visited", "shoes", ANY, ANYONE, "shoes_visited"),
            Step("clothes_visited", "clothing", ANY, ANYONE, "clothes_visited"),
            Step("shoes_visited", "clothing", FIRST, ANYONE, "clothes_visited"),
            Step("shoes_visited", "clothing", OTHER, ANYONE, "offer"),
        ),
    ),
)


def check(journeys: Sequence[Journey]) -> Sequence[Journey]:
    """Return `journeys` if they make sense; raises SettingsError, one line that names the row, otherwise."""
    for journey in journeys:
        if journey.limit_s <= 0:
            _refuse(journey, ":", f"limit_s is {journey.limit_s}: set it to a number of seconds above 0")
        if not any(step.state == INIT for step in journey.steps):
            _refuse(journey, ":", "no row leaves state 'init': add one")
        for number, step in enumerate(journey.steps, 1):
            _check_step(journey, number, step)
    return journeys


def _check_step(journey: Journey, number: int, step: Step) -> None:
    row = f" row {number}"
    left = {other.state for other in journey.steps}
    entered = {INIT} | {other.to for other in journey.steps}
    if step.to not in left | {INIT, OFFER}:
        _refuse(journey, row, f"leads to {step.to!r}, which no row leaves: add such a row, or mend the name")
    if step.state not in entered:
        _refuse(journey, row, f"leaves {step.state!r}, which no row enters: add such a row, or mend the name")
    if step.state == OFFER:
        _refuse(journey, row, "leaves 'offer', where a journey ends: remove it")
    if step.product not in (ANY, FIRST, OTHER, NEW):
        _refuse(journey, row, f"has product {step.product!r}: set it to ANY, FIRST, OTHER or NEW")
    if step.state == INIT and (step.category == SAME or step.product != ANY):
        _refuse(journey, row, "compares with an earlier click, but leaves 'init': use ANY")
    for person in step.who:
        if not person.from_age <= person.to_age:
            _refuse(journey, row, f"has ages from {person.from_age} to {person.to_age}: swap them")


def _refuse(journey: Journey, row: str, text: str) -> NoReturn:
    message = f"journey {journey.name!r}{row} {text}"
    raise SettingsError(message)
