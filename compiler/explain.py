"""Explanations of output types: form, constraint, enforced limits, checks after decoding, and length.

An `Explanation` is plain data. `str()`, rich and notebooks show the same sections. No engine is needed: bounds are in bytes,
and in tokens with a vocabulary. Left out: the prompt, which `render()` shows.

Invariant: `unbounded` names all parts that can grow without end; where it is empty, `most_bytes` is a number.
"""

from __future__ import annotations

import html
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import repeat
from typing import TYPE_CHECKING

from typefold.compiler.codec import JsonSchema
from typefold.compiler.constraint import ConstraintKind
from typefold.compiler.grammar.matcher import Matcher
from typefold.compiler.grammar.nodes import Expr, Language, Lit, Ref, Repeat, char_class, children, flat_rules
from typefold.compiler.grammar.token_bounds import TokenBounds

if TYPE_CHECKING:
    from rich.console import RenderableType

_LINES = 12  # of a grammar, and characters in each line, that are shown; the whole is in `grammar`
_CHARACTERS = 400


@dataclass(frozen=True, kw_only=True)
class Explanation:
    """An explanation of a type.

    Attributes:
        name: The prompt function with its signature, or the type.
        answer: The type of the answers; for `Logged` and the like, the type inside.
        is_bare: Whether an answer is bare text and not JSON.
        shape: The description of the answer's form for the model; `None` for bare text of which there is nothing to say.
        told: The words that a prompt function adds to its message to describe the form; empty where it adds none, `None`
            for a type by itself.
        json_schema: The form as a JSON schema; it enforces nothing.
        kind: The form of the constraint: none (`text`), a list of choices (`choice`), or a `grammar`.
        grammar: The grammar for the default backend, or the choices; empty for `text`.
        enforced: The limits that decoding enforces besides the form, each with its path.
        post_checks: The checks after decoding, each as `path: name`. An answer that fails one is `Invalid`, with it as `check`.
        shared_texts: Texts that several members of a union share, each with its path and the member that it is read as.
        unbounded: The parts that may grow without end in decoding, each with its path.
        least_bytes: The bytes of the shortest answer.
        most_bytes: The bytes of the longest answer; `None` where there is no bound.
        tokens: The fewest and the most tokens of an answer, with the end-of-text token; `None` without a vocabulary.
        decided_after: The number of tokens after which one of few possible answers is settled and generation stops;
            `None` where there is none.
        settled_by: The name of a last field whose value settles the answer, so that generation stops there; else `None`.
        unasked: The paths of fields that the model is neither told nor asked; the program's defaults fill them.
        reasoning: The way in which the model reasons before it answers; empty where it does not, or where that is unknown.
        scored: The paths of choices whose probabilities are part of the value; empty for the answer itself.
        version: The version of the prompt function, shown where it has a name; empty for a type by itself.

    Example:
        >>> from typefold.compiler import output_type
        >>> print(output_type(list[bool]).explain())
        list[bool]
          answer         JSON: [boolean, ...]
          constraint     grammar
          enforced       the form
          checked after  nothing
          length         2 bytes or more
          unbounded      any number of items
        <BLANKLINE>
        root ::= "[]" | ("[" ("true" | "false") text0)
        text0 ::= (", " ("true" | "false")) text0 | "]"
    """

    name: str
    answer: str
    is_bare: bool
    shape: str | None
    json_schema: JsonSchema
    kind: ConstraintKind
    grammar: str | tuple[str, ...]
    enforced: tuple[str, ...]
    post_checks: tuple[str, ...]
    shared_texts: tuple[str, ...] = ()
    unbounded: tuple[str, ...]
    least_bytes: int
    most_bytes: int | None
    tokens: TokenBounds | None
    decided_after: int | None = None
    settled_by: str | None = None
    unasked: tuple[str, ...] = ()
    told: str | None = None
    reasoning: str = ""
    scored: tuple[str, ...] = ()
    version: str = ""

    def __str__(self) -> str:
        sections = list(self._sections())
        width = max(len(title) for title, _ in sections)
        lines = [self.name]
        for title, words in sections:
            lines += [
                f"  {label:<{width}}  {line}"
                for label, line in zip([title, *repeat("", len(words) - 1)], words, strict=True)
            ]
        return "\n".join([*lines, *(["", self._excerpt] if self._excerpt else [])])

    def __rich__(self) -> RenderableType:
        from rich.console import Group
        from rich.table import Table
        from rich.text import Text

        table = Table(show_header=False, box=None, pad_edge=False)
        for title, words in self._sections():
            table.add_row(Text(title, style="bold"), Text("\n".join(words)))
        parts: list[RenderableType] = [Text(self.name, style="bold cyan"), table]
        return Group(*parts, *([Text(f"\n{self._excerpt}", style="dim")] if self._excerpt else []))

    def _repr_html_(self) -> str:
        rows = "".join(
            f'<tr><th style="text-align: left; vertical-align: top">{title}</th>'
            f'<td style="text-align: left">{"<br>".join(map(html.escape, words))}</td></tr>'
            for title, words in self._sections()
        )
        folded = {
            "grammar": self._excerpt,
            "JSON schema": "" if self.is_bare else json.dumps(self.json_schema, indent=2, ensure_ascii=False),
        }
        details = "".join(
            f"<details><summary>{title}</summary><pre>{html.escape(text)}</pre></details>"
            for title, text in folded.items()
            if text
        )
        return f"<div><code>{html.escape(self.name)}</code><table>{rows}</table>{details}</div>"

    def _sections(self) -> Iterator[tuple[str, list[str]]]:
        if "@" in self.version:
            yield "version", [self.version]
        if self.reasoning:
            yield "reasoning", [self.reasoning]
        yield "answer", ["bare text"] if self.is_bare else f"JSON: {self.shape}".split("\n")
        if self.told is not None:
            yield "told", self._told
        yield "constraint", [self._constraint]
        form = "nothing: any text" if self.kind == "text" else "the form"
        yield "enforced", [form, *by_path(self.enforced)]
        if self.scored:
            yield (
                "probabilities",
                [", ".join(f".{each}".replace(".[", "[") if each else "of the answer" for each in self.scored)],
            )
        if self.unasked:
            yield "left out", [", ".join(each.removeprefix("return") for each in self.unasked)]
        yield "checked after", list(by_path(self.post_checks)) or ["nothing"]
        if self.shared_texts:
            yield "shared", list(by_path(self.shared_texts))
        yield "length", [self._length]
        if (after := self.decided_after) is not None:
            yield "decided", [f"after {after:,} token{'s' if after > 1 else ''}"]
        if self.settled_by is not None:
            yield "decided", [f"with the value of {self.settled_by}: generation stops there"]
        yield "unbounded", list(by_path(self.unbounded)) or ["nothing"]

    @property
    def _told(self) -> list[str]:
        """The words of the prompt, without the description where the section of the answer shows it."""
        if self.told and self.shape and not self.is_bare and self.told.endswith(self.shape):
            return [*self.told.removesuffix(self.shape).split("\n")[:-1], "... (as above)"]
        return self.told.split("\n") if self.told else ["nothing"]

    @property
    def _constraint(self) -> str:
        if self.kind == "text":
            return "none"
        if isinstance(self.grammar, str):
            return str(self.kind)
        return f"choice of {len(self.grammar):,}" if len(self.grammar) > 1 else "choice of one"

    @property
    def _length(self) -> str:
        length = _span(self.least_bytes, self.most_bytes, "bytes")
        return f"{length}; {_span(self.tokens.least, self.tokens.most, 'tokens')}" if self.tokens else length

    @property
    def _excerpt(self) -> str:
        text = self.grammar if isinstance(self.grammar, str) else " | ".join(self.grammar)
        lines = text.rstrip("\n").split("\n")
        shown = [line if len(line) <= _CHARACTERS else f"{line[:_CHARACTERS]} ..." for line in lines[:_LINES]]
        return "\n".join([*shown, *([f"... and {len(lines) - _LINES} lines more"] if len(lines) > _LINES else [])])


