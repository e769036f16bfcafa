"""Generated rows with labels: those that figures rest on stay as they are, and the held-out ones say nothing in their words."""

from __future__ import annotations

import hashlib
import itertools
import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from types import ModuleType

import pytest

from benchmarks import held_wordings, labelled
from benchmarks.labelled import Meaning, Row, make_meanings, make_rows
from benchmarks.labelled_texts import Part

SOURCES: dict[Part, ModuleType] = {"tune": labelled, "held": held_wordings}


def digest(rows: Iterable[Row] | Iterable[Meaning]) -> str:
    made = [asdict(row) for row in rows]
    return hashlib.sha256(json.dumps(made, sort_keys=True).encode()).hexdigest()[:16]


def test_published_rows_stay_as_they_were() -> None:
    """The figures of docs/performance.md are of these rows: answers to others can't be compared with them."""
    assert digest(make_rows(400, 3)) == "e881b7996eab6fd7"
    assert digest(make_rows(400, 0, 2)) == "d4f7533bd220bdaa"
    assert digest(make_meanings(800, 5)) == "2c2ccbbe36db1150"


def test_rows_for_tuning_are_the_ones_by_default() -> None:
    assert list(make_rows(50, 4)) == list(make_rows(50, 4, part="tune"))
    assert list(make_meanings(50, 4)) == list(make_meanings(50, 4, part="tune"))


def blocks(text: str) -> Iterator[tuple[str, list[str], list[str]]]:
    """Head, specifications and ways to say them of each kind in a source."""
    for block in text.split("# ")[1:]:
        lines = block.strip().split("\n")
        head, *specs = [spec for line in lines if line[0] != ">" for spec in line.split(" | ")]
        yield head, specs, [line[2:] for line in lines if line[0] == ">"]


def phrases(part: Part) -> set[str]:
    """Each wording of a part: of texts, fields, questions and fillers, and each text in a list."""
    source = SOURCES[part]
    found: set[str] = set()
    for _, specs, ways in blocks(source.TASKS):
        found |= set(ways)
        for spec in specs:
            mark, domain = re.findall(r"\w+ ?([:?=]) (.*)", spec)[0]
            if mark == "?":
                found |= set(domain.split(" / "))
            elif mark == "=":
                found |= {option.partition(": ")[2] for option in domain.split("; ")} - {""}
            elif ".." not in domain and not domain.startswith("$"):
                found |= set(domain.split(", "))
    found |= {text for texts in source.LISTS.values() for text in texts.split(", ")}
    found |= {text for texts in (source.WORDINGS, source.FILLERS) for text in texts.replace("\n", "").split(" | ")}
    for _, _, ways in meanings(part):
        found |= set(ways)
    return {re.sub(r"\W+", " ", text).strip().lower() for text in found}


def meanings(part: Part) -> Iterator[tuple[str, set[str], list[str]]]:
    for block in SOURCES[part].MEANINGS.split("# ")[1:]:
        head, *lines = block.strip().split("\n")
        pairs = [line.partition(": ")[::2] for line in lines]
        yield head, {label for label, _ in pairs}, [way for _, way in pairs]


def test_no_wording_of_one_part_is_in_the_other() -> None:
    tune, held = phrases("tune"), phrases("held")
    assert len(tune) > 120 and len(held) > 120
    assert not tune & held


def runs(texts: Iterable[str], length: int) -> set[tuple[str, ...]]:
    found: set[tuple[str, ...]] = set()
    for text in texts:
        words = re.findall(r"[a-z'-]+", text.lower())
        found.update(zip(*(itertools.islice(words, start, None) for start in range(length)), strict=False))
    return found


def test_texts_of_the_parts_share_no_four_words_in_a_row() -> None:
    tune = [text for row in make_rows(1_500) for text in row.texts] + [each.text for each in make_meanings(3_000)]
    held = [text for row in make_rows(1_500, part="held") for text in row.texts]
    held += [each.text for each in make_meanings(2_000, part="held")]
    assert not runs(tune, 4) & runs(held, 4)


def test_shared_kinds_ask_for_the_same() -> None:
    """A function that was tuned on one part can be put to the other: fields, their bounds and labels are the same."""

    def asked(part: Part) -> dict[str, set[tuple[str, str]]]:
        kinds: dict[str, set[tuple[str, str]]] = {}
        for head, specs, _ in blocks(SOURCES[part].TASKS):
            kinds[head] = set()
            for spec in specs:
                name, mark, domain = re.findall(r"(\w+) ?([:?=]) (.*)", spec)[0]
                choices = "; ".join(option.partition(": ")[0] for option in domain.split("; "))
                kinds[head].add((name, mark + (choices if mark == "=" else domain if ".." in domain else "")))
        return kinds

    tune, held = asked("tune"), asked("held")
    assert {head: held[head] for head in tune} == tune
    assert len(held) > len(tune)
    labels, held_labels = ({head: names for head, names, _ in meanings(part)} for part in SOURCES)
    assert {head: held_labels[head] for head in labels} == labels
    assert len(held_labels) > len(labels)


@pytest.mark.parametrize("part", SOURCES)
def test_each_wording_says_every_field(part: Part) -> None:
    for _, specs, ways in blocks(SOURCES[part].TASKS):
        names = sorted(re.findall(r"^\w+", spec)[0] for spec in specs)
        assert all(sorted(set(re.findall(r"{(\w+)}", way))) == names for way in ways)


@pytest.mark.parametrize("part", SOURCES)
def test_each_question_has_its_slots(part: Part) -> None:
    for wording in SOURCES[part].WORDINGS.replace("\n", "").split(" | "):
        assert sorted(re.findall(r"{(\w+)}", wording)) == ["fields", "topic"] and "  " not in wording


@pytest.mark.parametrize("part", SOURCES)
def test_answers_stand_in_their_texts(part: Part) -> None:
    for row in make_rows(200, 1, part=part):
        for text, fields in zip(row.texts, row.answers, strict=True):
            assert all(field.said in text for field in fields)
            copied = [field for field in fields if field.kind != "boolean"]
            assert all(str(json.loads(field.value)) in text for field in copied)


def test_held_meanings_suffice_and_then_end() -> None:
    assert len({each.text for each in make_meanings(4_000, part="held")}) == 4_000
    with pytest.raises(ValueError, match="different texts, and no more"):
        list(make_meanings(60_000, part="held"))
