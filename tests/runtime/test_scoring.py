"""Scoring against a model that is a table: whatever the vocabulary, the sum over all paths is what comes out."""

from __future__ import annotations

import math
import random
from collections.abc import Iterable, Sequence

import pytest

from typefold.compiler.grammar.enumerate import enumerate_texts
from typefold.runtime import FinishReason, Outcome, Request, TokenLogprob
from typefold.runtime.request import OTHERS
from typefold.runtime.scoring import Distribution, probabilities

END = 0


class Table:
    """A model with a vocabulary of its own: the logit of a token depends on all tokens before it, and on chance.

    Args:
        texts: The texts that its tokens are cut from.
        seed: Makes another model.
        mode: What its log probabilities are: of the admitted tokens (vLLM's), or bare logits; or of tokens that begin a text
            among all (`open`), where tokens that must come next are put ahead.
        sharpness: How far its logits lie apart.
    """

    def __init__(self, texts: Sequence[str], seed: int, *, mode: str = "logprobs", sharpness: float = 3.0) -> None:
        rng = random.Random(seed)
        pieces = {bytes([byte]) for text in texts for byte in text.encode()}
        for text in texts:
            data = text.encode()
            cuts = [rng.randrange(len(data)) for _ in range(4)]
            pieces |= {data[cut : cut + rng.randint(2, 6)] for cut in cuts}
        self.written = [b"", *sorted(pieces), *[b"\xff"] * 3]  # and some that are never admitted
        self.seed, self.mode, self.sharpness = seed, mode, sharpness
        self.requests: list[Request] = []

    def logit(self, path: tuple[int, ...], token_id: int) -> float:
        return random.Random(f"{self.seed} {path} {token_id}").gauss(0, self.sharpness)

    def admitted(self, written: bytes, choices: Sequence[bytes]) -> list[int]:
        tokens = [
            token_id
            for token_id, adds in enumerate(self.written)
            if adds and any(choice.startswith(written + adds) for choice in choices)
        ]
        return [*tokens, *([END] if written in choices else [])]

    def answer(self, request: Request) -> Outcome:
        """As vLLM answers: the constraint's mask, then log probabilities, then the bias."""
        self.requests.append(request)
        spec = request.constraint.language
        assert spec is not None
        choices = [text.encode() for text in enumerate_texts(spec, 1000) or ()]
        if self.mode == "open" and request.begins and b"" not in choices:
            return self.probed(request, choices)
        bias: dict[int, float] = request.sampling.get("logit_bias", {})
        rows: list[tuple[TokenLogprob, ...]] = []
        taken: list[int] = []
        written = b""
        for _ in range(request.sampling["max_tokens"]):
            path = (*(each for each in request.begun if isinstance(each, int)), *taken)
            logits = {each: self.logit(path, each) for each in self.admitted(written, choices)}
            top = max(logits.values())
            total = top + math.log(math.fsum(math.exp(logit - top) for logit in logits.values()))
            shift = total if self.mode == "logprobs" else 0.0
            best = max(logits, key=lambda each: logits[each] + bias.get(each, 0.0))
            ranked = sorted(logits, key=lambda each: -logits[each])[: request.sampling["logprobs"]]
            row = [best, *(each for each in ranked if each != best)]
            rows.append(tuple(TokenLogprob(each, logits[each] - shift, self.written[each]) for each in row))
            taken.append(best)
            written += self.written[best]
            if best == END:
                break
        return Outcome(
            text="",
            finish_reason=FinishReason.LENGTH,
            prompt_tokens=1,
            output_tokens=1,
            token_ids=tuple(taken),
            logprobs=tuple(rows),
        )

    def probed(self, request: Request, choices: list[bytes]) -> Outcome:
        """As the vLLM engine answers a probe that needs no mask."""
        path, written = tuple(each for each in request.begun if isinstance(each, int)), b""
        rows: list[tuple[TokenLogprob, ...]] = []
        while len(only := self.admitted(written, choices)) == 1 and written not in choices:
            rows.append((TokenLogprob(only[0], 0.0, self.written[only[0]]),))
            path, written = (*path, only[0]), written + self.written[only[0]]
        assert written not in choices
        chances = self.softmax(path, range(len(self.written)))
        listed = self.admitted(written, choices)
        inside = math.fsum(chances[each] for each in listed)
        others = TokenLogprob(OTHERS, math.log(max(1 - inside, 1e-9)), b"")
        row = [*(TokenLogprob(each, math.log(chances[each]), self.written[each]) for each in listed), others]
        taken = (*(row[0].token_id for row in rows), max(chances, key=lambda each: chances[each]))
        return Outcome(
            text="?",
            finish_reason=FinishReason.LENGTH,
            prompt_tokens=1,
            output_tokens=1,
            token_ids=taken,
            logprobs=(*rows, tuple(row)),
        )

    def softmax(self, path: tuple[int, ...], among: Iterable[int]) -> dict[int, float]:
        weights = {each: math.exp(self.logit(path, each)) for each in among}
        total = math.fsum(weights.values())
        return {each: weight / total for each, weight in weights.items()}

    def outside(self, texts: Sequence[str]) -> float:
        """The unmasked probability of leaving the texts before it is settled which one is written."""
        choices = [text.encode() for text in texts]

        def lost(path: tuple[int, ...], written: bytes) -> float:
            left = [choice for choice in choices if choice.startswith(written)]
            if len(left) == 1:
                return 0.0
            listed = self.admitted(written, left)
            if len(listed) == 1:  # which is no question
                return lost((*path, listed[0]), written + self.written[listed[0]])
            if written in left:
                return 0.0  # tokens that end a text are told by a mask
            chances = self.softmax(path, range(len(self.written)))
            deeper = math.fsum(chances[each] * lost((*path, each), written + self.written[each]) for each in listed)
            return 1.0 - math.fsum(chances[each] for each in listed) + deeper

        return lost((), b"")

    def directly(self, texts: Sequence[str]) -> list[float]:
        """Every path through every admitted token, to its end."""
        found = [0.0] * len(texts)
        choices = [text.encode() for text in texts]

        def walk(path: tuple[int, ...], written: bytes, mass: float) -> None:
            if mass < 1e-9:
                return
            logits = {each: self.logit(path, each) for each in self.admitted(written, choices)}
            total = math.fsum(map(math.exp, logits.values()))
            for token_id, logit in logits.items():
                share = mass * math.exp(logit) / total
                if token_id == END:
                    found[choices.index(written)] += share
                else:
                    walk((*path, token_id), written + self.written[token_id], share)

        walk((), b"", 1.0)
        return found


