"""The benchmarks' own arithmetic and their work, without an engine."""

import math
import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from benchmarks import dspy_search
from benchmarks.table import CELLS, Plan, measure, parsed
from benchmarks.table_cells import (
    BEGIN,
    END,
    WORK_WORDS,
    Cell,
    Device,
    Shape,
    Side,
    Where,
    insert,
    least_seconds,
    load,
    median_of,
    merged,
    next_rows,
    page,
    ratio_of,
    rounded,
    save,
)
from benchmarks.table_sides import Turns
from benchmarks.table_work import (
    LETTER_FIRST,
    PROGRAM,
    TOKENS,
    WORK,
    PlainCard,
    Row,
    Stages,
    letter,
    limited,
    messages,
    rows,
)
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
        for work in WORK:
            limited(work, 33)[0](made)
    assert [sent.asked("max_tokens") for sent in fake.requests] == [16, 33, 33, 64, 16, 16]


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


WHERE = Where("a card", "0.0", "a model", "in this process")


def side(
    *seconds: float, tokens_in: int = 1000, tokens_out: int = 100, requests: int = 10, steps: int | None = 7
) -> Side:
    return Side(
        seconds,
        requests=requests,
        tokens_in=tokens_in,
        tokens_cached=0,
        tokens_out=tokens_out,
        values=10,
        cut=0,
        steps=steps,
    )


def cell(work: str = "label", tokens: int = 50, where: Where = WHERE, **sides: Side) -> Cell:
    return Cell(where, tokens, work, rows=10, limit=300, sides=sides or {"bare": side(2.0), "typefold": side(1.0)})


def test_a_ratio_is_that_of_pairs_in_turn() -> None:
    # Each pair has the same ratio, whatever the machine did between them.
    found = cell(bare=side(2.0, 20.0, 4.0), typefold=side(1.0, 10.0, 2.0)).ratio("typefold")
    assert (found.median, found.pairs) == (2.0, 3)
    assert found.low == pytest.approx(2.0)
    assert found.high == pytest.approx(2.0)


def test_an_interval_is_students_over_the_logarithms() -> None:
    found = ratio_of([0.5, 2.0, 1.0])
    half = 4.303 * math.log(2) / math.sqrt(3)
    assert found.median == 1.0
    assert math.log(found.low) == pytest.approx(-half)
    assert math.log(found.high) == pytest.approx(half)
    more = ratio_of([0.5, 2.0, 1.0] * 5)
    assert found.low < more.low < 1 < more.high < found.high


@pytest.mark.parametrize(
    ("ratios", "holds"),
    [
        ([0.9], False),
        ([0.98], True),
        ([0.8, 1.1], False),  # two say too little for an interval: their median has to reach it
        ([0.9, 1.1], True),
        ([0.9, 0.9, 0.9], False),
        ([0.90, 0.91, 0.89], False),
        ([0.9, 1.0, 0.95], True),
    ],
)
def test_a_cell_holds_if_its_interval_reaches_the_bare_engine(ratios: list[float], *, holds: bool) -> None:
    assert ratio_of(ratios).holds is holds


def test_cells_of_the_same_place_and_work_take_the_place_of_older_ones() -> None:
    old, new = cell(bare=side(3.0), typefold=side(3.0)), cell()
    others = [cell("text"), cell(tokens=500), cell(where=Where("a card", "0.1", "a model", "in this process"))]
    assert merged([old, *others], new) == [*others, new]


def test_rounds_are_added_to_cells_of_equal_work_alone() -> None:
    old, new = cell(bare=side(3.0, 4.0), typefold=side(3.0, 5.0)), cell()
    [both] = merged([old], new, add=True)
    assert both.sides["bare"].seconds == (3.0, 4.0, 2.0)
    assert both.sides["typefold"].seconds == (3.0, 5.0, 1.0)
    for other in (replace(old, rows=11), replace(old, limit=60), cell(bare=side(1.0))):
        with pytest.raises(ValueError, match="measure it anew"):
            merged([other], new, add=True)


def test_a_file_of_cells_is_read_as_it_was_written(tmp_path: Path) -> None:
    cells = [replace(cell(), least_seconds={"bare": 0.5}), cell("text", bare=side(1.0, steps=None))]
    save(tmp_path / "cells.json", cells)
    assert load(tmp_path / "cells.json") == cells
    assert load(tmp_path / "none.json") == []
    (tmp_path / "other.json").write_text('{"rows": []}')
    with pytest.raises(SystemExit, match="holds no cells"):
        load(tmp_path / "other.json")


def test_rows_are_as_many_as_fill_a_turn() -> None:
    assert next_rows(10, took=2.0, wanted=6.0, most=1000) == 30
    assert next_rows(10, took=0.1, wanted=60.0, most=1000) == 40  # a short turn says little of a long one
    assert next_rows(10, took=0.1, wanted=60.0, most=25) == 25
    assert next_rows(10, took=60.0, wanted=1.0, most=25) == 1  # at least one
    assert [rounded(each) for each in (7, 64, 123, 987, 1234)] == [7, 64, 120, 980, 1200]


