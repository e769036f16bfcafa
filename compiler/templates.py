"""Docstring templates: Jinja2, checked when they are read, rendered in a sandbox.

Values are data: a value that looks like a template is shown as it is. Text is put in as text, an enum member as its
value, and anything with structure (models, dataclasses, lists, dictionaries) as JSON, spaced as answers are.
"""

from __future__ import annotations

import difflib
from collections.abc import Collection, Mapping
from enum import Enum
from functools import cache
from typing import TYPE_CHECKING, Any

from pydantic_core import to_jsonable_python

from typefold.compiler.errors import TemplateError
from typefold.compiler.spacing import WireFormat

if TYPE_CHECKING:
    from jinja2.sandbox import SandboxedEnvironment

__all__ = ["PromptTemplate", "text_of"]


def text_of(value: object) -> str:
    """A value as it is shown to a model.

    Example:
        >>> text_of({"a": [1, None]})
        '{"a": [1, null]}'
    """
    if isinstance(value, Enum):
        value = value.value
    if isinstance(value, str):
        return value
    if isinstance(value, bool) or value is None:
        return "null" if value is None else str(value).lower()
    if isinstance(value, (int, float)):
        return str(value)
    try:
        return WireFormat.SPACED.value.dump(to_jsonable_python(value, by_alias=True))
    except ValueError:  # not of JSON's kind: the author of its class knows best how it reads
        return str(value)


class PromptTemplate:
    """A template and the names that it may use.

    Args:
        source: Jinja2 text.
        parameters: The names that rendering will provide.
        name: What errors call the template.

    Raises:
        TemplateError: Bad syntax, an unknown filter, or a name that is no parameter.

    Example:
        >>> PromptTemplate("Hello {{ name }}!", ["name"]).render({"name": "Ada"})
        'Hello Ada!'
    """

    def __init__(self, source: str, parameters: Collection[str], *, name: str = "template") -> None:
        from jinja2 import TemplateError as JinjaError
        from jinja2 import meta

        environment = _environment()
        try:
            tree = environment.parse(source)
            unknown = sorted(meta.find_undeclared_variables(tree) - set(parameters) - set(environment.globals))
            self._template = environment.from_string(tree)
        except JinjaError as error:
            line = getattr(error, "lineno", None)
            place = f", line {line}" if line else ""
            raise TemplateError(f"{name}: the docstring is no valid Jinja2 template{place}: {error}") from error
        if "self" in parameters and "self" in meta.find_undeclared_variables(tree):
            raise TemplateError(
                f"{name}: 'self' has a meaning of its own in Jinja2; write the message with ask(f'...')"
            )
        if unknown:
            near = difflib.get_close_matches(unknown[0], list(parameters), n=1)
            hint = f"; did you mean {near[0]!r}?" if near else f"; the parameters are {', '.join(parameters) or 'none'}"
            raise TemplateError(f"{name}: the template uses {unknown[0]!r}, which is no parameter{hint}")

    def render(self, values: Mapping[str, Any]) -> str:
        """The text for these values.

        Raises:
            jinja2.TemplateError: A value lacks what the template asks of it, or the sandbox forbids it.
        """
        return self._template.render(values)


@cache
def _environment() -> SandboxedEnvironment:
    # jinja2 takes 30 ms to import: only prompts with templates pay for it.
    from jinja2 import StrictUndefined, Undefined
    from jinja2.sandbox import SandboxedEnvironment

    def finalize(value: object) -> object:
        return value if isinstance(value, Undefined) else text_of(value)  # an undefined one raises when it is shown

    return SandboxedEnvironment(
        undefined=StrictUndefined,
        finalize=finalize,
        autoescape=False,  # prompts are no HTML
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=False,
    )
