"""The audience: from where the visitors of the last minutes are, of which gender and age."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from flows.metrics.metric import Metric, Part, Published, added, ranked
from flows.model.columns import Floats, Ints, Words
from flows.model.fields import UNKNOWN
from flows.model.shard_clicks import AlignedBarrier, ShardClicks
from flows.windows.names import Names
from flows.windows.newest import Newest

OTHER = "other"
# F and M, any other word, none.
GENDERS = ("F", "M", OTHER, UNKNOWN)
# Each from its age on; whole years count.
AGES = (
    *(("under 18", 0), ("18-24", 18), ("25-34", 25), ("35-44", 35), ("45-54", 45), ("55-64", 55)),
    *(("65 and over", 65), (UNKNOWN, 130)),
)
BANDS = tuple(name for name, _ in AGES)
_PEOPLE = len(GENDERS) * len(BANDS)
# By age in whole years.
_BAND_OF = np.repeat(np.arange(len(AGES) - 1), np.diff([from_age for _, from_age in AGES]))


class AudienceFigures(NamedTuple):
    """Visitors by country; by gender and band of age, as a list by GENDERS, then BANDS."""

    countries: dict[str, int]
    people: Ints


class Audience(Metric[AudienceFigures]):
    """Distinct visitors in [as_of - window_s, as_of), by the fields of their newest click in it.

    The `top` countries, then the others and those unknown; gender by band of age, those that there are.
    """

    frames = ("audience_countries", "audience_people")

    def __init__(self, *, window_s: int, top: int) -> None:
        self._window_s, self._top = window_s, top

    def begin(self) -> None:
        """Make what a shard keeps, empty."""
        # A click's number is that of its country, times _PEOPLE, and that of gender and band of age.
        self._newest = Newest(self._window_s)
        self._countries = Names[str]()
        self._saved = 0

    def add(self, item: ShardClicks) -> None:
        """Take in admitted clicks."""
        self._newest.clear(item.freed)
        self._newest.advance(item.newest_s + 1)
        if not len(item):
            return
        country = item.words("country")
        used, place = country.used()
        countries = self._countries.numbers(country.words[code] or UNKNOWN for code in used.tolist())[place]
        number = countries * _PEOPLE + people(item.words("gender"), item.columns.floats("age"))
        recent = self._newest.recent(item.second)
        self._newest.add(item.slot[recent], item.time_ns[recent], number[recent])

    def report(self, as_of_s: int) -> AudienceFigures:
        """Return the shard's figures."""
        self._newest.advance(as_of_s)
        numbers, _ = self._newest.clicks()
        visitors = np.bincount(numbers, minlength=len(self._countries) * _PEOPLE).reshape(-1, _PEOPLE)
        by_country = visitors.sum(axis=1)
        names = self._countries.names
        countries = {names[place]: int(by_country[place]) for place in np.flatnonzero(by_country).tolist()}
        return AudienceFigures(countries, visitors.sum(axis=0))

    def publish(self, barrier: AlignedBarrier, shards: Sequence[AudienceFigures]) -> Published:
        """Return both tables; each adds up to all visitors of the window."""
        return Published(
            frames={
                self.frames[0]: self._country_rows(shards),
                self.frames[1]: _people_rows([shard.people for shard in shards]),
            }
        )

    def _country_rows(self, shards: Sequence[AudienceFigures]) -> dict[str, list[str] | list[int]]:
        total = added(shard.countries for shard in shards)
        unknown = total.pop(UNKNOWN, 0)
        top = ranked(total, self._top)
        others = sum(total.values()) - sum(number for _, number in top)
        rows = [
            *top,
            *((name, number) for name, number in ((OTHER, others), (UNKNOWN, unknown)) if number),
        ]
        return {"country": [name for name, _ in rows], "visitors": [number for _, number in rows]}

    def changes(self, *, everything: bool) -> Part:
        """Return what changed, or all; when all, countries of nobody are forgotten first."""
        if everything:
            self._forget()
            self._saved = 0
        new, self._saved = self._countries.names[self._saved :], len(self._countries)
        return {"countries": new, "newest": self._newest.changes(everything=everything)}

    def _forget(self) -> None:
        known = len(self._countries)
        held = np.unique(self._newest.forget() // _PEOPLE)
        number = self._countries.keep(held, known)[:, None] * _PEOPLE + np.arange(_PEOPLE)
        self._newest.renumber(number.ravel())

    def load(self, part: Part) -> None:
        """Take in a part of the state."""
        self._countries.numbers(part["countries"])
        self._saved = len(self._countries)
        self._newest.load(part["newest"])


def people(gender: Words, age: Floats) -> Ints:
    """Return for each click the number of its gender and band of age; an age is one of 0 to 129."""
    genders = np.array([_gender(word) for word in gender.words], np.int64)
    known = (age >= 0) & (age < len(_BAND_OF))
    band = np.where(known, _BAND_OF[np.where(known, age, 0).astype(np.int64)], len(BANDS) - 1)
    numbers: Ints = genders[gender.codes] * len(BANDS) + band
    return numbers


def _gender(word: str | None) -> int:
    if word is None:
        return GENDERS.index(UNKNOWN)
    return GENDERS.index(word) if word in GENDERS[:2] else GENDERS.index(OTHER)


def _people_rows(shards: Sequence[Ints]) -> dict[str, list[str] | list[int]]:
    visitors = sum(shards, np.zeros(_PEOPLE, np.int64))
    places = np.flatnonzero(visitors).tolist()
    return {
        "gender": [GENDERS[place // len(BANDS)] for place in places],
        "age": [BANDS[place % len(BANDS)] for place in places],
        "visitors": visitors[places].tolist(),
    }
