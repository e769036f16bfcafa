"""All that is to be said of one prompt function."""

from __future__ import annotations

import ast
from collections.abc import Generator, Iterable, Iterator, Mapping
from functools import cached_property
from typing import Any

from typefold.checks.docstrings import Docstring, docstring_of
from typefold.checks.evaluator import Evaluator, Where, judged
from typefold.checks.findings import Finding, at
from typefold.checks.literals import Place
from typefold.checks.rules_body import asks, body_findings, owed_parameters, returns_nothing, unused_parameters
from typefold.checks.rules_examples import example_findings
from typefold.checks.rules_options import known_options
from typefold.checks.source import Function, Source
from typefold.checks.words import Words
from typefold.compiler import OutputType
from typefold.compiler.templates.value_types import Kind

__all__ = ["PromptCheck", "parameters_in"]


class PromptCheck:
    """A prompt function, looked at from all sides.

    Args:
        function: The function.
        source: The file that it is in.
        module: The file's module.
        evaluator: Evaluates annotations.
    """

    def __init__(self, function: Function, source: Source, module: str, evaluator: Evaluator) -> None:
        self.function = function
        self.evaluator = evaluator
        self.where = Where(module, function.around)
        self.words = Words(evaluator, module)
        self._source = source

    @cached_property
    def docstring(self) -> Docstring | None:
        """The function's docstring."""
        return docstring_of(self.function.node, self._source.lines)

    @cached_property
    def last_line(self) -> int:
        """The last line of the signature and the docstring."""
        first = self.function.node.body[0]
        is_docstring = isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant)
        return first.end_lineno or first.lineno if is_docstring else max(self.function.node.lineno, first.lineno - 1)

    def findings(
        self, kinds: Mapping[str, Kind], *, says_annotations: bool = False, says_returns: bool = False
    ) -> Iterator[Finding]:
        """What is wrong, each thing once.

        Args:
            kinds: What is known of the parameters' values.
            says_annotations: Whether a type checker says by itself that an annotation is missing.
            says_returns: Whether it says that nothing is returned.
        """
        kind = yield from self._of_return_type(says_annotations)
        yield from example_findings(self.function, self.words, kind, self.evaluator, self.where)
        used = yield from self._of_template(kinds)
        yield from body_findings(self.function, self.words)
        if returns_nothing(self.function):
            if not says_returns:
                message = (
                    f"the body of a prompt function returns ask(...), and {self.function.node.name!r} returns nothing"
                )
                yield self._at_name("prompt-ask", message)
        elif used is not None and asks(self.function, self.words):
            yield from unused_parameters(self.function, used, self.words)

    def _of_return_type(self, says_annotations: bool) -> Generator[Finding, None, OutputType[Any] | None]:
        node, name = self.function.node.returns, self.function.node.name
        if node is None:
            if not says_annotations:
                message = f"the prompt function {name!r} has no return annotation, which says what the model may answer"
                yield self._at_name("prompt-return", message)
            return None
        call = next((each for each in self.function.node.decorator_list if isinstance(each, ast.Call)), None)
        options = known_options(call, self.evaluator, self.where)
        found = judged(self.evaluator.hint(node, self.where), options=options)
        if found.refused is not None:
            yield at("prompt-return", found.refused, node)
        if found.misused is not None and call is not None:
            yield at("prompt-option", found.misused, call)
        return found.kind

    def _of_template(self, kinds: Mapping[str, Kind]) -> Generator[Finding, None, set[str] | None]:
        """What is wrong with the template; and the parameters that it uses, if they can be known."""
        if not asks(self.function, self.words, bare=True) or self.docstring is None:
            return set()
        from typefold.compiler.templates.template_check import check_template, constant  # it imports jinja2

        owed = [argument.arg for argument in owed_parameters(self.function)]
        found = check_template(self.docstring.text, kinds, owed=owed)
        for problem in found.problems:
            code = "prompt-template" if problem.code == "syntax" else f"prompt-{problem.code}"
            start, end = self.docstring.place(problem.offset), self.docstring.place(problem.offset + problem.length)
            yield Finding(code, problem.message, start, end)
        if any(problem.code in ("syntax", "name", "braces") for problem in found.problems):
            return None  # in doubt
        reason = None if asks(self.function, self.words, bare=False) else constant(owed, found.used)
        if reason is None:
            return found.used
        yield Finding(
            "prompt-constant", reason, self.docstring.place(0), self.docstring.place(len(self.docstring.text))
        )
        return None

    def _at_name(self, code: str, message: str) -> Finding:
        start = Place(self.function.node.lineno, self.function.node.col_offset)
        return Finding(code, message, start, start)


def parameters_in(function: Function) -> Iterable[ast.arg]:
    """Every parameter of a function."""
    arguments = function.node.args
    rest = (arguments.vararg, arguments.kwarg)
    every = (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs)
    return (*every, *(argument for argument in rest if argument is not None))
