"""A program that runs again is answered from its journal, and only what is new goes to the engine."""

# Tests look inside:
# pyright: reportPrivateUsage=false

from __future__ import annotations

import asyncio
import logging
import random
from pathlib import Path
from typing import Annotated, Literal

import pytest
from pydantic import AfterValidator, BaseModel
from returns.result import Success

from typefold import (
    Adapter,
    BatchError,
    Invalid,
    Journal,
    Logged,
    Prompt,
    Runtime,
    Scored,
    Truncated,
    ask,
    gather,
    prompt,
    run,
)
from typefold.runtime import Request
from typefold.runtime.engines.scripted import ScriptedEngine
from typefold.runtime.journal import identity_of


class Dice(ScriptedEngine):
    """Answers differently each time it is asked the same: what comes back twice comes from the journal."""

    def __init__(self, model: str | None = None) -> None:
        super().__init__(answers=self._throw, max_num_seqs=8, model=model)

    def _throw(self, request: Request) -> str:
        number = random.getrandbits(60)
        return str(number) if request.constraint.kind != "choice" else random.choice(["grim", "funny", "calm"])


@prompt(temperature=0.9)
def number(word: str) -> int:
    return ask(f"A number for {word}.")


@prompt(temperature=0.9)
def mood() -> Literal["grim", "funny", "calm"]:
    return ask("A mood.")


def program(word: str) -> tuple[int, str, str, int]:
    first = number(word)
    return first, mood(), mood(), number(f"{word} {first}")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "run.db"


def test_the_same_program_asks_nothing_and_gives_the_same(path: Path) -> None:
    words = ["a", "b", "c", "a", "a"]
    with Runtime(Dice(), journal=path):
        first = run(program, words), number.map(words), gather([number.defer(word) for word in words]), number("a")
    engine = Dice()
    with Runtime(engine, journal=path) as runtime:
        assert (
            run(program, words),
            number.map(words),
            gather([number.defer(word) for word in words]),
            number("a"),
        ) == first
        assert engine.requests == []
        assert runtime.stats.from_journal == runtime.stats.submitted == runtime.stats.succeeded == 31


def test_equal_sampled_calls_keep_their_own_answers(path: Path) -> None:
    with Runtime(Dice(), journal=path):
        first = [number("a") for _ in range(5)]
    assert len(set(first)) == 5
    with Runtime(Dice(), journal=path):
        assert [number("a") for _ in range(5)] == first
        assert number("a") not in first  # the sixth is a new one


def test_rows_may_come_and_go(path: Path) -> None:
    with Runtime(Dice(), journal=path):
        first = dict(zip("abcde", run(program, list("abcde")), strict=True))
    engine = Dice()
    with Runtime(engine, journal=path):
        second = dict(zip("xaceb", run(program, list("xaceb")), strict=True))
    assert {word: second[word] for word in "aceb"} == {word: first[word] for word in "aceb"}
    assert len(engine.requests) == 4


def test_a_key_names_a_row_whose_input_changes(path: Path) -> None:
    class Row(BaseModel):
        name: str
        note: str

    def asked(row: Row) -> list[str]:
        return [mood() for _ in range(20)]

    def name(row: Row) -> str:
        return row.name

    with Runtime(Dice(), journal=path):
        first = run(asked, [Row(name="a", note="old"), Row(name="b", note="old")], key=name)
    engine = Dice()
    with Runtime(engine, journal=path):
        assert run(asked, [Row(name="b", note="new"), Row(name="a", note="new")], key=name) == first[::-1]
    assert engine.requests == []


def test_rows_that_say_nothing_of_themselves_are_known_by_their_index(path: Path) -> None:
    rows = [object(), object()]

    def asked(row: object) -> list[str]:
        return [mood() for _ in range(20)]

    with Runtime(Dice(), journal=path):
        first = run(asked, rows)
    with Runtime(Dice(), journal=path):
        assert run(asked, [object(), object()]) == first


