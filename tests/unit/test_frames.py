"""Tables are written as pandas writes them, and read by pandas as they were."""

from __future__ import annotations

import json
from io import StringIO
from typing import Any

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flows.operators.board import frame_text

CELLS = st.one_of(
    st.none(),
    st.text(st.characters(exclude_categories=["Cs"])),
    st.integers(-(1 << 63), (1 << 63) - 1),
    st.booleans(),
    st.floats(-1e6, 1e6).map(lambda number: round(number, 6)),
    st.lists(st.integers(0, 9), max_size=2),
    st.dictionaries(st.text('abc/é"', max_size=3), st.none(), max_size=2),
)


@given(st.integers(0, 12), st.data())
def test_it_is_what_pandas_writes(size: int, data: st.DataObject) -> None:
    columns = {name: data.draw(st.lists(CELLS, min_size=size, max_size=size)) for name in ("a", "b c", "é")}
    frame = pd.DataFrame({name: pd.Series(cells, dtype=object) for name, cells in columns.items()})
    wanted = json.loads(frame.to_json())
    assert json.loads(frame_text(columns)) == wanted


@pytest.mark.parametrize("cells", [[], [1, None, 3], ["a", "b"]])
def test_pandas_reads_it_back(cells: list[Any]) -> None:
    frame = pd.read_json(StringIO(frame_text({"x": cells})))
    assert list(frame.columns) == ["x"]
    assert [None if pd.isna(cell) else cell for cell in frame["x"].tolist()] == cells


def test_what_is_no_number_is_null() -> None:
    assert frame_text({"x": [float("nan"), float("inf")]}) == '{"x":{"0":null,"1":null}}'
