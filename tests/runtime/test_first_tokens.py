"""The tokens that begin an answer are those that a grammar's matcher admits first, for real and for hostile vocabularies."""
# pyright: reportUnknownMemberType=false, reportPrivateUsage=false
# (tokenizers has types in part)

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from functools import cache
from types import SimpleNamespace
from typing import Annotated, Any, Literal

import numpy as np
import pytest
import xgrammar
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from pydantic import Field
from tokenizers import AddedToken, Tokenizer
from transformers import AutoTokenizer, PreTrainedTokenizerFast

from tests.hostile.cutters import tokenizer
from tests.laws.matchers import choice_grammar
from typefold import demo_model
from typefold.compiler import Constraint, output_type
from typefold.compiler.grammar.nodes import Language, choice
from typefold.runtime import FinishReason, TokenLogprob
from typefold.runtime.engines.vllm.control_tokens import special_ids
from typefold.runtime.engines.vllm.vocabulary import FirstTokens, outcome_of, vocabulary_of
from typefold.runtime.request import OTHERS

# As no model has them together: of several words, of bytes' names, said twice, halves of what else there is.
ADDED = (
    "keep it",
    "k",
    " yes",
    "Ġno",
    "no",
    "<tool>",
    "中文",
    "é",
    "ü!",
    "Ã",
    "\n\n",
    "  ",
    '"',
    '\\"',
    "0",
    "10",
    "🦊",
    "tru",
)


@dataclass(frozen=True)
class Known:
    """A tokenizer, and what xgrammar makes of it, as vLLM does."""

    tokenizer: Any
    compiler: xgrammar.GrammarCompiler
    first: FirstTokens
    special: frozenset[int]
    size: int

    @classmethod
    def of(cls, made: Any) -> Known:
        size = len(made)
        info = xgrammar.TokenizerInfo.from_huggingface(made, vocab_size=size)
        compiler = xgrammar.GrammarCompiler(info, max_threads=2)
        return cls(made, compiler, FirstTokens(made), frozenset(special_ids(made)), size)

    def admitted(self, grammar: str) -> set[int]:
        """What xgrammar admits first, special tokens aside, which it takes for their names."""
        mask = xgrammar.allocate_token_bitmask(1, self.size)
        matcher = xgrammar.GrammarMatcher(self.compiler.compile_grammar(grammar))
        assert matcher.fill_next_token_bitmask(mask)
        bits = np.unpackbits(mask.numpy().view(np.uint8)[0], bitorder="little")[: self.size]
        return {*np.flatnonzero(bits).tolist()} - self.special


@cache
def known(name: str) -> Known:
    if name == "demo":
        return Known.of(AutoTokenizer.from_pretrained(str(demo_model())))
    made = Tokenizer.from_str(tokenizer("llama-3").backend_tokenizer.to_str())
    made.add_tokens([AddedToken(each, special=False, normalized=False) for each in ADDED])
    made.add_special_tokens([AddedToken("true", special=True), AddedToken("<|end|>", special=True)])
    return Known.of(PreTrainedTokenizerFast(tokenizer_object=made, eos_token="<|end|>"))  # type: ignore[no-untyped-call]


def as_sent(texts: Iterable[str]) -> list[Constraint]:
    """The constraints of these texts: as a list of choices, where they may be one, and as a grammar."""
    language = Language(choice(*texts))
    return list({each.kind: each for each in (Constraint.of(language), Constraint("grammar", language))}.values())


def prove(constraint: Constraint, name: str) -> None:
    """The list that is sent is the mask of the grammar that would be."""
    assert constraint.few_answers is not None
    begins = constraint.few_answers.begins
    assert begins
    spec = constraint.for_dialect("ebnf")
    expected = known(name).admitted(spec if isinstance(spec, str) else choice_grammar(spec))
    assert {*known(name).first.of(begins)} == expected, (name, constraint.kind, begins)


class Mood(Enum):
    GLAD = "glad"
    SAD = "sad"