def test_async_rows_are_answered_again(path: Path) -> None:
    async def asked(word: str) -> tuple[int, list[str]]:
        return await number.aio(word), [await mood.aio() for _ in range(5)]

    words = ["a", "b", "a"]
    with Runtime(Dice(), journal=path):
        first = run(asked, words), asyncio.run(asked("z"))
    engine = Dice()
    with Runtime(engine, journal=path):
        assert (run(asked, words), asyncio.run(asked("z"))) == first
    assert engine.requests == []


def test_what_is_changed_is_asked_anew_and_nothing_else(path: Path) -> None:
    @prompt(temperature=0.9)
    def kept(word: str) -> int:
        return ask(f"Kept {word}.")

    def old(word: str) -> tuple[int, int]:
        return kept(word), number(word)

    @prompt(temperature=0.9)
    def larger(word: str) -> Annotated[int, "another type"]:
        return ask(f"A larger number for {word}.")

    def new(word: str) -> tuple[int, int]:
        return kept(word), larger(word)

    with Runtime(Dice(), journal=path):
        first = run(old, ["a", "b"])
    engine = Dice()
    with Runtime(engine, journal=path):
        second = run(new, ["a", "b"])
    assert [each[0] for each in second] == [each[0] for each in first]
    assert len(engine.requests) == 2


@pytest.mark.parametrize(
    "change", [{"temperature": 0.5}, {"max_tokens": 40}, {"seed": 1}, {"lora_request": Adapter("a", "org/a")}]
)
def test_other_parameters_are_another_question(path: Path, change: dict[str, object]) -> None:
    with Runtime(Dice(), journal=path):
        number("a")
    engine = Dice()
    with Runtime(engine, journal=path):
        number.using(**change)("a")  # type: ignore[arg-type]
    assert len(engine.requests) == 1


def test_time_limits_priorities_and_names_are_the_same_question(path: Path) -> None:
    @prompt(temperature=0.9)
    def renamed(word: str) -> int:
        return ask(f"A number for {word}.")

    with Runtime(Dice(), journal=path):
        first = number("a")
    engine = Dice()
    with Runtime(engine, journal=path):
        assert renamed.using(timeout=60, priority=3)("a") == first
    assert engine.requests == []


def test_a_failed_row_fails_the_same_way_without_the_engine(path: Path) -> None:
    def picky(value: int) -> int:
        if value != 7:
            raise ValueError("not seven")
        return value

    @prompt
    def seven() -> Annotated[int, AfterValidator(picky)]:
        return ask("Seven?")

    @prompt(max_tokens=3)
    def long() -> list[int]:
        return ask("Many?")

    def outcomes() -> tuple[str, str]:
        with pytest.raises(Invalid) as invalid:
            seven()
        with pytest.raises(Truncated) as truncated:
            long()
        return str(invalid.value), str(truncated.value)

    with Runtime(ScriptedEngine(answers=["8", "[1,2,3,4,5,6]"]), journal=path):
        first = outcomes()
    engine = ScriptedEngine(answers=[])
    with Runtime(engine, journal=path) as runtime:
        assert outcomes() == first
        assert runtime.stats.failed == 1  # decoding is not the runtime's
    assert engine.requests == []


def test_a_mended_validator_reads_the_answers_that_are_there(path: Path) -> None:
    strict = True

    def even(value: int) -> int:
        if strict and value % 2:
            raise ValueError("odd")
        return value

    @prompt(temperature=0.9)
    def pick() -> Annotated[int, AfterValidator(even)]:
        return ask("Pick.")

    with Runtime(ScriptedEngine(answers=["3"]), journal=path), pytest.raises(Invalid):
        pick()
    strict = False
    with Runtime(ScriptedEngine(answers=[]), journal=path):
        assert pick() == 3


