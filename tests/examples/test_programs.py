"""The programs in examples/, whole, with answers that are known: what they print and write is what these come to."""

import json
from collections.abc import Callable
from pathlib import Path

from rich.console import Console

from examples import cascade, classification, decisions, extraction, judge, optimization, pipelines, story
from typefold import Scored
from typefold.testing import FakeEngine, Text

Printed = Callable[[], str]


def test_extraction_writes_what_was_read_and_why_a_letter_gave_nothing(
    typefold_engine: FakeEngine, tmp_path: Path, printed: Printed
) -> None:
    letters = {letter.text: letter.order for letter in extraction.letters(4, seed=1)}
    known = list(letters.values())
    late = known[1].model_dump(mode="json") | {"ordered": "2025-06-02", "due": "2025-06-01"}
    misread = known[2].model_copy(update={"reference": "XX-0000"})

    def read(letter: str) -> extraction.Order | Text:
        row = list(letters).index(letter)
        return Text(json.dumps(late)) if row == 1 else misread if row == 2 else known[row]

    typefold_engine.answer_by(extraction.read, read)
    extraction.main(rows=4, output=tmp_path / "orders.jsonl")

    lines = [json.loads(line) for line in (tmp_path / "orders.jsonl").read_text().splitlines()]
    assert [line["row"] for line in lines] == [0, 1, 2, 3]
    assert [line.get("order") for line in lines] == [
        known[0].model_dump(mode="json"),
        None,
        misread.model_dump(mode="json"),
        known[3].model_dump(mode="json"),
    ]
    assert "due on 2025-06-01, before it was ordered on 2025-06-02" in lines[1]["error"]
    assert "the last of 2" in lines[1]["error"]  # it was sent back once
    said = printed()
    assert "4 letters, 1 without an order" in said
    assert "items 3 of 4" in said and "reference 2 of 4" in said
    assert "read, row 1: the answer, the last of 2, failed a check" in said


def test_classification_counts_what_was_sent_where(typefold_engine: FakeEngine, printed: Printed) -> None:
    tickets: dict[str, classification.Team] = {
        ticket.text: ticket.team for ticket in classification.tickets(40, seed=1)
    }
    of_lamps = sum("lamp" in ticket.text for ticket in classification.tickets(40, seed=1))
    of_broken_lamps = sum("lamp no" in ticket.text for ticket in classification.tickets(40, seed=1))
    assert of_broken_lamps

    typefold_engine.answer_by(classification.route, lambda ticket: "billing" if "lamp" in ticket else tickets[ticket])
    classification.main(rows=40)

    said = printed()
    technical = sum(ticket.team == "technical" for ticket in classification.tickets(40, seed=1))
    assert of_lamps > of_broken_lamps  # refunds of lamps were right
    assert f"technical {of_broken_lamps} 0 {technical - of_broken_lamps}" in said
    assert f"{40 - of_broken_lamps} of 40 right" in said
    assert f"40 0.90 {(40 - of_broken_lamps) / 40:.2f}" in said  # all were said with 0.9
    assert f"0.7 100% {(40 - of_broken_lamps) / 40:.0%}" in said


def test_a_search_keeps_the_function_where_it_is_right_already_and_says_so(
    typefold_engine: FakeEngine, tmp_path: Path, printed: Printed
) -> None:
    teams: dict[str, classification.Team] = {each.input: each.expected for each in optimization.cases(120, seed=5)}
    typefold_engine.answer_by(optimization.route, lambda ticket: teams.get(ticket, "billing"))
    optimization.main(rows=120, budget=200, output=tmp_path / "route.json")

    held = json.loads((tmp_path / "route.json").read_text())
    assert held["evaluation"]["after"]["value"] == 1
    assert held["prompts"] == []
    said = printed()
    assert "candidates by 8 rows" in said
    assert "found: nothing better" in said


def test_decisions_count_what_was_sent_where(typefold_engine: FakeEngine, printed: Printed) -> None:
    made = [*decisions.tickets(40, seed=1), *decisions.tickets(40, seed=2)]
    labels = {ticket.text: ticket.label for ticket in made}
    of_broken_lamps = sum("lamp no" in ticket.text for ticket in decisions.tickets(40, seed=1))
    assert of_broken_lamps

    def answer(ticket: str) -> decisions.Routing:
        annoyed = labels[ticket].annoyed.value
        return decisions.routing("billing", annoyed=annoyed) if "lamp" in ticket else labels[ticket]

    typefold_engine.answer_by(decisions.route, answer)
    decisions.main(rows=40)

    said = printed()
    technical = sum(ticket.label.team.value == "technical" for ticket in decisions.tickets(40, seed=1))
    assert f"technical {of_broken_lamps} 0 {technical - of_broken_lamps}" in said  # refunds of lamps were right
    assert f"{40 - of_broken_lamps} of 40 right, annoyed: 1.00" in said
    assert f"0.5 100% {(40 - of_broken_lamps) / 40:.0%}" in said
    assert ", annoyed 0." in said  # all of these were right, so it may be surer


def test_tickets_that_are_not_sure_are_left_to_a_person(typefold_engine: FakeEngine, printed: Printed) -> None:
    def answer(ticket: str) -> decisions.Routing:
        chances: dict[classification.Team, float] = {"billing": 0.6, "delivery": 0.3, "technical": 0.1}
        unsure: Scored[classification.Team] = Scored(value="billing", probabilities=chances)
        sure: Scored[classification.Team] = Scored.of("technical")
        team = unsure if "lamp" in ticket else sure
        return decisions.Routing(team=team, annoyed=Scored.of(False))

    typefold_engine.answer_by(decisions.route, answer)
    batch = decisions.tickets(40, seed=1)
    answers = [decisions.route(ticket.text).value.team for ticket in batch]
    Console().print(decisions.thresholds(batch, answers))
    of_lamps = sum("lamp" in ticket.text for ticket in batch)
    assert f"0.7 {(40 - of_lamps) / 40:.0%}" in printed()