HINTS: list[Any] = [
    bool,
    bool | None,
    Mood,
    Literal["politics", "sports"],
    Literal[" politics", "sports"],
    Literal["übel"],
    Literal["tru", "false"],
    Literal["keep it", "no"],
    Literal["a", 1, True, None],
    Annotated[int, Field(ge=0, le=9)],
    Annotated[int, Field(ge=7, le=7)],
    Literal["it's a long text, which goes on and on", '"quoted"', "\\", "\n", "\t\tx", "(x)", "<tool>", "0.5"],
]


@pytest.mark.parametrize("name", ["demo", "added"])
@pytest.mark.parametrize("hint", HINTS, ids=str)
def test_types_of_one_token_begin_as_their_grammars_do(hint: Any, name: str) -> None:
    prove(output_type(hint).constraint, name)


_PIECES = st.sampled_from(
    [
        *ADDED,
        " ",
        "a",
        "the",
        "e\u0301",
        "日本",
        "👩‍👩‍👧",
        "'",
        "\\",
        "{",
        "[1, 2]",
        '"a": ',
        "\r",
        "\u2028",
        "\x7f",
        "null",
        "Z",
        "-",
    ]
)
_TEXT = st.one_of(st.lists(_PIECES, min_size=1, max_size=6).map("".join), st.text(min_size=1, max_size=12))
_TEXTS = st.one_of(
    st.lists(_TEXT, min_size=1, max_size=12, unique_by=lambda text: text[0]),
    st.lists(
        st.builds("{}{}".format, st.characters(min_codepoint=1, max_codepoint=0x7E), _TEXT), min_size=2, max_size=90
    ),
)


def prove_texts(texts: list[str]) -> None:
    printable = ["".join(filter(str.isprintable, text)) for text in texts]  # which are sent as choices
    apart = [{text[0]: text for text in some if text} for some in (texts, printable)]
    try:
        constraints = [each for some in apart if some for each in as_sent(some.values())]
    except ValueError:  # a lone surrogate
        assume(False)
    for constraint in constraints:
        assume(constraint.few_answers is not None and constraint.few_answers.begins)
        for name in ("demo", "added"):
            prove(constraint, name)


@settings(deadline=None, derandomize=True, database=None, max_examples=250)
@given(_TEXTS)
def test_texts_told_apart_by_their_first_token_begin_as_their_grammars_do(texts: list[str]) -> None:
    prove_texts(texts)


@pytest.mark.prove
@settings(deadline=None, derandomize=True, database=None, max_examples=6_000)
@given(_TEXTS)
def test_many_texts_told_apart_by_their_first_token_begin_as_their_grammars_do(texts: list[str]) -> None:
    prove_texts(texts)


def test_texts_that_no_token_tells_apart_have_no_list() -> None:
    for texts in (["keep", "kettle"], ["a", "ab"], ["é", "è"], ["10", "1"]):
        for constraint in as_sent(texts):
            assert constraint.few_answers is not None and constraint.few_answers.begins == ()


def test_added_tokens_are_those_that_the_decoder_writes() -> None:
    """A decoder takes 'é' for the byte that it is a name of, and '中文' for itself."""
    made = known("added")
    for text in ("é", "ü!", "Ġno"):
        index = made.tokenizer.convert_tokens_to_ids(text)
        assert made.tokenizer.decode([index]) != text
        assert index not in made.first.of((text,))
    for text in ("中文", " yes", "🦊"):
        index = made.tokenizer.convert_tokens_to_ids(text)
        assert made.tokenizer.decode([index]) == text
        assert index in made.first.of((text,))
    assert made.tokenizer.convert_tokens_to_ids("Ġno") in made.first.of((" no",))


def test_tokens_beyond_what_the_model_knows_are_left_out() -> None:
    made = known("added")
    index = made.tokenizer.convert_tokens_to_ids("keep it")
    assert index in made.first.of(("keep it all",))
    assert set(FirstTokens(made.tokenizer, index).of(("keep it all",))) == {
        each for each in made.first.of(("keep it all",)) if each < index
    }


