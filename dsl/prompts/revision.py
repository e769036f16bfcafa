"""Revisions: other examples and instructions of a prompt, as plain data, and those in force for the prompts of a program.

An example is kept as JSON: arguments as pydantic writes their types, the answer as the model would. One that JSON does not give back
as it was has no such form.
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol, Self, TypeAlias, TypeVar
from weakref import WeakKeyDictionary

from pydantic import ConfigDict, TypeAdapter

from typefold.compiler.contained import first_line
from typefold.errors import PromptUsageError
from typefold.prompts.definition import Definition, Example, Instructions
from typefold.signatures.parameters import evaluated


@dataclass(frozen=True)
class StoredExample:
    """A worked call as data.

    Attributes:
        arguments: The arguments by name, as JSON has them; the instance of a method is none of them.
        answer: The answer as the model would write it.
    """

    __pydantic_config__: ClassVar[ConfigDict] = {"extra": "forbid"}

    arguments: Mapping[str, Any]
    answer: str

    @classmethod
    def of(
        cls, definition: Definition, arguments: Mapping[str, Any], value: Any, bound: int = 0
    ) -> StoredExample | None:
        """Return a worked call as data; `None` where JSON would not give it back."""
        try:
            kept, kind = list(arguments.items())[bound:], definition.return_type().kind
            plain = {
                name: _adapter(definition, name).dump_python(each, mode="json", warnings=False) for name, each in kept
            }
            made = cls(plain, kind.encode(value))
            same = made.read(definition, tuple(arguments.values())[:bound])
            definition.worked([same], kind)  # nor is a call whose body fails an example, or one that asks a raw prompt
            return made if bool(same.arguments == dict(arguments)) and bool(same.value == value) else None
        except Exception:  # of types that are the user's
            return None

    def read(self, definition: Definition, bound: tuple[Any, ...] = ()) -> Example[Any]:
        """Return the worked call of a prompt. Raises PromptUsageError where it is none."""
        try:
            arguments = dict(zip(definition.signature.parameters, bound, strict=False))
            for name, each in self.arguments.items():
                arguments[name] = _adapter(definition, name).validate_json(json.dumps(each))
            return Example(definition.return_type().kind.decode(self.answer), arguments)
        except Exception as error:
            raise PromptUsageError(
                f"{definition.name}: {self.arguments!r:.200} with the answer {self.answer!r:.80} is no example of it: "
                f"{first_line(error)}"
            ) from error


def _adapter(definition: Definition, name: str) -> TypeAdapter[Any]:
    parameter = definition.signature.parameters[name]
    hint: Any = Any
    if parameter.annotation is not parameter.empty:
        hint = evaluated(parameter.annotation, definition.function, definition.namespace)
    if parameter.kind is inspect.Parameter.VAR_POSITIONAL:
        hint = tuple[hint, ...]
    elif parameter.kind is inspect.Parameter.VAR_KEYWORD:
        hint = dict[str, hint]
    return TypeAdapter(hint)


@dataclass(frozen=True)
class Revision:
    """Other examples and instructions of a prompt.

    Attributes:
        prompt: The prompt's name.
        examples: The examples in the place of its own; `None` where those stay.
        instructions: The instructions in the place of its own; `None` where those stay.
        made_for: The versions of the prompt that it was made for.
    """

    __pydantic_config__: ClassVar[ConfigDict] = {"extra": "forbid"}

    prompt: str
    examples: tuple[StoredExample, ...] | None = None
    instructions: Instructions | None = None
    made_for: tuple[str, ...] = ()


class Revisable(Protocol):
    """A prompt's spec, as far as it is revised."""

    def revised(self, revision: Revision) -> Self:
        """Return it with the examples and the instructions of a revision."""
        ...


S = TypeVar("S", bound=Revisable)

Revisions: TypeAlias = Callable[[Any], Revision | None]
"""The revision of a prompt's spec, where there is one."""


class Scope:
    """A place of a program in which the calls of prompts are those of their revisions: `with scope():`, any number of times."""

    def __init__(self, revisions: Revisions) -> None:
        self._revisions = revisions
        self._known: WeakKeyDictionary[Any, Any] = WeakKeyDictionary()

    @contextmanager
    def __call__(self) -> Generator[None]:
        token = _in_force.set(self)
        try:
            yield
        finally:
            _in_force.reset(token)

    def spec(self, spec: S) -> S:
        """Return the spec of a prompt as it is in here."""
        if spec not in self._known:
            revision = self._revisions(spec)
            self._known[spec] = spec if revision is None else spec.revised(revision)
        known: S = self._known[spec]
        return known


_in_force: ContextVar[Scope | None] = ContextVar("typefold_revisions", default=None)


def revised_here(spec: S) -> S:
    """Return the spec as the revisions in force have it."""
    found = _in_force.get()
    return spec if found is None else found.spec(spec)
