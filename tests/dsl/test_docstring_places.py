"""Places in sources: of the characters of a string, and of a docstring without its indentation."""

from __future__ import annotations

import ast
import inspect

import pytest
from hypothesis import given
from hypothesis import strategies as st

from typefold.checks.docstrings import cleaned, docstring_of, places

_LINE = st.text(st.sampled_from("ab {}\t\\'\"é😀"), max_size=12)
_PIECES = st.sampled_from(
    [
        "",
        " ",
        "    ",
        "\t",
        "a",
        "é",
        "😀",
        "\\n",
        "\\\\",
        "\\x41",
        "\\u00e9",
        "\\N{BULLET}",
        "\\q",
        "{{ x }}",
        "\n",
        "\\\n",
        '"',
        "\\'",
    ]
)


def string(source: str) -> ast.Constant:
    node = ast.parse(source).body[0]
    assert isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    return node.value


@given(st.lists(_LINE).map("\n".join))
def test_a_docstring_is_cleaned_as_python_does_it(document: str) -> None:
    text, origins = cleaned(document)
    assert text == inspect.cleandoc(document)
    assert len(origins) == len(text) + 1
    assert all(char in (document[origin], " ") for char, origin in zip(text, origins, strict=False) if char != "\n")


@pytest.mark.filterwarnings("ignore:invalid escape sequence")
@given(st.lists(_PIECES, max_size=8).map("".join), st.sampled_from(["", "r", "u"]))
def test_a_character_of_a_string_stands_where_the_source_has_it(body: str, prefix: str) -> None:
    source = f"{prefix}'''{body} '''\n"
    try:
        node = string(source)
    except (SyntaxError, AssertionError):
        return
    lines = source.splitlines(keepends=True) if "\r" not in source else [source]
    where = places(node, lines)
    assert isinstance(node.value, str) and len(where) == len(node.value) + 1
    for char, place in zip(node.value, where, strict=False):
        written = lines[place.line - 1][place.column]
        assert written in (char, "\\"), (char, place)
    assert lines[where[-1].line - 1][where[-1].column :].startswith("'''")


@pytest.mark.parametrize("source", ['("ab"  # one\n "cd")', '"ab" \\\n    "cd"', "'a' 'b' '''c\nd'''"])
def test_strings_in_a_row_are_one(source: str) -> None:
    lines = source.splitlines(keepends=True)
    node = string(source)
    where = places(node, lines)
    assert [lines[place.line - 1][place.column] for place in where[:-1]] == list(str(node.value))


def test_a_name_in_a_docstring_is_found_in_the_file() -> None:
    source = 'def f():\n    """Say\n\n      {{ \\x41name }} \U0001f600 {{ other }}\n    """\n    return ask()\n'
    function = ast.parse(source).body[0]
    assert isinstance(function, ast.FunctionDef)
    lines = source.splitlines(keepends=True)
    docstring = docstring_of(function, lines)
    assert docstring is not None
    assert docstring.text == "Say\n\n{{ Aname }} \U0001f600 {{ other }}"
    assert docstring.place(docstring.text.index("other")) == (4, lines[3].index("other"))
    assert docstring.place(docstring.text.index("name")) == (4, lines[3].index("name"))


def test_no_docstring_is_none() -> None:
    function = ast.parse("def f():\n    return 1\n").body[0]
    assert isinstance(function, ast.FunctionDef)
    assert docstring_of(function, []) is None
