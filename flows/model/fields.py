"""FIELDS: which fields of a record become columns of clicks, and how.

One entry a field; the decoder, its checks and the columns that shards get are all made from this table. To
count clicks by another field, add it here:

    Field("birthdate", "birthdate", LOOSE, ("visits",), missing=UNKNOWN)
"""

from __future__ import annotations

from typing import Final, Literal, NamedTuple

UNKNOWN = "Unknown"
# The device types that are counted by name.
DEVICE_TYPES = ("Desktop", "Tablet", "Mobile")

# A NAME tells things apart, so a longer one makes the record `too_long`; a TEXT is only shown, so it is cut,
# and so is a LOOSE one, which may hold anything: what is no string in it counts as missing.
MAX_NAME_CHARS: Final = 256
SHOWN_CHARS: Final = 512

Kind = Literal["name", "text", "loose", "number"]
NAME: Final = "name"
TEXT: Final = "text"
LOOSE: Final = "loose"
NUMBER: Final = "number"


class Field(NamedTuple):
    """A field `name` of a record, a string or (NUMBER) a number, as column `column`.

    `streams`: the streams of shards' clicks that carry it: `visits` (by visitor), `views` (by page).
    `missing`: what they have where a click has none. `spelled`: words that are known in any case.
    """

    name: str
    column: str
    kind: Kind
    streams: tuple[str, ...] = ()
    missing: str | None = None
    spelled: tuple[str, ...] = ()

    def word(self, value: str | None) -> str | None:
        """Return a string of a record as the column has it; an empty one is none."""
        if not value:
            return None
        if self.kind != NAME:
            return value[:SHOWN_CHARS]
        return next((word for word in self.spelled if word.lower() == value.lower()), value)


# The first is the visitor, whom every record names.
FIELDS: Final = (
    Field("userId", "visitor", NAME, ("visits",)),
    Field("userAgent", "agent", LOOSE),
    Field("productId", "product", NAME, ("visits", "views")),
    Field("category", "category", NAME, ("visits", "views"), missing=UNKNOWN),
    Field("title", "title", TEXT, ("visits", "views")),
    Field("gender", "gender", TEXT, ("visits",)),
    Field("country", "country", LOOSE, ("visits",), missing=UNKNOWN),
    Field("deviceType", "device", NAME, ("visits",), spelled=DEVICE_TYPES),
    Field("age", "age", NUMBER, ("visits",)),
)
WORDS: Final = tuple(field for field in FIELDS if field.kind != NUMBER)
NUMBERS: Final = tuple(field for field in FIELDS if field.kind == NUMBER)


def carried_by(stream: str) -> tuple[Field, ...]:
    """Return the fields that a stream of shards' clicks carries."""
    return tuple(field for field in FIELDS if stream in field.streams)
