"""A call: what is asked, and how its answer becomes a value.

A call is an exchange with the model: it says a request, hears an outcome, and ends in a value or a `PromptError`. It does
not wait; `batch` and `eager` carry exchanges, many at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeAlias, TypeVar

from returns.result import Result, Success

from typefold.compiler import DecodeError, Message, OutputType
from typefold.compiler.contained import describe_exception, is_fatal
from typefold.errors import AT_ONCE, BatchError, PromptUsageError
from typefold.execution.retries import Attempt, retried, within
from typefold.messages import RawPrompt
from typefold.options import Options
from typefold.runtime import BadInput, Cancelled, Invalid, Outcome, PromptError, Request
from typefold.runtimes.current import current
from typefold.runtimes.runtime import Runtime
from typefold.tables.index import indexed

if TYPE_CHECKING:
    from typefold.prompts.definition import Definition

__all__ = ["Call", "Exchange", "Form", "Thoughts", "attempt", "values", "with_shape"]

T = TypeVar("T")

Exchange: TypeAlias = Generator[Request, Outcome, T]
"""What a call says and hears until it has its value; a failed request is thrown into it as its `PromptError`."""


@dataclass(frozen=True)
class Call(Generic[T]):
    """One call, ready to be sent.

    Attributes:
        function: The name for messages and statistics.
        messages: What is asked, complete: with examples and shape.
        kind: The type of the answer.
        options: The options in force.
        form: How the answer is asked for.
        seed: What is drawn with where the options have no seed.
        place: What a journal knows the row by that asks.
        sample: Of a call that is asked several times: the index of its row in the batch (`None` for a call by itself),
            and which of the row's samples it is.
        definition: The prompt function, if it is one that asks.
        arguments: What that function was called with.
    """

    function: str
    messages: tuple[Message, ...] | RawPrompt
    kind: OutputType[Any]
    options: Options
    form: Form = field(default_factory=lambda: Form(None))
    seed: int | None = None
    place: bytes = b""
    sample: tuple[int | None, int] | None = None
    definition: Definition[T] | None = None
    arguments: tuple[tuple[Any, ...], Mapping[str, Any]] = ((), {})

    def __post_init__(self) -> None:
        self.form.check_call(self)
        if self.options.retries and isinstance(self.messages, RawPrompt):
            raise PromptUsageError(
                f"{self.function}: retries={self.options.retries} tells the model in a further turn what is wrong with "
                f"its answer, and a raw(...) prompt has no turns; leave retries out, or ask with messages"
            )

    @property
    def runtime(self) -> Runtime:
        """The runtime that answers it.

        Raises:
            NoRuntime: No model has been named.
        """
        return self.options.runtime or current()

    def exchange(self, row: int | None) -> Exchange[T]:
        """The way from the first request to the value.

        Args:
            row: The index of the row that asks, for messages.

        Raises:
            PromptError: The call gave no value.
        """
        try:
            value: T = yield from within(self.options.timeout, self.form.exchange(self, row))
        except Cancelled as error:  # by whoever held the future: it knew nothing of the call
            raise error.at(function=self.function, row=row) from error.__cause__
        return value

    def request(self, row: int | None, attempt: Attempt | None = None) -> Request:
        """The call as the runtime takes it, the first time unless an attempt is given."""
        options, attempt = self.options, attempt or Attempt(self.messages)
        messages = attempt.messages
        return Request(
            prompt=str(messages) if isinstance(messages, RawPrompt) else messages,
            constraint=self.kind.constraint,
            sampling_params=options.sampling_params,
            sampling=attempt.sampling(options, self.seed),
            options=options.engine,
            chat_template_kwargs=options.chat_template_kwargs,
            function=self.function,
            row=row,
            attempt=attempt.number,
            whole=options.truncation == "error",
            place=self.place,
            source=self,
        )

    def conclude(self, outcome: Outcome, row: int | None, attempt: Attempt | None = None) -> Any:
        """The value of an answer.

        Raises:
            Invalid: It fails a post-check.
        """
        try:
            return self.kind.decode(outcome.text)
        except DecodeError as error:
            raise Invalid(
                function=self.function,
                row=row,
                prompt=self.messages if attempt is None else attempt.messages,
                text=outcome.text,
                check=error.check,
                detail=error.detail,
                errors=tuple(error.errors),
            ) from error.__cause__

    def ask(self, row: int | None, attempt: Attempt) -> Exchange[tuple[Any, Outcome]]:
        """One attempt: the value, and the answer that it was read from."""
        outcome = yield self.request(row, attempt)
        return self.conclude(outcome, row, attempt), outcome


@dataclass(frozen=True, slots=True)
class Thoughts:
    """The source of a request that asks for what goes before the answer of a call.

    Attributes:
        call: The call.
    """

    call: Call[Any]


@dataclass(frozen=True)
class Form:
    """How an answer is asked for; this is the plain way, and `forms` has others.

    Attributes:
        hint: The type of the answer itself.
        path: What errors call it.
        is_drawn: Whether two equal calls may be answered differently.
    """

    is_drawn: ClassVar[bool] = True

    hint: Any
    path: str = "return"

    def exchange(self, call: Call[Any], row: int | None) -> Exchange[Any]:
        """The way to the value of a call."""
        answered = yield from retried(call.messages, call.options, partial(call.ask, row))
        return answered.value[0]

    def check(self, kind: OutputType[Any], *, where: str) -> None:
        """Refuse, when a function is decorated, a type that can't be asked for in this way."""

    def check_options(self, options: Options, *, where: str) -> None:
        """Refuse options that mean nothing here."""

    def check_call(self, call: Call[Any]) -> None:
        """Refuse a call that can't be asked in this way."""


def with_shape(
    messages: tuple[Message, ...] | RawPrompt, kind: OutputType[Any], options: Options
) -> tuple[Message, ...] | RawPrompt:
    """The messages, the last user message told the shape of a JSON answer (unless the options say no)."""
    if kind.shape is None or not options.describe_format or isinstance(messages, RawPrompt):
        return messages
    users = [index for index, message in enumerate(messages) if message.role == "user"]
    if not users:
        return messages
    last = users[-1]
    told = replace(messages[last], content=f"{messages[last].content}\n\nAnswer with JSON in this form:\n{kind.shape}")
    return (*messages[:last], told, *messages[last + 1 :])


def attempt(make: Callable[[], Call[T]], function: str, row: int | None) -> Call[T] | PromptError:
    """A call, or the `BadInput` that its arguments gave, whatever they raise."""
    try:
        return make()
    except AT_ONCE:
        raise
    except BadInput as error:
        return error.at(function=function, row=row)
    except BaseException as error:  # of the arguments' own classes, say: the row fails, and no other
        if is_fatal(error):
            raise
        failed = BadInput(function=function, row=row, reason=describe_exception(error))
        failed.__cause__ = error
        return failed


def values(results: Sequence[Result[T, Exception]]) -> list[T]:
    """The values of a batch.

    Raises:
        BatchError: At least one row failed; it holds every result.
    """
    good: list[T] = []
    for result in results:
        if isinstance(result, Success):
            good.append(result.unwrap())
    if len(good) < len(results):
        raise BatchError(results)
    return indexed(good, results)
