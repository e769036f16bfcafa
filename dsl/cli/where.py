"""`--where`: a condition on records, written as Jinja writes expressions: `score > 3 and "refund" in text`.

It sees the parameters of the function as the function gets them, and other columns as the file has them, and changes no
list or dictionary of theirs. Where it fails for a record, that costs the record; where it fails for all, the command.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from typing import Any

from jinja2 import nodes
from jinja2.environment import TemplateExpression
from jinja2.parser import Parser
from jinja2.sandbox import ImmutableSandboxedEnvironment

from typefold.cli.target import CommandError
from typefold.compiler.contained import first_line
from typefold.programs.record_arguments import BadRecord

_SELF = "_self_"  # Jinja has a meaning of its own for `self`


class Condition:
    """A condition on records; `known` are the names that it may use, where they are known before the first record."""

    def __init__(self, expression: str, known: Iterable[str] | None = None) -> None:
        self.expression = expression
        environment = ImmutableSandboxedEnvironment()
        try:
            parser = Parser(environment, expression, state="variable")
            parsed = parser.parse_expression()
            if not parser.stream.eos:
                raise CommandError(f"--where {expression!r}: there is more behind the end of the expression")
            assigned = nodes.Assign(nodes.Name("result", "store"), parsed, lineno=1)
            template = nodes.Template([assigned], lineno=1)
            template.set_environment(environment)
            loaded = [name for name in template.find_all(nodes.Name) if name.ctx == "load"]
            own = {each.name for each in loaded}
            for each in loaded:
                each.name = _SELF if each.name == "self" else each.name
            self._compiled = TemplateExpression(environment.from_string(template), undefined_to_none=True)
        except CommandError:
            raise
        except Exception as error:  # nested too deep, say, or a constant that can't be worked out
            raise CommandError(f"--where {expression!r}: {first_line(error)}") from None
        self._unseen = own - set(environment.globals)
        self._tried = self._failed = self._held = 0
        self._first: str | None = None
        if known is not None:
            names = list[str](known)
            for name in sorted(self._unseen - set(names)):
                near = get_close_matches(name, names, n=1)
                hint = f"; did you mean {near[0]}?" if near else f"; there are {', '.join(names) or 'none'}"
                raise CommandError(f"--where {expression!r}: there is no column {name}{hint}")

    def holds(self, values: Mapping[str, Any]) -> bool:
        """Whether it holds of a record; raises `BadRecord` where it can't be told."""
        self._tried += 1
        self._unseen.difference_update(values)
        try:
            found = bool(self._compiled({_SELF if name == "self" else name: value for name, value in values.items()}))
        except Exception as error:
            self._failed += 1
            message = f"--where {self.expression!r}: {first_line(error)}"
            self._first = self._first or message
            raise BadRecord(message) from error
        self._held += found
        return found

    def check_used(self) -> None:
        """Raise `CommandError`, behind the last record, where it was of no use: it failed for all, or named an unknown column."""
        if self._tried and self._failed == self._tried:
            raise CommandError(f"{self._first}; it fails for every record ({self._tried:,}), so nothing was run")
        if self._tried and not self._held and self._unseen:
            raise CommandError(f"--where {self.expression!r}: no record has {', '.join(sorted(self._unseen))}")
