"""Streams on a real engine: what they give is what the same call gives unstreamed, and they disturb nobody."""
# Tests look inside:
# pyright: reportPrivateUsage=false

import json
from collections.abc import Callable
from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, Field

from typefold import Prompt, Runtime, Truncated, ask, prompt
from typefold.compiler import Message
from typefold.runtime import Request
from typefold.runtime.engines.vllm.engine import VllmEngine

from .together import Together

pytestmark = pytest.mark.engine

UNICODE = Literal["日本語の灯台 😀", "naïve café — ☂", "one of many words"]


class Character(BaseModel):
    name: Annotated[str, Field(max_length=20)]
    age: Annotated[int, Field(ge=0, le=120)]


@prompt(temperature=0)
def make(setting: str) -> Character:
    return ask(f"Invent a character from {setting}.")


@prompt(temperature=0, max_tokens=40)
def tell(topic: str) -> str:
    return ask(f"Write about {topic}.")


@prompt(temperature=0)
def pick(topic: str) -> UNICODE:
    return ask(f"Pick one for {topic}.")


@prompt(temperature=0)
def mixed(topic: str) -> tuple[UNICODE, int | None, Annotated[list[Literal["é", "€", "😀"]], Field(max_length=3)]]:
    return ask(f"Anything about {topic}.")


def idle(engine: VllmEngine) -> bool:
    """Whether nothing of ours is left in the engine."""
    return not (engine.has_unfinished or engine._keys or engine._streamed or engine._deltas)


@pytest.mark.usefixtures("runtime")
@pytest.mark.parametrize("function", [make, tell, pick, mixed])
def test_a_stream_gives_what_the_call_gives(function: Prompt[[str], Any], engine: VllmEngine) -> None:
    settings = ["Mars", "a lighthouse", "Köln"]
    whole = function.map(settings)
    streams = [function.stream(setting) for setting in settings]
    for stream, value in zip(streams, whole, strict=True):
        pieces = list(stream)
        assert "".join(pieces) == stream.text
        assert len(pieces) > 1
        assert all(pieces)
        assert not any("�" in piece for piece in pieces)
        assert stream.result() == value
    assert idle(engine)


@pytest.mark.usefixtures("runtime")
def test_partials_of_a_real_answer_end_in_it() -> None:
    stream = make.stream("Mars")
    partials = list(stream.partials())
    assert partials[0] == {}
    assert len(partials) > 3
    assert partials[-1] == json.loads(stream.text) == stream.result().model_dump()


@pytest.mark.usefixtures("runtime")
def test_no_piece_holds_a_part_of_a_stop_string() -> None:
    from vllm import SamplingParams

    text = tell("the sea")
    words = text.split(" ")
    stop = " ".join(words[6:9])  # three words, so that much must be held back
    stopping = tell.using(stop=[stop])
    stream = stopping.stream("the sea")
    pieces = list(stream)
    assert stopping("the sea") == "".join(pieces) == stream.result() == text[: text.index(stop)]
    with_stop = SamplingParams(temperature=0, max_tokens=40, stop=[stop], include_stop_str_in_output=True)
    shown = tell.using(sampling_params=with_stop).stream("the sea")
    assert "".join(shown) == shown.result() == text[: text.index(stop) + len(stop)]


@pytest.mark.parametrize("logprobs", [None, 2])
def test_streamed_and_unstreamed_requests_that_are_equal_otherwise_end_alike(
    runtime: Runtime, engine: VllmEngine, logprobs: int | None
) -> None:
    order = [False, True, False, True, True, False]
    pieces: list[list[str]] = [[] for _ in order]
    requests = [
        Request(
            prompt=(Message("user", "Write a story."),),
            sampling={"temperature": 0, "logprobs": logprobs, "stop": ["xyz"], "max_tokens": 24},
            on_delta=heard.append if streamed else None,
        )
        for heard, streamed in zip(pieces, order, strict=True)
    ]
    outcomes = [future.result(120) for future in runtime.submit(requests)]
    assert len({id(engine._parameters.build(request, 24)[1]) for request in requests}) == 1  # they share the verified
    first = outcomes[0]
    assert (first.output_tokens, len(first.token_ids)) == (24, 24)
    for outcome in outcomes:
        assert (outcome.text, outcome.finish_reason) == (first.text, first.finish_reason)
        assert (outcome.token_ids, outcome.prompt_tokens) == (first.token_ids, first.prompt_tokens)
        if logprobs is None:
            assert outcome.logprobs is None
        else:
            assert outcome.token_ids == tuple(taken[0].token_id for taken in outcome.logprobs or ())
    assert ["".join(heard) for heard in pieces] == [first.text if streamed else "" for streamed in order]
    assert all(len(heard) > 5 for heard, streamed in zip(pieces, order, strict=True) if streamed)
    assert idle(engine)


@pytest.mark.usefixtures("runtime")
def test_streams_maps_and_plain_calls_share_a_batch(engine: VllmEngine, together: Callable[..., Together]) -> None:
    planets, weather = [f"planet {number}" for number in range(8)], ["rain", "snow"]
    together(10)
    streams = [make.stream(planet) for planet in planets]
    texts = tell.map(weather)
    characters = [stream.result() for stream in streams]
    together(10)
    calls = [make.submit(planet) for planet in planets]
    streams_of_text = [tell.stream(kind) for kind in weather]
    assert characters == [call.result() for call in calls]
    assert texts == [stream.result() for stream in streams_of_text]
    assert idle(engine)


@pytest.mark.usefixtures("runtime")
def test_a_stream_that_is_left_leaves_nothing_in_the_engine(engine: VllmEngine) -> None:
    endless = tell.using(max_tokens=900)
    with endless.stream("the sea") as stream:
        started = next(stream)
    dropped = endless.stream("the land")
    next(dropped)
    del dropped
    assert tell("the sky")
    assert started
    assert idle(engine)


@pytest.mark.usefixtures("runtime")
def test_a_stream_that_is_cut_fails_after_its_pieces() -> None:
    stream = make.using(max_tokens=12).stream("Mars")
    pieces: list[str] = []
    with pytest.raises(Truncated) as caught:
        pieces.extend(stream)
    assert caught.value.text == "".join(pieces) == stream.text
