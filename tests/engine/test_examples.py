"""The programs in examples/ on a real engine, a few rows each: they end, and what they print and write is of their types."""

import json
from collections.abc import Callable
from contextlib import nullcontext
from importlib import import_module
from pathlib import Path

import pytest

from examples import (
    cascade,
    classification,
    decisions,
    extraction,
    judge,
    optimization,
    pipelines,
    quickstart,
    sql,
    story,
    synthetic,
)
from typefold import Runtime

pytestmark = [pytest.mark.engine, pytest.mark.usefixtures("runtime")]

Printed = Callable[[], str]


@pytest.fixture
def printed(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Printed:
    """What was printed since this was last asked, as on a wide terminal, with single spaces."""
    monkeypatch.setenv("COLUMNS", "300")
    return lambda: " ".join(capsys.readouterr().out.replace("│", " ").split())


def test_the_quickstart(runtime: Runtime, printed: Printed, monkeypatch: pytest.MonkeyPatch) -> None:
    def running(model: str, **options: object) -> nullcontext[Runtime]:
        return nullcontext(runtime)

    monkeypatch.setattr(quickstart, "Runtime", running)
    monkeypatch.setattr(quickstart, "LABELLED", "\n".join(quickstart.LABELLED.strip().splitlines()[:8]))
    monkeypatch.setattr("sys.argv", ["quickstart.py", "org/model"])
    quickstart.main()
    said = printed()
    assert "right, of 8 labelled messages: " in said and "8 rows, " in said
    assert said.count("<Success: order=") == 2 and "<Failure: extract, row 1: " in said


def test_extraction(tmp_path: Path, printed: Printed) -> None:
    extraction.main(rows=2, output=tmp_path / "orders.jsonl")
    lines = [json.loads(line) for line in (tmp_path / "orders.jsonl").read_text().splitlines()]
    assert [line["row"] for line in lines] == [0, 1]
    orders = [line["order"] for line in lines if "order" in line]
    assert orders == [extraction.Order(**order).model_dump(mode="json") for order in orders]
    assert f"2 letters, {2 - len(orders)} without an order" in printed()


def test_classification(printed: Printed) -> None:
    classification.main(rows=8)
    said = printed()
    assert "of 8 right, Brier score 0." in said
    assert "0.0 100%" in said


def test_a_search(tmp_path: Path, printed: Printed) -> None:
    optimization.main(rows=30, budget=80, output=tmp_path / "route.json")
    held = json.loads((tmp_path / "route.json").read_text())
    assert held["evaluation"]["before"]["rows"] == held["evaluation"]["after"]["rows"] > 10
    said = printed()
    assert "round 1: " in said
    assert said.split()[-1] in {"billing", "delivery", "technical"}


def test_decisions(printed: Printed) -> None:
    decisions.main(rows=8)
    said = printed()
    assert "of 8 right, annoyed: " in said
    assert "Temperatures: team " in said
    assert "0.0 100%" in said


def test_a_cascade(printed: Printed) -> None:
    cascade.main(rows=60, target=0.6)
    said = printed()
    assert "60 reviews" in said
    assert "of the reviews went on" in said


def test_stories(printed: Printed, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(story, "tell", story.tell.using(max_tokens=12))  # a story alone is one token a step
    monkeypatch.setattr(story, "mend", story.mend.using(max_tokens=12))
    story.main(rows=1)
    said = printed()
    assert said.count("of 3 scenes rewritten") == 1
    assert said.count(" wishes to ") == 2


def test_judge(printed: Printed) -> None:
    judge.main(rows=3, votes=2)
    said = printed()
    assert "4 votes each" in said
    assert "of 3 pairs, undecided in" in said


def test_synthetic_reviews(tmp_path: Path, printed: Printed) -> None:
    synthetic.main(rows=2, output=tmp_path / "reviews.parquet")
    said = printed()
    assert "2 of 2 rows; 0 answers from the journal" in said
    table = import_module("pyarrow.parquet").read_table(tmp_path / "reviews.parquet")
    assert table.column_names == list(synthetic.Review.model_fields)
    assert [synthetic.Review(**record).stars for record in table.to_pylist()] == [
        wish.stars for wish in synthetic.wishes(2, seed=3)
    ]


def test_pipelines(printed: Printed) -> None:
    pipelines.main(rows=2)
    said = printed()
    made = int(said.partition(" of 2 dishes")[0])
    assert made + said.count("Complaint:") + said.count("TooSlow:") + said.count("Invalid:") == 2


def test_every_query_by_the_grammar_runs(runtime: Runtime, printed: Printed) -> None:
    before = runtime.stats.succeeded
    sql.main(rows=3)
    assert "with the grammar 3 3 " in printed()
    assert runtime.stats.succeeded == before + 6
