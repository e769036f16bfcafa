"""Return types for the way in which an answer is given, `Logged`, `Reasoned`, `Scored` and `Decisions`, and calls of tools, `ToolCall`.

Each of the first four goes around the whole return type of a prompt, whose constraint is that of the type inside. Inside
another type they are refused, but for `Scored`. `execution.strategies` asks for them. `prompts.tools` makes calls of functions.
"""

from __future__ import annotations

import inspect
import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from enum import Enum
from numbers import Real
from typing import TYPE_CHECKING, Any, Final, Generic, Literal, ParamSpec, TypeVar, cast, final

from pydantic import model_validator
from pydantic_core import ArgsKwargs, PydanticSerializationError, to_jsonable_python
from returns.result import Failure, Result, Success
from typing_extensions import TypeIs

from typefold.compiler import Codec, default_registry, output_type
from typefold.compiler.context import Context
from typefold.compiler.guards import class_of, is_dict, signature_of
from typefold.errors import PromptUsageError
from typefold.runtime import FinishReason, TokenLogprob

ReasoningWay = Literal["marks", "words", "none"]

P = ParamSpec("P")
T = TypeVar("T")
U = TypeVar("U")
E = TypeVar("E")
R_co = TypeVar("R_co", covariant=True)
T_co = TypeVar("T_co", covariant=True)


@dataclass(frozen=True, kw_only=True)
class Logged(Generic[T_co]):
    """A value and the facts of its generation: `-> Logged[T]` in place of `-> T`.

    With `retries=` or `retry_truncated=`, these are of the attempt that gave the value.

    Attributes:
        value: The value.
        text: The answer as the model wrote it.
        finish_reason: The finish reason: `"stop"`, or `"length"` for plain text that met its limit.
        token_ids: The tokens of the answer, the one that ends it included.
        logprobs: With `logprobs=n`, for each of these tokens itself and the n likeliest; else `None`. Under a constraint
            these are probabilities among the tokens that it admits.
        prompt_tokens: The number of tokens of the prompt, without reasoning of the model's.
        cached_tokens: The number of those that the prefix cache held.
        attempts: The number of answers that were asked for.
        version: The version of the prompt function; see `Prompt.version`.

    Example:
        >>> from typefold import Logged, Runtime, ask, prompt
        >>> from typefold.runtime.engines.scripted import ScriptedEngine
        >>> @prompt
        ... def count(things: str) -> Logged[int]:
        ...     return ask(f"How many {things} are there?")
        >>> with Runtime(ScriptedEngine(answers=["12"])):
        ...     answer = count("months")
        >>> answer.value, answer.text, answer.finish_reason.value, answer.attempts
        (12, '12', 'stop', 1)
    """

    value: T_co
    text: str
    finish_reason: FinishReason
    token_ids: tuple[int, ...] = field(repr=False)
    logprobs: tuple[tuple[TokenLogprob, ...], ...] | None = field(repr=False)
    prompt_tokens: int
    cached_tokens: int
    attempts: int
    version: str | None = field(default=None, compare=False, repr=False, metadata={"digest": False})


@dataclass(frozen=True, kw_only=True)
class Reasoned(Generic[T_co]):
    """A value and the reasoning before it: `-> Reasoned[T]` in place of `-> T`.

    The model reasons in free text first, for `max_reasoning_tokens` at most (512 by default, and 0 for none), and then answers,
    held to the type. Both are one call. A reasoning model does so between its own marks, with the switch of its chat template
    on; another, and one that `chat_template_kwargs` switches off, is asked to think step by step, and in a second turn for the
    answer.

    Attributes:
        value: The value.
        reasoning: The text of the reasoning.
        way: The way in which the model was made to reason: between its `"marks"`, asked in `"words"`, or `"none"`.

    Example:
        >>> from typefold import Reasoned, Runtime, ask, prompt
        >>> from typefold.runtime.engines.scripted import ScriptedEngine
        >>> @prompt
        ... def add(first: int, second: int) -> Reasoned[int]:
        ...     return ask(f"{first} + {second}?")
        >>> with Runtime(ScriptedEngine(answers=["Two and two is four.", "4"])):
        ...     add(2, 2)
        Reasoned(value=4, reasoning='Two and two is four.')
    """

    value: T_co
    reasoning: str
    way: ReasoningWay = field(default="none", compare=False, repr=False, metadata={"digest": False})


