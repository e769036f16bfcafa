"""`docs/types.md` says what is so, of every type that there is a hook for; and its types keep what it promises.

`TYPEFOLD_WRITE_DOCS=1 pytest tests/test_types_page.py` (`make docs`) writes the page.
"""

# Tests look inside:
# pyright: reportPrivateUsage=false
from __future__ import annotations

import os
import pathlib
import re
from pathlib import Path
from typing import Any, NotRequired, Required, get_origin

import pytest
import typing_extensions

from typefold import Decisions, Logged, Reasoned
from typefold.compiler import Hook, JsonFormat, OutputType, Registry, UnsupportedType, default_registry, output_type
from typefold.testing.laws import check_laws, same

from .catalogue import ENTRIES, REFUSED, Entry
from .catalogue.page import page
from .laws.matchers import Guidance, Vocabulary, XGrammar, small_vocabulary

pytestmark = pytest.mark.filterwarnings("ignore:.*ReadOnly")  # pydantic's, which does not hinder a change

PAGE = Path(__file__).parent.parent / "docs" / "types.md"
FIELD_MARKS = {Required, NotRequired, typing_extensions.ReadOnly}
"""Registered for what they may stand around elsewhere; a typed dictionary, where they belong, reads them itself."""

WHOLE_RETURN_TYPES = (Logged[int], Reasoned[int], Decisions[int])
"""These stand around output types, and are refused in the place of one."""


class Recorder(Registry):
    """The default registry, and a record of what was asked of it."""

    def __init__(self) -> None:
        super().__init__(parent=default_registry)
        self.hooks: set[Hook] = set()
        self.keys: set[Any] = set()

    def find(self, hint: Any) -> Hook | None:
        hook = super().find(hint)
        if hook is not None:
            self.hooks.add(hook)
            self.keys |= {key for key in (type(None) if hint is None else hint, get_origin(hint)) if is_exact(key)}
        return hook


def is_exact(key: Any) -> bool:
    try:
        return key in default_registry._exact
    except TypeError:
        return False


@pytest.fixture(scope="module")
def xgrammar() -> XGrammar:
    return XGrammar(Vocabulary(small_vocabulary()))


@pytest.fixture(scope="module")
def guidance() -> Guidance:
    return Guidance(Vocabulary(small_vocabulary()))


def example_function(a: int) -> int:
    """As a type, it stands for a call of it."""
    return a


@pytest.fixture(scope="module")
def documented() -> Recorder:
    recorder = Recorder()
    hints: list[Any] = [*(entry.hint for entry in ENTRIES), re.compile("a"), example_function]
    for hint in hints:
        output_type(hint, registry=recorder)
    return recorder


@pytest.fixture(scope="module")
def refused() -> Recorder:
    recorder = Recorder()
    for hint in (*(hint for _, hint in REFUSED.always), *WHOLE_RETURN_TYPES):
        with pytest.raises(UnsupportedType):
            output_type(hint, registry=recorder)
    return recorder


def test_the_page_is_made_from_the_catalogue() -> None:
    made = page()
    if os.environ.get("TYPEFOLD_WRITE_DOCS"):
        PAGE.write_text(made, encoding="utf-8")
    assert PAGE.read_text(encoding="utf-8") == made, "docs/types.md is out of date; `make docs` writes it"


def test_every_hook_has_an_entry_or_refuses(documented: Recorder, refused: Recorder) -> None:
    registered = {*default_registry._exact.values(), *(hook for _, hook in default_registry._factories)}
    assert not {hook.__name__ for hook in registered - documented.hooks - refused.hooks}


def test_every_class_of_the_registry_has_an_entry_or_is_refused(documented: Recorder, refused: Recorder) -> None:
    elsewhere = {pathlib.WindowsPath if os.name == "posix" else pathlib.PosixPath}
    assert set(default_registry._exact) - documented.keys - refused.keys == FIELD_MARKS | elsewhere


def test_no_type_stands_on_the_page_twice() -> None:
    sources = [entry.source for entry in ENTRIES]
    assert sorted(set(sources)) == sorted(sources)


def test_a_refusal_says_what_to_write_instead() -> None:
    for source, hint in REFUSED.always:
        with pytest.raises(UnsupportedType) as caught:
            output_type(hint)
        assert "; " in caught.value.reason or "no part of a value" in caught.value.reason, source


@pytest.mark.parametrize("json_format", JsonFormat)
@pytest.mark.parametrize("entry", ENTRIES, ids=str)
def test_a_sample_comes_back(entry: Entry, json_format: JsonFormat) -> None:
    kind: OutputType[Any] = output_type(entry.hint, json_format=json_format)
    assert kind.codec.accepts(entry.sample)
    assert same(kind.decode(kind.encode(entry.sample)), entry.sample)


@pytest.mark.parametrize("entry", ENTRIES, ids=str)
def test_the_laws_hold_in_the_compact_format_where_it_is_another(
    entry: Entry, xgrammar: XGrammar, guidance: Guidance
) -> None:
    kind: OutputType[Any] = output_type(entry.hint, json_format=JsonFormat.COMPACT)
    if kind.codec.expand is not None:
        for engine in (xgrammar, guidance):
            check_laws(kind, [entry.sample], matcher=engine.matcher(kind.constraint), samples=5, every=True)


@pytest.mark.parametrize("entry", ENTRIES, ids=str)
def test_an_engine_compiles_the_constraint_and_admits_the_sample(entry: Entry, xgrammar: XGrammar) -> None:
    kind: OutputType[Any] = output_type(entry.hint)
    if kind.constraint.kind != "text":
        assert xgrammar.matcher(kind.constraint).admits(kind.encode(entry.sample))