def test_retries_are_answered_again(path: Path) -> None:
    def is_even(value: int) -> int:
        if value % 2:
            raise ValueError("odd")
        return value

    @prompt(retries=3)
    def even() -> Annotated[int, AfterValidator(is_even)]:
        return ask("Even?")

    answers = ["1", "3", "4"]
    with Runtime(ScriptedEngine(answers=answers), journal=path):
        assert even() == 4
    with Runtime(ScriptedEngine(answers=[]), journal=path) as runtime:
        assert even() == 4
        assert runtime.stats.from_journal == 3


def test_tokens_and_probabilities_are_kept(path: Path) -> None:
    @prompt(temperature=0.9)
    def logged() -> Logged[Literal["yes", "no"]]:
        return ask("Yes or no?")

    @prompt
    def scored() -> Scored[Literal["yes", "no"]]:
        return ask("How sure?")

    with Runtime(ScriptedEngine(seed=5), journal=path):
        first = logged.using(logprobs=3)(), scored()
    assert first[0].logprobs is not None
    engine = ScriptedEngine(answers=[])
    with Runtime(engine, journal=path):
        assert (logged.using(logprobs=3)(), scored()) == first
    assert engine.requests == []


def test_a_stream_is_told_again(path: Path) -> None:
    with Runtime(Dice(), journal=path), number.stream("a") as stream:
        first = stream.result()
    with Runtime(Dice(), journal=path), number.stream("a") as stream:
        assert "".join(stream) == str(first)
        assert stream.result() == first


def test_fresh_asks_everything_anew_and_keeps_that(path: Path) -> None:
    with Runtime(Dice(), journal=path):
        first = run(program, ["a", "b"])
    with Runtime(Dice(), journal=path, ignore_journal=True):
        second = run(program, ["a", "b"])
    with Runtime(Dice(), journal=path):
        third = run(program, ["a", "b"])
    assert second != first
    assert third == second


def test_what_did_not_finish_is_not_kept(path: Path) -> None:
    engine = ScriptedEngine(answers=["1"], fail_at_step=3)
    with Runtime(engine, journal=path):
        results = number.safe.map(["a", "b"])
    assert isinstance(results[0], Success)
    assert not isinstance(results[1], Success)
    with Journal(path) as journal:
        assert [record.text for record in journal.records()] == ["1"]


def test_an_option_that_can_t_be_told_is_warned_of_and_not_kept(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING), Runtime(Dice(), journal=path):
        number.using(chat_template_kwargs={"what": object()}).map(["a", "b"])
    assert len([record for record in caplog.records if "not in the journal" in record.message]) == 1
    with Journal(path) as journal:
        assert journal.count() == 0


def test_seeds_of_a_runtime_are_part_of_the_question(path: Path) -> None:
    for seed, asked in ((1, 4), (1, 0), (2, 4)):
        engine = Dice()
        with Runtime(engine, journal=path, seed=seed):
            run(program, ["a"])
        assert len(engine.requests) == asked


def test_another_model_has_other_answers(path: Path, tmp_path: Path) -> None:
    def asked(folder: Path) -> int:
        engine = Dice(model=str(folder))
        with Runtime(engine, journal=path):
            number("a")
        return len(engine.requests)

    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "config.json").write_text(f'{{"name": "{name}"}}', encoding="utf-8")
    assert (asked(tmp_path / "one"), asked(tmp_path / "one"), asked(tmp_path / "two")) == (1, 0, 1)
    (tmp_path / "one").rename(tmp_path / "moved")
    assert asked(tmp_path / "moved") == 0
    (tmp_path / "moved" / "config.json").write_text('{"name": "changed"}', encoding="utf-8")
    assert asked(tmp_path / "moved") == 1


def test_one_journal_may_serve_several_runtimes(path: Path) -> None:
    with Journal(path) as journal:
        with Runtime(Dice(), journal=journal):
            first = number("a")
        with Runtime(Dice(), journal=journal, seed=3):
            assert number("b") != first
        assert journal.count() == 2


