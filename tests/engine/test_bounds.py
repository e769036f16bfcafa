"""Token bounds of the documented types hold for the demo model's own vocabulary, however an answer is cut into its tokens."""

from __future__ import annotations

import random
from typing import Any

import pytest

from tests.catalogue import ENTRIES, Entry
from typefold.compiler import OutputType, Vocabulary, output_type
from typefold.compiler.grammar.sampler import sample
from typefold.runtime.engines.vllm.control_tokens import special_ids
from typefold.runtime.engines.vllm.engine import VllmEngine

pytestmark = [pytest.mark.engine, pytest.mark.filterwarnings("ignore:.*ReadOnly")]

_MOST = 10**9


@pytest.fixture(scope="module")
def tokens(session_engine: VllmEngine) -> set[bytes]:
    """All tokens that write something, by the vocabulary's own decoder."""
    tokenizer: Any = session_engine._engine.get_tokenizer()  # pyright: ignore[reportPrivateUsage]
    from xgrammar import TokenizerInfo

    special = special_ids(tokenizer)
    decoded = TokenizerInfo.from_huggingface(tokenizer).decoded_vocab
    return {token for index, token in enumerate(decoded) if token and index not in special}


def cuts(text: str, tokens: set[bytes], longest: int) -> tuple[int, int]:
    """The fewest and the most tokens that a text can be cut into."""
    data = text.encode()
    ways = [(0, 0)]
    for end in range(1, len(data) + 1):
        fewest, most = _MOST, -_MOST
        for start in range(max(0, end - longest), end):
            if data[start:end] in tokens:
                fewest, most = min(fewest, ways[start][0] + 1), max(most, ways[start][1] + 1)
        ways.append((fewest, most))
    return ways[-1]


@pytest.mark.parametrize("entry", ENTRIES, ids=str)
def test_no_cut_of_an_answer_falls_outside_the_bounds(
    entry: Entry, session_engine: VllmEngine, tokens: set[bytes]
) -> None:
    kind: OutputType[Any] = output_type(entry.hint)
    vocabulary, language = session_engine.info.vocabulary, kind.constraint.language
    bounds = kind.token_bounds(vocabulary)
    texts = [kind.encode(entry.sample)]
    if language is not None and kind.constraint.kind != "text":
        texts += [sample(language, random.Random(seed), exotic=seed % 3 * 0.3) for seed in range(6)]
    for text in texts:
        fewest, most = cuts(text, tokens, vocabulary.longest)
        assert bounds.least <= max(fewest, 1)
        assert bounds.most is None or most + 1 <= bounds.most
    assert bounds.least >= kind.token_bounds(Vocabulary(vocabulary.longest)).least


def test_the_vocabulary_is_that_of_the_tokens(session_engine: VllmEngine, tokens: set[bytes]) -> None:
    vocabulary = session_engine.info.vocabulary
    assert vocabulary.longest == max(map(len, tokens))
    assert vocabulary.holding == Vocabulary.of_tokens(tokens).holding
