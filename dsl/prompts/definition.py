"""Signature, return type and template of a prompt function, checked once when it is decorated.

Mistakes are found early: a return type that can't be compiled, a template with a name that is no parameter or with none of
them, an f-string without its `f`, an example that is no value of the type. Only a name that is not defined yet (a class
further down in the module) puts the check off until the first use.
"""

from __future__ import annotations

import inspect
import logging
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Literal, TypeAlias, TypeVar, cast

from pydantic import ConfigDict
from typing_extensions import Format, get_annotations

from typefold.compiler import Message, OutputType
from typefold.compiler.context import refuse_endless
from typefold.compiler.errors import describe
from typefold.compiler.guards import signature_of
from typefold.compiler.templates.braces import braces_in, no_f_string
from typefold.compiler.templates.template import PromptTemplate
from typefold.errors import PromptUsageError
from typefold.execution.strategies import ReturnType, compile_return
from typefold.messages import Asked, Frame, RawPrompt, current_frame
from typefold.options import where_set
from typefold.runtime import BadInput
from typefold.runtime.journal import digest
from typefold.signatures.body import Body
from typefold.signatures.parameters import Parameters, evaluated, is_async

if TYPE_CHECKING:
    from typefold.compiler import JsonFormat

logger = logging.getLogger(__name__)

R = TypeVar("R")

Binding: TypeAlias = Literal["instance", "class", "nothing"]
"""The first argument of a function that is an attribute: a method's instance, a class method's class, or none."""


class Example(Generic[R]):
    """A worked call: arguments and the value that a model should answer. Made by `example`.

    Attributes:
        value: The value.
        arguments: The arguments, by name.
    """

    def __init__(self, value: R, arguments: Mapping[str, Any]) -> None:
        self.value = value
        self.arguments = dict(arguments)

    def __repr__(self) -> str:
        shown = ", ".join([repr(self.value), *(f"{name}={value!r}" for name, value in self.arguments.items())])
        return f"example({shown})"


def examples_of(given: object, *, where: str) -> tuple[Example[Any], ...]:
    """Return the value of the option `examples` as a tuple."""
    found = tuple(cast("Iterable[object]", given)) if isinstance(given, Iterable) else (None,)
    if not all(isinstance(each, Example) for each in found):
        raise PromptUsageError(
            f"{where}: examples is a list of worked calls, as in [example(value, name=...)], not {given!r:.80}"
        )
    return cast("tuple[Example[Any], ...]", found)


def example(value: R, /, **arguments: object) -> Example[R]:
    """Make a worked call for `@prompt(examples=[...])`, which the model sees as earlier turns.

    Args:
        value: The answer that the model should give, a value of the return type (of the type inside of `Logged` and the like).
        **arguments: The prompt function's arguments, by name.

    Returns:
        The example. Whether it fits the function is checked when that is decorated.

    Example:
        >>> from typefold import ask, example, prompt
        >>> @prompt(examples=[example("Paris", country="France")])
        ... def capital(country: str) -> str:
        ...     return ask(f"What is the capital of {country}?")
        >>> [message.content for message in capital.render("Peru")][1:]
        ['Paris', 'What is the capital of Peru?']
    """
    return Example(value, arguments)


@dataclass(frozen=True, slots=True)
class Instructions:
    """Instructions in the place of a prompt's own.

    Attributes:
        replaces: The system message that they stand for, or the beginning of the first user message, as the docstring has it
            before its first parameter; nothing where they are said first, in the system message.
        text: The instructions.
    """

    __pydantic_config__: ClassVar[ConfigDict] = {"extra": "forbid"}

    replaces: str
    text: str

    def put_in(self, messages: Sequence[Message]) -> tuple[Message, ...]:
        """Return messages with these instructions; those that don't begin as they should are left as they are."""
        made = list(messages)
        if not self.replaces:
            if not made or made[0].role != "system":
                return (Message("system", self.text), *made)
            made[0] = _begun_otherwise(made[0], 0, f"{self.text}\n\n")
            return tuple(made)
        for place, message in enumerate(made):
            if message.role != "assistant" and message.content.startswith(self.replaces):
                made[place] = _begun_otherwise(message, len(self.replaces), self.text)
                break
        return tuple(made)


def _begun_otherwise(message: Message, length: int, text: str) -> Message:
    """Return a message with another text in the place of its first characters; images keep their places."""
    moved = len(text) - length
    images = tuple((place + moved if place >= length else place, image) for place, image in message.images)
    return replace(message, content=text + message.content[length:], images=images)


