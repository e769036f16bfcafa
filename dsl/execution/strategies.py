"""The ways in which an answer is asked for: plainly, or as `Logged`, `Reasoned` and `Scored` say.

A strategy holds the type inside, whose constraint is in force and whose values examples are. `strategy_of` finds that of a
return type.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, get_args, get_origin

from typing_extensions import TypeAliasType

from typefold.compiler import (
    DecodeError,
    JsonFormat,
    Message,
    OutputType,
    Registry,
    UnsupportedType,
    default_registry,
    output_type,
)
from typefold.compiler.grammar.enumerate import enumerate_texts
from typefold.errors import PromptUsageError
from typefold.execution.call import Exchange, OpenCall, Strategy, free_text, think
from typefold.execution.format_description import describe_format
from typefold.execution.retries import Attempt
from typefold.messages import RawPrompt
from typefold.options import Options
from typefold.response_types import Logged, Reasoned, ReasoningWay, Scored
from typefold.runtime.scoring import probabilities

_MOST_CHOICES = 1000
_THINK = "First think it through, step by step. Do not give the answer yet."
_ANSWER = "Now give the answer, in the form that was asked for and nothing else."


class LoggedStrategy(Strategy):
    """A plain call, and the facts of its outcome."""

    def ask(self, call: OpenCall[Any], attempt: Attempt) -> Exchange[Logged[Any]]:
        request, reasoning = yield from think(call, attempt)
        outcome = yield request
        first = reasoning or outcome  # whose prompt has no reasoning in it
        return Logged(
            value=call.conclude(outcome, attempt),
            text=outcome.text,
            finish_reason=outcome.finish_reason,
            token_ids=outcome.token_ids,
            logprobs=outcome.logprobs,
            prompt_tokens=first.prompt_tokens,
            cached_tokens=first.cached_tokens,
            attempts=attempt.number,
            version=call.call.version,
        )


class ReasonedStrategy(Strategy):
    """Reasoning in free text, and then the answer.

    A reasoning model thinks between the marks of its own. Any other model, and one whose reasoning is switched off, is asked to
    think in the user's message, and for the answer in a further turn.
    """

    is_reasoned = True

    def ask(self, call: OpenCall[Any], attempt: Attempt) -> Exchange[Reasoned[Any]]:
        assert not isinstance(attempt.messages, RawPrompt)
        answer, reasoning = yield from think(call, attempt, shown=True)
        way: ReasoningWay = "none" if reasoning is None else "marks"
        if reasoning is None and call.call.options.max_reasoning_tokens:
            last, way = attempt.messages[-1], "words"
            asked = (*attempt.messages[:-1], replace(last, content=f"{last.content}\n\n{_THINK}"))
            reasoning = yield free_text(replace(answer, prompt=asked), call.call, shown=True)
            turns = (Message("assistant", reasoning.text), Message("user", _ANSWER))
            answer = replace(answer, prompt=(*asked, *turns))
        outcome = yield answer
        text = "" if reasoning is None else reasoning.text.strip()
        return Reasoned(value=call.conclude(outcome, attempt), reasoning=text, way=way)

    def check_prompt(
        self, messages: tuple[Message, ...] | RawPrompt, kind: OutputType[Any], options: Options, *, where: str
    ) -> None:
        if isinstance(messages, RawPrompt):
            raise PromptUsageError(
                f"{where}: Reasoned asks twice, and a raw(...) prompt has no turns; ask with messages"
            )
        if messages[-1].role == "assistant":
            raise PromptUsageError(
                f"{where}: Reasoned thinks before it answers, so the answer can't be begun with assistant(...)"
            )


class ScoredStrategy(Strategy):
    """The probabilities of all choices; nothing is sampled, and reasoning before them is greedy."""

    is_drawn = False

    def ask(self, call: OpenCall[Any], attempt: Attempt) -> Exchange[Scored[Any]]:
        choices = _choices(call.call.kind, self.path)
        facts = call.call.runtime.facts
        asked, _ = yield from think(call, attempt, temperature=0.0)
        request = replace(asked, sampling_params=None, sampling={})
        found = yield from probabilities(request, list(choices), max_logprobs=facts.max_logprobs)
        by_value: dict[Any, float] = dict.fromkeys(choices.values(), 0.0)
        for value, probability in zip(choices.values(), found, strict=True):
            by_value[value] += probability
        return Scored(value=max(by_value, key=by_value.__getitem__), probabilities=by_value)

    def check(self, kind: OutputType[Any], *, where: str) -> None:
        try:
            _choices(kind, self.path)
        except UnsupportedType as error:
            raise UnsupportedType(error.path, error.hint, error.reason, function=where) from error.__cause__

    def check_options(self, options: Options, *, where: str) -> None:
        given = [*options.sampling, *(["sampling_params"] if options.sampling_params is not None else [])]
        if given:
            raise PromptUsageError(
                f"{where}: {given[0]} has no place with Scored, which samples nothing: its probabilities are those of the "
                f"model at temperature 1; leave it out"
            )

    def check_prompt(
        self, messages: tuple[Message, ...] | RawPrompt, kind: OutputType[Any], options: Options, *, where: str
    ) -> None:
        self.check(kind, where=where)
        super().check_prompt(messages, kind, options, where=where)


_STRATEGIES: dict[Any, type[Strategy]] = {
    Logged: LoggedStrategy,
    Reasoned: ReasonedStrategy,
    Scored: ScoredStrategy,
}


def strategy_of(hint: Any, path: str = "return") -> Strategy:
    """Return the strategy for a return type."""
    while isinstance(hint, TypeAliasType) and get_origin(hint.__value__) in _STRATEGIES:
        hint = hint.__value__
    kind = _STRATEGIES.get(get_origin(hint))
    return Strategy(hint, path) if kind is None else kind(get_args(hint)[0], f"{path}.value")


@dataclass(frozen=True, slots=True)
class ReturnType:
    """A compiled return type: `kind` is that of the answer, the type inside of `Logged` and the like."""

    strategy: Strategy
    kind: OutputType[Any]

    def check(self, options: Options, *, where: str, shared: bool = False) -> None:
        options.check(self.kind, where=where)
        try:
            describe_format(self.kind, options, where=where)  # own words that can't be made are refused early
        except UnsupportedType as error:  # and a description that is too long
            raise UnsupportedType(error.path, error.hint, error.reason, function=where or None) from None
        self.strategy.check(self.kind, where=where)
        if not shared:
            self.strategy.check_options(options, where=where)


def compile_return(
    hint: Any,
    json_format: JsonFormat | None = None,
    *,
    path: str = "return",
    function: str = "",
    registry: Registry = default_registry,
    namespace: Mapping[str, Any] | None = None,
) -> ReturnType:
    """Compile a return type. Raises UnsupportedType where no constraint can be made of it."""
    strategy = strategy_of(hint, path)
    try:
        kind: OutputType[Any] = output_type(
            strategy.hint, json_format=json_format, registry=registry, path=strategy.path, namespace=namespace
        )
    except UnsupportedType as error:
        if not function:
            raise
        raise UnsupportedType(error.path, error.hint, error.reason, function=function) from error.__cause__
    return ReturnType(strategy, kind)


@lru_cache(maxsize=256)
def _choices(kind: OutputType[Any], path: str) -> dict[str, Any]:
    """Return the texts that an answer can be, with their values. Raises UnsupportedType for too many, or equal ones."""
    language = kind.constraint.language
    texts = None if language is None else enumerate_texts(language, _MOST_CHOICES)
    if texts is None:
        raise UnsupportedType(
            path,
            kind.hint,
            f"has more than {_MOST_CHOICES:,} answers; Scored is for a Literal, an Enum, bool and other types of few",
        )
    choices: dict[str, Any] = {}
    known: dict[Any, Any] = {}
    for text in texts:
        try:
            value = choices[text] = kind.decode(text)
            same = known.setdefault(value, value)
        except DecodeError as error:
            reason = f"admits {text!r}, which fails a check ({error.detail}); for Scored leave the check out"
            raise UnsupportedType(path, kind.hint, reason) from error
        except TypeError as error:
            raise UnsupportedType(
                path, kind.hint, "has values that can't be keys of a dict, as Scored needs them"
            ) from error
        if type(same) is not type(value):
            raise UnsupportedType(path, kind.hint, f"has the choices {same!r} and {value!r}, which Python calls equal")
    return choices
