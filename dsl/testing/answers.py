"""Answers of a script: values, texts as they stand, and probabilities, as the fake engine gives them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias, cast

from typefold.compiler import DecodeError, OutputType
from typefold.compiler.errors import describe
from typefold.compiler.guards import class_of
from typefold.decisions.distributions import ChoiceSource
from typefold.decisions.scored_codec import places_in, relative
from typefold.evaluation.fields import is_equal
from typefold.execution.call import Call, ReasoningSource
from typefold.execution.strategies import DecisionsStrategy
from typefold.response_types import Decisions, Logged, Reasoned, Scored
from typefold.runtime import PromptError, Request
from typefold.runtime.engine import EngineRefusal
from typefold.runtime.engines.scripted import Answer, Cut


class ScriptError(AssertionError):
    """A script has an answer that can't be one: a value of another type, or no answer is left."""


@dataclass(frozen=True, slots=True)
class Text:
    """An answer as a model might write it, under any type: for tests of answers that can't be read.

    Attributes:
        text: The text of the answer.
        cut: Whether the engine stops behind it at its token limit; by default the answer ends there by itself.

    Example:
        >>> Text("neither keep nor drop")
        Text(text='neither keep nor drop', cut=False)
    """

    text: str
    cut: bool = False


def truncated(text: str = "") -> Text:
    """Make an answer that meets its token limit: `Truncated`, or for plain text the value so far.

    Args:
        text: The text up to the limit; by default nothing.

    Returns:
        An answer for `FakeEngine.answer` and the like.

    Example:
        >>> truncated('{"name": "A')
        Text(text='{"name": "A', cut=True)
    """
    return Text(text, cut=True)


Failing: TypeAlias = Text | PromptError | EngineRefusal
"""Stands for a value: a text as it stands, an error of the row, or the engine's refusal."""


def engine_answer(answer: object, request: Request) -> Answer | PromptError | None:
    """Return the engine's answer for one of a script; `None` where that says nothing of this request."""
    source = request.source
    if isinstance(source, ChoiceSource):
        source = source.source
    if isinstance(source, ReasoningSource) and not source.shown:
        return None  # it is made up: an answer says nothing of it
    match answer:
        case PromptError():
            return answer.at(function=request.function, row=request.row, prompt=request.prompt)
        case EngineRefusal():
            return answer
        case Exception():
            raise ScriptError(
                f"{request.function}: an answer can't be {answer!r}; give a PromptError, or an EngineRefusal"
            )
        case Reasoned() if isinstance(source, ReasoningSource):
            return answer.reasoning
        case _ if isinstance(source, ReasoningSource):
            return None  # an answer says nothing of the reasoning before it
        case Text():
            return Cut(answer.text) if answer.cut else answer.text
        case _ if isinstance(source, Call):
            return encoded(answer, source.kind, source.function)
        case _:
            raise ScriptError(
                f"{request.function}: this request was made by no prompt, so there is no type for {answer!r}; answer it "
                f"with Text(...)"
            )


def chances_of(answer: Any, source: object, call: Call[Any]) -> Mapping[str, float] | None:
    """Return the probabilities of the choices that a request asks for, where a scripted answer has them."""
    if not isinstance(source, ChoiceSource):
        return None
    if class_of(answer) in (Logged, Reasoned):
        answer = answer.value
    scored: Scored[Any] | None = None
    if class_of(answer) is Scored:
        scored = answer
    elif class_of(answer) is Decisions:
        scored = answer.fields.get(source.path)
    elif call.kind.scored and not isinstance(answer, Text | Exception | None):
        alone = isinstance(call.strategy, DecisionsStrategy)
        for mark, begin, _ in places_in(call.kind, answer, call.kind.encode(answer)):
            if relative(call.kind, mark.path) == source.path and (alone or begin == source.at):
                scored = mark.scored
    if scored is None or len(scored.probabilities) < 2:
        return None
    inside = 1.0 - (scored.outside or 0.0)
    return {text: inside * scored.probabilities.get(value, 0.0) for text, value in source.values.items()}


def encoded(value: Any, kind: OutputType[Any], function: str) -> str:
    """Return a value, or that inside of `Logged` and the like, as the model would write it."""
    if class_of(value) in (Decisions, Logged, Reasoned) or (class_of(value) is Scored and not kind.scored):
        value = value.value
    own, unequal = class_of(value), cast("object", object.__eq__)
    of_type = f"it is of type {own.__name__}"
    try:
        text = kind.encode(value)
        read = kind.decode(text)
    except DecodeError as error:
        reason = f"it fails a check ({error.check}): {error.detail}"
    except ValueError as error:
        reason = of_type if isinstance(error.__cause__, AttributeError | TypeError) else str(error)
    except Exception:  # a hook took it for what it is not
        reason = of_type
    else:
        if is_equal(read, value) or (type(read) is own and own.__eq__ is unequal):
            return text
        reason = (
            f"{'it' if type(read) is type(value) else f'{of_type}, and'} would be written {text} and read as {read!r}"
        )
    raise ScriptError(
        f"{function}: {value!r:.200} is no value of {describe(kind.hint)}: {reason}. For a text as it stands write "
        f"Text(...)"
    )
