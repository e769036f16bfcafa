"""Patterns that pydantic's default engine takes and Python's parser does not: grammars of them agree with the engine."""

# Hypothesis does not tell lambdas what they are given:
# pyright: reportUnknownLambdaType=false, reportUnknownMemberType=false, reportUnknownArgumentType=false
# pyright: reportUnknownVariableType=false

from __future__ import annotations

import random
import re
from typing import Annotated, Any

import pytest
from hypothesis import HealthCheck, given, reject, settings
from hypothesis import strategies as st
from pydantic import BaseModel, Field, TypeAdapter, ValidationError
from pydantic_core import SchemaError

from tests.laws.matchers import Guidance, Vocabulary, XGrammar, small_vocabulary
from typefold.compiler import UnsupportedType, output_type
from typefold.compiler.grammar.matcher import recognises
from typefold.compiler.grammar.nodes import Language
from typefold.compiler.grammar.regex import pattern_language
from typefold.compiler.grammar.rust_regex import UnsupportedPattern
from typefold.compiler.grammar.sampler import sample


def accepts(hint: Any, text: str) -> bool:
    try:
        TypeAdapter(hint).validate_python(text)
    except ValidationError:
        return False
    return True


REGULAR = {
    r"^\p{L}+$": ["Ärger", "é1"],
    r"^[\p{L}\p{M} '-]+$": ["O'Neill", "a_b"],
    r"^\pL\PN$": ["ax", "1x"],
    r"^\p{Greek}{2}$": ["αβ", "ab"],
    r"^\p{Script=Han}{1,3}$": ["漢字", "かな"],
    r"(?i)^kilo[s-t]$": ["\u212aILO\u017f", "kilor"],
    r"^(?i:usd|eur)$": ["Eur", "Eu"],
    r"^(?:a|(?i)b|c)d$": ["Cd", "Ad"],
    r"^(?i)stra(ss|ß)e$": ["straẞe", "strase"],
    r"\A[a-z]+\z": ["ab", "ab\n"],
    r"^(?<year>\d{4})$": ["2024", "24"],
    r"^[[:alpha:]]+$": ["ab", "é"],
    r"^[[:^digit:]]+$": ["é", "1"],
    r"^[a-z&&[^aeiou]]+$": ["xyz", "xaz"],
    r"^[a-z--[aeiou]]+$": ["xyz", "xaz"],
    r"^[a-c~~b-d]$": ["d", "b"],
    r"^a[b[c-d]]$": ["ad", "a["],
    r"^[]a]+$": ["]a", "["],
    r"(?s)^.{3}$": ["a\nb", "a\nbc"],
    r"^(?s-i:.)(?-s:.)$": ["\na", "a\n"],
    "(?x)^ [a-z]+ # a word\n $": ["ab", "a b"],
    r"^\x{e9}\u{1F600}\x41$": ["é😀A", "é😀a"],
    r"^(?U)a+?$": ["aaa", "b"],
}
CHECKED = {
    r"^\w+\b$": ["ab", "a "],
    r"\bfoo\b": ["a foo b", "food"],
    r"(?m)^b$": ["a\nb\nc", "ab"],
    r"^a\B.$": ["ab", "a "],
    r"^(?-u:\d)+$": ["12", "a"],
    r"\b{start}a": ["b a", "ba"],
}


@pytest.fixture(scope="module")
def engines() -> list[Any]:
    vocabulary = Vocabulary(small_vocabulary())
    return [XGrammar(vocabulary), Guidance(vocabulary)]


@pytest.mark.parametrize("pattern", [*REGULAR, *CHECKED])
def test_a_pattern_of_the_default_engine_is_enforced_or_checked_by_name(pattern: str, engines: list[Any]) -> None:
    hint: Any = Annotated[str, Field(pattern=pattern)]
    good, bad = (REGULAR | CHECKED)[pattern]
    assert accepts(hint, good) and not accepts(hint, bad)
    kind = output_type(hint)
    assert bool(kind.post_checks) == (pattern in CHECKED)
    assert kind.decode(good) == good
    if kind.constraint.kind != "text":
        for engine in engines:
            matcher = engine.matcher(kind.constraint)
            assert matcher.admits(good)
            assert pattern in CHECKED or not matcher.admits(bad)
    if (language := kind.constraint.language) is not None:
        rng = random.Random(pattern)
        for _ in range(30):
            assert pattern in CHECKED or accepts(hint, text := sample(language, rng, exotic=0.3)), text


