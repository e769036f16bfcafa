"""Tokens that write nothing stay out of constrained answers, however much a model wants them."""
# Tests look inside:
# pyright: reportPrivateUsage=false

from __future__ import annotations

from typing import Annotated, Any

import pytest
from pydantic import BaseModel, Field
from returns.result import Success

from typefold import Logged, Matching, Runtime, ask, prompt
from typefold.runtime.engines.vllm.compat import masks_stop_tokens
from typefold.runtime.engines.vllm.control_tokens import special_ids
from typefold.runtime.engines.vllm.engine import VllmEngine

pytestmark = pytest.mark.engine


class Note(BaseModel):
    title: Annotated[str, Field(min_length=8, max_length=16)]
    code: Annotated[str, Field(pattern=r"^[A-Z<>|a-z_]{4,9}$")]
    pages: Annotated[int, Field(ge=0, le=999)]  # of any size, an answer may be cut off


@prompt(temperature=1.0, max_tokens=200)
def note(about: str) -> Note:
    return ask(f"Write a note about {about}.")


@prompt(temperature=1.0, max_tokens=60)
def words(about: str) -> Annotated[str, Field(min_length=10, max_length=40)]:
    return ask(f"Say something of {about}.")


@prompt(temperature=1.0, max_tokens=60)
def logged(about: str) -> Logged[Annotated[str, Matching(r"[^x]{12}")]]:
    return ask(f"Say something of {about}.")


@pytest.mark.parametrize("masks_stops", [True, False])
def test_special_tokens_that_a_model_prefers_are_not_in_its_answers(
    runtime: Runtime, session_engine: VllmEngine, monkeypatch: pytest.MonkeyPatch, masks_stops: bool
) -> None:
    vllm: Any = pytest.importorskip("vllm")
    parameters = session_engine._parameters
    assert parameters._masks_stops is masks_stop_tokens(vllm.__version__)
    if masks_stops and not parameters._masks_stops:
        pytest.skip("this vLLM is one of the older ones, which have the other way")
    monkeypatch.setattr(parameters, "_masks_stops", masks_stops)
    monkeypatch.setattr(parameters, "_templates", type(parameters._templates)())
    special = special_ids(session_engine._tokenizer)
    assert {session_engine._tokenizer.eos_token_id} < special
    wanted = dict.fromkeys(special - {session_engine._tokenizer.eos_token_id}, 60.0)
    topics = [f"thing {number}" for number in range(8)]
    notes = note.using(logit_bias=wanted).safe.map(topics)
    assert [each for each in notes if not isinstance(each, Success)] == []
    assert [each for each in words.using(logit_bias=wanted).safe.map(topics) if not isinstance(each, Success)] == []
    for each in logged.using(logit_bias=wanted).map(topics):
        assert len(each.value) == 12
        assert special.isdisjoint(each.token_ids[:-1])
