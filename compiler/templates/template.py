"""Templates in Jinja2, of docstrings and options: checked when they are made, rendered in a sandbox.

Values are data: a value that looks like a template is shown unchanged. `text_of` gives the text of a value.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from typefold.compiler.errors import TemplateError
from typefold.compiler.templates.value_types import UNKNOWN

LONGEST = 100_000_000
"""The largest number of characters that a template may write."""


class PromptTemplate:
    """A template and the names that it may use.

    Single braces around one of `expected` are an error. A template that is the whole prompt (`alone`) has to use one of them.
    Errors call it `title`. The names that it reads are in `used`.

    Raises:
        TemplateError: Bad syntax, an unknown filter, a name that is no parameter, single braces around a parameter, or no
            parameter used.
    """

    def __init__(
        self,
        source: str,
        parameters: Collection[str],
        *,
        expected: Collection[str] = (),
        alone: bool = False,
        name: str = "template",
        title: str = "the docstring",
    ) -> None:
        self._name = name
        # jinja2 takes 30 ms to import: only prompts with templates pay for it.
        from jinja2 import TemplateError as JinjaError

        from typefold.compiler.templates.template_check import check_template, constant, environment

        found = check_template(source, dict.fromkeys(parameters, UNKNOWN), expected=expected, title=title)
        for problem in found.problems:
            line = source.count("\n", 0, problem.offset) + 1
            raise TemplateError(f"{name}: line {line} of {title}: {problem.message}")
        if alone and (reason := constant(expected, found.used)) is not None:
            raise TemplateError(f"{name}: {reason}")
        try:
            self._template = environment().from_string(source)
        except JinjaError as error:
            raise TemplateError(f"{name}: {title} is no valid Jinja2 template: {error}") from error
        self.used = frozenset(found.used)
        self._source = source

    def content(self, parameters: Sequence[str]) -> tuple[list[tuple[str, str]], list[str]]:
        """Return what the template is made of, with numbers for parameters and no comments, and the parameters in that order."""
        from typefold.compiler.templates.template_check import environment

        numbers: dict[str, str] = {}
        pieces = [("", "")]
        for _, kind, text in environment().lex(self._source):
            if kind == "data" and pieces[-1][0] == "data":  # a comment stood between
                pieces[-1] = ("data", pieces[-1][1] + text)
            elif not kind.startswith("comment") and kind != "whitespace":
                is_parameter = kind == "name" and text in parameters and pieces[-1][1] != "."
                pieces.append((kind, numbers.setdefault(text, f"${len(numbers)}") if is_parameter else text))
        return pieces, [*numbers]

    def render(self, values: Mapping[str, Any]) -> str:
        """Render the text for these values. Raises jinja2.TemplateError, or TemplateError for a text that is too long."""
        pieces: list[str] = []
        size = 0
        for piece in self._template.generate(values):
            pieces.append(piece)
            size += len(piece)
            if size > LONGEST:
                raise TemplateError(f"{self._name}: the template writes more than {LONGEST:,} characters")
        return "".join(pieces)
