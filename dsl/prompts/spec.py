"""Definition, options, examples and bound arguments of a prompt function, from which its calls are made.

A spec makes calls and sends none: `Prompt`, `AsyncPrompt` and their samples hold one and differ in the way they wait.

It is the spec that is pickled, so whatever holds one goes to another process as the prompt does. A prompt function that can
be imported goes by its name, with the options, examples and instance that it has here, as pickle does with any function. One
of `__main__`, of a notebook or of another function goes by value: cloudpickle, and so Ray, sends its code along, with its
return type evaluated, since an annotation that is kept as text names things that are not there. Left out: a runtime, which
lives in one process.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property, reduce
from pickle import PicklingError
from typing import Any, TypeVar

from returns.result import Result

from typefold.compiler import Explanation, Message, OutputType
from typefold.compiler.guards import is_dict
from typefold.compiler.registry import default_registry
from typefold.errors import PromptUsageError
from typefold.execution.call import Call, failed_call, values
from typefold.execution.format_description import describe_format, with_format
from typefold.execution.greenlets import row_index
from typefold.execution.strategies import ReturnType
from typefold.graphs.deferred import Deferred
from typefold.messages import RawPrompt, current_frame
from typefold.options import Options, Submitter
from typefold.prompts.definition import Binding, Definition, Example, Instructions, examples_of
from typefold.prompts.revision import Revision, revised_here
from typefold.prompts.version import Version, version_of
from typefold.runtime import BadInput, PromptError
from typefold.runtime.journal import digest
from typefold.runtimes.current import current, find_current
from typefold.runtimes.runtime import Runtime
from typefold.tables.columns import Unfit, indexed, rows_of, spread
from typefold.tables.named_rows import NamedRows, named_rows

T = TypeVar("T")


@dataclass(frozen=True, eq=False)
class PromptSpec:
    """Definition, options, examples and bound arguments (the instance of a method) of a prompt function.

    Calls of a `safe` one give a `Result` and raise nothing for a row.
    """

    definition: Definition
    options: Options
    examples: tuple[Example[Any], ...] = ()
    bound: tuple[Any, ...] = ()
    safe: bool = False
    instructions: Instructions | None = None
    _turns: dict[OutputType[Any], tuple[Message, ...]] = field(
        default_factory=dict[OutputType[Any], tuple[Message, ...]], repr=False
    )
    _latest: list[tuple[tuple[Any, ...], Options, ReturnType]] = field(
        init=False, default_factory=list[tuple[tuple[Any, ...], Options, ReturnType]], repr=False
    )
    _versions: list[tuple[Options, ReturnType, Version]] = field(
        init=False, default_factory=list[tuple[Options, ReturnType, Version]], repr=False
    )

    def __reduce__(self) -> tuple[Callable[..., PromptSpec], tuple[Any, ...]]:
        if self.options.runtime is not None:
            raise PicklingError(
                f"{self.name} has a runtime of its own, which can't go to another process; take it off with "
                f"{self.name}.using(runtime=None), and open a runtime there"
            )
        definition = self.definition
        safe: tuple[Any, ...] = (True,) if self.safe else ()
        if self.instructions is not None:
            safe = (self.safe, self.instructions)
        module, name = definition.function.__module__, definition.function.__qualname__
        home = _importable(module, name)
        if module != "__main__" and home is not None and home.definition is definition:
            options = None if home.options is self.options else self.options
            return prompt_by_name, (module, name, options, self.examples, self.bound, *safe)
        try:
            hint: tuple[Any, ...] = (definition.hint,)
        except NameError:  # a forward reference
            hint = ()
        given = (definition.function, definition.binding, hint, self.options, self.examples, self.bound)
        return prompt_by_value, (*given, *safe)

    @property
    def name(self) -> str:
        return self.definition.name

    def with_options(self, changes: Mapping[str, Any]) -> PromptSpec:
        """Return the spec with other options, checked."""
        changed = replace(self, options=self.options.with_(changes, where=self.name), _turns={})
        changed.check()
        return changed

    def with_examples(self, examples: Iterable[Example[Any]]) -> PromptSpec:
        """Return the spec with further examples, checked."""
        changed = replace(self, examples=(*self.examples, *examples_of(examples, where=self.name)), _turns={})
        changed.check()
        return changed

    def revised(self, revision: Revision) -> PromptSpec:
        """Return the spec with the examples and the instructions of a revision, checked; a calibration was of the old ones."""
        examples = self.examples
        if revision.examples is not None:
            examples = tuple(each.read(self.definition, self.bound) for each in revision.examples)
        instructions = self.instructions if revision.instructions is None else revision.instructions
        options = replace(self.options, calibration=None)
        changed = replace(self, options=options, examples=examples, instructions=instructions, _turns={})
        changed.check()
        return changed

    def as_safe(self) -> PromptSpec:
        """Return the spec whose calls give a `Result`; one that is safe already is the same."""
        return replace(self, safe=True)

    def bind_instance(self, instance: Any) -> PromptSpec:
        return replace(self, bound=(*self.bound, instance))

    def check(self) -> None:
        """Check the template, the return type, the options and the examples."""
        self.definition.check(self.options.json_format)
        try:
            compiled = self.definition.return_type(self.options.json_format)
        except NameError:
            return  # a forward reference: the first use will check
        compiled.check(self.options, where=self.name)
        if (given := self.options.calibrated) is not None:
            given.check(compiled.strategy.choices(compiled.kind), self.version().digest, where=self.name)
        self.definition.worked(self.examples, compiled.kind, self.instructions)

    def bind(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> None:
        """Raise `TypeError` where the arguments don't fit the function."""
        self.definition.bind((*self.bound, *args), kwargs)

    def render(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> tuple[Message, ...] | RawPrompt:
        """Return the messages as they are sent. It needs no runtime."""
        return Calls(self).messages(args, kwargs)

    def explain(self) -> Explanation:
        """Explain the return type under the options in force, and under the runtime's engine where that is loaded."""
        calls = Calls(self)
        runtime = calls.runtime if isinstance(calls.runtime, Runtime) and calls.runtime.loaded else None
        options, compiled = calls.under
        kind = compiled.kind
        explained = kind.explain(
            None if runtime is None else runtime.vocabulary, name=f"{self.name}{self.definition.signature_as_written}"
        )
        reasoning = compiled.strategy.reasoning(options, None if runtime is None else runtime.facts)
        told = describe_format(kind, options, where=self.name)
        scored = tuple(compiled.strategy.choices(kind))
        return replace(
            explained, told=told, reasoning=reasoning, scored=scored, version=str(self.version(calls.runtime))
        )

    def version(self, runtime: Submitter | None = None) -> Version:
        """Return the version under a runtime, which says how JSON is written and described where the options don't."""
        options, compiled = self.under(runtime)
        for known, kind, version in self._versions:
            if known is options and kind is compiled:
                return version
        told = describe_format(compiled.kind, options, where=self.name)
        turns = self.worked(compiled.kind)
        version = version_of(self.name, self._content, told, compiled, options, turns)
        self._versions[:] = [(options, compiled, version)]
        return version

    @property
    def _content(self) -> tuple[str, str]:
        """The content of what makes the messages, as `Definition.content` has it, with the instructions in it."""
        source, messages = self.definition.content
        if (put := self.instructions) is None:
            return source, messages
        found = digest([source, put.replaces, put.text]) or b""
        if put.replaces and put.replaces in messages:
            return found.hex(), messages.replace(put.replaces, put.text, 1)
        return found.hex(), f"system: {put.text}\n{messages}"

    def calls(self) -> Calls:
        """Return what makes the calls of a batch."""
        return Calls(self)

    def once(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Call[Any] | PromptError:
        """Make the call of a function that is called by itself; raises `TypeError` where it is not safe."""
        if not self.safe:
            self.bind(args, kwargs)
        return self.calls().attempt(args, kwargs, row_index())

    def mapped(
        self, items: Iterable[Any], args: tuple[Any, ...], kwargs: Mapping[str, Any]
    ) -> Iterator[Call[Any] | PromptError]:
        """Make a call, or an error, for each item of an iterable or cell of a column, as the first argument."""
        self.bind((None, *args), kwargs)
        cells = rows_of(items, self.definition.function, len(self.bound))
        return self._attempts(cells, lambda item: ((item, *args), kwargs))

    def spread(self, rows: Iterable[Any]) -> Iterator[Call[Any] | PromptError]:
        """Make a call, or an error, for each row of several arguments in their order."""
        return self._attempts(spread(rows), lambda args: (args, {}))

    def of_rows(self, rows: Iterable[tuple[Any, ...] | dict[str, Any] | Unfit]) -> Iterator[Call[Any] | PromptError]:
        """Make a call, or an error, for each row of arguments, in their order or by name."""
        return self._attempts(rows, lambda given: ((), given) if is_dict(given) else (given, {}))

    def named(self, rows: NamedRows, constants: Mapping[str, Any]) -> Iterator[Call[Any] | PromptError]:
        """Make a call, or an error, for each row that holds the arguments by name."""
        definition, skipped = self.definition, len(self.bound)
        function, namespace = definition.function, definition.namespace
        found = named_rows(function, self.name, rows, constants, skipped=skipped, namespace=namespace)
        return self._attempts(found, lambda arguments: ((), arguments))

    def _attempts(
        self, rows: Iterable[Any], arguments_of: Callable[[Any], tuple[tuple[Any, ...], Mapping[str, Any]]]
    ) -> Iterator[Call[Any] | PromptError]:
        calls = self.calls()
        for row, given in enumerate(rows):
            if isinstance(given, Unfit):
                yield BadInput(function=self.name, row=row, reason=given.reason)
            else:
                yield calls.attempt(*arguments_of(given), row)

    def unwrap(self, results: list[Result[T, PromptError]], rows: object = None) -> list[Any]:
        """Return the values of a batch, or, of a safe prompt, its results, with the index of `rows`."""
        results = indexed(results, rows)
        return results if self.safe else values(results)

    def sampled(self, calls: Iterable[Call[Any] | PromptError], n: int) -> Iterator[Call[Any] | PromptError]:
        """Yield `n` calls for each row's call, or as often its error; the row's message is made once."""
        for row, call in enumerate(calls):
            yield from self.drawn(call, n, row)

    def drawn(self, call: Call[Any] | PromptError, n: int, row: int | None = None) -> Iterator[Call[Any] | PromptError]:
        """Yield a call `n` times; a seed that the caller set counts up, as it does for vLLM's `n`."""
        for sample in range(n):
            if isinstance(call, PromptError):
                yield call
                continue
            options = call.options
            seed = options.asked("seed")
            if sample and type(seed) is int and seed != -1:  # the engine refuses any other
                options = replace(options, sampling={**options.sampling, "seed": seed + sample})
            yield replace(call, options=options, sample=(row, sample))

    def worked(self, kind: OutputType[Any]) -> tuple[Message, ...]:
        """Return the examples as turns, which are the same for every call."""
        if kind not in self._turns:
            self._turns[kind] = self.definition.worked(self.examples, kind, self.instructions)
        return self._turns[kind]

    def under(self, runtime: Submitter | None) -> tuple[Options, ReturnType]:
        """Return the options in force and the compiled type; those of the last call where nothing has changed since."""
        json_format, described = (None, None) if runtime is None else (runtime.json_format, runtime.describe_format)
        version = default_registry.version
        for known, options, compiled in self._latest:
            if known[0] is json_format and known[1] is described and known[2] == version:
                return options, compiled
        options = self.options.under(runtime)
        compiled = self.definition.return_type(options.json_format)
        self._latest[:] = [((json_format, described, version), options, compiled)]
        return options, compiled


class Calls:
    """Makes calls of a prompt function; their runtime, options and type are found once."""

    def __init__(self, spec: PromptSpec) -> None:
        self._spec = revised_here(spec)
        self._name = spec.name

    @cached_property
    def runtime(self) -> Submitter | None:
        """The runtime that will answer, if it is there already."""
        return self._spec.options.runtime or find_current()

    @cached_property
    def under(self) -> tuple[Options, ReturnType]:
        """The options in force, and the type. Where they don't say how JSON is written and described, the runtime does."""
        return self._spec.under(self.runtime)

    @cached_property
    def version(self) -> str:
        return str(self._spec.version(self.runtime))

    def messages(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> tuple[Message, ...] | RawPrompt:
        """Return the complete prompt, with examples and the description of the format."""
        spec, name = self._spec, self._name
        if (outer := current_frame.get()) is not None:
            raise PromptUsageError(
                f"{outer.name}: its body calls the prompt {name}; a prompt's body makes its message and nothing else. Call "
                f"{name} first, in a plain function, and pass its value as an argument."
            )
        if any(isinstance(each, Deferred) for each in (*args, *kwargs.values())):
            raise PromptUsageError(
                f"{name}: an argument is a Deferred, which is not worked out yet; call {name}.defer(...), or pass its "
                f".result()"
            )
        options, compiled = self.under
        kind = compiled.kind
        messages = with_format(
            spec.definition.messages((*spec.bound, *args), kwargs, None, spec.instructions), kind, options, where=name
        )
        if spec.examples:
            if isinstance(messages, RawPrompt):
                raise PromptUsageError(f"{name}: examples can't be added to a raw(...) prompt")
            first = next((index for index, message in enumerate(messages) if message.role != "system"), len(messages))
            messages = (*messages[:first], *spec.worked(kind), *messages[first:])
        compiled.strategy.check_prompt(messages, kind, options, where=name)
        return messages

    def attempt(self, args: tuple[Any, ...], kwargs: Mapping[str, Any], row: int | None) -> Call[Any] | PromptError:
        """Make a call, or return the error that its arguments gave. Mistakes of the program are raised."""
        definition = self._spec.definition
        try:
            messages = self.messages(args, kwargs)
            if self.runtime is None:
                self.runtime = current()
            options, compiled = self.under
            return Call(
                self._name,
                messages,
                compiled.kind,
                options,
                compiled.strategy,
                self.runtime,
                definition=definition,
                arguments=((*self._spec.bound, *args), kwargs),
                version=self.version,
            )
        except BaseException as error:
            return failed_call(error, self._name, row)


def _importable(module: str, name: str) -> PromptSpec | None:
    try:
        prompt: object = reduce(getattr, name.split("."), sys.modules.get(module))
    except AttributeError:
        return None
    spec = getattr(prompt, "_spec", None)
    return spec if isinstance(spec, PromptSpec) else None


def prompt_by_name(
    module: str,
    name: str,
    options: Options | None,
    examples: tuple[Example[Any], ...],
    bound: tuple[Any, ...],
    safe: bool = False,
    instructions: Instructions | None = None,
) -> PromptSpec:
    """Make the spec of a prompt function that can be imported; a pickle names this function."""
    __import__(module)
    spec = _importable(module, name)
    if spec is None:
        raise AttributeError(f"{module}.{name} is not a prompt function here, though it was one when it was pickled")
    changed = replace(spec, examples=examples, bound=bound, safe=safe, instructions=instructions, _turns={})
    return replace(changed, options=options or spec.options)


def prompt_by_value(
    function: Callable[..., Any],
    binding: Binding,
    hint: tuple[Any, ...],
    options: Options,
    examples: tuple[Example[Any], ...],
    bound: tuple[Any, ...],
    safe: bool = False,
    instructions: Instructions | None = None,
) -> PromptSpec:
    """Make the spec of a prompt function that came along as code; a pickle names this function."""
    definition = Definition(function, {}, binding)
    if hint:
        definition.__dict__["hint"] = hint[0]  # where a cached property keeps its value
    return PromptSpec(definition, options, examples, bound, safe, instructions)