ATOMS = st.sampled_from(
    [
        "a",
        "k",
        "ß",
        r"\p{Lu}",
        r"\PL",
        "[a-f&&[^b]]",
        "[[:punct:]]",
        "[^k]",
        "[a[kß]]",
        ".",
        r"\d",
        r"\x{6b}",
        r"\b",
        r"\.",
        "^",
    ]
)


def wider(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    group = st.sampled_from(["(", "(?:", "(?i:", "(?s:", "(?x: ", "(?<n>", "(?i-s:"])
    return st.one_of(
        st.lists(inner, min_size=1, max_size=3).map("".join),
        st.builds(
            lambda opening, parts: f"{opening}{'|'.join(parts)})", group, st.lists(inner, min_size=1, max_size=2)
        ),
        st.builds(
            lambda item, count: f"(?:{item}){count}", inner, st.sampled_from(["*", "+?", "?", "{2}", "{1,2}", "{1,}?"])
        ),
    )


PATTERNS = st.builds(
    lambda flags, start, body, end: f"{flags}{start}{body}{end}",
    st.sampled_from(["", "(?i)", "(?s)", "(?x)", "(?m)", "(?is)"]),
    st.sampled_from(["", "^", r"\A"]),
    st.recursive(ATOMS, wider, max_leaves=5),
    st.sampled_from(["", "$", r"\z"]),
)


@settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.large_base_example],
)
@given(PATTERNS, st.lists(st.text("aAkK\u212aßẞsS1.b\n ", max_size=5), max_size=8), st.randoms(use_true_random=False))
def test_any_small_pattern_agrees_with_the_engine(pattern: str, others: list[str], rng: random.Random) -> None:
    hint: Any = Annotated[str, Field(pattern=pattern)]
    try:
        TypeAdapter(hint)
    except SchemaError:  # a group named twice, say
        reject()
    exact = True
    try:
        expr = pattern_language(pattern)
    except UnsupportedPattern:
        exact, expr = False, pattern_language(pattern, relaxed=True)
    language = Language(expr)
    for text in others:
        found = accepts(hint, text)
        assert recognises(language, text) == found if exact else recognises(language, text) >= found, text
    try:
        texts = [sample(language, rng, exotic=0.3) for _ in range(3)]
    except ValueError:  # no text at all
        return
    assert not exact or all(accepts(hint, text) for text in texts), texts


@pytest.mark.parametrize(
    "pattern",
    ["ab", r"(?s)^a.b$", r"(a|b)\1", r"(?>a+)b", r"^(?:(a)|b)(?(1)c|d)$", "a++b", r"\bab\b", "(?<!a)b", "(?i:x)y"],
)
def test_a_compiled_pattern_is_at_least_checked(pattern: str) -> None:
    compiled = re.compile(pattern, re.IGNORECASE if pattern == "ab" else 0)
    kind = output_type(Annotated[str, Field(pattern=compiled)])
    assert len(kind.post_checks) == 1
    text = {r"(a|b)\1": "bb", r"^(?:(a)|b)(?(1)c|d)$": "bd", "(?i:x)y": "Xy", r"(?s)^a.b$": "a\nb", "ab": "AB"}.get(
        pattern, "ab"
    )
    text = "b" if pattern == "(?<!a)b" else text
    assert kind.decode(text) == text
    if (language := kind.constraint.language) is not None:
        assert recognises(language, text)


@pytest.mark.parametrize("pattern", ["a(", "[z-a]", "(?=a)b", r"\p{Nope}", r"(a)\1", "^a{,3}$"])
def test_what_the_engine_refuses_is_refused(pattern: str) -> None:
    with pytest.raises(UnsupportedType):
        output_type(Annotated[str, Field(pattern=pattern)])


class Names(BaseModel):
    """Patterns in keys and fields, with a length and one that is checked."""

    by_code: dict[Annotated[str, Field(pattern=r"(?i)^[k-m]+\b$")], int]
    name: Annotated[str, Field(pattern=r"^\p{L}+$", max_length=5)]


def test_one_such_field_refuses_no_model() -> None:
    kind = output_type(Names)
    assert [str(check) for check in kind.post_checks] == ["return.by_code.keys(): pattern='(?i)^[k-m]+\\\\b$'"]
    value = Names(by_code={"\u212aL": 1}, name="Zoë")
    assert kind.decode(kind.encode(value)) == value