def test_what_was_finished_is_kept_when_a_row_s_own_code_raises(path: Path) -> None:
    def broken(word: str) -> int:
        value = number(word)
        if word == "b":
            raise KeyError(word)
        return value

    with Runtime(Dice(), journal=path), pytest.raises(BatchError):
        run(broken, list("abc"))
    engine = Dice()
    with Runtime(engine, journal=path):
        run(number, list("abc"))
    assert engine.requests == []


def test_rows_keep_their_answers_whichever_runtime_is_current(path: Path) -> None:
    def answers(request: Request) -> str:
        text = request.prompt if isinstance(request.prompt, str) else request.prompt[-1].content
        return {"slow": "x" * 200, "fast": "x"}.get(text) or str(random.getrandbits(40))

    @prompt(temperature=0.9)
    def say(text: str) -> str:
        return ask(text)

    found: list[list[str]] = []
    for _ in range(2):
        runtime = Runtime(ScriptedEngine(answers=answers), journal=path)
        asked = say.using(runtime=runtime)

        def row(speed: str, asked: Prompt[[str], str] = asked) -> str:
            asked(speed)
            return asked("same")

        with Runtime(ScriptedEngine()):  # another one is current, and keeps no journal
            found.append(run(row, ["slow", "fast"]))
        runtime.close()
    assert found[0] == found[1]


def test_a_closed_runtime_stays_closed(path: Path) -> None:
    runtime = Runtime(Dice(), journal=path)
    number.using(runtime=runtime)("a")
    runtime.close()
    with pytest.raises(RuntimeError, match="this runtime was closed"):
        number.using(runtime=runtime)("a")
    Journal(path).close()  # nobody holds it


def test_a_callback_may_call_and_may_raise_anything(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.CRITICAL), Runtime(Dice(), journal=path) as runtime:
        asked = number.using(runtime=runtime)
        heard: list[int] = []

        def leave(future: object) -> None:
            heard.append(1)
            raise SystemExit

        first = asked.submit("a")
        first.add_done_callback(leave)
        first.result()
        requests = [Request(prompt="b")]
        [future] = runtime.submit(requests)
        future.add_done_callback(leave)
        future.result()
        assert asked.map(["d", "e"])
    assert heard == [1, 1]


def test_a_row_that_can_t_be_kept_costs_no_other(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.CRITICAL), Runtime(Dice(), journal=path) as runtime:
        odd = Request(prompt="odd", sampling={"temperature": 1.0, "extra_args": {("a", 1): 2}})
        futures = runtime.submit([Request(prompt="a"), odd, Request(prompt="b")])
        assert [future.result().text for future in futures]
    with Journal(path) as journal:
        assert journal.count() == 3


def test_markers_are_part_of_the_question() -> None:
    names = [identity_of("org/model", {"markers": markers}).digest for markers in ("refuse", "escape")]
    assert len({*names, identity_of("org/model", {}).digest}) == 3


def test_functions_among_the_options_go_by_their_code() -> None:
    def one(config: object) -> object:
        return config

    def two(config: object) -> object:
        return [config]

    digests = {identity_of("org/model", {"hf_overrides": each}).digest for each in (one, two)}
    assert len(digests) == 2
    assert identity_of("org/model", {"hf_overrides": one}) == identity_of("org/model", {"hf_overrides": one})


def test_an_adapter_goes_by_what_is_in_its_folder(path: Path, tmp_path: Path) -> None:
    def asked() -> int:
        engine = Dice()
        with Runtime(engine, journal=path):
            number.using(lora_request=Adapter("a", str(folder)))("x")
        return len(engine.requests)

    folder = tmp_path / "adapter"
    folder.mkdir()
    (folder / "adapter.bin").write_bytes(b"first")
    assert (asked(), asked()) == (1, 0)
    (folder / "adapter.bin").write_bytes(b"again")
    assert asked() == 1
