"""The probability with which constrained decoding writes each of some texts.

Decoding takes one token after another, each with the model's probability renormalised over the admitted tokens; a text may be cut
into tokens in several ways. So its probability is a sum over paths in a tree of tokens. Where a token can only be the beginning of
one text, the path ends: the rest is forced. Most choices differ in their beginnings, and then one step tells all.

The probabilities of one step are the log probabilities beside a token, renormalised here so that logits do as well. A node further
down is one more request, with the tokens so far behind its prompt. A grammar can't begin inside a character: there the last
tokens are forced by a bias, which vLLM adds after the log probabilities are taken.

An engine that knows its tokens gives the probabilities of those that begin a text without a mask, and that of all others together: the
mass that a path loses at its steps is `outside` of the texts. It may also put tokens ahead that no choice is left in; these lose nothing.
A mask hides what it forbids, so where a first step has one, nothing is known of that.

Exact but for two things: paths are followed, the likeliest first, until those left weigh less than `_NEGLIGIBLE` together, and their
weight is then divided in proportion to the known probabilities; and numbers are as exact as the model's own.
"""

from __future__ import annotations

import math
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any, NamedTuple, TypeAlias

from typefold.compiler import Constraint
from typefold.compiler.grammar.nodes import Language, choice
from typefold.runtime.request import OTHERS, Outcome, Request, TokenLogprob
from typefold.runtime.sampling import FixedParameters

_NEGLIGIBLE = 5e-4
_ROUNDING = 1e-5
_MOST_TOKENS = 256  # a step is asked for no more log probabilities than these at once
_UNIFORM: Mapping[str, Any] = {  # nothing that bends the model's own distribution
    "temperature": 0.0,
    "top_p": 1.0,
    "top_k": 0,
    "min_p": 0.0,
    "presence_penalty": 0.0,
    "frequency_penalty": 0.0,
    "repetition_penalty": 1.0,
    "min_tokens": 0,
}
_BIAS = 100.0  # the most that vLLM takes


class Distribution(NamedTuple):
    """The probability of each text, which add up to 1, and the unmasked one of all others, where it is known."""

    probabilities: list[float]
    outside: float | None = None


_Step: TypeAlias = dict[int, tuple[bytes, float]]  # the tokens of a step, each with its bytes and its weight


@dataclass(frozen=True)
class _Node:
    """A node in the tree of tokens."""

    mass: float  # the probability of getting here
    members: tuple[int, ...]  # the texts that are still possible, by number
    written: bytes = b""
    begun: tuple[int, ...] = ()  # the tokens up to the last whole character
    base: bytes = b""  # the bytes of `begun`
    forced: tuple[int, ...] = ()  # the other tokens
    open: float = 1.0  # the probability of getting here without a mask, as far as it is known

    def after(self, token_id: int, written: bytes, mass: float, members: tuple[int, ...], open_: float) -> _Node:
        whole = self.written + written
        if _is_text(whole):
            return _Node(mass, members, whole, (*self.begun, *self.forced, token_id), whole, open=open_)
        forced = (*self.forced, token_id)
        return replace(self, mass=mass, members=members, written=whole, forced=forced, open=open_)

    def ahead(self, steps: Sequence[Sequence[TokenLogprob]]) -> _Node:
        """The node behind tokens that the engine put ahead."""
        node = self
        for [certain, *_] in steps:
            node = node.after(certain.token_id, certain.written, node.mass, node.members, node.open)
        return node


