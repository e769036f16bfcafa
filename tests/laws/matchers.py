"""The matchers of real engines, driven as vLLM drives them: which texts they admit, and random walks under their masks.

A walk takes one token at a time among those that the mask allows, in one of several tempers, and turns for home after
some steps, so that most walks end within the language. The vocabulary is small and crosses every border: all bytes, and
some hundred longer tokens that hold quotes, commas, halves of characters and several things at once.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol, cast

import llguidance
import numpy as np
import xgrammar

from typefold.compiler import Constraint

TEMPERS = ("even", "shortest", "longest", "rarest", "strange")
CHATTER = 24  # steps before a walk turns for home
LONGEST_WALK = 300
_HOMEWARDS = [b'"', b"}", b"]", b"n", b"t", b"0", b".", b"1", b":", b"a"]

_WORDS = """
", "|": "|": ["|"]|"}|"]}|{"|[{"|}, {"|}], "|\\"|\\\\|\\n|\\u00|\\u001|\\u000|null|true|false|nul|alse|, |: |[]|{}|[[|]]|}}|""|"":|"a
a"|0.|.0|.5|1.|-0|-1|e-|e+|e-0|e+1|308|324|00|01|10|12|99|999|000|123|1, |0, |0]|0}|1"|"1|a, b|the | the|ing|er|in|an
name|age|hero|vill|ain|key|value|alpha|beta|x": |y": |a": |b": |_|AA|aa|ab|bb|cc| |  |.\\|\\/|//|<|>|é|è|ß|ü|\u20ac|\u2028|\u4e2d|\u6587|\U0001f600|\U0001f601|\U0001f44d\U0001f3fd
"""


def small_vocabulary() -> list[bytes]:
    """Every byte, and tokens of two and more; the last one, empty, ends a text."""
    tokens = {bytes([byte]): None for byte in range(256)}
    for word in _WORDS.strip("\n").replace("\n", "|").split("|"):
        tokens[word.encode()] = None
    for text in ("\u20ac", "\U0001f600", "é\n", '\n"', "\x00\x01", "\x7f\x80", 'é"', "\ud7ff", "\ue000", "\U0010ffff"):
        data = text.encode()
        tokens |= dict.fromkeys(data[start:end] for start in range(3) for end in range(start + 2, len(data) + 1))
    tokens |= dict.fromkeys(bytes([one, two]) for one in b'0123456789-."' for two in b'0123456789,]}"')
    tokens.pop(b"", None)
    return [*tokens, b""]


class Walker(Protocol):
    """A matcher of one constraint."""

    def admits(self, text: str) -> bool: ...
    def walk(self, rng: random.Random, temper: str) -> str | None: ...


@dataclass
class Vocabulary:
    """Tokens, of which the last ends a text."""

    tokens: Sequence[bytes]

    def __post_init__(self) -> None:
        self.stop = len(self.tokens) - 1
        self.single = {token[0]: index for index, token in reversed(list(enumerate(self.tokens))) if len(token) == 1}
        self.lengths = np.array([len(token) for token in self.tokens])
        self.home = [self.single[token[0]] for token in _HOMEWARDS]
        self.is_strange = np.array(
            [any(byte < 0x20 or byte > 0x7E or byte in b'"\\' for byte in t) for t in self.tokens]
        )

    @cached_property
    def is_known(self) -> np.ndarray[Any, Any]:
        """Which tokens a walk may take: those with bytes, and the end."""
        known: np.ndarray[Any, Any] = self.lengths > 0
        known[self.stop] = True
        return known

    def choose(self, allowed: np.ndarray[Any, Any], temper: str, step: int, rng: random.Random) -> int:
        """A token out of a mask."""
        if allowed[self.stop] and (step >= CHATTER or rng.random() < 0.15 or allowed.sum() == 1):
            return self.stop
        if step >= CHATTER:
            for token in self.home:
                if allowed[token]:
                    return token
        pool = np.flatnonzero(allowed[: self.stop])
        if temper == "strange" and rng.random() < 0.7 and self.is_strange[pool].any():
            pool = pool[self.is_strange[pool]]
        elif temper in ("shortest", "longest") and rng.random() < 0.8:
            lengths = self.lengths[pool]
            pool = pool[lengths == (lengths.min() if temper == "shortest" else lengths.max())]
        elif temper == "rarest" and rng.random() < 0.8:
            pool = pool[-4:]
        return int(pool[rng.randrange(len(pool))])


class XGrammar:
    """xgrammar, from the text that vLLM would be sent."""

    def __init__(self, vocabulary: Vocabulary, compiler: xgrammar.GrammarCompiler | None = None) -> None:
        self.vocabulary = vocabulary
        stop = vocabulary.stop
        info = xgrammar.TokenizerInfo(list(vocabulary.tokens), vocab_size=len(vocabulary.tokens), stop_token_ids=[stop])
        self.compiler = compiler or xgrammar.GrammarCompiler(info, max_threads=2, cache_enabled=False)

    def matcher(self, constraint: Constraint) -> Walker:
        spec = constraint.for_dialect("ebnf")
        text = spec if isinstance(spec, str) else choice_grammar(spec)
        return _XGrammarWalker(self.vocabulary, self.compiler.compile_grammar(text))


def choice_grammar(choices: Sequence[str]) -> str:
    """A list of choices as vLLM writes it for xgrammar."""
    return "root ::= " + " | ".join('"' + choice.replace("\\", "\\\\").replace('"', '\\"') + '"' for choice in choices)


@dataclass
class _XGrammarWalker:
    vocabulary: Vocabulary
    compiled: xgrammar.CompiledGrammar

    def __post_init__(self) -> None:
        self.mask = xgrammar.allocate_token_bitmask(1, len(self.vocabulary.tokens))
        self.view = self.mask.numpy().view(np.uint8)[0]

    def admits(self, text: str) -> bool:
        matcher = xgrammar.GrammarMatcher(self.compiled)
        if text and not matcher.accept_string(text.encode()):
            return False
        return bool(self._allowed(matcher)[self.vocabulary.stop])

    def walk(self, rng: random.Random, temper: str) -> str | None:
        matcher, data = xgrammar.GrammarMatcher(self.compiled), bytearray()
        for step in range(LONGEST_WALK):
            allowed = self._allowed(matcher) & self.vocabulary.is_known
            assert allowed.any(), f"nothing may follow {bytes(data)!r}"
            token = self.vocabulary.choose(allowed, temper, step, rng)
            if token == self.vocabulary.stop:
                return data.decode()
            assert matcher.accept_token(token), (bytes(data), self.vocabulary.tokens[token])
            data += self.vocabulary.tokens[token]
        return None

    def _allowed(self, matcher: xgrammar.GrammarMatcher) -> np.ndarray[Any, Any]:
        if not matcher.fill_next_token_bitmask(self.mask):
            return np.ones(len(self.vocabulary.tokens), dtype=bool)
        bits = np.unpackbits(self.view, bitorder="little")[: len(self.vocabulary.tokens)]
        return cast("np.ndarray[Any, Any]", bits.astype(bool))


class Guidance:
    """llguidance, from the text that vLLM would be sent."""

    def __init__(self, vocabulary: Vocabulary) -> None:
        self.vocabulary = vocabulary
        self.eos_token_id, self.bos_token_id = vocabulary.stop, None
        self.tokens = [*vocabulary.tokens[:-1], b"<eos>"]
        self.special_token_ids = [vocabulary.stop]
        self.tokenizer = llguidance.LLTokenizer(llguidance.TokenizerWrapper(self))

    def __call__(self, text: bytes) -> list[int]:
        return [self.vocabulary.single[byte] for byte in text]

    def matcher(self, constraint: Constraint) -> Walker:
        spec = constraint.for_dialect("lark")
        grammar = llguidance.grammar_from("grammar", spec) if isinstance(spec, str) else _guidance_choice(list(spec))
        matcher = llguidance.LLMatcher(self.tokenizer, grammar, log_level=0)
        assert not matcher.is_error(), matcher.get_error()
        return _GuidanceWalker(self.vocabulary, matcher)


def _guidance_choice(choices: list[str]) -> str:
    import re

    return llguidance.grammar_from("regex", "|".join(re.escape(choice) for choice in choices))


@dataclass
class _GuidanceWalker:
    vocabulary: Vocabulary
    matcher: llguidance.LLMatcher

    def admits(self, text: str) -> bool:
        self.matcher.reset()
        tokens = [self.vocabulary.single[byte] for byte in text.encode()]
        return self.matcher.try_consume_tokens(tokens) == len(tokens) and bool(self.matcher.is_accepting())

    def walk(self, rng: random.Random, temper: str) -> str | None:
        self.matcher.reset()
        data = bytearray()
        for step in range(LONGEST_WALK):
            bits = np.unpackbits(np.frombuffer(self.matcher.compute_bitmask(), np.uint8), bitorder="little")
            assert not self.matcher.is_error(), self.matcher.get_error()
            allowed = bits[: len(self.vocabulary.tokens)].astype(bool) & self.vocabulary.is_known
            assert allowed.any(), f"nothing may follow {bytes(data)!r}"
            token = self.vocabulary.choose(allowed, temper, step, rng)
            if token == self.vocabulary.stop:
                return data.decode()
            assert self.matcher.consume_token(token), (bytes(data), self.vocabulary.tokens[token])
            data += self.vocabulary.tokens[token]
        return None
