"""Any JSON object as a type for msgspec: the fields that matter, whatever they hold (see FIELDS)."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from flows.model.fields import FIELDS, LOOSE, NAME, NUMBER

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


def _loose_type(kind: Any, null: Any) -> Any:
    """Return the type of any JSON object, with the fields that matter here as `kind`."""
    fields: list[Any] = [(name, kind, null) for name in (*USED, *TABLES)]
    optional: Any = kind | msgspec.UnsetType if kind is msgspec.Raw else Any
    columns = [("Timestamps", optional, msgspec.UNSET), ("Epoch", kind, msgspec.Raw(b"0") if null else 0)]
    return msgspec.defstruct("Loose", fields + columns)


# Values as Python has them; and as they are written, for those that msgspec finds out of range.
ANY = msgspec.json.Decoder(_loose_type(Any, None))
WRITTEN = msgspec.json.Decoder(_loose_type(msgspec.Raw, msgspec.Raw(b"null")))
