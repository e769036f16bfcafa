"""Tokens of texts that begin alike are those of each whole text, for every manner of tokenizer and any row of texts."""
# ruff: noqa: RUF001  # look-alikes are what this is about
# Tests look inside:
# pyright: reportPrivateUsage=false

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Regex, pre_tokenizers

from tests.hostile.cutters import JOINED, PARTED, tokenizer, with_steps
from tests.hostile.families import MODELS, model
from typefold.compiler import Message
from typefold.runtime.engines.vllm import prefix_cache
from typefold.runtime.engines.vllm.prefix_cache import CUT, PrefixEncoder, cuts_words

ALL = [*PARTED, *JOINED, *MODELS]

WORDS = (
    *(" the", " cat", "cat", " The Cat", " New York", " 123 kg", " 1", "2", ".", ", ", ": ", "; ", "! ", "?", ") "),
    *(" ", "  ", "   ", "\n", "\n\n", " \n", "\r\n", "\t", "'s", " don't", "'", '"', "(", "</", "<|im_start|>"),
    *(
        "\n\n ",
        "e\u0301",
        "\u0301",
        "\u0338",
        " \u0301a",
        "café",
        "Å",
        "\u212b",
        "中文",
        " 日本語",
        "🦊",
        "👩‍👩‍👧",
        "\u00a0",
    ),
    *(
        "\u3000",
        "\u2000",
        "\u2028",
        "ſ",
        "ß",
        "İ",
        "x_",
        "a/b",
        " a",
        " Z",
        "z",
        "A",
        "9 a",
        ". B",
        "<s>",
        "\x00",
        "\u200b",
    ),
    "<|im_end|>",
)


def texts_that_begin_alike(rng: random.Random, number: int) -> list[str]:
    """Texts grown on one another's beginnings, which are cut anywhere."""
    texts = ["".join(rng.choices(WORDS, k=40))]
    while len(texts) < number:
        before = rng.choice(texts[-6:])
        at = rng.choice([rng.randrange(len(before) + 1), len(before), *(each.start() for each in CUT.finditer(before))])
        texts.append((before[:at] + "".join(rng.choices(WORDS, k=rng.choice((0, 1, 3, 30)))))[:1500])
    return texts


def encoder_of(made: Any) -> tuple[PrefixEncoder, Any]:
    def encode(text: str) -> list[int]:
        return list(made.encode(text, add_special_tokens=False))

    return PrefixEncoder(made, encode), encode


def made_by(name: str) -> Any:
    return model(name).tokenizer if name in MODELS else tokenizer(name)


def prove(name: str, seed: int, number: int) -> int:
    """How many texts were encoded; each as it is by itself."""
    encoder, encode = encoder_of(made_by(name))
    for text in texts_that_begin_alike(random.Random(seed), number):
        assert encoder.encode(text) == encode(text), (name, seed, text)
    return number


@pytest.mark.parametrize("name", ALL)
def test_texts_have_the_tokens_that_they_have_by_themselves(name: str) -> None:
    for seed in range(3):
        prove(name, seed, 60)


@pytest.mark.prove
@pytest.mark.parametrize("name", ALL)
def test_many_texts_have_the_tokens_that_they_have_by_themselves(name: str) -> None:
    for seed in range(3, 300):
        prove(name, seed, 100)


@pytest.mark.parametrize("name", MODELS)
def test_a_batch_of_conversations_has_the_tokens_of_its_models_own_template(name: str) -> None:
    made = model(name)
    prompts = made.prompts()
    learned = ["Say what it is about. " * 5, "The cats are in New York.", "cats", "It is 123 kg, the cat", "a number"]
    roles: list[Any] = ["system", "user", "assistant", "user", "assistant", "user"]
    for text in texts_that_begin_alike(random.Random(11), 30):
        if any(token in text for token in made.control):
            continue  # those are cut where they stand, which is another matter
        messages = [
            Message(role, content) for role, content in zip(roles, [*learned, f"Now, this: {text}"], strict=True)
        ]
        rendered = made.render(
            [{"role": each.role, "content": each.content} for each in messages],
            {"add_generation_prompt": True, "continue_final_message": False},
        )
        assert prompts.encode(messages, {}) == made.tokenizer.encode(rendered, add_special_tokens=False), text
    assert bool(prompts._prefixes._root.below) == cuts_words(made.tokenizer)