@dataclass(frozen=True, kw_only=True)
class Scored(Generic[T]):
    """The likeliest choice, and the probability of each: `-> Scored[T]` for a `Literal`, an `Enum`, `bool` and the like.

    `T` may be any type with at most 1,000 answers, such as `Annotated[int, Field(ge=1, le=5)]`.

    The probability of a choice is that with which constrained decoding would write it at temperature 1, in any tokens.
    Nothing is sampled, so sampling parameters are refused. A model that always reasons does so greedily, and the
    probabilities are those behind its reasoning. Choices that begin differently take one step of the engine;
    where several begin alike it takes some more, until all but 0.0005 is known.

    Inside of models, dataclasses, tuples and lists the object is written first, and each `Scored` part then has the
    probabilities of its choices given what was written before it. There the value is the choice that was written.

    Attributes:
        value: The likeliest choice, or the one that was written.
        probabilities: The probability of each choice, in the order of the type; they add up to 1. A `calibration=` bends them.
            Where none are given, the value is certain.
        outside: The probability that the model, without a constraint, would have written something else; `None` where that
            is not known. A calibration leaves it alone.

    Example:
        >>> from typing import Literal
        >>> from typefold import Runtime, Scored, ask, prompt
        >>> from typefold.runtime.engines.scripted import ScriptedEngine
        >>> @prompt
        ... def judge(text: str) -> Scored[Literal["keep", "drop"]]:
        ...     return ask(f"Keep or drop? {text}")
        >>> with Runtime(ScriptedEngine(answers=lambda request: "keep")):
        ...     answer = judge("It was a dark and stormy night.")
        >>> answer.value, round(answer.probability, 2), round(answer.probabilities["drop"], 2)
        ('keep', 0.9, 0.1)
    """

    value: T
    probabilities: Mapping[T, float]
    outside: float | None = field(default=None, metadata={"digest": False})

    if not TYPE_CHECKING:
        __hash__ = None  # a mapping is in it: so no set of these is made

    @staticmethod
    def of(value: U) -> Scored[U]:
        """Make a certain one, for examples and tests of types that hold it.

        Args:
            value: The choice.

        Returns:
            The choice, with a probability of 1.

        Example:
            >>> Scored.of(True).probabilities
            {True: 1.0}
        """
        return Scored(value=value, probabilities={})

    @property
    def probability(self) -> float:
        """The probability of the value."""
        return self.probabilities[self.value]

    @property
    def expected(self) -> float:
        """The mean of the choices by probability, where they are numbers, or members of an `Enum` whose values are.

        Raises:
            TypeError: A choice is no number.

        Example:
            >>> Scored(value=4, probabilities={3: 0.25, 4: 0.75}).expected
            3.75
        """
        total = list[float]()
        for choice, chance in self.probabilities.items():
            level: Any = choice.value if isinstance(choice, Enum) else choice
            if not isinstance(level, (Real, Decimal)):
                raise TypeError(f"expected: {level!r:.80} is no number, so these choices have no mean")
            total.append(float(level) * chance)
        return math.fsum(total)

    def decide(self, *, abstain_below: float) -> T | Abstained:
        """Return the value, or `ABSTAINED` where its probability is too low.

        Args:
            abstain_below: The least probability of a value, from 0 to 1.

        Returns:
            The value or `ABSTAINED`.

        Raises:
            ValueError: The least probability is not from 0 to 1.

        Example:
            >>> sure = Scored(value="keep", probabilities={"keep": 0.7, "drop": 0.3})
            >>> sure.decide(abstain_below=0.5), sure.decide(abstain_below=0.9)
            ('keep', ABSTAINED)
        """
        if not 0 <= abstain_below <= 1:
            raise ValueError(f"abstain_below is a probability, from 0 to 1, not {abstain_below!r}")
        return self.value if self.probability >= abstain_below else ABSTAINED

    def __post_init__(self) -> None:
        if not self.probabilities:
            object.__setattr__(self, "probabilities", {self.value: 1.0})

    @model_validator(mode="before")
    @classmethod
    def _from_choice(cls, data: object) -> object:
        """Let pydantic read a choice alone as a certain one, beside the form with its probabilities that it writes."""
        parts = data if is_dict(data) else dict[str, Any]()
        whole = class_of(data) in (Scored, ArgsKwargs) or {"value", "probabilities"} <= parts.keys()
        return data if whole else {"value": data, "probabilities": {}}


@final
class Abstained(Enum):
    """The type of `ABSTAINED`, which stands for a decision that was too unsure to be taken. It is never raised.

    Example:
        >>> from typefold import ABSTAINED, Scored
        >>> label = Scored(value="keep", probabilities={"keep": 0.7, "drop": 0.3}).decide(abstain_below=0.9)
        >>> "for a person to read" if label is ABSTAINED else label
        'for a person to read'
    """

    ABSTAINED = "abstained"

    def __repr__(self) -> str:
        return self.name


ABSTAINED: Final = Abstained.ABSTAINED
"""The value of `Scored.decide` where no choice is likely enough."""


