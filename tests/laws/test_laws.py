"""Both laws hold for generated types, in the eyes of the recogniser and of the engines' own matchers."""

from __future__ import annotations

import os
import random
from collections import Counter
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, assume, event, given, settings
from hypothesis import strategies as st

from typefold.compiler import JsonFormat, UnsupportedType, output_type
from typefold.compiler.grammar.sampler import sample
from typefold.testing.laws import Recogniser, check_laws, near_misses

from .cases import Case, cases
from .matchers import TEMPERS, Guidance, Walker, XGrammar

QUICK, PROVE = 150, 5_000
WALKS_QUICK, WALKS_PROVE = 4, 10

SETTINGS = settings(
    deadline=None,
    derandomize=True,
    database=None,
    print_blob=True,
    phases=(Phase.explicit, Phase.generate, Phase.shrink)
    if os.environ.get("TYPEFOLD_SHRINK")
    else (Phase.explicit, Phase.generate),
    suppress_health_check=[
        HealthCheck.too_slow,
        HealthCheck.data_too_large,
        HealthCheck.large_base_example,
        HealthCheck.filter_too_much,
        HealthCheck.function_scoped_fixture,
    ],
)


def compiled(case: Case, json_format: JsonFormat) -> Any:
    try:
        return output_type(case.hint, json_format=json_format)
    except UnsupportedType as error:
        if json_format is JsonFormat.COMPACT and "may be left out and may hold anything" in error.reason:
            event("refused: nothing says in an array that a key is missing")
            assume(False)
        raise


def may_share(kind: Any) -> bool:
    """Whether members of a union may share a text, so that a value may come back as another's, as it does from pydantic."""
    return any(len(union.names) - ("None" in union.names) > 1 for union in kind.unions)


def prove(
    case: Case,
    json_format: JsonFormat,
    data: st.DataObject,
    seed: int,
    engines: list[Any],
    walks: int,
    counts: Counter[str],
) -> None:
    """One type: its values, near misses of them and walks, before every matcher; all matchers agree on all texts."""
    kind = compiled(case, json_format)
    rng = random.Random(seed)
    values = data.draw(st.lists(case.values, min_size=1, max_size=4), label="values")
    own = Recogniser.of(kind.constraint)
    matchers: list[Walker] = (
        [] if kind.constraint.kind == "text" else [engine.matcher(kind.constraint) for engine in engines]
    )
    texts: list[str] = []
    for matcher in matchers:
        for _ in range(walks):
            text = matcher.walk(rng, rng.choice(TEMPERS))
            counts["walks"] += 1
            if text is not None:
                counts["walks that ended"] += 1
                texts.append(text)
                assert own.admits(text), f"{kind.hint!r}: {text!r} was walked, and is not in the language"
    found = check_laws(kind, values, texts=texts, samples=4, misses=6, every=not may_share(kind), seed=seed)
    for text in [kind.encode(value) for value in values]:
        texts += [text, *near_misses(text, rng, 6)]
    if kind.constraint.language is not None:
        texts += [sample(kind.constraint.language, rng, exotic=0.3) for _ in range(3)]
    for text in texts:
        for matcher in matchers:
            assert matcher.admits(text) == own.admits(text), (
                f"{kind.hint!r}: {type(matcher).__name__} and recogniser on {text!r}"
            )
    counts["types"] += 1
    counts["values"] += found.values
    counts["values of unions that pydantic loses"] += found.lost
    counts["texts sound"] += found.texts
    counts["texts that failed a named check"] += found.failed
    counts["verdicts compared"] += len(texts) * len(matchers)


SEEDS = st.integers(0, 2**32)


@given(case=cases(), json_format=st.sampled_from(JsonFormat), data=st.data(), seed=SEEDS)
@settings(SETTINGS, max_examples=QUICK)
def test_both_laws_hold_for_generated_types(
    xgrammar: XGrammar,
    guidance: Guidance,
    proved: Counter[str],
    case: Case,
    json_format: JsonFormat,
    data: st.DataObject,
    seed: int,
) -> None:
    prove(case, json_format, data, seed, [xgrammar, guidance], WALKS_QUICK, proved)


@pytest.mark.prove
@pytest.mark.timeout(4 * 3600)  # it takes a quarter of an hour of a core, and cores are shared
@pytest.mark.parametrize(
    "formats", [st.sampled_from(JsonFormat), st.just(JsonFormat.COMPACT)], ids=["each format", "compact"]
)
@given(case=cases(), data=st.data(), seed=SEEDS)
@settings(SETTINGS, max_examples=PROVE)
def test_both_laws_hold_for_many_generated_types(
    xgrammar: XGrammar,
    guidance: Guidance,
    proved: Counter[str],
    formats: st.SearchStrategy[JsonFormat],
    case: Case,
    data: st.DataObject,
    seed: int,
) -> None:
    prove(case, data.draw(formats, label="json_format"), data, seed, [xgrammar, guidance], WALKS_PROVE, proved)
