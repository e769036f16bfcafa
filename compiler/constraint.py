"""Constraints on answers for an engine's constrained decoding.

A constraint holds the language of the answers, or a text that only the engine understands (a raw grammar or a JSON schema
from a user's hook). It prints the language on demand in the dialect of the engine's backend.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal
from weakref import WeakKeyDictionary

from typefold.compiler.grammar import ebnf, lark
from typefold.compiler.grammar.early_stop import FewAnswers, ForcedEnding, few_answers, forced_ending
from typefold.compiler.grammar.matcher import Walk
from typefold.compiler.grammar.nodes import Choice, Language, Lit
from typefold.compiler.grammar.token_bounds import TokenBounds, Vocabulary, token_bounds

ConstraintKind = Literal["text", "choice", "regex", "grammar", "json"]
Dialect = Literal["ebnf", "lark"]

_LONGEST_CHOICE = 1000  # beyond this the backend's own form of a choice is slower than our grammar


@dataclass(frozen=True)
class Constraint:
    """A constraint on the form of an answer that an engine can enforce.

    Args:
        kind: The form for the engine: none (`text`), a list of choices, a regex, a grammar, or a JSON schema.
        language: The language of all admitted answers; `None` for free text and for a raw text.
        raw: The text for the engine where there is no language.
        json: Whether all texts of the language are JSON.

    Example:
        >>> from typefold.compiler.grammar.nodes import choice
        >>> Constraint.of(Language(choice("keep", "drop"))).spec
        ('keep', 'drop')
    """

    kind: ConstraintKind
    language: Language | None = None
    raw: str | None = field(default=None, kw_only=True)
    json: bool = field(default=False, kw_only=True)

    @classmethod
    def of(cls, language: Language, *, json: bool = False) -> Constraint:
        """Make the constraint of a language.

        Args:
            language: The language of all admitted answers.
            json: Whether all texts of the language are JSON.

        Returns:
            A `choice` for a list of at most 1,000 printable literals, else a `grammar`.
        """
        options = language.root.options if isinstance(language.root, Choice) else (language.root,)
        plain = all(isinstance(option, Lit) and option.text.isprintable() and option.text for option in options)
        kind: ConstraintKind = "choice" if plain and 0 < len(options) <= _LONGEST_CHOICE else "grammar"
        return cls(kind, language, json=json)

    @cached_property
    def spec(self) -> str | tuple[str, ...]:
        """The specification for the default backend: the choices, or one text; empty for `text`."""
        return self.for_dialect("ebnf")

    @cached_property
    def digest(self) -> bytes:
        """16 bytes that are equal for equal constraints, in all processes."""
        return hashlib.blake2b(repr((self.kind, self.spec)).encode("utf-8", "surrogatepass"), digest_size=16).digest()

    def for_dialect(self, dialect: Dialect) -> str | tuple[str, ...]:
        """Print the specification for a backend.

        Args:
            dialect: The dialect of the backend: `ebnf` for xgrammar, `lark` for guidance.

        Returns:
            The choices, or one text; an empty text for `text`.
        """
        if self.language is None:
            return self.raw or ""
        if self.kind == "choice":
            root = self.language.root
            options = root.options if isinstance(root, Choice) else (root,)
            return tuple(option.text for option in options if isinstance(option, Lit))
        if dialect not in self._printed:
            printer = ebnf.print_ebnf if dialect == "ebnf" else lark.print_lark
            self._printed[dialect] = printer(self.language)
        return self._printed[dialect]

    def token_bounds(self, vocabulary: Vocabulary) -> TokenBounds:
        """Bound the tokens of an answer.

        Args:
            vocabulary: Facts about the engine's tokenizer.

        Returns:
            The fewest and the most tokens; without a language, one and no bound.
        """
        known = self._token_bounds.get(vocabulary)
        if known is None:
            known = TokenBounds(1, None) if self.language is None else token_bounds(self.language, vocabulary)
            self._token_bounds[vocabulary] = known
        return known

    def is_complete(self, text: str) -> bool:
        """Return whether `text`, cut off here, is a whole answer that nothing may follow. Free text always is."""
        if self.language is None:
            return self.kind == "text"
        if self.json and _is_open_json(text):
            return False
        state = self._walk.after(text)
        return state.complete and not state.stacks

    def __getstate__(self) -> dict[str, object]:
        return {"kind": self.kind, "language": self.language, "raw": self.raw, "json": self.json}

    @cached_property
    def few_answers(self) -> FewAnswers | None:
        """The answers, where there are few, and when one of them is settled; else `None`."""
        return None if self.language is None else few_answers(self.language)

    @cached_property
    def forced_ending(self) -> ForcedEnding | None:
        """The ending of JSON answers that end in one of few ways; else `None`."""
        return forced_ending(self.language) if self.json and self.language is not None else None

    @cached_property
    def _walk(self) -> Walk:
        assert self.language is not None
        return Walk(self.language)

    @cached_property
    def _token_bounds(self) -> WeakKeyDictionary[Vocabulary, TokenBounds]:
        return WeakKeyDictionary()

    @cached_property
    def _printed(self) -> dict[Dialect, str]:
        return {}


def _is_open_json(text: str) -> bool:
    """Return whether a text begins as an object, an array or a string and is no whole one: far faster than a matcher's steps."""
    closing = {"{": "}", "[": "]", '"': '"'}.get(text[:1])
    if closing is None:
        return False
    if not text.endswith(closing):
        return True
    try:
        json.loads(text, parse_int=str)  # a whole number may have more digits than `int` reads
    except ValueError:
        return True
    except RecursionError:
        return False
    return False


TEXT = Constraint("text")