@pytest.mark.parametrize("name", ["smollm", "qwen-2", "deepseek-3"])
def test_texts_keep_their_tokens_while_the_tree_is_grown_anew(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prefix_cache, "_LEAST", 8)
    monkeypatch.setattr(prefix_cache, "_PRICE", 1)
    monkeypatch.setattr(prefix_cache, "_MOST_SEEN", 100)
    monkeypatch.setattr(prefix_cache, "_MOST_BELOW", 3)
    monkeypatch.setattr(prefix_cache, "_MOST_CHARACTERS", 4000)
    encoder, encode = encoder_of(tokenizer(name))
    roots = set[int]()
    kept: list[Any] = []
    for text in texts_that_begin_alike(random.Random(7), 400):
        assert encoder.encode(text) == encode(text), text
        kept.append(encoder._root)  # held, so that no number comes again
        roots.add(id(encoder._root))
        assert encoder._characters <= 4000
    assert len(roots) > 2


@pytest.mark.parametrize("name", PARTED)
def test_published_pre_tokenisers_are_known_to_end_words_before_a_space(name: str) -> None:
    assert cuts_words(tokenizer(name))


@pytest.mark.parametrize("name", JOINED)
def test_whatever_may_reach_across_a_space_is_given_whole_texts(name: str) -> None:
    assert not cuts_words(tokenizer(name))


CROSSED = {
    "superbpe": "all of the| cat",
    "names together": "In| New York now",
    "numbers with units": "It is 123| kg",
    "one letter that is two in another case": "ss| at",
    "contiguous": "the| cat",
    "not split": "the| cat",
    "an added token of two words": "see the| cat",
    "an added token that takes spaces behind": "the cat| is",
}


@pytest.mark.parametrize("name", CROSSED)
def test_some_of_these_do_reach_across(name: str) -> None:
    """So that what is refused is refused for a reason: cut there, pieces differ from those of the whole."""
    made = tokenizer(name).backend_tokenizer
    one, two = CROSSED[name].split("|")
    assert CUT.match(one + two, len(one))

    def ends(text: str) -> list[int]:
        return [end for _, (_, end) in made.pre_tokenizer.pre_tokenize_str(text)]

    added = [each.content for each in made.get_added_tokens_decoder().values() if each.content in one + two]
    assert added or len(one) not in ends(one + two)


def test_a_beginning_is_not_taken_where_the_word_goes_on() -> None:
    made = tokenizer("smollm")
    encoder, encode = encoder_of(made)
    head = "You label what the news are about, and say it in a single word of the"
    for behind in (
        " cat sat",
        " cat sat",
        " cat sat",
        " category",
        " cat",
        " cats",
        "",
        "ory",
        " ",
        "  cat",
        " 1",
        " \u0301a",
    ):
        assert encoder.encode(head + behind) == encode(head + behind), behind
    assert encoder._root.below


def test_a_shared_beginning_is_encoded_a_few_times_however_many_texts_have_it() -> None:
    made, sent = tokenizer("llama-3"), list[str]()

    def encode(text: str) -> list[int]:
        sent.append(text)
        return list(made.encode(text, add_special_tokens=False))

    encoder = PrefixEncoder(made, encode)
    head = "<s>" + " ".join(f"Example {number}: it is of kind {number % 7}, as one can see." for number in range(170))
    assert len(head) > 2 * prefix_cache._MOST_SEEN - 1000
    texts = [f"{head} Now text {number} of 300." for number in range(300)]
    for text in texts:
        encoder.encode(text)
    assert sum(map(len, sent)) < 0.12 * sum(map(len, texts))
    sent.clear()
    encoder.encode(texts[5])
    assert len("".join(sent)) < 60


