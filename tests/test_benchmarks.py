"""The benchmarks' own arithmetic and their work, without an engine."""

import pytest

from benchmarks.table_work import PROGRAM, TOKENS, TYPES, WORK, PlainCard, Row, Stages, letter, limited, messages, rows
from typefold import run
from typefold.testing import FakeEngine


class Words:
    """A tokenizer whose tokens are words."""

    def __init__(self) -> None:
        self.known: dict[str, int] = {}

    def __call__(self, texts: list[str], *, add_special_tokens: bool) -> dict[str, list[list[int]]]:
        assert not add_special_tokens
        return {
            "input_ids": [[self.known.setdefault(word, len(self.known)) for word in text.split()] for text in texts]
        }

    def decode(self, ids: list[int]) -> str:
        words = list(self.known)
        return " ".join(words[each] for each in ids)


def test_texts_have_the_number_of_tokens_differ_and_are_the_same_each_time() -> None:
    for tokens in TOKENS:
        found = rows(300, tokens, Words())
        assert {len(row.text.split()) for row in found} == {tokens}
        assert len(set(found)) == 300
        assert found[:7] == rows(7, tokens, Words())
    assert letter(4, 2000).startswith(letter(4, 300))


@pytest.mark.parametrize("work", WORK)
def test_a_prompt_begins_with_the_tag_of_its_turn_and_holds_its_text(work: str) -> None:
    row = Row("Where is my lamp?").in_turn("turn 7")
    for function, more in zip(limited(work, 60), [(), ("praise",), ("Soon.",)], strict=False):
        first, last = messages(function, row, *more)
        assert (first["role"], last["role"]) == ("system", "user")
        assert first["content"].startswith("turn 7")
        assert "Where is my lamp?" in last["content"]
        assert all(each in last["content"] for each in more)


def test_only_objects_get_the_limit_of_a_run() -> None:
    made = Row("Hello")
    with FakeEngine() as fake:
        for work in TYPES:
            limited(work, 33)[0](made)
    assert [sent.asked("max_tokens") for sent in fake.requests] == [16, 33, 33, 64]


def test_the_program_asks_three_times_a_row_each_of_the_answer_before() -> None:
    work = [Row(f"Letter {number}") for number in range(5)]
    label, answer, card = limited(PROGRAM, 60)
    with FakeEngine() as fake:
        fake.answer(label, "praise")
        fake.answer(answer, "Soon.")
        cards = run(Stages(label, answer, card), work)
    assert all(isinstance(each, PlainCard) for each in cards)
    assert len(fake.requests) == 15
    assert all("The answer was: Soon." in sent for sent in fake.prompts_of(card))
