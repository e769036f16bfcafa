"""The JSON value of a text that is still being written: it only grows, and ends in the whole value."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import JsonValue

from typefold.compiler.json_format import partial_json

TEXTS = st.text(st.sampled_from('a1 "\\\n-é😀{}[],:.eu'), max_size=8)
VALUES: st.SearchStrategy[JsonValue] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=12,
)


def grows(before: JsonValue, after: JsonValue) -> bool:
    """Whether nothing was taken back and nothing but the last string got longer."""
    match before, after:
        case str(), str():
            return after.startswith(before)
        case list(), list():
            whole, last = before[:-1], before[-1:]
            return after[: len(whole)] == whole and all(map(grows, last, after[len(whole) :] or [None]))
        case dict(), dict():
            return list(after)[: len(before)] == list(before) and grows(list(before.values()), list(after.values()))
        case _:
            return before == after and type(before) is type(after)


@given(VALUES, st.booleans())
def test_along_the_beginnings_of_a_text_the_value_only_grows(value: JsonValue, ascii_only: bool) -> None:
    text = json.dumps(value, ensure_ascii=ascii_only)
    values: list[JsonValue] = []
    for length in range(len(text) + 1):
        try:
            values.append(partial_json(text[:length]))
        except ValueError:
            assert not values, "a value that has begun stays"
    assert all(map(grows, values, [*values[1:], value]))


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("{", {}),
        ('{"a', {}),
        ('{"a": ', {}),
        ('{"a": "', {"a": ""}),
        ('{"a": "x 1', {"a": "x 1"}),
        ('{"a": "say \\"1', {"a": 'say "1'}),
        ("[1", []),
        ("[1.5e-", []),
        ("[1, 2", [1]),
        ("[1, 2]", [1, 2]),
        ("[tru", []),
        ("[true", [True]),
        ('["\\u00', [""]),
    ],
)
def test_what_is_not_whole_is_left_out_and_a_string_is_cut(text: str, value: JsonValue) -> None:
    assert partial_json(text) == value


@pytest.mark.parametrize("text", ["", " ", "-", "12", "nul", "no json"])
def test_a_text_without_a_value_yet_has_none(text: str) -> None:
    with pytest.raises(ValueError, match=r"line 1"):
        partial_json(text)
