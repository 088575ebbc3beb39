"""How stream entries get into Redis: what a stream shows of them, and a script that adds each once.

The ledger of what was written is a hash in Redis, `entries_written`, changed by the same script:

    field                          value: the last ordinal written
    state_logs|clicks/3#4f1c/7     00000000000000000512-000000-001
    rejected|clicks/3#4f1c         00000000000000000498-000000

    sent      ...0498-..., ...0512-001, ...0512-002
    added                               ...0512-002      the only one above what the ledger has
"""

from __future__ import annotations

from collections.abc import Container
from itertools import chain
from typing import Any

import msgspec

from flows.entries.entry import ORDINAL_DIGITS, Entries, ordinal_text, source_of
from flows.sinks.redis import personal

# KEYS: the ledger, the stream. ARGV: MAXLEN, then for each piece its field in the ledger, its last ordinal,
# and its entries as MessagePack, or nothing if they are not to be added. Ordinals are kept as text
# (`ordinal_text`) and compared by bytes, because Lua's own comparison depends on a locale.
_DIGITS = ", ".join(
    f"[{size}] = {{{', '.join(map(str, digits))}}}" for size, digits in ORDINAL_DIGITS.items()
)
ADD_ENTRIES = (
    f"local digits = {{{_DIGITS}}}"
    + """
local function text(ordinal)
  local parts = {}
  for i, number in ipairs(ordinal) do
    parts[i] = string.format('%0' .. digits[#ordinal][i] .. 'd', number)
  end
  return table.concat(parts, '-')
end
local function above(a, b)
  for i = 1, math.min(#a, #b) do
    local x, y = a:byte(i), b:byte(i)
    if x ~= y then return x > y end
  end
  return #a > #b
end
local trim = '~'
for piece = 2, #ARGV, 3 do
  -- Of entries that are older than those left out none is to stay.
  if ARGV[piece + 2] == '' then trim = '=' end
end
local add = {'XADD', KEYS[2], 'MAXLEN', trim, ARGV[1], '*'}
local command = #add
for piece = 2, #ARGV, 3 do
  local last = redis.call('HGET', KEYS[1], ARGV[piece])
  if not last or above(ARGV[piece + 1], last) then
    local entries = ARGV[piece + 2] == '' and {{}} or cmsgpack.unpack(ARGV[piece + 2])
    local ordinals = entries[1]
    local first = 1
    while last and first <= #ordinals and not above(text(ordinals[first]), last) do first = first + 1 end
    for row = first, #ordinals do
      for i = 2, #entries, 2 do
        add[command + i - 1], add[command + i] = entries[i], entries[i + 1][row]
      end
      redis.call(unpack(add))
    end
    redis.call('HSET', KEYS[1], ARGV[piece], ARGV[piece + 1])
  end
end
"""
)


def arguments(
    pieces: list[Entries], maxlen: int, begun: Container[str], *, show_visitors: bool = True
) -> list[int | str | bytes]:
    """Return what ADD_ENTRIES is given of entries for a stream that keeps about `maxlen` of them.

    Where there are more, the oldest are not added: the newer ones would push them out before anyone could see
    them. Only entries that are new for certain count as newer, and so only those of the origins in `begun`:
    the first entries of an origin in this run may have been written by the run before, and then add nothing.
    """
    found: list[int | str | bytes] = []
    newer = 0
    for piece in reversed(pieces):
        hidden = maxlen <= newer or (piece.stream == personal.LOG and not show_visitors)
        shown = b"" if hidden else _shown(piece, show_visitors=show_visitors)
        found = [f"{piece.stream}|{piece.origin}", ordinal_text(piece.last), shown, *found]
        newer += piece.size if piece.origin in begun else 0
    return [maxlen, *found]


def _shown(entries: Entries, *, show_visitors: bool) -> bytes:
    """Return what a stream shows of entries: ordinals, then for each field its name and values."""
    ordinals, columns = entries.columns()
    if entries.stream == "rejected":
        fields = {
            "reason": columns["reason"],
            "position": [f"{source_of(entries.origin)}@{position}" for position, *_ in ordinals],
            # Redis's own MessagePack knows no bytes.
            "record": [record.decode(errors="replace") for record in columns["record"]],
        }
    else:
        # Epoch seconds with nine digits.
        created = [f"{digits[:-9]}.{digits[-9:]}" for digits in map(str, columns["time_ns"])]
        fields = {"created": created, "user": columns["user"]}
        if entries.stream == "state_logs":
            fields |= {"state": columns["state"], "msg": _messages(columns)}
            fields |= {"from": columns.get("from", [""] * len(created)), "offer": columns["offer"]}
            # Redis's streams hold no null.
            fields |= {name: [word or "" for word in columns[name]] for name in ("product", "category")}
        else:
            fields |= {"offer": columns["offer"]}
    if not show_visitors:
        fields = personal.without_fields(fields)
    return msgspec.msgpack.encode([ordinals, *chain.from_iterable(fields.items())])


def _messages(columns: dict[str, list[Any]]) -> list[str]:
    rows = zip(*(columns[name] for name in ("user", "product", "category", "state", "offer")), strict=True)
    return [
        f"[User {user} triggered offer {offer}]"
        if offer
        else f"[User {user} entered state {state}][Event: clicked {product}][Category: {category}]"
        for user, product, category, state, offer in rows
    ]
