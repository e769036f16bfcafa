"""`runtime.history`, and `generate.safe`: what a program looks at when an answer is not as expected."""

# IPython calls these methods:
# pyright: reportPrivateUsage=false
import threading
from pathlib import Path
from typing import Annotated, Any

import pytest
from pydantic import AfterValidator
from returns.result import Failure, Success

from typefold import (
    BadInput,
    BatchError,
    Invalid,
    Journal,
    PromptUsageError,
    Reasoned,
    Runtime,
    Truncated,
    ask,
    assistant,
    example,
    prompt,
    raw,
    system,
    user,
)
from typefold.runtime import Request
from typefold.runtime.engines.scripted import ScriptedEngine


def even(number: int) -> int:
    if number % 2:
        raise ValueError("odd")
    return number


Even = Annotated[int, AfterValidator(even)]


@prompt(retries=1, examples=[example(4, text="4?")])
def count(text: str) -> Even:
    return ask(system("Count."), user(text))


def test_it_holds_what_was_sent_and_what_came() -> None:
    with Runtime(ScriptedEngine(answers=["3", "8"])) as runtime:
        before = runtime.history
        assert before == ()
        assert count("2?") == 8
    first, second = runtime.history  # it stays
    assert (first.function, first.row, first.attempt, first.text, first.error) == ("count", None, 1, "3", None)
    assert first.messages == tuple(count.render("2?"))
    assert second.attempt == 2
    assert second.messages[:-2] == first.messages
    assert second.messages[-2] == assistant("3")
    assert second.outcome is not None
    assert second.outcome.output_tokens == 2
    assert str(second).splitlines()[0].startswith("count, attempt 2: ")
    assert str(second).splitlines()[-1] == "  -> 8"


def test_it_keeps_the_last_ones_in_the_order_in_which_they_were_sent() -> None:
    with Runtime(ScriptedEngine(answers=lambda request: str(request.row))) as runtime:
        runtime.generate([f"{number}?" for number in range(200)])
        assert [each.text for each in runtime.history] == [str(number) for number in range(150, 200)]
        runtime.generate(raw("<s>Go on"))
        assert runtime.history[-1].messages == "<s>Go on"
        assert "  <s>Go on" in str(runtime.history[-1])
        assert runtime.history[0].text == "151"


def test_requests_under_way_and_failed_ones_are_there_too() -> None:
    class Held(ScriptedEngine):
        go_on = threading.Event()

        def step(self):  # type: ignore[no-untyped-def]
            self.go_on.wait(10)
            return super().step()

    engine = Held(answers=["yes", "[1, 2, 3]"])
    with Runtime(engine) as runtime:
        future = runtime.submit([Request(prompt="Is it?")])[0]
        [under_way] = runtime.history
        assert under_way.text is None
        assert under_way.error is None
        assert "under way" in str(under_way)
        cancelled = runtime.submit([Request(prompt="Or not?")])[0]
        assert cancelled.cancel()
        assert runtime.history[-1].error is not None
        engine.go_on.set()
        assert future.result().text == runtime.history[0].text == "yes"
        with pytest.raises(Truncated):
            runtime.generate("Numbers?", output_type=list[int], max_tokens=2)
        assert runtime.history[-1].text == "[1"  # as far as it came


def test_answers_of_a_journal_are_there_too(tmp_path: Path) -> None:
    for _ in range(2):
        with Runtime(ScriptedEngine(answers=["yes"]), journal=tmp_path / "run.db") as runtime:
            assert runtime.generate("Is it?", temperature=0) == "yes"
            assert [each.text for each in runtime.history] == ["yes"]


def test_reasoning_is_a_request_of_its_own() -> None:
    with Runtime(ScriptedEngine(answers=["Well.", "4"])) as runtime:
        assert runtime.generate("How many?", output_type=Reasoned[int]).value == 4
        assert [each.text for each in runtime.history] == ["Well.", "4"]


def test_generate_safe_gives_results_and_raises_for_no_prompt() -> None:
    with Runtime(ScriptedEngine(answers=["4", "3", "2", "5", "x", "6"])) as runtime:
        generate: Any = runtime.generate
        assert generate.safe("a", output_type=Even) == Success(4)
        failed = generate.safe("b", output_type=Even)
        assert isinstance(failed, Failure)
        assert isinstance(failed.failure(), Invalid)
        good, bad, text, none = generate.safe(["c", "d", "e", None], output_type=[Even, Even, str, int])
        assert (good, text) == (Success(2), Success("x"))
        errors: list[object] = [each.swap().value_or(None) for each in (bad, none)]
        assert [type(each) for each in errors] == [Invalid, BadInput]
        assert isinstance(errors[0], Invalid)
        assert errors[0].row == 1
        assert generate.safe([user("f")], output_type=int) == Success(6)  # a conversation is one prompt
        assert generate.safe([]) == []


def test_generate_safe_raises_what_is_about_no_prompt() -> None:
    with Runtime(ScriptedEngine(answers=["3"] * 9)) as runtime:
        generate: Any = runtime.generate
        with pytest.raises(PromptUsageError, match="temprature"):
            generate.safe("a", temprature=1)
        with pytest.raises(PromptUsageError, match="one type a prompt"):
            generate.safe("a", output_type=[int])
        with pytest.raises(BatchError):
            runtime.generate.safe(["a", "b", "c"], output_type=Even, max_failures=1)


class Printer:
    """The part of IPython's printer that is used."""

    def __init__(self) -> None:
        self.shown = ""

    def text(self, text: str) -> None:
        self.shown += text


def test_notebooks_show_requests_and_counts_to_be_read(tmp_path: Path) -> None:
    answers: list[Any] = ["4", "six"]
    with Runtime(lambda: ScriptedEngine(answers=answers), journal=tmp_path / "run.db") as runtime:
        runtime.generate(["How many?", "And\nhere?"])
    with Journal(tmp_path / "run.db", read_only=True) as journal:
        kept = {str(record) for record in journal.records()}
        assert repr(journal) == f"<Journal {tmp_path / 'run.db'}>"
        every: list[Any] = [*runtime.history, *journal.records()]
        for shown in every:
            printer = Printer()
            shown._repr_pretty_(printer, False)
            assert printer.shown == str(shown)
    assert kept == {str(entry) for entry in runtime.history}
    assert any(text.endswith("  user: And\n  here?\n  -> six") for text in kept)
    page = runtime.stats._repr_html_()
    assert ">submitted</th><td>2</td>" in page and "failed" not in page and "tokens per second" in page
