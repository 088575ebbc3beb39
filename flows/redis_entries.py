"""How stream entries get into Redis: a script that adds each once, and what it is given."""

from __future__ import annotations

from flows.entries import ORDINAL_DIGITS, Entries, Field, ordinal_text, packed

# KEYS: hash of the ordinals written, stream. ARGV: MAXLEN (0: none), then for each piece the field in the
# hash, the last ordinal and the packed entries, or nothing if they are not to be added. Ordinals are kept as
# text (`ordinal_text`) and compared by bytes, because Lua's own comparison depends on the server's locale.
ADD_ENTRIES = (
    f"local digits = {{{str(ORDINAL_DIGITS)[1:-1]}}}"
    + """
local function text(ordinal)
  local parts = {}
  for i, number in ipairs(ordinal) do parts[i] = string.format('%0' .. digits[i] .. 'd', number) end
  return table.concat(parts, '-')
end
local function above(a, b)
  for i = 1, math.min(#a, #b) do
    local x, y = a:byte(i), b:byte(i)
    if x ~= y then return x > y end
  end
  return #a > #b
end
local add = {'XADD', KEYS[2], 'MAXLEN', '~', ARGV[1], '*'}
if ARGV[1] == '0' then add = {'XADD', KEYS[2], '*'} end
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


def arguments(pieces: list[Entries], maxlen: int) -> list[int | str | bytes]:
    """Return what ADD_ENTRIES is given of entries for a stream that keeps about `maxlen` of them; 0: all.

    The older ones of more than that are not added: the newer ones would push them out at once, before anyone
    could see them.
    """
    found: list[int | str | bytes] = []
    newer = 0
    for piece in reversed(pieces):
        readable = b"" if 0 < maxlen <= newer else _readable(piece)
        found = [f"{piece.stream}|{piece.lane}", ordinal_text(piece.last), readable, *found]
        newer += piece.size
    return [maxlen, *found]


def _readable(entries: Entries) -> bytes:
    """Return packed entries without bytes, which Redis's own MessagePack does not know."""
    if entries.stream != "rejected":
        return entries.packed
    ordinals, fields = entries.columns()
    columns = [ordinals, *(each for name in fields for each in (name, list(map(_text, fields[name]))))]
    return packed(columns)


def _text(field: Field) -> str:
    return field.decode(errors="replace") if isinstance(field, bytes) else field
