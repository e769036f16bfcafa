"""The quickstart over answers that a test gives: what is right, what is asked again, and what is refused."""

from collections.abc import Callable
from contextlib import nullcontext

import pytest

from examples import quickstart
from examples.quickstart import Message
from typefold import Runtime, current
from typefold.testing import FakeEngine

RIGHT = dict(quickstart.labelled(quickstart.LABELLED))
TEXTS = list(RIGHT)


def runtime_of_the_test(model: str, **options: object) -> nullcontext[Runtime]:
    return nullcontext(current())


@pytest.fixture
def said(
    typefold_engine: FakeEngine, monkeypatch: pytest.MonkeyPatch, printed: Callable[[], str]
) -> Callable[[Callable[[str], Message]], str]:
    """The text that the program prints where a function answers."""
    monkeypatch.setattr(quickstart, "Runtime", runtime_of_the_test)
    monkeypatch.setattr("sys.argv", ["quickstart.py", "org/model"])

    def run(answer: Callable[[str], Message]) -> str:
        typefold_engine.answer_by(quickstart.extract, lambda text: answer(text))
        quickstart.main()
        return printed()

    return run


def test_the_labels_are_of_the_messages_and_of_no_example() -> None:
    assert len(RIGHT) == 32 and sum(message.mood == "happy" for message in RIGHT.values()) == 16
    assert all(message.order in text for text, message in RIGHT.items())
    examples = dict(quickstart.labelled(quickstart.EXAMPLES))
    assert all(message.order in text for text, message in examples.items())
    assert not {message.order for message in examples.values()} & {message.order for message in RIGHT.values()}


def test_right_answers_are_counted_by_field(said: Callable[[Callable[[str], Message]], str]) -> None:
    def answer(text: str) -> Message:
        message = RIGHT.get(text, Message(order="AA-0000", mood="happy"))
        return message.model_copy(update={"mood": "happy"}) if text == TEXTS[1] else message

    told = said(answer)
    assert (
        "of 32 labelled messages: 0.97 [0.84, 0.99] (order 1.00 [0.89, 1.00], mood 0.97 [0.84, 0.99]); errors: {}"
        in told
    )
    assert f"{TEXTS[1]} MD-5520 happy wrong" in told and f"{TEXTS[0]} RB-1843 happy right" in told
    assert "32 rows, 32 calls in" in told


def test_an_order_that_the_message_lacks_is_asked_for_again_then_refused(
    said: Callable[[Callable[[str], Message]], str],
) -> None:
    asked: list[str] = []

    def answer(text: str) -> Message:
        asked.append(text)
        lacking = text == TEXTS[2] or (text == TEXTS[3] and asked.count(text) < 3)
        return (
            Message(order="AA-0000", mood="happy")
            if lacking
            else RIGHT.get(text, Message(order="AA-0000", mood="happy"))
        )

    told = said(answer)
    assert f"{TEXTS[2]} refused" in told and "errors: {'ValueError': 1}" in told
    assert f"{TEXTS[3]} TL-6614 happy right" in told
    assert "32 rows, 36 calls in" in told