def scored(model: Table, texts: Sequence[str], max_logprobs: int = 256) -> list[float]:
    return distribution(model, texts, max_logprobs).probabilities


def distribution(model: Table, texts: Sequence[str], max_logprobs: int = 256) -> Distribution:
    exchange = probabilities(Request(prompt="?"), texts, max_logprobs=max_logprobs)
    try:
        request = next(exchange)
        while True:
            request = exchange.send(model.answer(request))
    except StopIteration as end:
        found: Distribution = end.value
        return found


CHOICES = [
    ["keep", "drop"],
    ["positive", "negative", "neutral"],
    ["no", "none", "not sure", "n"],
    ["true", "false"],
    ["да", "нет", "не"],
    ["👍", "👎", "👌👍"],
    ["一", "丁", "七", "no"],
    ["", "a", "aa", "aaa"],
    ["aab", "aac", "ab"],
    ["strongly agree", "agree", "disagree", "strongly disagree"],
]


@pytest.mark.parametrize("mode", ["logprobs", "open"])
@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("texts", CHOICES, ids=lambda texts: ",".join(texts))
def test_the_sum_over_all_paths_is_found(texts: list[str], seed: int, mode: str) -> None:
    model = Table([text for text in texts if text], seed, mode=mode)
    assert scored(model, texts) == pytest.approx(model.directly(texts), abs=1.1e-3)


JSON_CHOICES = [
    [" true,", " false,"],
    [" 1}", " 2}", " 10}", " 100}"],
    [' "low"', ' "lower"', ' "high"'],
    ["- a", "- b", "- ab"],
]


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("texts", [*CHOICES[:3], *JSON_CHOICES, CHOICES[-1]], ids=lambda texts: ",".join(texts))
def test_the_mass_outside_is_that_of_leaving_the_texts(texts: list[str], seed: int) -> None:
    model = Table(texts, seed, mode="open", sharpness=1.5)
    found = distribution(model, texts)
    assert found.outside == pytest.approx(model.outside(texts), abs=2e-3)
    assert found.probabilities == pytest.approx(model.directly(texts), abs=1.1e-3)
    assert distribution(Table(texts, seed), texts).outside is None  # behind a mask nothing is known of it


@pytest.mark.parametrize("mode", ["logprobs", "logits"])
@pytest.mark.parametrize("most", [3, 5, 20])
def test_steps_that_tell_little_are_put_together(most: int, mode: str) -> None:
    texts = ["red", "green", "blue", "yellow", "pink", "orange", "cyan", "white", "black", "brown"]
    model = Table(texts, seed=1, mode=mode, sharpness=1.0)
    found = scored(model, texts, max_logprobs=most)
    assert found == pytest.approx(model.directly(texts), abs=0.03 if most == 3 else 1.1e-3)
    assert all(request.sampling["logprobs"] <= most for request in model.requests)


def test_probabilities_add_up_to_one() -> None:
    for texts in CHOICES:
        found = scored(Table([text for text in texts if text], 3), texts)
        assert math.fsum(found) == pytest.approx(1)
        assert all(0 <= each <= 1 for each in found)


def test_choices_that_part_at_once_take_one_request() -> None:
    model = Table(["keep", "drop", "ask"], 1)
    scored(model, ["keep", "drop", "ask"])
    assert len(model.requests) == 1


def test_one_choice_takes_none() -> None:
    model = Table(["keep"], 1)
    assert distribution(model, ["keep"]) == ([1.0], None)
    assert model.requests == []


def test_nothing_of_the_callers_sampling_gets_in() -> None:
    request = Request(prompt="?", sampling_params=object(), sampling={"temperature": 2.0, "seed": 1})
    first = next(probabilities(request, ["a", "b"], max_logprobs=20))
    assert first.sampling_params is None
    assert first.sampling["temperature"] == 0.0
    assert "seed" not in first.sampling
    assert first.probe