def by_path(notes: Iterable[str]) -> Iterator[str]:
    """Limits or checks by their path, those of one path together: `.age: ge=0, le=9`."""
    paths: dict[str, list[str]] = {}
    for note in notes:
        path, _, words = note.partition(": ")
        paths.setdefault(path.removeprefix("return"), []).append(words)
    for path, listed in paths.items():
        yield f"{path}: {', '.join(listed)}" if path else ", ".join(listed)


def unbounded_parts(parts: Mapping[str, Expr], language: Language) -> Iterator[str]:
    """Describe the parts of a type that may have any length, the outer ones first, without the parts inside them."""
    looped = language.rules.keys() - set(flat_rules(language))
    named: set[str] = set()
    own: dict[str, frozenset[Expr]] = {}
    for path, expr in parts.items():  # a named type is described at its first path
        is_known = isinstance(expr, Ref) and expr.name in named
        own[path] = frozenset() if is_known else _endless(expr, language.rules, _names(parts.values()))
        named |= _names([expr])
    described: set[str] = set()
    for path, expr in parts.items():
        inside = [nodes for other, nodes in own.items() if other.startswith((f"{path}.", f"{path}[", f"{path}|"))]
        if isinstance(expr, Ref) and expr.name in looped and expr.name not in described:
            described.add(expr.name)
            yield f"{path}: may contain itself without end"
        elif own[path].difference(*inside):
            yield f"{path}: {_any_number(Language(expr, language.rules))}"


def _names(exprs: Iterable[Expr]) -> set[str]:
    return {expr.name for expr in exprs if isinstance(expr, Ref)}


def _endless(expr: Expr, rules: Mapping[str, Expr], named: set[str]) -> frozenset[Expr]:
    """The unbounded repetitions in an expression and in the rules that it leads to, without those of named types."""
    found: set[Expr] = set()
    seen = set(named)
    pending: list[Expr] = [rules[expr.name] if isinstance(expr, Ref) else expr]
    while pending:
        node = pending.pop()
        if isinstance(node, Ref):
            if node.name not in seen:
                seen.add(node.name)
                pending.append(rules[node.name])
            continue
        if isinstance(node, Repeat) and node.most is None and node.item != Lit(""):
            found.add(node)
        pending += children(node)
    return frozenset(found)


def _any_number(language: Language) -> str:
    """Name the items of an unbounded part, by its first character."""
    first = Matcher.start(language).next_chars
    kinds = {'"': "characters", "[": "items", "{": "keys"}
    named = [name for mark, name in kinds.items() if mark in first]
    if not named and len(first & char_class((0x30, 0x39))):
        named = ["digits"]
    return f"any number of {' or '.join(named) or 'characters'}"


def _span(least: int, most: int | None, unit: str) -> str:
    if most is None:
        return f"{least:,} {unit} or more"
    return f"{most:,} {unit}" if least == most else f"{least:,} to {most:,} {unit}"
