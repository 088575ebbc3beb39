"""What scanning gives of a batch: its plain clicks as columns, and which records are left to be judged."""

from __future__ import annotations

import secrets
from typing import NamedTuple

import msgspec
import numpy as np

from flows.ingest.scan.json_text import has_escape
from flows.ingest.scan.scan import scan
from flows.ingest.scan.words import COLUMN, END, START
from flows.model.columns import Bools, Floats, Ints, Words
from flows.model.fields import NUMBERS, WORDS
from flows.model.lines import Lines
from flows.model.texts import Texts
from flows.runtime.compiled import Bytes, entry

# Nobody outside can know which words meet in one place of the table of words.
_SEED = np.uint64(secrets.randbits(64))


class Scanned(NamedTuple):
    """The plain clicks of a batch: `row` int32, `time_ns` int64, columns by field.

    Of each record, whether it is `plain`; those among them that are `in_columns`, int32.
    """

    row: Ints
    time_ns: Ints
    words: dict[str, Words]
    numbers: dict[str, Floats]
    plain: Bools
    in_columns: Ints


def scanned_in(lines: Lines, newest_ns: int) -> Scanned:
    """Scan a batch."""
    data = lines.data
    found = scan(data, lines.bounds, newest_ns, _SEED)
    column, start, end = found.words[:, COLUMN], found.words[:, START], found.words[:, END]
    words, codes = {}, np.ascontiguousarray(found.codes.T)
    for number, field in enumerate(WORDS):
        of = column == number
        # Visitors are many, and of nearly all of them nothing but the hash is asked for.
        words[field.name] = _words(codes[number], data, start[of], end[of], lazily=field is WORDS[0])
    numbers = {field.name: np.ascontiguousarray(found.numbers[:, n]) for n, field in enumerate(NUMBERS)}
    in_columns = np.flatnonzero(found.shape == 2).astype(np.int32)
    return Scanned(found.row, found.time_ns, words, numbers, found.shape > 0, in_columns)


def _words(codes: Ints, data: bytes, start: Ints, end: Ints, *, lazily: bool) -> Words:
    """Return a column of the words that stand at [start, end); one that is written in two ways is one."""
    texts = Texts(data, start, end)
    words = Words(codes, texts if lazily else list(texts))
    return words.renamed(_unescaped) if _escaped(data, start, end) else words


def _unescaped(text: str | None) -> str | None:
    return msgspec.json.decode(f'"{text}"', type=str) if text and "\\" in text else text


@entry("bytes, int64[::1], int64[::1]")
def _escaped(d: Bytes, start: Ints, end: Ints) -> int:
    """Count the words that have a backslash."""
    count = 0
    for i in range(len(start)):
        if start[i] >= 0:
            count += has_escape(d, start[i], end[i])
    return count
