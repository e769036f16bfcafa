"""Fixtures of tests of output types: `prove` puts a type to both laws, whichever way its values are read."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any, Protocol

import pytest

from typefold.compiler import output_type
from typefold.compiler.grammar.matcher import recognises
from typefold.testing.laws import LawCounts, check_laws, same


class Prove(Protocol):
    """Every value has an admitted text and comes back; every admitted text decodes or fails a named post-check."""

    def __call__(self, hint: Any, values: Iterable[Any] = (), *, samples: int = 40, misses: int = 8) -> LawCounts: ...


@pytest.fixture(scope="session")
def prove() -> Prove:
    def proof(hint: Any, values: Iterable[Any] = (), *, samples: int = 40, misses: int = 8) -> LawCounts:
        kind, values = output_type(hint), list(values)
        for value in values:
            text = kind.encode(value)
            assert kind.constraint.language is None or recognises(kind.constraint.language, text), text
            assert same(kind.decode(text), value)
            if not kind.is_bare:  # as it is read inside a type that pydantic does not know
                assert same(kind.codec.from_json(json.loads(text)), value)
        return check_laws(kind, values, samples=samples, misses=misses)

    return proof


@pytest.fixture(scope="session")
def admits() -> Admits:
    def ask(hint: Any, text: str) -> bool:
        language = output_type(hint).constraint.language
        return language is None or recognises(language, text)

    return ask


class Admits(Protocol):
    """Whether a type's constraint admits a text."""

    def __call__(self, hint: Any, text: str) -> bool: ...
