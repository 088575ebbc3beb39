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

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, NoReturn

import msgspec
import numpy as np

from flows.model.columns import Bools, Columns, Floats, Ints, Words
from flows.model.fields import UNKNOWN
from flows.runtime.exits import SettingsError

INIT = "init"
OFFER = "offer"

ANY = "*"
# As many as a column of integers has bits for.
MOST_ROWS = 62
# So long a visitor of whom nothing is heard is kept.
MOST_LIMIT_S = 8 * 3600

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
    who: tuple[Person, ...]
    to: str

    @property
    def is_plain(self) -> bool:
        """Whether it compares a click with none before it."""
        return self.category != SAME and self.product == ANY

    def goes_on(self, category: str, product: str | None, seen: Progress) -> bool:
        """Return whether a click that fits on its own takes the step on a journey as far as `seen`."""
        if self.category == SAME and seen.category != category:
            return False
        if self.product == ANY:
            return True
        if self.product == NEW:
            return product not in seen.products
        return (product == seen.products[0]) == (self.product == FIRST)


@dataclass(frozen=True, slots=True)
class Journey:
    """A journey: its rows, its limit in seconds from the first click, its offer by gender (`*`: any)."""

    name: str
    limit_s: int
    offers: Mapping[str, str]
    steps: Sequence[Step]

    def fits(self, category: Words, gender: Words, age: Floats) -> Ints:
        """Return for each click, as columns, in bit n whether the n-th row fits, in bit 0 whether it counts.

        A row fits as far as that depends on the click alone. A click without gender or age does not count,
        and has no bit set.
        """
        words = category.filled(UNKNOWN).words
        bits = np.ones(len(words), np.min_scalar_type(2 << len(self.steps)))
        for number, step in enumerate(self.steps, 1):
            bits[[step.category in (ANY, SAME, word) for word in words]] |= bits.dtype.type(1 << number)
        fits: Ints = bits[category.codes]
        fits[~(gender.known() & ~np.isnan(age))] = 0
        for who in {step.who for step in self.steps if step.who}:
            rows = fits.dtype.type(sum(1 << n for n, step in enumerate(self.steps, 1) if step.who == who))
            asked = np.flatnonzero(fits & rows)
            others = asked[~_is_one_of(who, gender.take(asked), age[asked])]
            fits[others] = fits[others] & ~rows
        return fits

    @property
    def between(self) -> tuple[str, ...]:
        """The states between `init` and `offer`, in the order of the table."""
        return tuple(dict.fromkeys(step.to for step in self.steps if step.to not in (INIT, OFFER)))

    def leaving(self, state: str) -> int:
        """Return the bits of the rows that leave a state."""
        return sum(1 << number for number, step in enumerate(self.steps, 1) if step.state == state)

    def offer(self, gender: str) -> str | None:
        """Return the offer for a visitor, None if there is none for them."""
        return self.offers.get(gender, self.offers.get(ANY))


def judge(journeys: Sequence[Journey]) -> Callable[[Columns], Columns]:
    """Return what makes columns of clicks more: which rows of each journey fit them, by `fits_column`."""

    def judged(columns: Columns) -> Columns:
        asked = columns.words("category"), columns.words("gender"), columns.floats("age")
        return Columns((fits_column(n), journey.fits(*asked)) for n, journey in enumerate(journeys))

    return judged


def fits_column(number: int) -> str:
    """Return the name of the column that tells which rows of a journey fit (see `Journey.fits`)."""
    return f"fits {number}"


def _is_one_of(who: Sequence[Person], gender: Words, age: Floats) -> Bools:
    found = np.zeros(len(age), bool)
    for person in who:
        is_gender = np.array([word == person.gender for word in gender.words], bool)
        found |= is_gender[gender.codes] & (age >= person.from_age) & (age <= person.to_age)
    return found


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
        if not 0 < journey.limit_s <= MOST_LIMIT_S:
            remedy = f"set it to a number of seconds above 0, at most {MOST_LIMIT_S} (8 hours)"
            _refuse(journey, ":", f"limit_s is {journey.limit_s}: {remedy}")
        if len(journey.steps) > MOST_ROWS:
            _refuse(journey, ":", f"has {len(journey.steps)} rows: {MOST_ROWS} are the most, so make it two")
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
