"""What the names in a file mean, as far as prompts are concerned: which is `ask`, which is `prompt`, which a prompt."""

from __future__ import annotations

import ast

from typefold.checks.evaluator import Declared, Evaluator, Known, Where
from typefold.checks.source import Function
from typefold.messages import ask
from typefold.prompts.definition import example
from typefold.prompts.prompt import prompt

__all__ = ["Words", "dotted"]


class Words:
    """The words of one module, wherever they come from.

    Args:
        evaluator: Looks names up.
        module: The module's name.
    """

    def __init__(self, evaluator: Evaluator, module: str) -> None:
        self._evaluator = evaluator
        self._module = module

    def is_ask(self, node: ast.expr, place: Function | None) -> bool:
        """Whether it is `typefold.ask`."""
        around = () if place is None else (*place.around, place.node)
        return self._is(node, ask, Where(self._module, around))

    def is_example(self, node: ast.expr, place: Function) -> bool:
        """Whether it is `typefold.example`, as a decorator of the function would see it."""
        return self._is(node, example, Where(self._module, place.around))

    def is_prompt_function(self, function: Function) -> bool | None:
        """Whether a function is decorated as a prompt; `None` if that can't be known."""
        said = [self._is_decorator(decorator, function) for decorator in function.node.decorator_list]
        return True if True in said else None if None in said else False

    def is_prompt(self, node: ast.expr, place: Function) -> bool:
        """Whether it is a prompt function, for certain."""
        meaning = self._evaluator.meaning(node, Where(self._module, (*place.around, place.node)))
        if not isinstance(meaning, Declared) or not isinstance(meaning.node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            return False
        where = meaning.where
        return Words(self._evaluator, where.module).is_prompt_function(Function(meaning.node, where.around)) is True

    def is_known(self, node: ast.Name, place: Function) -> bool:
        """Whether a name in a function's body is bound anywhere."""
        local = {
            each.id for each in ast.walk(place.node) if isinstance(each, ast.Name) and isinstance(each.ctx, ast.Store)
        }
        if node.id in local | {argument.arg for argument in ast.walk(place.node) if isinstance(argument, ast.arg)}:
            return True
        return self._evaluator.meaning(node, Where(self._module, (*place.around, place.node))) is not None

    def text_of(self, node: ast.Name, place: Function) -> str | None:
        """The text of a variable that is a literal, as it is read in a function."""
        meaning = self._evaluator.meaning(node, Where(self._module, (*place.around, place.node)))
        value = getattr(meaning.node, "value", None) if isinstance(meaning, Declared) else None
        return value.value if isinstance(value, ast.Constant) and isinstance(value.value, str) else None

    def is_options(self, call: ast.Call, where: Where) -> bool:
        """Whether it is `prompt(...)` with options."""
        return not call.args and self._is(call.func, prompt, where)

    def _is_decorator(self, node: ast.expr, place: Function) -> bool | None:
        """Whether it makes a prompt function: `prompt`, `prompt(...)`, or a name that was given to the latter."""
        where = Where(self._module, place.around)
        made = node.func if isinstance(node, ast.Call) else node
        meaning = self._evaluator.meaning(made, where)
        if isinstance(meaning, Known):
            known = meaning.value
            return True if known is prompt else False if known is staticmethod or known is classmethod else None
        if isinstance(meaning, Declared):
            value = getattr(meaning.node, "value", None)
            if isinstance(value, ast.Call) and self._is(value.func, prompt, meaning.where):
                return True
        return None

    def _is(self, node: ast.expr, word: object, where: Where) -> bool:
        meaning = self._evaluator.meaning(node, where)
        return isinstance(meaning, Known) and meaning.value is word


def dotted(node: ast.expr) -> str | None:
    """A name, or names with dots between, as text."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        before = dotted(node.value)
        return None if before is None else f"{before}.{node.attr}"
    return None