EIGHT = Shape.of(
    {
        "num_hidden_layers": 32,
        "hidden_size": 4096,
        "intermediate_size": 14336,
        "num_attention_heads": 32,
        "num_key_value_heads": 8,
        "head_dim": 128,
        "vocab_size": 49152,
    }
)


def test_a_model_has_the_weights_that_its_sizes_say() -> None:
    # Of each layer: queries and outputs 4096 x 4096, keys and values 4096 x 1024, three of 4096 x 14336.
    assert EIGHT.body == 32 * (2 * 4096 * 4096 + 2 * 4096 * 1024 + 3 * 4096 * 14336)
    assert EIGHT.body + EIGHT.output == pytest.approx(7.18e9, rel=0.01)
    assert EIGHT.kv_bytes == 131_072
    assert Shape.of({"num_key_value_heads": None, "head_dim": None} | SMALL).kv_bytes == 2 * 2 * 2 * 64


SMALL = {
    "num_hidden_layers": 2,
    "hidden_size": 64,
    "intermediate_size": 128,
    "num_attention_heads": 4,
    "vocab_size": 100,
}


def test_the_least_seconds_are_operations_for_prompts_and_bytes_for_steps() -> None:
    device = Device(bandwidth=4.8e12, flops=989e12)
    prompts = side(1.0, tokens_in=500 * 512, tokens_out=512, requests=512)
    read = least_seconds(EIGHT, device, prompts, at_once=512)
    # Two operations a weight and token, and a little for the attention and the output.
    assert read == pytest.approx(500 * 512 * 2 * EIGHT.body / device.flops, rel=0.05)
    assert least_seconds(EIGHT, device, replace(prompts, tokens_cached=400 * 512), at_once=512) < read / 4
    decoded = least_seconds(EIGHT, device, replace(prompts, tokens_out=512 * 101), at_once=512) - read
    # A step of 512 reads the weights once and the keys and values of each row: here more than its operations take.
    step = (2 * (EIGHT.body + EIGHT.output) + 512 * 550.5 * EIGHT.kv_bytes) / device.bandwidth
    assert decoded == pytest.approx(100 * step, rel=1e-3)
    one = least_seconds(EIGHT, device, side(1.0, tokens_in=1, tokens_out=101, requests=1), at_once=1)
    assert one == pytest.approx(100 * 2 * (EIGHT.body + EIGHT.output) / device.bandwidth, rel=0.01)
    assert least_seconds(EIGHT, device, side(1.0, requests=0), at_once=1) == 0.0


def test_the_page_has_a_table_for_each_place_in_order_and_the_median() -> None:
    other = Where("cores", "0.1", "a model", "in this process")
    slow = cell("program", 500, bare=side(1.0), typefold=side(2.0))
    third = replace(cell("bounded", 500), least_seconds={"bare": 0.5, "typefold": 0.25})
    text = page([slow, cell("text", where=other), third, cell("label")])
    first, second = text.split("**cores")
    assert "Median over the cells: 2.00 times bare vLLM. 2 of 3 hold; medians below 0.98: 1 (1 round)." in first
    assert [line.split("|")[2].strip().split()[0] for line in first.splitlines()[4:] if line] == [
        "one",
        "object",
        "program:",
    ]
    assert "**0.50 (one round)**" in first
    assert "25%, 25%" in first
    assert "limit" not in second
    with_both = ["bare", "typefold"]
    assert all(name in second for name in with_both)
    assert "Outlines" not in text


def test_the_table_of_a_page_is_put_between_its_marks(tmp_path: Path) -> None:
    document = tmp_path / "page.md"
    document.write_text(f"# Title\n\n{BEGIN}\nold\n{END}\n\nRest.\n")
    for _ in range(2):
        insert(document, "| new |")
        assert document.read_text() == f"# Title\n\n{BEGIN}\n\n| new |\n\n{END}\n\nRest.\n"
    document.write_text("# Title\n")
    with pytest.raises(ValueError, match="has no"):
        insert(document, "| new |")


def test_the_command_picks_cells_and_sides_and_refuses_others() -> None:
    chosen = parsed(["--cells", "500:plain=512,50:label", "--sides", "bare,typefold"])
    assert (chosen.cells, chosen.sides) == ({"500:plain": 512, "50:label": None}, ["bare", "typefold"])
    assert parsed([]).sides == ["bare", "typefold", "outlines", "least"]
    usual = parsed([]).cells
    assert set(usual) == {f"{tokens}:{work}" for tokens in TOKENS for work in WORK if work != LETTER_FIRST}
    assert list(parsed(["--cells", ",".join(CELLS)]).cells) == CELLS
    assert set(WORK) == set(WORK_WORDS)
    with pytest.raises(SystemExit, match="there is no '7:label'"):
        parsed(["--cells", "7:label"])
    for wrong in ("some", "0", "-3"):
        with pytest.raises(SystemExit, match="is no number of rows"):
            parsed(["--cells", f"50:label={wrong}"])


