"""The laws of types of JSON schemas by both real matchers: a schema for each keyword, with values and texts of the grammar."""

import random
from typing import Any

import pytest

from tests.compiler.test_schemas import FORMATS, KEYWORDS
from typefold.compiler import OutputType, output_type, type_of_schema
from typefold.compiler.grammar.nodes import EMPTY, Language
from typefold.compiler.grammar.sampler import sampler
from typefold.testing.laws import check_laws

from .matchers import Guidance, XGrammar

SCHEMAS: dict[str, tuple[Any, list[Any]]] = {
    **{name: (schema, values) for name, (schema, values, _) in KEYWORDS.items()},
    **{name: ({"items": {"type": "string", "format": name}}, [values]) for name, (values, _) in FORMATS.items()},
}


@pytest.mark.parametrize("name", SCHEMAS)
def test_the_laws_hold_for_a_keyword_by_both_matchers(name: str, xgrammar: XGrammar, guidance: Guidance) -> None:
    schema, values = SCHEMAS[name]
    many: Any = list
    kind: OutputType[Any] = output_type(many[type_of_schema(schema)])
    draw = sampler(kind.constraint.language or Language(EMPTY), random.Random(5))
    texts = [draw() for _ in range(20)]
    for engine in (xgrammar, guidance):
        matcher = engine.matcher(kind.constraint)
        check_laws(kind, [[value] for value in values], matcher=matcher, samples=10, misses=6)
        for text in texts:
            assert matcher.admits(text), text
        for temper in ("even", "shortest", "strange"):
            walked = matcher.walk(random.Random(7), temper)
            if walked is not None:
                check_laws(kind, texts=[walked], matcher=matcher, samples=0)
