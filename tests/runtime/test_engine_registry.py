"""Engines by name."""

import pytest

from typefold.runtime import Request
from typefold.runtime.engines.engine_registry import ENGINE_KINDS, engine_kind_of, load_engine


def test_an_engine_is_loaded_by_the_name_of_its_library() -> None:
    engine = load_engine("org/model", engine="scripted", answers=["yes"])
    assert (engine.info.provider, engine.info.model) == ("scripted", "org/model")
    assert engine.tokenize(Request(prompt="a"))


def test_an_unknown_name_is_an_error_that_lists_the_known_ones() -> None:
    with pytest.raises(ValueError, match=r"there is no engine 'echo'; there are vllm, scripted"):
        load_engine("org/model", engine="echo")


def test_an_object_is_known_by_what_its_library_gives_it() -> None:
    class Native:
        llm_engine = None

    assert engine_kind_of(Native()) is ENGINE_KINDS["vllm"]
    assert engine_kind_of(object()) is None