class Turned:
    """A bench whose turns take as long as they are told, each side so long a row."""

    tokenizer = Words()
    steps = SimpleNamespace(exact=False)

    def __init__(self, **seconds: float) -> None:
        self.seconds = seconds
        self.ran: list[tuple[str, int]] = []
        self.made: dict[str, Turns] = {}

    def sides(self, work: str, limit: int) -> dict[str, Turns]:
        self.made = {name: Turns(lambda rows: [work, limit, rows]) for name in self.seconds}
        return self.made

    def turn(self, turns: Turns, work: list[Row]) -> float:
        name = next(name for name, each in self.made.items() if each is turns)
        self.ran.append((name, len(work)))
        each = {"requests": len(work), "tokens_in": 50, "tokens_cached": 0, "tokens_out": 9, "values": 9, "cut": 0}
        turns.counts = {**each, "steps": 3}
        return len(work) * self.seconds[name]

    def measured(self, *, rows: int | None = None, until: float = math.inf, seconds: float = 12.0) -> list[Cell]:
        plan = Plan(seconds=seconds, rounds=3, limit=300, until=until, fewest=4, warm=3)
        return list(measure(cast(Any, self), "50:text", rows, plan, WHERE, lambda side, rows: rows / 100))


def test_sides_take_turns_and_a_cell_is_given_after_each_round() -> None:
    bench = Turned(bare=0.2, typefold=0.1)
    found = bench.measured(rows=30)
    assert bench.ran[:2] == [("bare", 3), ("typefold", 3)]  # to warm
    assert [name for name, _ in bench.ran[2:]] == ["bare", "typefold", "typefold", "bare", "bare", "typefold"]
    assert {count for _, count in bench.ran[2:]} == {30}
    assert [len(cell.sides["bare"].seconds) for cell in found] == [1, 2, 3]
    assert (found[-1].name, found[-1].rows, found[-1].ratio("typefold").median) == ("50:text", 30, 2.0)
    assert found[-1].least_seconds == {"bare": 0.3, "typefold": 0.3}
    assert found[-1].sides["bare"].steps is None  # the engine is in a process of its own


def test_a_turn_has_as_many_rows_as_the_first_side_does_in_the_time() -> None:
    bench = Turned(bare=0.2, typefold=0.1)
    assert bench.measured()[-1].rows == 60
    assert [count for name, count in bench.ran[2:] if name == "bare"][:3] == [4, 16, 60]
    assert Turned(bare=9.0).measured()[-1].rows == 4


def test_what_there_is_no_time_for_is_not_begun() -> None:
    bench = Turned(bare=0.2, typefold=0.1)
    assert bench.measured(rows=30, until=-math.inf) == []
    assert {count for _, count in bench.ran} == {3}
    assert Turned(bare=0.2).measured(seconds=math.inf, rows=30, until=time.monotonic() + 1e6)  # rows were asked for


def test_the_page_and_the_readme_say_what_was_measured() -> None:
    root = Path(__file__).parents[1]
    cells = [cell for path in sorted((root / "benchmarks" / "results").glob("*.json")) for cell in load(path)]
    # python -m benchmarks.table --print benchmarks/results/*.json --into docs/performance.md
    assert f"{BEGIN}\n\n{page(cells)}\n\n{END}" in (root / "docs" / "performance.md").read_text()
    first = [cell for cell in cells if cell.where == cells[0].where]
    assert f"the median is {median_of(first):.2f} times" in " ".join((root / "README.md").read_text().split())


def test_both_searches_get_the_same_rows_and_held_ones_are_others() -> None:
    for task in dspy_search.tasks(["team", "language", "kind"]):
        assert {text for text, _ in task.train}.isdisjoint(text for text, _ in task.held)
        assert {label for _, label in [*task.train, *task.held]} == {*task.labels}
        assert len(task.held) > 60


def test_a_search_is_shown_with_the_interval_of_the_paired_difference() -> None:
    side = dspy_search.Outcome([True, False] * 20, [True, True] * 20, 3.21, 5.04, 100, 120, 2, {"a": 4, "b": 36})
    task = dspy_search.Task("letters", "Which one?", ["a", "b"], [("A", "a")], [("A", "a"), *[("B", "b")] * 3] * 10)
    [row] = dspy_search.compared(task, {"dspy": side})
    assert row["before"] == "0.50 [0.35, 0.65]"
    assert row["after"].startswith("1.00 [0.9")
    assert row["difference"].startswith("0.50 [0.3")
    assert (row["train"], row["held"], row["most frequent"], row["answers"]) == (1, 40, 0.75, "b 36, a 4")
    assert row["CPU seconds"] == 5.0
    assert (row["seconds"], row["rollouts"], row["calls"], row["failures"]) == (3.2, 100, 120, 2)
