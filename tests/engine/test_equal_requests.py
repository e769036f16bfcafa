"""Which requests vLLM's engine takes for equal: by the parameters that are really in force, the model's own included."""
# Tests look inside:
# pyright: reportPrivateUsage=false

from typing import Any

import pytest

from typefold.compiler import Constraint
from typefold.compiler.grammar.nodes import Language, choice
from typefold.runtime import EngineRefusal, Request, Scheduler
from typefold.runtime.engines.vllm.engine import VllmEngine

pytestmark = pytest.mark.engine


def ask(**facts: Any) -> Request:
    return Request(prompt="Once upon a time", **facts)


def params(**names: Any) -> Any:
    from vllm import SamplingParams

    return SamplingParams(**names)


def test_a_sampled_request_is_settled_by_nothing_and_a_greedy_or_seeded_one_is(engine: VllmEngine) -> None:
    assert engine.identity(ask()) is None
    assert engine.identity(ask(sampling={"temperature": 0.5, "seed": None})) is None
    assert engine.identity(ask(sampling={"temperature": 0.001})) is None  # vLLM makes 0.01 of it
    assert engine.identity(ask(sampling_params=params(temperature=0.9, seed=-1))) is None
    settled = [
        ask(sampling={"temperature": 0}),
        ask(sampling={"temperature": 0, "max_tokens": 5}),
        ask(sampling={"temperature": 0, "logprobs": 1}),
        ask(sampling={"temperature": 0}, constraint=Constraint.of(Language(choice("a", "b")))),
        ask(sampling={"seed": 1}),
        ask(sampling={"seed": 2}),
        ask(sampling_params=params(temperature=0.9, seed=2)),
    ]
    identities = [engine.identity(request) for request in settled]
    assert None not in identities
    assert len(set(identities)) == len(settled)


def test_equal_parameters_are_equal_however_they_are_given(engine: VllmEngine) -> None:
    by_name = engine.identity(ask(sampling={"temperature": 0, "max_tokens": 9, "stop": ["x"]}))
    as_object = engine.identity(ask(sampling_params=params(temperature=0.0, max_tokens=9, stop="x", seed=4)))
    assert by_name == as_object is not None  # a seed says nothing where decoding is greedy
    with pytest.raises(EngineRefusal, match="did you mean 'top_p'"):
        engine.identity(ask(sampling={"temperature": 0, "topp": 1}))


def test_the_models_own_temperature_counts(engine: VllmEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine._parameters, "_defaults", params(temperature=0.0))
    engine._parameters._templates._known.clear()
    assert engine.identity(ask()) is not None
    assert engine.identity(ask(sampling={"temperature": 1.0})) is None
    engine._parameters._templates._known.clear()


def test_equal_greedy_requests_are_generated_once(engine: VllmEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "close", lambda: None)
    scheduler = Scheduler(engine)
    greedy = {"temperature": 0, "max_tokens": 6}
    futures = scheduler.submit([ask(sampling=greedy), ask(sampling=greedy), ask(sampling={"max_tokens": 6})])
    texts = [future.result(60).text for future in futures]
    assert texts[0] == texts[1]
    assert scheduler.submit([ask(sampling=greedy)])[0].result(60).text == texts[0]
    stats = scheduler.statistics
    scheduler.close()
    assert (stats.succeeded, stats.deduplicated, stats.output_tokens) == (4, 2, 12)
