"""What raw data shows of a click: its fields as they came, each cut to a greatest size.

So a click that is shown takes some 50 KB at most, whatever its record holds.
"""

from __future__ import annotations

import json
from typing import Any

from flows.ingest.mask import mask_ip
from flows.ingest.validate import whole_characters
from flows.model.fields import SHOWN_CHARS

SHOWN = [
    *("timestamp", "original_timestamp", "userId", "ip", "userAgent", "productId", "category", "title"),
    *("gender", "country", "deviceType", "age", "birthdate"),
]


def fields_in(record: bytes) -> dict[str, Any]:
    """Return the fields of a record that is a plain click, missing ones None; {} if it cannot be read."""
    try:
        fields = _json.decode(whole_characters(record).decode())
    except (ValueError, RecursionError):
        return {}
    return shown(fields)


def shown(fields: dict[str, Any]) -> dict[str, Any]:
    """Return what is shown of any fields."""
    return {name: _cut(fields.get(name)) for name in SHOWN}


def record_of(fields: dict[str, Any], *, mask: bool) -> bytes:
    """Return shown fields as a record; with `mask` the visitor's address in them is masked."""
    if mask:
        fields = fields | {"ip": mask_ip(fields["ip"])}
    return json.dumps(fields, ensure_ascii=False).encode(errors="replace")


def _cut(value: Any) -> Any:
    if isinstance(value, (list, dict)):
        text = json.dumps(value, ensure_ascii=False)
        return value if len(text) <= SHOWN_CHARS else text[:SHOWN_CHARS]
    return (value[:SHOWN_CHARS] or None) if isinstance(value, str) else value


def _number(digits: str) -> float:
    """Return an integer; one beyond 64 bits, which pandas cannot write, as a float (infinity: null)."""
    number = int(digits[:400])
    return number if -(1 << 63) <= number < 1 << 63 else float(digits)


_json = json.JSONDecoder(parse_int=_number)
