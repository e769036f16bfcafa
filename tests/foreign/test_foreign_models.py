"""Types that nobody here wrote: models generated from the JSON schemas of published packages are put to both laws.

`make prove` makes them (see `collect.py`); without them there is nothing here to run. Every model is compiled, or refused
with a path. What compiles is walked under xgrammar's masks and given values that somebody else made up; the recogniser
and the engine must agree on every text.
"""

from __future__ import annotations

import importlib
import json
import os
import random
import sys
import time
import warnings
from collections import Counter
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel, ValidationError

from tests.laws.matchers import TEMPERS, Vocabulary, XGrammar, small_vocabulary
from typefold.compiler import DecodeError, OutputType, UnsupportedType, output_type
from typefold.compiler.grammar.sampler import sample
from typefold.testing.laws import Recogniser, check_laws, failed_checks, near_misses

MODELS = Path(os.environ.get("TYPEFOLD_FOREIGN") or Path(__file__).parents[2] / "build" / "foreign" / "models")
WALKS, SAMPLES = 3, 4
TOO_SLOW = 2.0
"""Seconds; what takes longer to compile is told at the end."""

LONGEST = 3_000
"""Characters of a value's text; the recogniser is not made for more."""

LARGEST = 400_000
"""Characters of a grammar that is still walked: with more, the engine takes minutes for one type."""


def entries() -> list[dict[str, Any]]:
    index = MODELS / "index.json"
    if not index.exists():
        return []
    found: list[dict[str, Any]] = json.loads(index.read_text(encoding="utf-8"))
    return [entry for entry in found if not entry["error"]]


@pytest.fixture(scope="module")
def xgrammar() -> XGrammar:
    return XGrammar(Vocabulary(small_vocabulary()))


@contextmanager
def importable() -> Generator[None]:
    """Generated modules can be imported, and leave no compiled files beside them."""
    before = sys.dont_write_bytecode
    sys.path.insert(0, str(MODELS))
    sys.dont_write_bytecode = True
    try:
        yield
    finally:
        sys.path.remove(str(MODELS))
        sys.dont_write_bytecode = before


def values_of(model: type[BaseModel], texts: list[str]) -> list[BaseModel]:
    """Values that somebody else made up, where pydantic reads them again."""
    found: list[BaseModel] = []
    for text in texts:
        if len(text) > LONGEST:
            continue
        try:
            found.append(model.model_validate_json(text))
        except ValidationError:
            continue
    return found


def reason_of(error: UnsupportedType) -> str:
    """The kind of a refusal, without what it says of this one type."""
    if "pattern that cannot be enforced" in error.reason:
        return "pattern that cannot be enforced"
    return error.reason.partition("(")[0].partition(";")[0].partition(":")[0][:60]


def prove(
    model: type[BaseModel], texts: list[str], xgrammar: XGrammar, rng: random.Random, counts: Counter[str]
) -> Iterator[str]:
    """The ways in which a law is broken for a model, each in words."""
    started = time.perf_counter()
    counts["models"] += 1
    try:
        kind: OutputType[Any] = output_type(model)
    except UnsupportedType as error:
        counts[f"refused: {reason_of(error)}"] += 1
        if not error.path.startswith("return"):
            yield f"refused without a path: {error}"
        return
    finally:
        if time.perf_counter() - started > TOO_SLOW:
            counts[f"slow to compile: {model.__module__}.{model.__name__}"] += 1
    counts["compiled"] += 1
    own = Recogniser.of(kind.constraint)
    language = kind.constraint.language
    tried = [sample(language, rng, exotic=0.2) for _ in range(SAMPLES)] if own.language and language else []
    values = values_of(model, texts)
    for value in values:
        try:
            tried += near_misses(kind.encode(value), rng, 2)
        except ValueError:
            continue
    spec = kind.constraint.spec
    walker: Any = None
    if own.language is not None and (not isinstance(spec, str) or len(spec) < LARGEST):
        walker = xgrammar.matcher(kind.constraint)
        for _ in range(WALKS):
            text = walker.walk(rng, rng.choice(TEMPERS))
            counts["walks"] += 1
            if text is not None:
                counts["walks that ended"] += 1
                tried.append(text)
        for text in tried:
            counts["verdicts compared"] += 1
            if walker.admits(text) != own.admits(text):
                yield f"xgrammar and the recogniser differ on {text!r}"
    else:
        counts["too large to be walked"] += 1
    for text in tried:
        if own.admits(text):
            try:
                kind.decode(text)
            except DecodeError as error:
                for check in failed_checks(kind, error):
                    counts[f"failed: {check.partition(': ')[2].partition('=')[0].partition(' of ')[0]}"] += 1
            try:
                found = check_laws(kind, texts=[text], samples=0)
                counts["texts sound"] += found.texts
                counts["texts that failed a named check"] += found.failed
            except AssertionError as error:
                yield str(error)
    for value in values:
        try:
            found = check_laws(kind, [value], samples=0, misses=0, matcher=walker)
            counts["values"] += found.values
            counts["values that pydantic loses"] += found.lost
        except AssertionError as error:
            yield str(error)


@pytest.mark.prove
@pytest.mark.skipif(not entries(), reason="no models there; `make prove` makes them")
@pytest.mark.parametrize(
    "entry", [pytest.param(entry, id=f"{entry['package']}/{entry['schema']}") for entry in entries()]
)
def test_both_laws_hold_for_foreign_models(entry: dict[str, Any], xgrammar: XGrammar, foreign: Counter[str]) -> None:
    broken: list[str] = []
    with importable(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        foreign["schemas"] += 1
        for name in entry["models"]:
            module, _, cls = name.partition(":")
            model = getattr(importlib.import_module(module), cls)
            rng = random.Random(name)
            broken += [
                f"{name}: {what:.2000}" for what in prove(model, entry["values"].get(name, []), xgrammar, rng, foreign)
            ]
    foreign["laws broken"] += len(broken)
    assert not broken, "\n".join(broken[:10])
