"""A prompt function, understood: signature, return type and template, checked once when it is decorated.

What can be known early is said early: a return type that can't be compiled, a template with a name that is no parameter or
with none of them, an f-string without its `f`, an example that is no value of the type. Only a name that is not defined yet (a
class further down in the module) puts the check off until the first use.
"""

from __future__ import annotations

import inspect
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeAlias, TypeVar, cast

from typefold.compiler import Message, OutputType
from typefold.compiler.context import refuse_endless
from typefold.compiler.errors import describe
from typefold.compiler.templates.braces import braces_in, no_f_string
from typefold.compiler.templates.template import PromptTemplate
from typefold.errors import PromptUsageError
from typefold.execution.strategies import ReturnType, compile_return
from typefold.messages import Asked, Frame, RawPrompt, current_frame
from typefold.options import where_set
from typefold.runtime import BadInput
from typefold.signatures.body import Body
from typefold.signatures.parameters import Parameters, evaluated

if TYPE_CHECKING:
    from typefold.compiler import JsonFormat

__all__ = ["Binding", "Definition", "Example", "example", "examples_of"]

R = TypeVar("R")

Binding: TypeAlias = Literal["instance", "class", "nothing"]
"""What a function takes first as an attribute: of a method the instance, of a class method the class."""


class Example(Generic[R]):
    """One worked call: arguments and the value that a model should give for them. Made by `example`."""

    def __init__(self, value: R, arguments: Mapping[str, Any]) -> None:
        self.value = value
        self.arguments = dict(arguments)

    def __repr__(self) -> str:
        shown = ", ".join([repr(self.value), *(f"{name}={value!r}" for name, value in self.arguments.items())])
        return f"example({shown})"


def examples_of(given: object, *, where: str) -> tuple[Example[Any], ...]:
    """Worked calls, as an option gives them.

    Raises:
        PromptUsageError: They are something else.
    """
    found = tuple(cast("Iterable[object]", given)) if isinstance(given, Iterable) else (None,)
    if not all(isinstance(each, Example) for each in found):
        raise PromptUsageError(
            f"{where}: examples is a list of worked calls, as in [example(value, name=...)], not {given!r:.80}"
        )
    return cast("tuple[Example[Any], ...]", found)


def example(value: R, /, **arguments: object) -> Example[R]:
    """A worked call, for `@prompt(examples=[...])`.

    Args:
        value: What the model should answer; a value of the return type.
        arguments: The prompt function's arguments, by name.

    Example:
        >>> example("Paris", country="France")
        example('Paris', country='France')
    """
    return Example(value, arguments)


