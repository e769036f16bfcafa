"""One real engine for all tests of this folder: loading a model takes longer than all of them."""
# Tests look inside:
# pyright: reportPrivateUsage=false

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from typefold import Runtime
from typefold.runtime.engines.vllm import VllmEngine, load

MAX_MODEL_LEN = 1024


@pytest.fixture(scope="session")
def model() -> str:
    """The model's path: TYPEFOLD_MODEL, or the demo model."""
    if path := os.environ.get("TYPEFOLD_MODEL"):
        return path
    from typefold import demo_model

    return str(demo_model())


@pytest.fixture(scope="session")
def session_engine(model: str) -> Iterator[VllmEngine]:
    pytest.importorskip("vllm")
    engine = load(model, max_model_len=MAX_MODEL_LEN, max_num_seqs=64)
    yield engine
    engine.close()
    engine.close()  # closing twice is part of the protocol


@pytest.fixture
def engine(session_engine: VllmEngine) -> Iterator[VllmEngine]:
    """The engine, with nothing in it before and after each test."""
    assert not session_engine.has_unfinished
    yield session_engine
    session_engine.abort(list(session_engine._keys))
    assert not session_engine.has_unfinished


@pytest.fixture
def runtime(engine: VllmEngine, monkeypatch: pytest.MonkeyPatch) -> Iterator[Runtime]:
    """A runtime on the session's engine, which it leaves open; equal calls are answered each for itself."""
    monkeypatch.setattr(engine, "close", lambda: None)
    with Runtime(engine, single_flight=False) as runtime:
        yield runtime