def test_stories_are_written_side_by_side_and_boring_scenes_twice(
    typefold_engine: FakeEngine, printed: Printed
) -> None:
    def invent(setting: str) -> list[story.Character] | Text:
        if setting == "a submarine":
            return Text("[]")
        return [
            story.Character(name="Ada", age=30, wish="to see the sea"),
            story.Character(name="Bob", age=60, wish="to be left alone"),
        ]

    def tell(setting: str, cast: list[story.Character], step: story.Step, before: str) -> str:
        assert [each.name for each in cast] == ["Ada", "Bob"]
        return f"{cast[0].name} in {setting}: {step}. And then" if step != "the trouble" else "Dull."

    typefold_engine.answer_by(story.invent, invent)
    typefold_engine.answer_by(story.tell, tell)
    typefold_engine.answer_by(story.review, lambda scene: "boring" if scene == "Dull." else "good")
    typefold_engine.answer_by(story.mend, lambda scene, verdict: f"No longer {verdict}.")
    typefold_engine.answer(story.name, "The Sea")
    story.main(rows=4)

    said = printed()
    assert said.count("The Sea") == 3 and said.count("No longer boring.") == 3 and "Dull." not in said
    assert "Ada in a night train: the end." in said and "And then" not in said  # a sentence without its end
    assert "a lighthouse, 1 of 3 scenes rewritten" in said
    assert "a submarine: invent, row 3: the answer failed a check" in said
    assert {sent.function for sent in typefold_engine.prompts[:4]} == {"invent"}  # no story waits for another
    assert [sent.arguments["before"] for sent in typefold_engine.prompts_of(story.tell)].count("") == 3


def test_the_judge_that_looks_at_places_decides_nothing(typefold_engine: FakeEngine, printed: Printed) -> None:
    pairs = judge.pairs(4, seed=4)
    right, biased = {pair.right for pair in pairs[1:]}, pairs[0].question
    assert biased not in {pair.question for pair in pairs[2:]}

    def better(question: str, first: str, second: str) -> judge.Place:
        return "first" if question == biased or first in right else "second"

    typefold_engine.answer_by(judge.better, better)
    judge.main(rows=4, votes=3)

    said = printed()
    tied = sum(pair.question == biased for pair in pairs)
    assert typefold_engine.count(judge.better) == 4 * 2 * 3
    assert f"The majority is right in {4 - tied} of 4 pairs, undecided in {tied}." in said
    assert f"{biased} 3 of 6 undecided 50%" in said
    assert f"{pairs[-1].question} 6 of 6 {pairs[-1].right} 100%" in said
    assert (
        f"'first' in {(6 * tied + 3 * (4 - tied)) / 24:.0%} of the votes" in said
    )  # both ways round: half of a fair judge's


def test_pipelines_go_past_what_failed(typefold_engine: FakeEngine, printed: Printed) -> None:
    def recipe(dish: str, minutes: int, *ingredients: str) -> pipelines.Recipe:
        return pipelines.Recipe(dish=dish, minutes=minutes, ingredients=list(ingredients))

    invented: dict[str, pipelines.Recipe | Text] = {
        "pea soup": recipe("pea soup", 20, "peas", "mint"),
        "apple pie": recipe("apple pie", 120, "apples", "flour"),
        "fried rice": recipe("fried rice", 240, "rice", "eggs"),
        "fish stew": recipe("fish stew", 50, "fish", "fish"),
        "bean salad": Text("none"),
    }
    typefold_engine.answer_by(pipelines.invent, lambda dish: invented[dish])
    typefold_engine.answer_by(
        pipelines.quicken, lambda recipe: recipe.model_copy(update={"minutes": recipe.minutes // 3})
    )
    typefold_engine.answer(pipelines.place, "starter")
    typefold_engine.answer(pipelines.praise, "So  good.\n")
    pipelines.main(rows=5)

    said = printed()
    assert "2 of 5 dishes" in said
    assert "starter pea soup 20 peas, mint So good." in said
    assert "starter apple pie 40 apples, flour So good." in said
    assert "TooSlow: fried rice takes 80 minutes" in said
    assert "Complaint: fish stew would be made of fish, fish" in said
    assert "Invalid: invent" in said
    assert typefold_engine.count(pipelines.quicken) == 2
    assert typefold_engine.count(pipelines.praise) == typefold_engine.count(pipelines.place) == 2


def test_a_cascade_sends_on_what_is_in_doubt(typefold_engine: FakeEngine, printed: Printed) -> None:
    known: dict[str, cascade.Verdict] = {each.text: each.verdict for each in cascade.reviews(60, seed=2)}

    def well(review: str) -> cascade.Verdict:
        return known[review]

    def badly(review: str) -> cascade.Verdict:
        return "good"

    typefold_engine.answer_by(cascade.quick, badly)
    typefold_engine.answer_by(cascade.careful, well)
    cascade.main(rows=60, target=0.9)
    held = [each.verdict for each in cascade.reviews(60, seed=2)]
    said = printed()
    assert f"first {held.count('good') / 60:.0%}" in said
    assert "second 100%" in said and "cascade 100%" in said
    assert "100% of the reviews went on" in said
