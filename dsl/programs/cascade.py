"""`cascade`: a prompt function whose rows go on to a second function where the first is in doubt.

A row's second call follows its first, whatever other rows do: there are no waves, and both engines work at once. Votes are asked
for one after the other, as the rows of a batch keep the engine full, and end as soon as they are settled.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from inspect import Signature
from threading import Lock
from typing import (
    Any,
    Literal,
    ParamSpec,
    Protocol,
    TypeAlias,
    TypeVar,
    cast,
    get_args,
    get_origin,
    is_typeddict,
    overload,
)

from returns.result import Failure, Result, Success
from typing_inspection.typing_objects import is_newtype

from typefold.compiler import Message
from typefold.compiler.errors import describe
from typefold.compiler.guards import class_of
from typefold.errors import PromptUsageError
from typefold.execution.call import Call, Strategy, Then, failed_call
from typefold.execution.strategies import ScoredStrategy, strategy_of
from typefold.execution.streaming import AsyncStream, Stream
from typefold.messages import RawPrompt
from typefold.options import Submitter
from typefold.programs.threshold import ABOVE_ALL
from typefold.programs.voting import Votes, majority
from typefold.prompts import is_prompt
from typefold.prompts.base_prompt import BasePrompt, spec_of
from typefold.prompts.prompt import AsyncPrompt, Prompt
from typefold.prompts.revision import Revision
from typefold.prompts.samples import AsyncSamples, Samples, parts_of
from typefold.prompts.spec import Calls, PromptSpec
from typefold.prompts.version import Version
from typefold.response_types import Logged, Reasoned, Scored
from typefold.runtime import Cancelled, PromptError, TimedOut
from typefold.runtime.journal import digest
from typefold.signatures.parameters import union_members

F_co = TypeVar("F_co", bound=Callable[..., object], covariant=True)
P = ParamSpec("P")
R = TypeVar("R")
R_co = TypeVar("R_co", covariant=True)
T = TypeVar("T")

Doubt: TypeAlias = float | Callable[[Any], bool] | None


@dataclass(frozen=True)
class CascadeCounts:
    """The rows of a cascade so far, counted.

    Attributes:
        rows: The rows whose first function has ended.
        passed_on: The rows of these that went on to the second function.
        reasons: The same by reason: `"doubt"`, or the name of the first function's error.

    Example:
        >>> CascadeCounts(rows=200, passed_on=30, reasons={"doubt": 28, "Invalid": 2}).share
        0.15
    """

    rows: int = 0
    passed_on: int = 0
    reasons: Mapping[str, int] = field(default_factory=dict[str, int])

    @property
    def share(self) -> float:
        """The share of the rows that went on; 0 before any."""
        return self.passed_on / self.rows if self.rows else 0.0


class _Counter:
    """Counts rows, of any thread."""

    def __init__(self) -> None:
        self.counts = CascadeCounts()
        self._lock = Lock()

    def count(self, reason: str | None) -> None:
        with self._lock:
            rows, passed, reasons = self.counts.rows + 1, self.counts.passed_on, self.counts.reasons
            if reason is not None:
                passed, reasons = passed + 1, {**reasons, reason: reasons.get(reason, 0) + 1}
            self.counts = CascadeCounts(rows, passed, reasons)


class _Counted(BasePrompt[F_co]):
    """Base class of `Cascade` and `AsyncCascade`."""

    _spec: CascadeSpec

    @property
    def counts(self) -> CascadeCounts:
        """The rows so far, of this function and of its `.safe`; one that `.using` or `.with_examples` makes counts anew.

        A row that is taken from a journal counts as it did when it was asked.
        """
        return self._spec.counter.counts


class Cascade(Prompt[F_co], _Counted[F_co]):
    """A prompt function of two. Made by `cascade`."""


class AsyncCascade(AsyncPrompt[F_co], _Counted[F_co]):
    """An asynchronous prompt function of two. Made by `cascade`."""


@dataclass(frozen=True, eq=False)
class CascadeSpec(PromptSpec):
    """The spec of a cascade: it stands for the second function, and has both."""

    first: PromptSpec = field(kw_only=True)
    last: PromptSpec = field(kw_only=True)
    samples: int | None = field(kw_only=True)
    doubt: Doubt = field(kw_only=True)
    counter: _Counter = field(default_factory=_Counter, kw_only=True, repr=False)

    def __reduce__(self) -> tuple[Callable[..., CascadeSpec], tuple[Any, ...]]:
        return cascade_spec, (self.first, self.samples, self.last, self.doubt, self.safe)

    def _of_both(self, change: Callable[[PromptSpec], PromptSpec]) -> CascadeSpec:
        return cascade_spec(change(self.first), self.samples, change(self.last), self.doubt, self.safe)

    def with_options(self, changes: Mapping[str, Any]) -> CascadeSpec:
        return self._of_both(lambda spec: spec.with_options(changes))

    def with_examples(self, examples: Any) -> CascadeSpec:
        examples = [*examples]
        return self._of_both(lambda spec: spec.with_examples(examples))

    def revised(self, revision: Revision) -> CascadeSpec:
        """Return the spec with a revision of the second function; the first one has its own."""
        return cascade_spec(self.first, self.samples, self.last.revised(revision), self.doubt, self.safe)

    def bind_instance(self, instance: Any) -> CascadeSpec:
        bound = self._of_both(lambda spec: spec.bind_instance(instance))
        return replace(bound, counter=self.counter)

    def render(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> tuple[Message, ...] | RawPrompt:
        """Return the messages of the first function."""
        return self.first.render(args, kwargs)

    def calls(self) -> Calls:
        return _CascadeCalls(self, self.first.calls(), self.last.calls())

    def version(self, runtime: Submitter | None = None) -> Version:
        """Return a version of both functions and of the doubt."""
        from typefold.signatures.source_digest import source_content

        first, last = (spec.version(spec.options.runtime or runtime) for spec in (self.first, self.last))
        doubt = source_content(self.doubt)[0].hex() if callable(self.doubt) else self.doubt
        before = {f"first.{name}": value for name, value in first.options.items()}
        return replace(
            last,
            messages="\n".join(["first", first.messages, "then", last.messages]),
            options={
                **before,
                **last.options,
                "doubt": doubt,
                **({"first.samples": self.samples} if self.samples else {}),
            },
            source=(digest([first.digest, last.digest]) or b"").hex(),
        )


class _CascadeCalls(Calls):
    """Makes calls of a cascade: those of the first function, which may be followed by one of the second."""

    def __init__(self, spec: CascadeSpec, first: Calls, last: Calls) -> None:
        super().__init__(spec)
        self._cascade = spec
        self._first = first
        self._last = last
        self._unwraps = type(_strategy(spec.first)) is not type(_strategy(spec))
        _ = first.runtime, last.runtime  # found where the batch is made, and not where a row goes on

    def attempt(self, args: tuple[Any, ...], kwargs: Mapping[str, Any], row: int | None) -> Call[Any] | PromptError:
        made = self._first.attempt(args, kwargs, row)
        if isinstance(made, PromptError):
            return made
        go_on = partial(self._last.attempt, args, kwargs, row)
        if self._cascade.samples is None:
            return _followed(made, partial(self._judge, made.function, row, go_on))
        drawn = [*self._cascade.first.drawn(made, self._cascade.samples, row)]
        calls = [replace(each, sample=None) for each in drawn if isinstance(each, Call)]
        return _followed(calls[0], partial(self._vote, calls, (), row, go_on))

    def _vote(
        self,
        calls: list[Call[Any]],
        before: tuple[Result[Any, PromptError], ...],
        row: int | None,
        go_on: Callable[[], Call[Any] | PromptError],
        result: Result[Any, PromptError],
    ) -> Call[Any] | Result[Any, PromptError]:
        """Take a vote, and ask for the next one while they are not settled."""
        if isinstance(result, Failure) and isinstance(result.failure(), (Cancelled, TimedOut)):
            return result
        results = (*before, result)
        votes: Votes[Any] = majority(results, key=_voted)
        left = len(calls) - len(results)
        most, next_most = (*(count for _, count in votes.counts), 0, 0)[:2]
        needed = 1
        if isinstance(doubt := self._cascade.doubt, float):
            needed = max(1, math.ceil(doubt * len(calls) - 1e-9))
            left = 0 if most >= needed and most - next_most > left else left
        if most + left < needed:
            return self._pass_on(
                go_on, type(result.failure()).__name__ if isinstance(result, Failure) and not most else "doubt"
            )
        if left:
            return _followed(calls[len(results)], partial(self._vote, calls, results, row, go_on))
        return self._judge(calls[0].function, row, go_on, Success(votes))

    def _judge(
        self,
        function: str,
        row: int | None,
        go_on: Callable[[], Call[Any] | PromptError],
        result: Result[Any, PromptError],
    ) -> Call[Any] | Result[Any, PromptError]:
        """Return the result of the first function, or the call of the second where it is in doubt."""
        if isinstance(result, Failure):
            error = result.failure()
            if isinstance(error, (Cancelled, TimedOut)):
                return result
            return self._pass_on(go_on, type(error).__name__)
        value: Any = result.unwrap()
        doubt = self._cascade.doubt
        try:
            if callable(doubt):
                doubtful = bool(doubt(value))
            else:  # votes are settled by now
                doubtful = class_of(value) is Scored and doubt is not None and bool(value.probability < doubt)
        except BaseException as error:  # of the program's own function: it costs its row
            return Failure(failed_call(error, function, row))
        if doubtful:
            return self._pass_on(go_on, "doubt")
        self._cascade.counter.count(None)
        answer = value.winner if class_of(value) is Votes else value
        return Success(answer.value if self._unwraps else answer)

    def _pass_on(
        self, go_on: Callable[[], Call[Any] | PromptError], reason: str
    ) -> Call[Any] | Result[Any, PromptError]:
        self._cascade.counter.count(reason)
        call = go_on()
        return call if isinstance(call, Call) else Failure(call)


def _followed(call: Call[Any], then: Then) -> Call[Any]:
    """Return a call with a further step behind those that it has."""
    return replace(call, then=then if call.then is None else partial(_after, call.then, then))


def _after(before: Then, then: Then, result: Result[Any, PromptError]) -> Call[Any] | Result[Any, PromptError]:
    following = before(result)
    return _followed(following, then) if isinstance(following, Call) else then(following)


def _voted(value: Any) -> Any:
    return value.value if class_of(value) in (Logged, Reasoned) else value


def _strategy(spec: PromptSpec) -> Any:
    return strategy_of(spec.definition.hint)


def cascade_spec(
    first: PromptSpec, samples: int | None, last: PromptSpec, doubt: Doubt, safe: bool = False
) -> CascadeSpec:
    """Make the spec of a cascade; a pickle names this function."""
    doubt = doubt if doubt is None or callable(doubt) else float(doubt)
    shared = (last.definition, last.options, last.examples, last.bound)
    return CascadeSpec(*shared, safe, last.instructions, first=first, last=last, samples=samples, doubt=doubt)


class _Exactly(Protocol[P, R_co]):
    """A prompt by its streams, which are of one type: any two prompts are, by themselves, of the union of both types."""

    @property
    def _streamed(self) -> Callable[P, R_co]: ...


# fmt: off
@overload
def cascade(small: Prompt[Callable[P, Scored[T]]], large: _Exactly[P, Stream[Scored[T]]], /, *, doubt: float | Callable[[Scored[T]], bool]) -> Cascade[Callable[P, Scored[T]]]: ...
@overload
def cascade(small: Prompt[Callable[P, Scored[T]]], large: _Exactly[P, Stream[T]], /, *, doubt: float | Callable[[Scored[T]], bool]) -> Cascade[Callable[P, T]]: ...
@overload
def cascade(small: Prompt[Callable[P, R]], large: _Exactly[P, Stream[R]], /, *, doubt: Callable[[R], bool] | None = None) -> Cascade[Callable[P, R]]: ...
@overload
def cascade(small: Samples[Callable[P, R]], large: _Exactly[P, Stream[R]], /, *, doubt: float | Callable[[Votes[R]], bool]) -> Cascade[Callable[P, R]]: ...
@overload
def cascade(small: AsyncPrompt[Callable[P, Scored[T]]], large: _Exactly[P, AsyncStream[Scored[T]]], /, *, doubt: float | Callable[[Scored[T]], bool]) -> AsyncCascade[Callable[P, Scored[T]]]: ...
@overload
def cascade(small: AsyncPrompt[Callable[P, Scored[T]]], large: _Exactly[P, AsyncStream[T]], /, *, doubt: float | Callable[[Scored[T]], bool]) -> AsyncCascade[Callable[P, T]]: ...
@overload
def cascade(small: AsyncPrompt[Callable[P, R]], large: _Exactly[P, AsyncStream[R]], /, *, doubt: Callable[[R], bool] | None = None) -> AsyncCascade[Callable[P, R]]: ...
@overload
def cascade(small: AsyncSamples[Callable[P, R]], large: _Exactly[P, AsyncStream[R]], /, *, doubt: float | Callable[[Votes[R]], bool]) -> AsyncCascade[Callable[P, R]]: ...
# fmt: on
def cascade(small: Any, large: Any, /, *, doubt: Doubt = None) -> Any:
    """Make a prompt function that asks `small` first, and `large` for the rows of which that is in doubt.

    A row goes on too where `small` fails, with a failed check (`Invalid`) for instance, but not where it is out of time. Options
    and examples that are set on the new function go to both. Its return type and its name are those of `large`.

    Args:
        small: A prompt function, or `function.sample(n)` of one for votes: the answer of `small` is then the one with most of them.
        large: A prompt function of the same parameters and the same return type (or of `T`, where `small` returns `Scored[T]`, and
            the like), for an engine of its own mostly: `careful.using(runtime=other)`.
        doubt: The least probability of an answer (of a function that returns `Scored`), or the least share of the votes, that is
            no doubt; or a function of the answer (`Scored` and `Votes` as they are) that is true for doubt. By default only
            failures go on. `calibrated_threshold` finds a probability.

    Returns:
        The prompt function, with `.counts` of the rows that went on.

    Raises:
        PromptUsageError: The two have other parameters or return types, or `doubt` can't be one of the answers of `small`.

    Example:
        >>> from typing import Literal
        >>> from typefold import Runtime, Scored, ask, cascade, prompt
        >>> from typefold.runtime.engines.scripted import ScriptedEngine
        >>> @prompt
        ... def quick(text: str) -> Scored[Literal["keep", "drop"]]:
        ...     return ask(f"Keep or drop? {text}")
        >>> @prompt
        ... def careful(text: str) -> Literal["keep", "drop"]:
        ...     return ask(f"Read it twice: {text}")
        >>> other = Runtime(ScriptedEngine(answers=["drop"]))
        >>> judge = cascade(quick, careful.using(runtime=other), doubt=0.99)
        >>> with Runtime(ScriptedEngine(answers=lambda request: "keep")):
        ...     judge("It was a dark and stormy night.")
        'drop'
        >>> judge.counts
        CascadeCounts(rows=1, passed_on=1, reasons={'doubt': 1})
        >>> other.close()
    """
    samples: int | None = None
    if class_of(small) in (Samples, AsyncSamples):
        first, samples = parts_of(small)
    elif is_prompt(small):
        first = spec_of(small)
    else:
        raise PromptUsageError(f"cascade: the first function is a prompt or .sample(n) of one, not {small!r:.80}")
    if not is_prompt(large):
        raise PromptUsageError(f"cascade: the second function is a prompt, not {large!r:.80}")
    last = spec_of(large)
    _check(first, samples, last, doubt)
    spec = cascade_spec(first, samples, last, doubt)
    return cast("Any", AsyncCascade if last.definition.is_async else Cascade)(spec)


def _check(first: PromptSpec, samples: int | None, last: PromptSpec, doubt: Any) -> None:
    where = f"cascade({first.name}, {last.name})"
    if first.definition.is_async is not last.definition.is_async:
        raise PromptUsageError(f"{where}: one is written with `async def` and the other is not; write both alike")
    if first.safe or last.safe:
        raise PromptUsageError(f"{where}: .safe goes on the cascade: cascade({first.name}, {last.name}, ...).safe")
    taken = [
        Signature([each.replace(annotation=each.empty) for each in spec.definition.signature.parameters.values()])
        for spec in (first, last)
    ]
    if len({tuple((each.name, each.kind) for each in signature.parameters.values()) for signature in taken}) > 1:
        raise PromptUsageError(
            f"{where}: the two have other parameters, {taken[0]} and {taken[1]}; give them the same, in one order"
        )
    if not _fits(first, last):
        raise PromptUsageError(
            f"{where}: the two return other types, {describe(first.definition.hint)} and {describe(last.definition.hint)}; let "
            f"both return the same, or {last.name} the type inside of what {first.name} returns"
        )
    if doubt is None or callable(doubt):
        return
    if isinstance(doubt, bool) or not isinstance(doubt, int | float) or not 0 <= doubt <= ABOVE_ALL:
        raise PromptUsageError(
            f"{where}: doubt is a number from 0 to 1, or a function of the answer, and not {doubt!r:.80}"
        )
    try:
        has_probability = samples is not None or isinstance(_strategy(first), ScoredStrategy)
    except NameError:  # a forward reference
        return
    if not has_probability:
        raise PromptUsageError(
            f"{where}: doubt={doubt} is a probability, which {first.name} does not give: let it return Scored[...], give "
            f"{first.name}.sample(n) for votes, or write a function of the answer"
        )


def _fits(first: PromptSpec, last: PromptSpec) -> bool:
    """Return whether the answers of both functions are of the second one's type, once those of the first are unwrapped."""
    try:
        one, other = _strategy(first), _strategy(last)
    except NameError:  # a forward reference
        return True
    return (type(one) is type(other) or type(other) is Strategy) and _is_within(one.hint, other.hint)


def _is_within(narrow: Any, wide: Any) -> bool:
    """Return whether values of a type are those of another one, as far as classes and choices tell; conditions are left out."""
    if narrow == wide or wide in (Any, object):
        return True
    every, others = union_members(narrow), union_members(wide)
    if len(every) > 1 or len(others) > 1:
        return all(any(_is_within(each, other) for other in others) for each in every)
    [narrow], [wide] = every, others
    arguments, kind = get_args(wide), get_origin(wide) or wide
    if get_origin(narrow) is Literal:
        choices: list[tuple[type[Any], Any]] = [(class_of(each), each) for each in arguments]
        return all(
            (class_of(each), each) in choices if kind is Literal else isinstance(kind, type) and isinstance(each, kind)
            for each in get_args(narrow)
        )
    if is_newtype(narrow):
        return narrow == wide or _is_within(narrow.__supertype__, wide)
    own, inside = get_origin(narrow) or narrow, get_args(narrow)
    if not (isinstance(own, type) and isinstance(kind, type)):
        return bool(narrow == wide)
    alike = len(inside) == len(arguments) and all(map(_is_within, inside, arguments))
    return (own is kind and alike) or (not is_typeddict(kind) and issubclass(own, kind) and (alike or not arguments))