def test_texts_with_nothing_in_common_cost_a_quarter_more_at_the_most() -> None:
    made, sent = tokenizer("llama-3"), list[str]()

    def encode(text: str) -> list[int]:
        sent.append(text)
        return list(made.encode(text, add_special_tokens=False))

    encoder = PrefixEncoder(made, encode)
    rng = random.Random(1)
    texts = texts_that_begin_alike(rng, 600)
    for text in texts:
        encoder.encode(text)
    first = 8 * 4 * 1500  # what the credit that it begins with may buy
    assert sum(map(len, sent)) < 1.25 * sum(map(len, texts)) + first


# Patterns: whatever is said to part words does, of patterns that nobody wrote.

_ATOMS = st.sampled_from(
    (
        *(r"\s", r"\S", r"\p{L}", r"\p{N}", r"[^\s\p{L}\p{N}]", r"[^\r\n\p{L}\p{N}]", r"\w", r"\W", r"\d", r"[A-Z]"),
        *(r"[ a]", r"[^a]", r"[\r\n]", r"[&.]", r"(?!\S)", r"(?i:'s|a)", "(?i:ß)", "ſ", "a", " ", ".", r"\.", "'"),
    )
)
_TIMES = st.sampled_from(["", "", "", "?", "*", "+", "{2}", "{1,3}", "{0,2}", "{2,}", "+?", "++", "{,2}"])
_ITEMS = st.builds("{}{}".format, _ATOMS, _TIMES)
_SEQUENCES = st.lists(_ITEMS, min_size=1, max_size=3).map("".join)
_GROUPS = st.lists(_SEQUENCES, min_size=1, max_size=2).map(lambda each: f"(?:{'|'.join(each)})")
_PATTERNS = st.lists(
    st.one_of(_SEQUENCES, st.builds("{}{}{}".format, _GROUPS, _TIMES, _ITEMS)), min_size=1, max_size=3
).map("|".join)
_ENDINGS = st.sampled_from(["", "|.", r"|\s+(?!\S)|\s+", r"| ?\p{L}+|\s+(?!\S)|\s+", r"| ?\S+|\s+"])
_TEXTS = st.lists(st.sampled_from(WORDS), min_size=1, max_size=8).map("".join)


class Bare:
    """What of a tokenizer is looked at."""

    def __init__(self, *patterns: str) -> None:
        splits = [pre_tokenizers.Split(Regex(each), "isolated") for each in patterns]
        self.backend_tokenizer = with_steps(*splits)
        self.split = pre_tokenizers.Sequence([*splits]).pre_tokenize_str


def prove_pattern(patterns: list[str], texts: list[str]) -> bool:
    try:
        made = Bare(*patterns)
    except Exception:  # no pattern to the library
        return False
    if not cuts_words(made):
        return False
    for text in texts:
        whole = [word for word, _ in made.split(text)]
        for found in CUT.finditer(text):
            at = found.start()
            apart = [word for part in (text[:at], text[at:]) for word, _ in made.split(part)]
            assert apart == whole, (patterns, text, at)
    return True


ROWS = [
    "the cat sat. The Cat! 123 kg (a) b: c; Don't it's I'S. A a ß ſ x) ß ss a",
    "a a a  a A A. A 1 a 11 a 1 1 aa aa AA AA 'a 'a' a\n a .a a. .. a ?! a ,a, a",
]


@settings(deadline=None, derandomize=True, database=None, max_examples=1_000)
@given(st.lists(st.builds("{}{}".format, _PATTERNS, _ENDINGS), min_size=1, max_size=2), st.lists(_TEXTS, max_size=3))
def test_whatever_pattern_is_said_to_end_words_does(patterns: list[str], texts: list[str]) -> None:
    prove_pattern(patterns, [*ROWS, *texts])


@pytest.mark.prove
@settings(deadline=None, derandomize=True, database=None, max_examples=60_000)
@given(st.lists(st.builds("{}{}".format, _PATTERNS, _ENDINGS), min_size=1, max_size=2), st.lists(_TEXTS, max_size=3))
def test_whatever_of_many_patterns_is_said_to_end_words_does(patterns: list[str], texts: list[str]) -> None:
    prove_pattern(patterns, [*ROWS, *texts])