@dataclass(frozen=True)
class Definition(Generic[R]):
    """What a prompt function is, apart from the options with which it is called."""

    function: Callable[..., Any]
    namespace: Mapping[str, Any]
    binding: Binding = "instance"

    @cached_property
    def name(self) -> str:
        """The function's name, with its class's if it is a method."""
        return self.function.__qualname__.rpartition("<locals>.")[2]

    @cached_property
    def signature(self) -> inspect.Signature:
        """The function's parameters."""
        return inspect.signature(self.function)

    @property
    def signature_as_written(self) -> str:
        """The signature in the author's words: types by their names, and no quotation marks around those kept as text."""
        parameters = [
            each
            if each.annotation is inspect.Parameter.empty
            else each.replace(annotation=_AsWritten(_words(each.annotation)))
            for each in self.signature.parameters.values()
        ]
        without = self.signature.replace(parameters=parameters, return_annotation=inspect.Signature.empty)
        return f"{without} -> {describe(self.hint)}"

    @cached_property
    def _by_place(self) -> tuple[str, ...] | None:
        """The parameters, if arguments that are as many as they are can only be theirs, in order; else `None`."""
        plain = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
        parameters = self.signature.parameters.values()
        return tuple(each.name for each in parameters) if all(each.kind in plain for each in parameters) else None

    @cached_property
    def is_async(self) -> bool:
        """Whether it was written with `async def`."""
        return inspect.iscoroutinefunction(self.function)

    @cached_property
    def hint(self) -> Any:
        """The return annotation, evaluated.

        Raises:
            PromptUsageError: There is none.
            NameError: It names something that is not defined yet.
        """
        if "return" not in getattr(self.function, "__annotations__", {}):
            raise PromptUsageError(
                f"{self.name}: a prompt function needs a return annotation: it says what the model may answer, "
                f"as in `def {self.function.__name__}(...) -> str:`"
            )
        refuse_endless(self.function.__annotations__["return"], "return", function=self.name)
        return evaluated(self.function.__annotations__["return"], self.function, self.namespace)

    def return_type(self, json_format: JsonFormat | None = None) -> ReturnType:
        """Compile the return type.

        Raises:
            PromptUsageError: There is none.
            NameError: It names something that is not defined yet.
            UnsupportedType: No constraint can be made of it.
        """
        return compile_return(self.hint, json_format, function=self.name)

    @cached_property
    def template(self) -> PromptTemplate | None:
        """The docstring as a template, where the body can ask for it; else `None`."""
        document = inspect.getdoc(self.function)
        if not document or not self._body.may_ask_bare:
            return None
        owed = self._owed if self._body.asks_bare else ()
        alone = self._body.only_asks_bare
        return PromptTemplate(document, list(self.signature.parameters), owed=owed, alone=alone, name=self.name)

    @cached_property
    def _body(self) -> Body:
        return Body(self.function)

    @property
    def _owed(self) -> list[str]:
        """The parameters that a prompt is made of; without those of methods and those that are left out on purpose."""
        names = [*self.signature.parameters]
        bound = self.binding == "class" or (self.binding == "instance" and "." in self.name)
        return [name for name in names[1 if bound else 0 :] if not name.startswith("_")]

    @cached_property
    def _no_f_string(self) -> str | None:
        """Say why a text is wrong that has braces around a parameter which the body never uses."""
        unused = [name for name in self._owed if not self._body.uses(name)]
        texts = self._body.texts() if unused else ()
        return next((no_f_string(found) for text in texts for found in braces_in(text, unused)), None)

    def check(self, json_format: JsonFormat | None) -> None:
        """Find what is wrong, now, as far as all names are defined."""
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
        """The arguments by name, defaults filled in.

        Raises:
            TypeError: They don't fit the signature.
        """
        names = self._by_place
        if names is not None and len(args) == len(names) and not kwargs:  # the plain case, in a tenth of the time
            return dict(zip(names, args, strict=True))
        try:
            bound = self.signature.bind(*args, **kwargs)
        except TypeError as error:
            raise TypeError(f"{self.name}() {error}{self._hint(args, kwargs)}") from None
        bound.apply_defaults()
        return dict(bound.arguments)

    def _hint(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> str:
        """What may be the reason that arguments don't fit."""
        if option := where_set(name for name in kwargs if name not in self.signature.parameters):
            return option
        first = next(iter(self.signature.parameters), None)
        if first != "cls" or self.binding != "instance" or (args and isinstance(args[0], type)):
            return ""
        return "; of a class method, only calls work where @classmethod stands above @prompt: write it below"

    @cached_property
    def parameters(self) -> Parameters:
        """The types of its parameters, as far as their annotations are defined when it is first called."""
        return Parameters(self.function, namespace=self.namespace)

    def messages(
        self, args: tuple[Any, ...], kwargs: Mapping[str, Any], parameters: Parameters | None = None
    ) -> tuple[Message, ...] | RawPrompt:
        """What the body asks for these arguments.

        Args:
            args: Positional arguments.
            kwargs: Arguments by name.
            parameters: Types to compare them with, in place of those that were found at the first call.

        Raises:
            BadInput: An argument is not of its parameter's type.
            PromptUsageError: The body does something other than return what `ask` gave.
            Exception: Whatever the body raises.
        """
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
        return returned.messages

    def _spread(self, arguments: Mapping[str, Any]) -> tuple[tuple[Any, ...], Mapping[str, Any]]:
        """Arguments by name as a call takes them: in place, where a parameter takes none by name."""
        if not arguments.keys() <= self.signature.parameters.keys():
            return (), arguments
        bound = inspect.BoundArguments(self.signature, OrderedDict(arguments))
        return bound.args, bound.kwargs

    def worked(self, examples: Sequence[Example[Any]], kind: OutputType[Any]) -> tuple[Message, ...]:
        """Examples as turns of a conversation.

        Raises:
            PromptUsageError: An example whose arguments or value don't fit the function.
        """
        turns: list[Message] = []
        known = Parameters(self.function, namespace=self.namespace)  # at decoration, names may be missing still
        for item in examples:
            try:
                asked = self.messages(*self._spread(item.arguments), known)
                answer = kind.encode(item.value)
                if kind.decode(answer) != item.value:
                    raise ValueError("the value would not come back as it is")
            except PromptUsageError:
                raise
            except Exception as error:
                raise PromptUsageError(f"{self.name}: {item!r} is no example of it: {error}") from error
            if isinstance(asked, RawPrompt):
                raise PromptUsageError(f"{self.name}: examples can't be added to a raw(...) prompt")
            turns += [message for message in asked if message.role != "system"]
            turns.append(Message("assistant", answer))
        return tuple(turns)


def _words(annotation: Any) -> str:
    return annotation if isinstance(annotation, str) else describe(annotation)


class _AsWritten(str):
    __slots__ = ()

    def __repr__(self) -> str:
        return str(self)


def _finish(coroutine: Any, name: str) -> Any:
    """Run an `async def` body to its return: it makes a message, so it has nothing to wait for."""
    try:
        coroutine.send(None)
    except StopIteration as stop:
        return stop.value
    coroutine.close()
    raise PromptUsageError(f"{name}: the body of a prompt function makes its message and can't await anything")
