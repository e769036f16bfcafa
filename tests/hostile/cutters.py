"""Small byte-level tokenizers with the pre-tokenisers that published models have, and some that nobody should have.

`PARTED` are those whose words end before each space, as those of nearly all models do; `JOINED` differ in one part, so that
some token reaches across a space, or may.
"""
# ruff: noqa: RUF001  # look-alikes are what this is about
# pyright: reportUnknownMemberType=false
# (tokenizers has types in part)

from __future__ import annotations

import json
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

__all__ = ["JOINED", "PARTED", "tokenizer", "with_steps"]

_SHORT = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)"
_END = r"|\s*[\r\n]+|\s+(?!\S)|\s+"
_UPPER, _LOWER = r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]", r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]"
_FRONT = r"[^\r\n\p{L}\p{N}]?"
LLAMA_3 = rf"{_SHORT}|{_FRONT}\p{{L}}+|\p{{N}}{{1,3}}| ?[^\s\p{{L}}\p{{N}}]+[\r\n]*{_END}"
QWEN_2 = LLAMA_3.replace(r"\p{N}{1,3}", r"\p{N}")
GPT_4O = (
    rf"{_FRONT}{_UPPER}*{_LOWER}+{_SHORT}?|{_FRONT}{_UPPER}+{_LOWER}*{_SHORT}?|\p{{N}}{{1,3}}"
    rf"| ?[^\s\p{{L}}\p{{N}}]+[\r\n/]*{_END}"
)
TEKKEN = GPT_4O.replace(f"{_SHORT}?", "").replace(r"\p{N}{1,3}", r"\p{N}")
DEEPSEEK_3 = (
    r"\p{N}{1,3}",
    r"[一-龥぀-ゟ゠-ヿ]+",
    r"[!\"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*"
    + _END,
)
SUPER_BPE = r"\p{N}{1,3}| ?[^\s\p{L}\p{N}]{2,}[\r\n/]*| +(?!\S)"


def _split(pattern: str, behavior: str = "isolated", *, invert: bool = False) -> Any:
    return pre_tokenizers.Split(Regex(pattern), behavior, invert)


def _digits(*, one_by_one: bool) -> Any:
    return pre_tokenizers.Digits(individual_digits=one_by_one)


def with_steps(*steps: Any, use_regex: bool = False, add_prefix_space: bool = False) -> Tokenizer:
    """A byte-level tokenizer, untrained, with these steps before its bytes are written as characters."""
    made = Tokenizer(models.BPE())
    level = pre_tokenizers.ByteLevel(add_prefix_space=add_prefix_space, use_regex=use_regex)
    made.pre_tokenizer = pre_tokenizers.Sequence([*steps, level]) if steps else level
    made.decoder = decoders.ByteLevel()
    return made


def _normalised(made: Tokenizer, normalizer: Any) -> Tokenizer:
    made.normalizer = normalizer
    return made


def _adding(made: Tokenizer, *tokens: AddedToken) -> Tokenizer:
    made.add_tokens(list(tokens))
    return made


def _plain(text: str, **how: bool) -> AddedToken:
    return AddedToken(text, special=False, **how)


def _llama(behavior: str = "isolated", *, invert: bool = False) -> Tokenizer:
    return with_steps(_split(LLAMA_3, behavior, invert=invert))


Make = Callable[[], Tokenizer]
PARTED: dict[str, Make] = {
    "gpt-2": lambda: with_steps(use_regex=True),
    "smollm": lambda: with_steps(_digits(one_by_one=True), use_regex=True),
    "digits together": lambda: with_steps(_digits(one_by_one=False), use_regex=True),
    "llama-3": _llama,
    "llama-3, removing what is between": lambda: _llama("removed", invert=True),
    "qwen-2": lambda: _normalised(with_steps(_split(QWEN_2)), normalizers.NFC()),
    "gpt-4o": lambda: with_steps(_split(GPT_4O)),
    "tekken": lambda: with_steps(_split(TEKKEN)),
    "deepseek-3": lambda: _normalised(with_steps(*map(_split, DEEPSEEK_3)), normalizers.Sequence([])),
    "runs of spaces added": lambda: _adding(
        with_steps(use_regex=True), *(_plain(" " * number) for number in (2, 3, 4, 8)), _plain("\n\n")
    ),
}
JOINED: dict[str, Make] = {
    "superbpe": lambda: with_steps(_split(SUPER_BPE)),
    "names together": lambda: with_steps(_split(r"[A-Z][a-z]+ [A-Z][a-z]+|" + LLAMA_3)),
    "numbers with units": lambda: with_steps(_split(r"\p{N}{3} \p{L}{1,2}|" + LLAMA_3)),
    "looking ahead": lambda: with_steps(_split(r"\p{L}+(?= the)|\p{L}|" + LLAMA_3)),
    "looking behind": lambda: with_steps(_split(r"(?<=the) \p{L}{1,3}|" + LLAMA_3)),
    "at the end": lambda: with_steps(_split(r"\p{L}{2}$|" + LLAMA_3)),
    "one letter that is two in another case": lambda: with_steps(_split(r"(?i:ß) \p{L}|" + LLAMA_3)),
    "a class of spaces and letters": lambda: with_steps(_split(r"[ a-e]{2,}|" + LLAMA_3)),
    "merged with what is before": lambda: _llama("merged_with_previous"),
    "contiguous": lambda: _llama("contiguous"),
    "not split": with_steps,
    "a space before all": lambda: with_steps(_split(LLAMA_3), add_prefix_space=True),
    "lower case": lambda: _normalised(_llama(), normalizers.Lowercase()),
    "an added token of two words": lambda: _adding(_llama(), _plain("the cat")),
    "an added token that begins with a space": lambda: _adding(_llama(), _plain(" cat")),
    "an added space": lambda: _adding(_llama(), _plain(" ")),
    "an added token that takes spaces behind": lambda: _adding(_llama(), _plain("cat", rstrip=True)),
    "an added token that takes spaces before": lambda: _adding(_llama(), _plain("cat", lstrip=True)),
    "an added token of whole words": lambda: _adding(_llama(), _plain("cat", single_word=True)),
}


@cache
def _trained(name: str) -> str:
    made = (PARTED | JOINED)[name]()
    added = [
        AddedToken(each["content"], **{name: each[name] for name in ("single_word", "lstrip", "rstrip", "normalized")})
        for each in json.loads(made.to_str())["added_tokens"]
    ]
    root = Path(__file__).parents[2]
    texts = [(root / name).read_text() for name in ("README.md", "docs/design.md")]
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    made.train_from_iterator(
        [*texts, "the cat and the dog are in New York " * 9],
        trainers.BpeTrainer(vocab_size=1200, initial_alphabet=alphabet, show_progress=False),
    )
    made.add_tokens(added)
    made.add_special_tokens([AddedToken(each, special=True) for each in ("<|im_start|>", "<|im_end|>", "<s>")])
    return made.to_str()


@cache
def tokenizer(name: str) -> Any:
    """A tokenizer of `PARTED` or `JOINED`, as transformers has it, trained on this project's pages."""
    return PreTrainedTokenizerFast(tokenizer_object=Tokenizer.from_str(_trained(name)))  # type: ignore[no-untyped-call]
