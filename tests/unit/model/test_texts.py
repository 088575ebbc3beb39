"""Texts: words that stand in a block are those that a list of strings would be."""

import numpy as np
import pytest

from flows.model.columns import Words, stable_hash
from flows.model.texts import Texts
from flows.model.wire import packed, unpacked

WORDS = ["ann", "", None, "é\U0001f6cd", "ann of the hill"]


def texts_of(words: list[str | None]) -> Texts:
    raw = [b"" if word is None else word.encode() for word in words]
    data = b"".join(b'{"userId":"%b"}\n' % each for each in raw)
    start, end, at = [], [], 0
    for word, each in zip(words, raw, strict=True):
        start.append(-1 if word is None else at + 11)
        end.append(start[-1] + len(each))
        at += len(each) + 14
    return Texts(data, np.array(start, np.int64), np.array(end, np.int64))


def test_texts_are_read_like_a_list() -> None:
    texts = texts_of(WORDS)
    assert list(texts) == WORDS
    assert len(texts) == len(WORDS)
    assert [texts[place] for place in range(len(WORDS))] == WORDS
    assert list(texts[1:4]) == WORDS[1:4]
    with pytest.raises(IndexError):
        texts[len(WORDS)]


def test_a_visitor_is_the_same_however_their_id_comes() -> None:
    # More than are hashed at once, one of them none.
    words = [f"visitor-{number}" for number in range(10_000)]
    words_or_none = [*words[:5000], None, *words[5000:]]
    for each in (WORDS, words, words_or_none, []):
        assert np.array_equal(stable_hash(texts_of(list(each)), 7), stable_hash(list(each), 7))


def test_texts_cross_to_another_process() -> None:
    codes = np.array([4, 0, 2, 4, 3], np.int32)
    column = unpacked(packed(Words(codes, texts_of(WORDS))))
    assert [column.at(row) for row in range(5)] == ["ann of the hill", "ann", "", "ann of the hill", WORDS[3]]
