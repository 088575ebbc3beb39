"""What Redis holds of single visitors, and what of it is left out with CLICKS_SHOW_VISITORS=0.

    latest_visitors, raw_data, state_logs    not there at all
    special_offers                           without `user`
    rejected                                 without `record`, which may name one

What earlier runs wrote of the first three goes with the first board; other entries go with their time.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from flows.model.streams import StreamName

TABLES: Final = ("latest_visitors", "raw_data")
LOG: Final[StreamName] = "state_logs"
_FIELDS: Final = ("user", "record")


def without_tables(values: Mapping[str, str]) -> dict[str, str]:
    """Return a board's values without those of single visitors."""
    return {key: value for key, value in values.items() if key not in TABLES}


def without_fields(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Return an entry's fields without those that name a visitor."""
    return {name: value for name, value in fields.items() if name not in _FIELDS}
