"""What stands behind a prompt function's faces: its definition with options, examples and bound arguments.

A plan makes calls; it asks nothing. `Prompt`, `SafePrompt` and `AsyncPrompt` hold one and differ in how they answer.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Generic, TypeVar

from typefold.compiler import Explanation, JsonFormat, Message, OutputType
from typefold.errors import PromptUsageError
from typefold.execution.call import Call, attempt, with_shape
from typefold.execution.greenlets import row_index
from typefold.graphs.deferred import is_deferred
from typefold.messages import RawPrompt, current_frame
from typefold.options import Options
from typefold.prompts.definition import Definition, Example, examples_of
from typefold.runtime import BadInput, PromptError
from typefold.runtimes.current import named
from typefold.tables.columns import Unfit, rows_of, spread
from typefold.tables.named_rows import NamedRows, named_rows

__all__ = ["Plan"]

R = TypeVar("R")


@dataclass(frozen=True, eq=False)
class Plan(Generic[R]):
    """How a prompt function is called.

    Attributes:
        definition: The function, understood.
        options: The options in force.
        examples: Worked calls that go before each call.
        bound: Arguments that are given already: the instance of a method.
    """

    definition: Definition[R]
    options: Options
    examples: tuple[Example[Any], ...] = ()
    bound: tuple[Any, ...] = ()
    _turns: dict[OutputType[Any], tuple[Message, ...]] = field(
        default_factory=dict[OutputType[Any], tuple[Message, ...]], repr=False
    )

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        from typefold.prompts.pickling import reduced  # which makes plans

        return reduced(self)

    @property
    def name(self) -> str:
        """The function's name."""
        return self.definition.name

    def with_options(self, changes: Mapping[str, Any]) -> Plan[R]:
        """The plan with other options, checked.

        Raises:
            PromptUsageError: An option that does not exist or does not go with the return type.
        """
        changed = replace(self, options=self.options.with_(changes, where=self.name), _turns={})
        changed.check()
        return changed

    def with_examples(self, examples: Iterable[Example[Any]]) -> Plan[R]:
        """The plan with further examples, checked.

        Raises:
            PromptUsageError: An example whose arguments or value don't fit the function.
        """
        changed = replace(self, examples=(*self.examples, *examples_of(examples, where=self.name)), _turns={})
        changed.check()
        return changed

    def bind_instance(self, instance: Any) -> Plan[R]:
        """The plan of a method, for one instance."""
        return replace(self, bound=(*self.bound, instance))

    def check(self) -> None:
        """Say early what is wrong: the template, the return type, the options and the examples."""
        self.definition.check(self.options.json_format)
        try:
            kind = self.definition.output_type(self.options.json_format)
        except NameError:
            return  # a forward reference: the first use will check
        self.options.check(kind, where=self.name)
        self.definition.form.check(kind, where=self.name)
        self.definition.form.check_options(self.options, where=self.name)
        self.definition.worked(self.examples, kind)

    def bind(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> None:
        """Check that the arguments fit the function.

        Raises:
            TypeError: They don't.
        """
        self.definition.bind((*self.bound, *args), kwargs)

    def call(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Call[R]:
        """The call for these arguments, complete with examples and shape.

        Raises:
            PromptUsageError: A prompt is called in the body of another, or the body does not return `ask(...)`.
            Exception: Whatever the body raises.
        """
        if (outer := current_frame.get()) is not None:
            raise PromptUsageError(
                f"{outer.name}: its body calls the prompt {self.name}; a prompt's body makes its message and nothing "
                f"else. Call {self.name} first, in a plain function, and pass its value as an argument."
            )
        if any(map(is_deferred, args)) or any(map(is_deferred, kwargs.values())):
            raise PromptUsageError(
                f"{self.name}: an argument is a Deferred, which is not worked out yet; call {self.name}.defer(...), or "
                f"pass its .result()"
            )
        options = (
            self.options
            if self._json_format is self.options.json_format
            else replace(self.options, json_format=self._json_format)
        )
        kind = self.definition.output_type(options.json_format)
        arguments = (*self.bound, *args), kwargs
        messages = with_shape(self.definition.messages(*arguments), kind, options)
        if self.examples:
            messages = self._after_examples(messages, kind)
        return Call(
            self.name,
            messages,
            kind,
            options,
            self.definition.form,
            definition=self.definition,
            arguments=arguments,
        )

    def explain(self) -> Explanation:
        """What becomes of the return type under the options in force."""
        runtime = self.options.runtime or named()
        return self.definition.output_type(self._json_format).explain(
            None if runtime is None else runtime.vocabulary,
            name=f"{self.name}{self.definition.signature_as_written}",
        )

    @property
    def _json_format(self) -> JsonFormat | None:
        """How JSON is written: as the call says, else as the runtime does that will answer it."""
        if self.options.json_format is not None:
            return self.options.json_format
        runtime = self.options.runtime or named()
        return None if runtime is None else runtime.json_format

    def attempt(self, args: tuple[Any, ...], kwargs: Mapping[str, Any], row: int | None) -> Call[R] | PromptError:
        """The call, or the error that its arguments gave."""
        return attempt(partial(self.call, args, kwargs), self.name, row)

    def once(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Call[R] | PromptError:
        """The call of a function that is called by itself: what does not fit its parameters is the program's mistake.

        Raises:
            TypeError: The arguments don't fit the function.
        """
        self.bind(args, kwargs)
        return self.attempt(args, kwargs, row_index())

    def mapped(
        self, items: Iterable[Any], args: tuple[Any, ...], kwargs: Mapping[str, Any]
    ) -> Iterator[Call[R] | PromptError]:
        """A call, or an error, for each item of an iterable or cell of a column, as the first argument.

        Raises:
            TypeError: The arguments that are the same for every row don't fit the function.
        """
        self.bind((None, *args), kwargs)
        for row, item in enumerate(rows_of(items, self.definition.function, len(self.bound))):
            if isinstance(item, Unfit):
                yield BadInput(function=self.name, row=row, reason=item.reason)
            else:
                yield self.attempt((item, *args), kwargs, row)

    def spread(self, rows: Iterable[Any]) -> Iterator[Call[R] | PromptError]:
        """A call, or an error, for each row of several arguments in their order."""
        for row, args in enumerate(spread(rows)):
            if isinstance(args, Unfit):
                yield BadInput(function=self.name, row=row, reason=args.reason)
            else:
                yield self.attempt(args, {}, row)

    def named(self, rows: NamedRows, constants: Mapping[str, Any]) -> Iterator[Call[R] | PromptError]:
        """A call, or an error, for each row that holds the arguments by name."""
        definition = self.definition
        found = named_rows(
            definition.function,
            self.name,
            rows,
            constants,
            skipped=len(self.bound),
            namespace=definition.namespace,
        )
        for row, arguments in enumerate(found):
            if isinstance(arguments, Unfit):
                yield BadInput(function=self.name, row=row, reason=arguments.reason)
            else:
                yield self.attempt((), arguments, row)

    def sampled(self, calls: Iterable[Call[R] | PromptError], n: int) -> Iterator[Call[R] | PromptError]:
        """`n` calls for each row's call, or as often its error; the row's message is made once."""
        for row, call in enumerate(calls):
            yield from self.drawn(call, n, row)

    def drawn(self, call: Call[R] | PromptError, n: int, row: int | None = None) -> Iterator[Call[R] | PromptError]:
        """A call `n` times; a seed that the caller set counts up, as it does for vLLM's `n`."""
        for sample in range(n):
            if isinstance(call, PromptError):
                yield call
                continue
            options = call.options
            seed = options.sampling.get("seed", getattr(options.sampling_params, "seed", None))
            if sample and type(seed) is int and seed != -1:  # what is no seed, the engine refuses
                options = replace(options, sampling={**options.sampling, "seed": seed + sample})
            yield replace(call, options=options, sample=(row, sample))

    def _after_examples(self, messages: tuple[Message, ...] | RawPrompt, kind: OutputType[Any]) -> tuple[Message, ...]:
        if isinstance(messages, RawPrompt):
            raise PromptUsageError(f"{self.name}: examples can't be added to a raw(...) prompt")
        if kind not in self._turns:  # they are the same for every call
            self._turns[kind] = self.definition.worked(self.examples, kind)
        first = next((index for index, message in enumerate(messages) if message.role != "system"), len(messages))
        return (*messages[:first], *self._turns[kind], *messages[first:])
