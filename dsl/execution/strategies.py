"""How an answer is asked for: plainly, or as `Logged`, `Reasoned` and `Scored` say.

A form holds the type inside, whose constraint is in force and whose values examples are, and makes the exchange of a
call. `form_of` finds the form of a return type.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping
from dataclasses import replace
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any, get_args, get_origin

from typing_extensions import TypeAliasType

from typefold.compiler import TEXT, DecodeError, Message, OutputType, UnsupportedType
from typefold.compiler.grammar.enumerate import enumerate_texts
from typefold.errors import PromptUsageError
from typefold.execution.call import Call, Exchange, Form, Thoughts
from typefold.execution.retries import Answered, Attempt, retried
from typefold.messages import RawPrompt
from typefold.options import Options
from typefold.response_types import Logged, Reasoned, Scored
from typefold.runtime import FinishReason, Outcome, Request, Thinking
from typefold.runtime.scoring import probabilities

if TYPE_CHECKING:
    from typefold.execution.call import Call

__all__ = ["form_of", "thought_through"]

_MOST_CHOICES = 1000


class LoggedForm(Form):
    """As a plain call, with what the outcome tells."""

    def exchange(self, call: Call[Any], row: int | None) -> Exchange[Logged[Any]]:
        """One answer, or several where it is retried."""
        answered: Answered[tuple[Any, Outcome]] = yield from retried(
            call.messages, call.options, partial(call.ask, row)
        )
        value, outcome = answered.value
        return Logged(
            value=value,
            text=outcome.text,
            finish_reason=outcome.finish_reason,
            token_ids=outcome.token_ids,
            logprobs=outcome.logprobs,
            prompt_tokens=outcome.prompt_tokens,
            cached_tokens=outcome.cached_tokens,
            attempts=answered.attempts,
        )


class ReasonedForm(Form):
    """Thoughts in free text, and behind them the answer."""

    def exchange(self, call: Call[Any], row: int | None) -> Exchange[Reasoned[Any]]:
        """Two requests for each attempt."""
        thinking = call.runtime.facts.thinking
        answered = yield from retried(call.messages, call.options, partial(thought_through, call, row, thinking))
        value, reasoning = answered.value
        return Reasoned(value=value, reasoning=reasoning)

    def check_call(self, call: Call[Any]) -> None:
        """Refuse prompts behind which no thoughts can be put."""
        messages = call.messages
        if isinstance(messages, RawPrompt):
            raise PromptUsageError(
                f"{call.function}: Reasoned asks twice, and a raw(...) prompt has no turns; ask with messages"
            )
        if messages[-1].role == "assistant":
            raise PromptUsageError(
                f"{call.function}: Reasoned thinks before it answers, so the answer can't be begun with assistant(...)"
            )


class ScoredForm(Form):
    """Nothing is sampled: the probabilities of all choices."""

    is_drawn = False

    def exchange(self, call: Call[Any], row: int | None) -> Exchange[Scored[Any]]:
        """As many steps as it takes."""
        choices = _choices(call.kind, self.path)
        facts = call.runtime.facts
        request = replace(call.request(row), sampling_params=None, sampling={})
        found = yield from probabilities(request, list(choices), max_logprobs=facts.max_logprobs)
        by_value: dict[Any, float] = dict.fromkeys(choices.values(), 0.0)
        for value, probability in zip(choices.values(), found, strict=True):
            by_value[value] += probability
        return Scored(value=max(by_value, key=by_value.__getitem__), probabilities=by_value)

    def check(self, kind: OutputType[Any], *, where: str) -> None:
        """Refuse types of too many answers."""
        try:
            _choices(kind, self.path)
        except UnsupportedType as error:
            raise UnsupportedType(error.path, error.hint, error.reason, function=where) from error.__cause__

    def check_options(self, options: Options, *, where: str) -> None:
        """Refuse sampling parameters, which can have no effect."""
        given = [*options.sampling, *(["sampling_params"] if options.sampling_params is not None else [])]
        if given:
            raise PromptUsageError(
                f"{where}: {given[0]} has no place with Scored, which samples nothing: its probabilities are those of the "
                f"model at temperature 1; leave it out"
            )

    def check_call(self, call: Call[Any]) -> None:
        """Say at the latest now what is wrong with the type."""
        self.check(call.kind, where=call.function)


_FORMS: dict[Any, type[Form]] = {Logged: LoggedForm, Reasoned: ReasonedForm, Scored: ScoredForm}


def form_of(hint: Any, path: str = "return") -> Form:
    """How a return type wants its answers.

    Args:
        hint: The return type.
        path: What errors call it.
    """
    while isinstance(hint, TypeAliasType) and get_origin(hint.__value__) in _FORMS:
        hint = hint.__value__
    form = _FORMS.get(get_origin(hint))
    return Form(hint, path) if form is None else form(get_args(hint)[0], f"{path}.value")


@lru_cache(maxsize=256)
def _choices(kind: OutputType[Any], path: str) -> dict[str, Any]:
    """The texts that an answer can be, with their values.

    Raises:
        UnsupportedType: There are too many, or they can't be told apart.
    """
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


_THINK = "First think it through, step by step. Do not give the answer yet."
_ANSWER = "Now give the answer, in the form that was asked for and nothing else."


def thought_through(
    call: Call[Any], row: int | None, thinking: Thinking | None, attempt: Attempt
) -> Generator[Request, Outcome, tuple[Any, str]]:
    """One attempt at an answer with thoughts before it.

    Args:
        call: What is asked.
        row: The row that asks.
        thinking: The model's own way of thinking, if it has one.
        attempt: The attempt.

    Returns:
        The value and the thoughts.

    Raises:
        PromptError: There is no value.
    """
    assert not isinstance(attempt.messages, RawPrompt)
    if thinking is not None:
        request = replace(call.request(row, attempt), thinking=True)
        thoughts = yield _free(request, call, begun=thinking.opening, stop_token_ids=[thinking.end])
        # What ended them, the mark or the end of the text, is the last token; at the limit there is none.
        written = thoughts.token_ids[:-1] if thoughts.finish_reason is FinishReason.STOP else thoughts.token_ids
        request = replace(request, begun=(*thinking.opening, *written, *thinking.closing))
    else:
        asked = _asked_to_think(attempt.messages)
        thoughts = yield _free(replace(call.request(row, attempt), prompt=asked), call)
        turns = (Message("assistant", thoughts.text), Message("user", _ANSWER))
        request = replace(call.request(row, attempt), prompt=(*asked, *turns))
    outcome = yield request
    return call.conclude(outcome, row, attempt), thoughts.text.strip()


def _free(request: Request, call: Call[Any], begun: tuple[int, ...] = (), **sampling: Any) -> Request:
    """The request for the thoughts: no constraint, and nothing that was meant for the answer."""
    own: Mapping[str, Any] = {
        **request.sampling,
        "max_tokens": call.options.max_reasoning_tokens,
        "min_tokens": 0,
        "stop": [],
        "stop_token_ids": [],
        "ignore_eos": False,
        "logprobs": None,
        **sampling,
    }
    return replace(request, constraint=TEXT, begun=begun, sampling=own, whole=False, source=Thoughts(call))


def _asked_to_think(messages: tuple[Message, ...]) -> tuple[Message, ...]:
    last = messages[-1]
    return (*messages[:-1], replace(last, content=f"{last.content}\n\n{_THINK}"))
