"""A prompt function's body as its bytecode tells of it, which is there in a notebook too.

Nothing is run. Where the bytecode is not sure, the answer is the one that says less.
"""

from __future__ import annotations

import dis
import inspect
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from types import CodeType
from typing import Any

from typefold.messages import ask

_NOTHING = {"PRECALL", "PUSH_NULL", "CACHE", "NOP", "EXTENDED_ARG"}  # between a name and its call
_ALL_NAMES = {"locals", "vars", "eval", "exec", "_getframe", "currentframe"}


@dataclass(frozen=True)
class Body:
    """The body of a function; decorators that wrap it are looked through."""

    function: Callable[..., Any]

    @cached_property
    def _code(self) -> CodeType | None:
        code = getattr(inspect.unwrap(self.function), "__code__", None)
        return code if isinstance(code, CodeType) else None

    @cached_property
    def _steps(self) -> list[dis.Instruction]:
        code = self._code
        return [] if code is None else [step for step in dis.get_instructions(code) if step.opname not in _NOTHING]

    @cached_property
    def _asks(self) -> list[bool]:
        """For each time that `ask` is named: whether it is called at once, without arguments."""
        space: dict[str, Any] = getattr(inspect.unwrap(self.function), "__globals__", {})
        names = {name for name, value in space.items() if value is ask} | {"ask"}
        return [
            _is_bare_call(following)
            for step, following in zip(self._steps, self._steps[1:], strict=False)
            if _loads(step) and step.argval in names
        ]

    @property
    def may_ask_bare(self) -> bool:
        """Whether it may call `ask` without arguments: a body that only ever says `ask(f"...")` does not."""
        return self.asks_bare or (bool(self._asks) and any(_is_bare_call(step) for step in self._steps))

    @property
    def asks_bare(self) -> bool:
        """Whether it is sure to call `ask` without arguments."""
        return any(self._asks)

    @property
    def only_asks_bare(self) -> bool:
        return self.asks_bare and all(self._asks)

    def uses(self, parameter: str) -> bool:
        """Whether it may use a parameter."""
        code = self._code
        if code is None or parameter in code.co_cellvars or not _ALL_NAMES.isdisjoint(code.co_names):
            return True
        loaded = (
            step.argval for step in self._steps if _loads(step)
        )  # since Python 3.13 several names may stand together
        return any(parameter in held if isinstance(held, tuple) else parameter == held for held in loaded)

    def texts(self) -> Iterator[str]:
        """The texts that it holds, and those of the variables that it reads; not its docstring."""
        code = self._code
        function = inspect.unwrap(self.function)
        if code is None or not inspect.isfunction(function):
            return
        yield from (text for text in _texts(code) if text != function.__doc__)
        variables = inspect.getclosurevars(function)
        yield from (
            value for value in (*variables.globals.values(), *variables.nonlocals.values()) if isinstance(value, str)
        )


def _loads(step: dis.Instruction) -> bool:
    return "LOAD_" in step.opname and step.opname != "LOAD_CONST"


def _is_bare_call(step: dis.Instruction) -> bool:
    return step.opname == "CALL" and step.arg == 0  # on every Python since 3.11


def _texts(code: CodeType) -> Iterator[str]:
    for constant in code.co_consts:
        if isinstance(constant, str):
            yield constant
        elif isinstance(constant, CodeType):
            yield from _texts(constant)
