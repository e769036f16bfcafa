"""The ways in which an answer is asked for: plainly, or as `Logged`, `Reasoned`, `Scored` and `Decisions` say.

A strategy holds the type inside, whose constraint is in force and whose values examples are. `strategy_of` finds that of a
return type.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from typing import Any, ClassVar, get_args, get_origin

from typing_extensions import TypeAliasType

from typefold.compiler import (
    Codec,
    JsonFormat,
    Message,
    OutputType,
    Registry,
    UnsupportedType,
    default_registry,
    output_type,
)
from typefold.compiler.grammar.nodes import Language
from typefold.compiler.shape import LONGEST
from typefold.decisions.distributions import distribution, give
from typefold.decisions.scored_codec import choices_of, places_in, relative
from typefold.errors import PromptUsageError
from typefold.execution.call import Exchange, OpenCall, Strategy, free_text, think
from typefold.execution.format_description import describe_format
from typefold.execution.retries import Attempt
from typefold.messages import RawPrompt
from typefold.options import Options
from typefold.response_types import Decisions, Logged, Reasoned, ReasoningWay, Scored
from typefold.runtime import Request

_THINK = "First think it through, step by step. Do not give the answer yet."
_ANSWER = "Now give the answer, in the form that was asked for and nothing else."


class LoggedStrategy(Strategy):
    """A plain call, and the facts of its outcome."""

    def ask(self, call: OpenCall[Any], attempt: Attempt) -> Exchange[Logged[Any]]:
        request, reasoning = yield from think(call, attempt)
        outcome = yield request
        first = reasoning or outcome  # whose prompt has no reasoning in it
        return Logged(
            value=(yield from call.conclude(request, outcome, attempt)),
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
        text = "" if reasoning is None else reasoning.text.strip()
        if get_origin(self.hint) is Scored:
            value = yield from _scored(call, answer, self.path)
        else:
            outcome = yield answer
            value = yield from call.conclude(answer, outcome, attempt)
        return Reasoned(value=value, reasoning=text, way=way)

    def check(self, kind: OutputType[Any], *, where: str) -> None:
        if get_origin(self.hint) is Scored:
            _named(where, _choices, kind, self.path)

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

    name: ClassVar[str] = "Scored"
    is_drawn = False

    def ask(self, call: OpenCall[Any], attempt: Attempt) -> Exchange[Any]:
        asked, _ = yield from think(call, attempt, temperature=0.0)
        return (yield from _scored(call, asked, self.path))

    def choices(self, kind: OutputType[Any]) -> Mapping[str, Sequence[str]]:
        return {"": [*_choices(kind, self.path)]}

    def check(self, kind: OutputType[Any], *, where: str) -> None:
        _named(where, _choices, kind, self.path)

    def check_options(self, options: Options, *, where: str) -> None:
        given = [*options.sampling, *(["sampling_params"] if options.sampling_params is not None else [])]
        if given:
            raise PromptUsageError(
                f"{where}: {given[0]} has no place with {self.name}, which samples nothing: its probabilities are those of the "
                f"model at temperature 1; leave it out"
            )

    def check_prompt(
        self, messages: tuple[Message, ...] | RawPrompt, kind: OutputType[Any], options: Options, *, where: str
    ) -> None:
        self.check(kind, where=where)
        super().check_prompt(messages, kind, options, where=where)


class DecisionsStrategy(ScoredStrategy):
    """The probabilities of the choices of each field, all fields side by side, each behind the same prompt.

    The requests of a row reach the engine together, one behind the other. So all but the last tokens of their prompts are computed
    once, even in one step: vLLM shares the blocks of a prefix from when their first request is scheduled.
    """

    name = "Decisions"

    def ask(self, call: OpenCall[Any], attempt: Attempt) -> Exchange[Decisions[Any]]:
        kind, fields = call.call.kind, _fields(call.call.kind, self.path)
        request, _ = yield from think(call, attempt, temperature=0.0)
        values = yield from call.together(
            [
                distribution(
                    request,
                    field.choices,
                    max_logprobs=call.call.runtime.facts.max_logprobs,
                    before=field.before,
                    behind="}",
                    path=field.name,
                    calibration=call.call.options.calibrated,
                )
                for field in fields
            ]
        )
        found: dict[str, Scored[Any]] = {}
        data: dict[str, Any] = {}
        for field, scored in zip(fields, values, strict=True):
            found[field.name] = scored
            data[field.key] = json.loads(next(text for text, value in field.choices.items() if value == scored.value))
        text = kind.json_format.dump(data)
        value = call.read(text, attempt)
        for mark, *_ in places_in(kind, value, text):
            if (path := relative(kind, mark.path)) in found:
                give(mark.scored, found[path])
        return Decisions(value=value, fields=found)

    def json_format(self, given: JsonFormat | None) -> JsonFormat | None:
        return JsonFormat.SPACED if given is not None and given.positional else given

    def choices(self, kind: OutputType[Any]) -> Mapping[str, Sequence[str]]:
        return {field.name: [*field.choices] for field in _fields(kind, self.path)}

    def check(self, kind: OutputType[Any], *, where: str) -> None:
        _named(where, _fields, kind, self.path)


@dataclass(frozen=True)
class _Field:
    """A field that is asked by itself: the text before its value, and its values by their texts."""

    name: str
    key: str
    before: str
    choices: Mapping[str, Any]


_STRATEGIES: dict[Any, type[Strategy]] = {
    Decisions: DecisionsStrategy,
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
            if options.describe_format is not None or len(str(self.kind.json_schema)) > LONGEST / 20:
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
            strategy.hint,
            json_format=strategy.json_format(json_format),
            registry=registry,
            path=strategy.path,
            namespace=namespace,
        )
    except UnsupportedType as error:
        if not function:
            raise
        raise UnsupportedType(error.path, error.hint, error.reason, function=function) from error.__cause__
    return ReturnType(strategy, kind)


@lru_cache(maxsize=256)
def _choices(kind: OutputType[Any], path: str) -> dict[str, Any]:
    """Return the texts that an answer can be, with their values. Raises UnsupportedType for too many, or equal ones."""
    return choices_of(
        kind.constraint.language, lambda text: _plain(kind.decode(text)), partial(UnsupportedType, path), kind.hint
    )


@lru_cache(maxsize=256)
def _fields(kind: OutputType[Any], path: str) -> tuple[_Field, ...]:
    """Return the fields of an object. Raises UnsupportedType where it has none, or one that has no choices."""
    language = kind.constraint.language
    if not kind.codec.fields or language is None:
        reason = "has no fields; Decisions is for a model, a dataclass or the like, of which each field is a question"
        raise UnsupportedType(path, kind.hint, reason)
    found: list[_Field] = []
    for name, key, codec in kind.codec.fields:
        choices = choices_of(
            Language(codec.expr, language.rules),
            partial(_read, codec),
            partial(_unfit_field, path, name),
            kind.hint,
            "Decisions",
        )
        before = f"{{{kind.json_format.dump(key)}{kind.json_format.colon}"
        found.append(_Field(name, key, before, choices))
    return tuple(found)


def _unfit_field(path: str, name: str, hint: Any, reason: str) -> UnsupportedType:
    return UnsupportedType(f"{path}.{name}", hint, f"has the field {name!r}, which {reason}")


def _read(codec: Codec[Any], text: str) -> Any:
    return _plain(codec.from_json(json.loads(text)))


def _plain(value: Any) -> Any:
    """Return the choice in a `Scored`, or the value itself."""
    return value.value if isinstance(value, Scored) else value  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]


def _scored(call: OpenCall[Any], request: Request, path: str) -> Exchange[Scored[Any]]:
    return distribution(
        request,
        _choices(call.call.kind, path),
        max_logprobs=call.call.runtime.facts.max_logprobs,
        calibration=call.call.options.calibrated,
    )


def _named(function: str, check: Callable[..., object], *arguments: Any) -> None:
    """Run a check, whose error then has the function's name."""
    try:
        check(*arguments)
    except UnsupportedType as error:
        raise UnsupportedType(error.path, error.hint, error.reason, function=function) from error.__cause__
