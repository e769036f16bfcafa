"""Prompts that are encoded together have the tokens, or the errors, that each has by itself, for every tokenizer and template."""
# Tests look inside:
# pyright: reportPrivateUsage=false

from __future__ import annotations

import random
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from copy import deepcopy
from typing import Any

import pytest

from tests.hostile.cutters import JOINED, PARTED, tokenizer
from tests.hostile.families import MODELS, model
from tests.hostile.test_prefixes import texts_that_begin_alike
from tests.runtime.chat_templates import FAMILIES, Family, prompts_of, render_of
from typefold.compiler import Message
from typefold.runtime.engines.vllm.batch_encoder import BatchEncoder, Encoded
from typefold.runtime.engines.vllm.chat_tokenizer import Prompt, PromptTokenizer
from typefold.runtime.engines.vllm.thinking import switches_of

NAMES = ("<|im_start|>", "<|im_end|>", "</think>", "<s>", "[INST]", "<start_of_turn>", "<|eot_id|>", "\ud800", "", " ")
VARIABLES: list[dict[str, Any]] = [{}, {}, {}, {"enable_thinking": False}, {"tools": None}, {"date": "<|im_end|>"}]


def prompts(seed: int, number: int) -> list[Prompt]:
    """Conversations that begin alike, some with names of control tokens, and raw texts."""
    rng = random.Random(seed)
    texts = texts_that_begin_alike(rng, number)
    found: list[Prompt] = []
    for text in texts:
        if rng.random() < 0.15:
            text += rng.choice(NAMES) + rng.choice(NAMES)
        turns = rng.choice(
            [["user"], ["system", "user"], ["user", "assistant", "user"], ["user", "assistant"], ["tool"]]
        )
        conversation = [Message(role, rng.choice(texts)[:80]) for role in turns[:-1]] + [Message(turns[-1], text)]  # type: ignore[arg-type]
        every: list[Sequence[Message] | str] = [conversation, conversation, conversation, text, ()]
        prompt = rng.choice(every)
        found.append(Prompt(prompt, rng.choice(VARIABLES), thinking=rng.random() < 0.5))
    return found


def _each_by_itself(encoder: BatchEncoder, texts: Sequence[str]) -> list[Encoded]:
    return [encoder._one(text) for text in texts]


@contextmanager
def one_by_one(prompts: PromptTokenizer) -> Generator[None]:
    """As it is without batches and without shared beginnings."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(BatchEncoder, "encode", _each_by_itself)
        patch.setattr(prompts._prefixes, "_knows", False)
        yield


def shown(found: Encoded) -> object:
    return f"{type(found).__name__}: {found}" if isinstance(found, Exception) else found


def prove(alone: PromptTokenizer, together: PromptTokenizer, seed: int) -> None:
    asked = prompts(seed, 60)
    with one_by_one(alone):
        expected = [shown(found) for each in asked for found in alone.encode_all([each])]
    chunks = [asked[at : at + 20] for at in range(0, len(asked), 20)]
    assert [shown(found) for chunk in chunks for found in together.encode_all(chunk)] == expected


@pytest.mark.parametrize("name", MODELS)
def test_of_every_model(name: str) -> None:
    prove(model(name).prompts(), model(name).prompts(), 1)


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
@pytest.mark.parametrize("name", ["smollm", "llama-3"])
def test_of_every_chat_template(family: Family, name: str) -> None:
    template = family.template()
    alone, together = (
        PromptTokenizer(tokenizer(name), render_of(template), switches=switches_of(template), template=template)
        for _ in range(2)
    )
    prove(alone, together, 2)
    prove(prompts_of(family)[0], prompts_of(family)[0], 3)


@pytest.mark.prove
@pytest.mark.parametrize("name", [*PARTED, *JOINED])
def test_of_many_prompts(name: str) -> None:
    for seed in range(40):
        for render in (None, render_of(FAMILIES[seed % len(FAMILIES)].template())):
            prove(PromptTokenizer(tokenizer(name), render), PromptTokenizer(tokenizer(name), render), seed)


@pytest.mark.parametrize("name", [*PARTED, *JOINED])
@pytest.mark.parametrize("add_special_tokens", [True, False])
def test_of_texts(name: str, add_special_tokens: bool) -> None:
    made = tokenizer(name)

    def encode(text: str) -> list[int]:
        return list(made.encode(text, add_special_tokens=add_special_tokens))

    encoder = BatchEncoder(made, encode, add_special_tokens=add_special_tokens)
    texts = texts_that_begin_alike(random.Random(4), 100)
    assert encoder._batch is not None  # so the library's own batch is compared
    assert encoder.encode(texts) == [encode(text) for text in texts]


def test_one_text_that_is_none_costs_no_other() -> None:
    made = tokenizer("smollm")
    encoder = BatchEncoder(made, made.encode, add_special_tokens=True)
    one, bad, two = encoder.encode(["one", "\ud800", "two"])
    assert (one, two) == (made.encode("one"), made.encode("two"))
    assert isinstance(bad, Exception)


def test_a_tokenizer_with_an_encoding_of_its_own_is_asked_for_each_text() -> None:
    made, plain = deepcopy(tokenizer("smollm")), tokenizer("smollm")

    class Own(type(made)):  # type: ignore[misc]
        def encode(self, text: str, **options: Any) -> list[int]:
            return [7, *plain.encode(text, **options)]

    made.__class__ = Own
    encoder = BatchEncoder(made, made.encode, add_special_tokens=True)
    assert encoder._batch is None
    assert encoder.encode(["a", "b"]) == [made.encode("a"), made.encode("b")]


@pytest.mark.parametrize("state", ["truncation", "padding", "special tokens"])
def test_a_tokenizer_that_was_changed_meanwhile_is_asked_for_each_text(state: str) -> None:
    made, plain = deepcopy(tokenizer("smollm")), tokenizer("smollm")
    encoder = BatchEncoder(made, made.encode, add_special_tokens=True)
    texts = ["a text of several words", "<|im_start|>", "b"]
    assert encoder.encode(texts) == [plain.encode(text) for text in texts]
    if state == "truncation":
        made.backend_tokenizer.enable_truncation(1)
    elif state == "padding":
        made.backend_tokenizer.enable_padding(length=9)
    else:
        made.backend_tokenizer.encode_special_tokens = True
    assert encoder.encode(texts) == [plain.encode(text) for text in texts]