def test_a_text_far_longer_than_any_token_is_not_cut_at_each_byte() -> None:
    made = known("demo")
    text = "keep " + "x" * 1_000_000
    assert made.first.of((text,)) == made.first.of((text[:200],))


def test_nothing_is_said_of_a_vocabulary_that_is_not_byte_level() -> None:
    from tests.hostile.families import model

    for name in ("llama-2", "unigram-qwen", "wordpiece-qwen"):
        assert FirstTokens(model(name).tokenizer).of(("keep", "drop")) == ()


def test_the_longest_token_is_never_said_to_be_too_short() -> None:
    made = known("added").tokenizer
    vocabulary = vocabulary_of(made)
    special = special_ids(made)
    longest = max(len(made.decode([index]).encode()) for index in range(len(made)) if index not in special)
    assert vocabulary.longest >= longest


def prove_ahead(texts: list[str], name: str) -> None:
    """Tokens are put ahead only where a grammar admits no other, and what is listed behind them is its mask."""
    made = known(name)
    ahead, listed = made.first.ahead(tuple(texts))
    written = {index: data for data, indices in made.first._by_bytes.items() for index in indices}
    rests = texts
    for token_id in ahead:
        assert made.admitted(choice_grammar(tuple(rests))) == {token_id}
        rests = [rest[len(written[token_id].decode()) :] for rest in rests]
    if listed:
        assert made.admitted(choice_grammar(tuple(rests))) == {*listed}
    else:  # a choice may end there, which only a mask tells
        assert "" in rests or ahead == ()


AHEAD: list[tuple[list[str], bool]] = [
    ([" 1}", " 2}", " 10}"], True),
    ([" true}", " false}"], False),
    (['billing"', 'support"'], False),
    (["- a", "- b"], True),
    (["x1", "x12"], False),
]


@pytest.mark.parametrize(("texts", "forced"), AHEAD, ids=str)
@pytest.mark.parametrize("name", ["demo", "added"])
def test_tokens_are_put_ahead_where_nothing_else_can_come(texts: list[str], forced: bool, name: str) -> None:
    prove_ahead(texts, name)
    if name == "demo":
        assert bool(known(name).first.ahead(tuple(texts))[0]) == forced


@settings(deadline=None, derandomize=True, database=None, max_examples=150)
@given(
    st.text(' -"{1ab:é', max_size=3),
    st.lists(st.text(' 01ab"é}', min_size=1, max_size=4), min_size=2, max_size=5, unique=True),
)
def test_whatever_choices_share_is_ahead_as_their_grammars_say(shared: str, rests: list[str]) -> None:
    for name in ("demo", "added"):
        prove_ahead([shared + rest for rest in rests], name)


def test_a_probe_without_a_mask_tells_of_the_tokens_ahead_and_of_all_others() -> None:
    written = [b"?", b" ", b"1", b"2", b"x"]
    chances = [
        *map(math.log, (0.5, 0.3, 0.1)),
        -math.inf,
    ]  # of the token taken, of those listed, and one to fill up with
    step = SimpleNamespace(token_ids=[4, 2, 3, 2], logprobs=chances, end_indices=[4])
    answer = SimpleNamespace(text="", finish_reason="length", token_ids=[4], logprobs=step)
    output = SimpleNamespace(outputs=[answer], prompt_token_ids=[1] * 9, num_cached_tokens=8)
    told = outcome_of(output, lambda: written, probe=((1,), (2, 3)))
    assert (told.finish_reason, told.prompt_tokens, told.cached_tokens) == (FinishReason.LENGTH, 9, 8)
    assert told.token_ids == (1, 4)
    assert told.logprobs is not None
    certain, likely = told.logprobs
    assert certain == (TokenLogprob(1, 0.0, b" "),)
    assert [each.token_id for each in likely] == [2, 3, OTHERS]
    assert math.exp(likely[-1].logprob) == pytest.approx(0.6)
