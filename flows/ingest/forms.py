"""The forms in which a record may come, as types for msgspec; all are made from the table of FIELDS.

plain    {"timestamp": 1714564800000000000, "userId": "u1", "productId": "p7", "age": 31, ...}
wide     the same with a time in words or with a fraction, or a visitor's number
loose    any JSON object: the fields that matter, whatever they hold
"""

from __future__ import annotations

from typing import Annotated, Any, Final

import msgspec

from flows.model.fields import FIELDS, LOOSE, MAX_NAME_CHARS, NAME, NUMBER, Field

TABLES: Final = ("TagValues", "NumericValues", "StringValues")
REQUIRED: Final = ("timestamp", FIELDS[0].name)
USED: Final = ("timestamp", *(field.name for field in FIELDS))
NAMES: Final = tuple(field.name for field in FIELDS if field.kind == NAME)
LOOSE_FIELDS: Final = frozenset(field.name for field in FIELDS if field.kind == LOOSE)
TYPES: Final[dict[str, frozenset[Any]]] = {
    "timestamp": frozenset([int, float, str, type(None)]),
    **{
        field.name: frozenset([int, float, type(None)] if field.kind == NUMBER else [str, type(None)])
        for field in FIELDS
    },
    "userId": frozenset([int, str, type(None)]),
}


class Refused:
    """The type of a field whose mere presence, be it null, is no plain click's."""


_User = Annotated[str, msgspec.Meta(min_length=1, max_length=MAX_NAME_CHARS)]
_Name = Annotated[str, msgspec.Meta(max_length=MAX_NAME_CHARS)]


def _type_of(field: Field) -> Any:
    if field.kind == NUMBER:
        return int | float | None
    return _Name | None if field.kind == NAME else str | None


def _click_type(name: str, timestamp: Any, user: Any) -> Any:
    """Return the type of a click: the fields in USED, in that order, then what it must not have."""
    others = [(field.name, _type_of(field), None) for field in FIELDS[1:]]
    required = list(zip(REQUIRED, (timestamp, user), strict=True))
    return msgspec.defstruct(
        name, [*required, *others, ("Timestamps", Refused, Refused())], gc=False, module=__name__
    )


# `timestamp` may still be in seconds, milliseconds or microseconds.
Click: Any = _click_type("Click", int, _User)
WideClick: Any = _click_type("WideClick", int | float | str, _User | int)


def _loose_type(kind: Any, null: Any) -> Any:
    """Return the type of any JSON object, with the fields that matter here as `kind`."""
    fields: list[Any] = [(name, kind, null) for name in (*USED, *TABLES)]
    optional: Any = kind | msgspec.UnsetType if kind is msgspec.Raw else Any
    columns = [("Timestamps", optional, msgspec.UNSET), ("Epoch", kind, msgspec.Raw(b"0") if null else 0)]
    return msgspec.defstruct("Loose", fields + columns)


# Values as Python has them; and as they are written, for those that msgspec finds out of range.
ANY = msgspec.json.Decoder(_loose_type(Any, None))
WRITTEN = msgspec.json.Decoder(_loose_type(msgspec.Raw, msgspec.Raw(b"null")))