@dataclass
class _Tree:
    """The texts, and their probabilities as far as they are known."""

    request: Request
    texts: tuple[bytes, ...]
    most: int  # log probabilities that a step can give
    found: list[float] = field(init=False)
    outside: float | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        self.found = [0.0] * len(self.texts)

    def weigh(self) -> Generator[Request, Outcome, None]:
        nodes = [_Node(1.0, tuple(range(len(self.texts))))]
        while nodes and sum(node.mass for node in nodes) > _NEGLIGIBLE:
            node = nodes.pop(nodes.index(max(nodes, key=lambda each: each.mass)))
            is_first = not node.written
            node, step, inside = yield from self._step(node)
            if step is None:
                self._share(node)
                continue
            if inside is not None and (is_first or self.outside is not None):
                self.outside = (self.outside or 0.0) + node.open * (1.0 - inside)
            led = _led_by(self.texts, node.members, node.written)
            for token_id, (written, weight) in step.items():
                mass = node.mass * weight
                if (members := led.get(written)) is None:
                    members = led[written] = _led(self.texts, node.members, node.written + written, not written)
                if len(members) > 1:
                    open_ = node.open * weight * (1.0 if inside is None else inside)
                    nodes.append(node.after(token_id, written, mass, members, open_))
                elif members:
                    self.found[members[0]] += mass
        for node in nodes:
            self._share(node)

    def _share(self, node: _Node) -> None:
        weights = {member: self.found[member] + node.mass / len(node.members) for member in node.members}
        total = math.fsum(weights.values())
        for member, weight in weights.items():
            self.found[member] += node.mass * weight / total

    def _step(self, node: _Node) -> Generator[Request, Outcome, tuple[_Node, _Step | None, float | None]]:
        """The tokens that may come next, with weights that add up to 1, or `None` where they can't be told.

        Before them the node, behind tokens put ahead; after them their unmasked probability together, where it is known.
        """
        steps, complete = yield from self._ask(node, node.members, alone=True)
        node = node.ahead(steps[:-1])
        tokens = [each for each in steps[-1] if each.token_id != OTHERS]
        if not tokens:
            return node, None, None
        weights = {each.token_id: (each.written, each.logprob) for each in tokens}
        if not complete:
            yield from self._choice_by_choice(node, weights)
        top = max([logprob for _, logprob in weights.values()])
        raw = [math.exp(logprob - top) for _, logprob in weights.values()]
        total = math.fsum(raw)
        inside = None if len(tokens) == len(steps[-1]) else min(1.0, total * math.exp(top))
        found = {
            token_id: (written, weight / total)
            for (token_id, (written, _)), weight in zip(weights.items(), raw, strict=True)
        }
        return node, found, inside

    def _choice_by_choice(
        self, node: _Node, weights: dict[int, tuple[bytes, float]]
    ) -> Generator[Request, Outcome, None]:
        """Add the tokens that one step had no space for, from steps that admit fewer texts and share a token with it."""
        best = max(weights, key=lambda each: weights[each][1])
        whole, ends = node.written + weights[best][0], not weights[best][0]
        owner = _led(self.texts, node.members, whole, ends)[0]
        groups = _halves(node.members)
        while groups:
            group = groups.pop()
            [tokens], complete = yield from self._ask(node, group)
            if not complete and len(group) > 1:
                groups += _halves(group)
            elif not _linked(tokens, weights):
                [both], _ = yield from self._ask(node, (owner, *(each for each in group if each != owner)))
                _linked(both, weights)
                _linked(tokens, weights)

    def _ask(
        self, node: _Node, members: Sequence[int], *, alone: bool = False
    ) -> Generator[Request, Outcome, tuple[list[list[TokenLogprob]], bool]]:
        """The likeliest tokens of the next step where these texts are admitted, and whether they are all there are.

        They need no mask where they are compared with those of no other step (`alone`); there, tokens put ahead come first.
        """
        rests, constraint, most = _admitting(self.texts, tuple(members), len(node.base), len(node.written))
        count = min(most, self.most, _MOST_TOKENS)
        sampling = _sampling(count, node.forced)
        outcome = yield replace(
            self.request,
            constraint=constraint,
            sampling_params=None,
            sampling=sampling,
            begun=(*self.request.begun, *node.begun),
            begins=rests if alone and not node.forced else (),
            probe=True,
        )
        if outcome.logprobs is None or outcome.token_ids[: len(node.forced)] != node.forced:
            return [[]], True  # what was to be forced was not taken: two nodes of one character want the same token
        steps = [[each for each in step if each.logprob > -math.inf] for step in outcome.logprobs[len(node.forced) :]]
        for at, step in enumerate(steps):  # tokens are put ahead of one without a mask, and of no other
            if any([each.token_id == OTHERS for each in step]):
                return steps[: at + 1], True
        del steps[1:]
        total = math.fsum(math.exp(min(each.logprob, 1.0)) for each in steps[-1])
        return steps, len(steps[-1]) < count or abs(1.0 - total) < _ROUNDING


def probabilities(
    request: Request, texts: Sequence[str], *, max_logprobs: int
) -> Generator[Request, Outcome, Distribution]:
    """The probability of each text, one of which is the answer; they add up to 1. Raises PromptError: a step gave none."""
    if len(texts) == 1:
        return Distribution([1.0])
    tree = _Tree(request, tuple(text.encode() for text in texts), max_logprobs)
    yield from tree.weigh()
    total = math.fsum(tree.found)
    return Distribution([each / total for each in tree.found], tree.outside)


@lru_cache(maxsize=1024)
def _sampling(logprobs: int, forced: tuple[int, ...]) -> Mapping[str, Any]:
    """Return the sampling parameters of a step, the same object for all steps that are alike."""
    bias = {"logit_bias": dict.fromkeys(forced, _BIAS)} if forced else {}
    return FixedParameters({**_UNIFORM, "logprobs": logprobs, "max_tokens": len(forced) + 1, **bias})


def _led(texts: tuple[bytes, ...], members: tuple[int, ...], written: bytes, ends: bool) -> tuple[int, ...]:
    """Return the texts, by number, that begin with these bytes, or are these."""
    return tuple(each for each in members if (texts[each] == written if ends else texts[each].startswith(written)))


@lru_cache(maxsize=1024)
def _led_by(texts: tuple[bytes, ...], members: tuple[int, ...], written: bytes) -> dict[bytes, tuple[int, ...]]:
    """Return the memo of the texts, by number, that a token leads to behind what is written, by the token's bytes."""
    return {}


@lru_cache(maxsize=1024)
def _admitting(
    texts: tuple[bytes, ...], members: tuple[int, ...], base: int, ahead: int
) -> tuple[tuple[str, ...], Constraint, int]:
    """The rests of texts behind a base, the constraint that admits them, and the number of tokens behind so many bytes at most."""
    rests = tuple(texts[member][base:].decode() for member in members)
    beginnings = {texts[member][:end] for member in members for end in range(ahead, len(texts[member]) + 1)}
    return rests, Constraint.of(Language(choice(*rests))), len(beginnings) + 1


def _linked(tokens: Sequence[TokenLogprob], weights: dict[int, tuple[bytes, float]]) -> bool:
    """Add the tokens of another step; `False` if none of them is known, so that theirs can't be compared."""
    known = [each for each in tokens if each.token_id in weights]
    if not known:
        return False
    link = max(known, key=lambda each: each.logprob)
    shift = weights[link.token_id][1] - link.logprob
    for each in tokens:
        weights.setdefault(each.token_id, (each.written, each.logprob + shift))
    return True


def _halves(members: tuple[int, ...]) -> list[tuple[int, ...]]:
    middle = len(members) // 2
    return [members[:middle], members[middle:]]


def _is_text(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True
