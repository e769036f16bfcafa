"""A file that is checked, with the meanings of its names: `ask`, `prompt`, prompt functions."""

from __future__ import annotations

import ast
from functools import cached_property
from typing import Any

from typefold.checks.evaluator.verdict import Evaluator
from typefold.checks.source import Declared, Function, Known, Source, Where
from typefold.messages import ask
from typefold.prompts.definition import example
from typefold.prompts.prompt import prompt


class CheckedFile:
    """A file that is checked; a tool may have another name for its module than the path gives."""

    def __init__(self, source: Source, evaluator: Evaluator, module: str | None = None) -> None:
        self.source = source
        self.evaluator = evaluator
        self.module = source.module if module is None else module
        self._asks: tuple[Function | None, list[ast.Call]] = None, []

    @cached_property
    def prompts(self) -> list[Function]:
        return [each for each in self.source.functions if self.is_prompt_function(each) is True]

    def beside(self, function: Function | None) -> Where:
        """The place of a function's decorators and annotations."""
        return Where(self.module, () if function is None else function.around)

    def within(self, function: Function | None) -> Where:
        """The place of a function's body; of the module's without one."""
        return Where(self.module, () if function is None else (*function.around, function.node))

    def is_ask(self, node: ast.expr, function: Function | None) -> bool:
        return self._is(node, ask, self.within(function))

    def asks_in(self, function: Function) -> list[ast.Call]:
        """The calls of `ask` in a body; the last function's are remembered."""
        if self._asks[0] is not function:
            calls = [node for node in function.inside if isinstance(node, ast.Call)]
            self._asks = function, [call for call in calls if self.is_ask(call.func, function)]
        return self._asks[1]

    def is_example(self, node: ast.expr, function: Function) -> bool:
        return self._is(node, example, self.beside(function))

    def is_options(self, call: ast.Call) -> bool:
        return not call.args and self._is(call.func, prompt, self.beside(self.source.decorated_by(call)))

    def is_prompt_function(self, function: Function) -> bool | None:
        """Whether a function is decorated as a prompt; `None` if that can't be known."""
        return self._is_decorated(function, self.module)

    def is_prompt(self, node: ast.expr, function: Function | None) -> bool:
        """Whether an expression is a prompt function, or one with other options."""
        while isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "using":
            node = node.func.value
        meaning = self.evaluator.meaning(node, self.within(function))
        if not isinstance(meaning, Declared) or not isinstance(meaning.node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            return False
        return self._is_decorated(Function(meaning.node, meaning.where.around), meaning.where.module) is True

    def is_known(self, node: ast.Name, function: Function) -> bool:
        for each in ast.walk(function.node):
            match each:
                case ast.Name(id=name, ctx=ast.Store()) | ast.arg(arg=name) if name == node.id:
                    return True
                case _:
                    pass
        return self.evaluator.meaning(node, self.within(function)) is not None

    def text_of(self, node: ast.Name, function: Function) -> str | None:
        """The text of a variable that is a literal, as a function reads it."""
        meaning = self.evaluator.meaning(node, self.within(function))
        value = getattr(meaning.node, "value", None) if isinstance(meaning, Declared) else None
        return value.value if isinstance(value, ast.Constant) and isinstance(value.value, str) else None

    def _is_decorated(self, function: Function, module: str) -> bool | None:
        where = Where(module, function.around)
        known = [self._makes_prompt(decorator, where) for decorator in function.node.decorator_list]
        return True if True in known else None if None in known else False

    def _makes_prompt(self, node: ast.expr, where: Where) -> bool | None:
        match self.evaluator.meaning(node.func if isinstance(node, ast.Call) else node, where):
            case Known(value=known):
                return True if known is prompt else False if known is staticmethod or known is classmethod else None
            case Declared(node=statement, where=place):
                value = getattr(statement, "value", None)
                return True if isinstance(value, ast.Call) and self._is(value.func, prompt, place) else None
            case _:
                return None

    def _is(self, node: ast.expr, known: Any, where: Where) -> bool:
        meaning = self.evaluator.meaning(node, where)
        return isinstance(meaning, Known) and meaning.value is known