@dataclass(frozen=True)
class Definition:
    """A prompt function apart from its options; `namespace` has the local names where it is decorated."""

    function: Callable[..., Any]
    namespace: Mapping[str, Any]
    binding: Binding = "instance"

    @cached_property
    def name(self) -> str:
        """The function's name, with its class's if it is a method."""
        return self.function.__qualname__.rpartition("<locals>.")[2]

    @cached_property
    def signature(self) -> inspect.Signature:
        return signature_of(self.function)

    @property
    def signature_as_written(self) -> str:
        """The signature as its author wrote it: types by their names, without quotation marks."""
        parameters = [
            each if each.annotation is inspect.Parameter.empty else each.replace(annotation=_AsWritten(each.annotation))
            for each in self.signature.parameters.values()
        ]
        without = self.signature.replace(parameters=parameters, return_annotation=inspect.Signature.empty)
        return f"{without} -> {describe(self.hint)}"

    @cached_property
    def _by_place(self) -> tuple[str, ...] | None:
        """The parameters' names, if as many positional arguments always fit them in order; else `None`."""
        plain = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
        parameters = self.signature.parameters.values()
        return tuple(each.name for each in parameters) if all(each.kind in plain for each in parameters) else None

    @cached_property
    def is_async(self) -> bool:
        return is_async(self.function)

    @cached_property
    def hint(self) -> Any:
        """The return annotation, evaluated. Raises `NameError` where it names something that is not defined yet."""
        annotations = get_annotations(self.function, format=Format.FORWARDREF)
        if "return" not in annotations:
            raise PromptUsageError(
                f"{self.name}: a prompt function needs a return annotation: it says what the model may answer, "
                f"as in `def {self.function.__name__}(...) -> str:`"
            )
        refuse_endless(annotations["return"], "return", function=self.name)
        return evaluated(annotations["return"], self.function, self.namespace)

    def return_type(self, json_format: JsonFormat | None = None) -> ReturnType:
        """Compile the return type. Raises `NameError` where it names something that is not defined yet."""
        return compile_return(self.hint, json_format, function=self.name, namespace=self.namespace)

    @cached_property
    def template(self) -> PromptTemplate | None:
        """The docstring as a template, where the body can use it as one; else `None`."""
        document = inspect.getdoc(self.function)
        if not document or not self._body.may_ask_bare:
            return None
        expected = self._expected if self._body.asks_bare else ()
        alone = self._body.only_asks_bare
        return PromptTemplate(document, list(self.signature.parameters), expected=expected, alone=alone, name=self.name)

    @cached_property
    def _body(self) -> Body:
        return Body(self.function)

    @cached_property
    def content(self) -> tuple[str, str]:
        """A digest of what makes the messages, the same in every process, and the same for people."""
        from typefold.signatures.source_digest import source_content

        try:
            pieces, used = ((), ()) if self.template is None else self.template.content([*self.signature.parameters])
            source, lines = source_content(self.function, used)
        except Exception as error:  # from an object that the body names: no call fails for its version
            logger.warning("%s: its source can't be read for its version: %r", self.name, error)
            return "", ""
        found = digest([source, [*pieces]]) or b""
        document = [] if self.template is None else [f"docstring: {inspect.getdoc(self.function)}"]
        return found.hex(), "\n".join([*document, *lines])

    @property
    def _expected(self) -> list[str]:
        """The parameters that a prompt should use: without `self`, `cls` and names that begin with an underscore."""
        names = [*self.signature.parameters]
        bound = self.binding == "class" or (self.binding == "instance" and "." in self.name)
        return [name for name in names[1 if bound else 0 :] if not name.startswith("_")]

    @cached_property
    def _no_f_string(self) -> str | None:
        """The error text for a text with braces around a parameter that the body never uses."""
        unused = [name for name in self._expected if not self._body.uses(name)]
        texts = self._body.texts() if unused else ()
        return next((no_f_string(found) for text in texts for found in braces_in(text, unused)), None)

    def check(self, json_format: JsonFormat | None) -> None:
        """Check template, texts and return type, as far as all names are defined."""
        if inspect.isgeneratorfunction(self.function) or inspect.isasyncgenfunction(self.function):
            raise PromptUsageError(f"{self.name}: a prompt function returns ask(...); it does not yield")
        _ = self.template
        if self._no_f_string is not None:
            raise PromptUsageError(f"{self.name}: {self._no_f_string}")
        try:
            self.return_type(json_format)
        except NameError:
            return  # a forward reference: the first use will check

    def bind(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> dict[str, Any]:
        """Return the arguments by name, with defaults; raises `TypeError` where they don't fit the signature."""
        names = self._by_place
        if names is not None and len(args) == len(names) and not kwargs:  # the usual case, ten times as fast
            return dict(zip(names, args, strict=True))
        try:
            bound = self.signature.bind(*args, **kwargs)
        except TypeError as error:
            raise TypeError(f"{self.name}() {error}{self._remedy(args, kwargs)}") from None
        bound.apply_defaults()
        return dict(bound.arguments)

    def _remedy(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> str:
        """Return a likely reason for arguments that don't fit, for the error text."""
        if option := where_set(name for name in kwargs if name not in self.signature.parameters):
            return option
        first = next(iter(self.signature.parameters), None)
        if first != "cls" or self.binding != "instance" or (args and isinstance(args[0], type)):
            return ""
        return "; where @classmethod stands above @prompt, only calls of the class method work: write it below"

    @cached_property
    def parameters(self) -> Parameters:
        """The types of the parameters, as far as their annotations are defined at the first call."""
        return Parameters(self.function, namespace=self.namespace)

    def messages(
        self,
        args: tuple[Any, ...],
        kwargs: Mapping[str, Any],
        parameters: Parameters | None = None,
        instructions: Instructions | None = None,
    ) -> tuple[Message, ...] | RawPrompt:
        """Run the body, and return the messages that it asks; `parameters` stands in for the cached types."""
        arguments = self.bind(args, kwargs)
        if (reason := (parameters or self.parameters).unfit(arguments)) is not None:
            raise BadInput(function=self.name, reason=reason)
        frame = Frame(self.name, arguments, self.template)
        token = current_frame.set(frame)
        try:
            returned = self.function(*args, **kwargs)
            if self.is_async:
                returned = _finish(returned, self.name)
        finally:
            current_frame.reset(token)
        if not isinstance(returned, Asked) or returned.frame is not frame:
            raise PromptUsageError(
                f"{self.name}: the body of a prompt function must `return ask(...)`, and it returned "
                f"{type(returned).__name__}; work on the value where the function is called"
            )
        asked = returned.messages
        return asked if instructions is None or isinstance(asked, RawPrompt) else instructions.put_in(asked)

    def _spread(self, arguments: Mapping[str, Any]) -> tuple[tuple[Any, ...], Mapping[str, Any]]:
        """Return arguments by name as a call takes them: positional, where a parameter takes none by name."""
        if not arguments.keys() <= self.signature.parameters.keys():
            return (), arguments
        bound = inspect.BoundArguments(self.signature, OrderedDict(arguments))
        return bound.args, bound.kwargs

    def worked(
        self, examples: Sequence[Example[Any]], kind: OutputType[Any], instructions: Instructions | None = None
    ) -> tuple[Message, ...]:
        """Return examples as turns of a conversation; raises `PromptUsageError` for one that does not fit the function."""
        turns: list[Message] = []
        known = Parameters(self.function, namespace=self.namespace)  # at decoration, names may be missing still
        for item in examples:
            try:
                asked = self.messages(*self._spread(item.arguments), known, instructions)
                answer = kind.encode(item.value)
                back = kind.decode(answer)
                if back != item.value and not (kind.unasked and kind.encode(back) == answer):
                    raise ValueError("the value changes when it is encoded and decoded")
            except PromptUsageError:
                raise
            except Exception as error:
                raise PromptUsageError(f"{self.name}: {item!r} is not an example of it: {error}") from error
            if isinstance(asked, RawPrompt):
                raise PromptUsageError(f"{self.name}: examples can't be added to a raw(...) prompt")
            turns += [message for message in asked if message.role != "system"]
            turns.append(Message("assistant", answer))
        return tuple(turns)


class _AsWritten:
    """An annotation that `inspect.Signature` shows as its author wrote it."""

    def __init__(self, annotation: Any) -> None:
        self._text = annotation if isinstance(annotation, str) else describe(annotation)

    def __repr__(self) -> str:
        return self._text


def _finish(coroutine: Any, name: str) -> Any:
    """Run an `async def` body to its return. It makes a message, so it has nothing to wait for."""
    try:
        coroutine.send(None)
    except StopIteration as stop:
        return stop.value
    coroutine.close()
    raise PromptUsageError(f"{name}: the body of a prompt function makes its message and can't await anything")
