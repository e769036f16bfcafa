"""The table of sampling parameters refuses what the installed vLLM's `SamplingParams` refuses, and nothing that it takes."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Annotated, Any, Literal

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pydantic import Field

from typefold import Logged, Runtime, Truncated, ask, prompt
from typefold.compiler.guards import class_of
from typefold.runtime.sampling import RANGES, UNSET_LIMIT, conflict, unfit, unfit_object

pytestmark = pytest.mark.engine

_NUMBERS = st.one_of(
    st.integers(-5, 5), st.integers(), st.floats(), st.floats(-3, 3), st.sampled_from([2, -2, 10**400])
)
_TEXTS = st.lists(st.text(max_size=2), max_size=3)
_IDS = st.lists(st.integers(-2, 50), max_size=3)
_BIASES = st.dictionaries(st.integers(-2, 50), st.floats(allow_nan=False), max_size=3)
_FLAGS = st.booleans()
# Of the types that vLLM annotates: it does not look at most of them, and a wrong one is found by its engine, or not at all.
_VALUES: dict[str, st.SearchStrategy[object]] = {
    **dict.fromkeys(("temperature", "top_p", "min_p", "presence_penalty", "frequency_penalty"), _NUMBERS),
    "repetition_penalty": _NUMBERS,
    "top_k": st.integers(-5, 50),
    "max_tokens": st.none() | st.integers(-5, 50),
    "min_tokens": st.integers(-5, 16),
    "seed": st.none() | st.integers(-(2**63), 2**63 - 1),
    "logprobs": st.none() | st.integers(-5, 50) | st.just(True),
    "stop": st.none() | st.text(max_size=2) | _TEXTS,
    "bad_words": st.none() | _TEXTS,
    "stop_token_ids": st.none() | _IDS | _IDS.map(tuple) | _IDS.map(set),
    "logit_bias": st.none() | _BIASES,
    "ignore_eos": _FLAGS,
}


@pytest.fixture(scope="module")
def takes() -> Callable[..., bool]:
    """Whether vLLM takes parameters: their class, and what its engine asks of token ids."""
    from vllm.sampling_params import SamplingParams

    model: Any = SimpleNamespace(get_vocab_size=lambda: 10**6)

    def taken(**parameters: Any) -> bool:
        try:
            ids: Any = parameters.get("stop_token_ids")
            if class_of(ids) in (tuple, set):  # as the engine gives them
                parameters["stop_token_ids"] = [*ids]
            if not hasattr(SamplingParams, "_validate_stop_token_ids") and min(ids or [0]) < 0:
                return False  # an older one leaves this to its sampler
            made = SamplingParams(**parameters)
            for check in ("_validate_stop_token_ids", "_validate_logit_bias"):  # as `verify` calls them, where it does
                if hasattr(made, check):
                    getattr(made, check)(model)
        except Exception:  # whatever its releases raise: a ValueError of some kind, an AssertionError, a TypeError
            return False
        return True

    return taken


def test_every_parameter_of_the_table_is_compared() -> None:
    assert _VALUES.keys() == RANGES.keys()


@pytest.mark.parametrize("name", sorted(_VALUES))
def test_the_table_refuses_exactly_what_vllm_refuses(name: str, takes: Callable[..., bool]) -> None:
    @settings(max_examples=150, deadline=None, database=None)
    @given(_VALUES[name])
    def compare(value: object) -> None:
        if name == "max_tokens" or name == "min_tokens":
            other = {"min_tokens": 0} if name == "max_tokens" else {"max_tokens": None}
            assert (unfit(name, value) is None) == takes(**{name: value, **other})
        else:
            assert (unfit(name, value) is None) == takes(**{name: value})

    compare()


@settings(max_examples=150, deadline=None, database=None)
@given(st.none() | st.integers(1, 9), st.integers(0, 9))
@example(None, 9)
@example(4, 4)
def test_limits_go_together_exactly_where_vllm_says_so(
    takes: Callable[..., bool], most: int | None, least: int
) -> None:
    sampling = {"max_tokens": most, "min_tokens": least}
    assert (conflict(sampling, None, text=True) is None) == takes(**sampling)


def test_the_limit_that_vllm_sets_unasked_is_the_one_that_counts_as_unset() -> None:
    from vllm.sampling_params import SamplingParams

    assert SamplingParams().max_tokens == UNSET_LIMIT
    assert unfit_object(SamplingParams()) is None
    assert unfit_object(SamplingParams(temperature=0, stop="x", logprobs=1)) is None


@prompt(temperature=0, min_tokens=16)
def tell(topic: str) -> Logged[str]:
    return ask(f"Tell me about {topic}.")


@prompt(temperature=0)
def count(topic: str) -> Annotated[list[Literal["one", "two"]], Field(min_length=20, max_length=20)]:
    return ask(f"Count {topic}.")


def test_a_given_limit_of_sixteen_cuts_text_and_leaves_other_types_whole(runtime: Runtime) -> None:
    from vllm.sampling_params import SamplingParams

    params = SamplingParams(temperature=0, max_tokens=16)
    assert len(tell.using(sampling_params=params)("the sea").token_ids) == 16
    assert len(count.using(sampling_params=params)("sheep")) == 20
    with pytest.raises(Truncated, match="max_tokens=16"):
        count.using(sampling_params=params, max_tokens=16)("sheep")


@pytest.mark.parametrize("ids", [(0, 2), {0, 2}, frozenset({0, 2}), range(3), []], ids=repr)
def test_stop_tokens_in_any_collection_are_taken(ids: Any, runtime: Runtime) -> None:
    assert len(tell.using(stop_token_ids=ids, min_tokens=0, max_tokens=4)("the sea").token_ids) <= 4