@dataclass(frozen=True, kw_only=True)
class Decisions(Generic[T_co]):
    """A model whose fields are asked one by one: `-> Decisions[Model]`, where each field has at most 1,000 answers.

    Each field is a question of its own. The prompts of a row's fields differ in their last few tokens, `{"field":`, so the engine
    computes the rest once. No field sees the choice of another, and mostly each takes one token. Sampling parameters are refused,
    as with `Scored`. `Model` may be a pydantic model, a dataclass, a `NamedTuple`, a `TypedDict` or an attrs class.

    A field that is annotated `Scored[X]` has its probabilities in the value, with their type. For a field without, they are in
    `fields`, whose choices are `Any` to type checkers.

    Attributes:
        value: The object, with the likeliest choice of each field.
        fields: The choices of each field, by its name.

    Example:
        >>> from dataclasses import dataclass
        >>> from typing import Literal
        >>> from typefold import Decisions, Runtime, Scored, ask, prompt
        >>> from typefold.runtime.engines.scripted import ScriptedEngine
        >>> @dataclass
        ... class Triage:
        ...     team: Scored[Literal["billing", "support"]]
        ...     urgent: bool
        >>> @prompt
        ... def triage(ticket: str) -> Decisions[Triage]:
        ...     return ask(f"Sort this ticket: {ticket}")
        >>> with Runtime(ScriptedEngine(answers=lambda request: '{"team": "support", "urgent": false}')):
        ...     sorted_ = triage("I can't log in.")
        >>> sorted_.value.team.value, round(sorted_.value.team.probabilities["billing"], 2)
        ('support', 0.1)
        >>> sorted_.value.urgent, round(sorted_.fields["urgent"].probability, 2)
        (False, 0.9)
    """

    value: T_co
    fields: Mapping[str, Scored[Any]]


def succeeded(result: Result[T, E]) -> TypeIs[Success[T]]:
    """Return whether a `Result` (returns) holds a value; mypy then knows its type, which it forgets behind `isinstance`.

    Args:
        result: The result of a `.safe` call, or any other.

    Returns:
        Whether it is a `Success`.

    Example:
        >>> from typefold import run, succeeded
        >>> [result.unwrap() for result in run.safe(int, ["1", "x"]) if succeeded(result)]
        [1]
    """
    return isinstance(result, Success)


def failed(result: Result[T, E]) -> TypeIs[Failure[E]]:
    """Return whether a `Result` (returns) holds an error; see `succeeded`.

    Args:
        result: The result of a `.safe` call, or any other.

    Returns:
        Whether it is a `Failure`.

    Example:
        >>> from typefold import failed, run
        >>> [result.failure() for result in run.safe(int, ["1", "x"]) if failed(result)]
        [ValueError("invalid literal for int() with base 10: 'x'")]
    """
    return isinstance(result, Failure)


@default_registry.hook(Logged, Reasoned, Decisions)
def special_codec(hint: Any, context: Context) -> Codec[Any]:
    """Refuse them: they are no part of another type."""
    raise context.refuse(
        hint,
        "says how an answer is given, not what it is; it goes around the whole return type of a prompt, "
        "as in -> Logged[int], and into no other type",
    )


@final  # so that a value that is no answer is one, to ty
@dataclass(frozen=True)
class ToolCall(Generic[R_co]):
    """A call that the model chose; calling it calls the function and returns an `R`.

    `str(call)` is the JSON of the call, for a history.

    Attributes:
        name: The function's name.
        arguments: Its arguments by name, as values of its parameters' types, without those that the model left out.
        function: The function.

    Example:
        >>> def add(a: int, b: int = 1) -> int:
        ...     return a + b
        >>> call = ToolCall.of(add, 2)
        >>> print(call, call())
        {"name": "add", "arguments": {"a": 2}} 3
    """

    name: str
    arguments: Mapping[str, Any]
    function: Callable[..., R_co] = field(repr=False)

    @staticmethod
    def of(function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> ToolCall[T]:
        """Make a call by hand, for examples and for tests.

        Args:
            function: The function.
            *args: Its arguments.
            **kwargs: The same by name.

        Returns:
            The call.

        Raises:
            TypeError: The arguments don't fit the function.
        """
        bound = signature_of(function).bind(*args, **kwargs)
        return ToolCall(name_of_tool(function), dict(bound.arguments), function)

    def __call__(self) -> R_co:
        """Call the function with the arguments, and return its value."""
        signature = signature_of(self.function)
        if all(each.kind is not each.POSITIONAL_ONLY for each in signature.parameters.values()):
            return self.function(**self.arguments)
        bound = inspect.BoundArguments(signature, cast("Any", dict(self.arguments)))
        bound.apply_defaults()  # a positional argument needs all before it
        return self.function(*bound.args, **bound.kwargs)

    def __str__(self) -> str:
        return json.dumps(call_as_json(self), ensure_ascii=False)


def name_of_tool(function: Callable[..., Any]) -> str:
    """The name of a function, by which a model calls it."""
    name = getattr(function, "__name__", None)
    if not isinstance(name, str):
        raise PromptUsageError(f"Tools: {function!r} has no name by which a model could call it; write a function")
    return name


def call_as_json(call: ToolCall[Any]) -> dict[str, Any]:
    """The JSON data of a call."""
    try:
        return {"name": call.name, "arguments": to_jsonable_python(dict(call.arguments))}
    except PydanticSerializationError:  # of a class that hooks know, and pydantic doesn't
        function: Any = call.function
        return {"name": call.name, "arguments": output_type(function).codec.to_json(call)}
