"""The text-to-SQL program: whatever its grammar admits runs, and what it counts is what ran and what was right."""

import random
from collections.abc import Callable
from typing import Annotated

import pytest

from examples import sql
from typefold import Grammar, output_type
from typefold.testing import FakeEngine, SentPrompt


def test_whatever_the_grammar_admits_runs() -> None:
    pytest.importorskip("xgrammar")
    from tests.laws.matchers import TEMPERS, Vocabulary, XGrammar

    database = sql.shop()
    database.execute("INSERT INTO sales VALUES ('L''Aquila', 'a \"good\" pan \\', 1, 20)")
    grammar = sql.grammar_of(database, "sales")
    held = XGrammar(Vocabulary([*(bytes([byte]) for byte in range(256)), b""]))
    matcher = held.matcher(output_type(Annotated[str, Grammar(grammar)]).constraint)
    rng = random.Random(1)
    walks = [matcher.walk(rng, rng.choice(TEMPERS)) for _ in range(100)]
    queries = {walk for walk in walks if walk is not None}
    assert len(queries) > 15
    assert not [query for query in queries if sql.answers(database, query) is None]
    assert any("GROUP BY" in query for query in queries)
    quoted = ["city = 'L''Aquila'", "product = 'a \"good\" pan \\'"]
    for query in (f"SELECT sum(units) FROM sales WHERE {condition}" for condition in quoted):
        assert matcher.admits(query) and sql.answers(database, query) == [(1,)]
    assert not matcher.admits("SELECT sum(units) FROM sales WHERE city = 5")
    assert all(matcher.admits(question.sql) for question in sql.questions(40, seed=1))


def test_it_counts_what_ran_and_what_was_right(typefold_engine: FakeEngine, printed: Callable[[], str]) -> None:
    known = {question.text: question.sql for question in sql.questions(6, seed=3)}

    def answer(sent: SentPrompt) -> str:
        return (
            known[sent.text.splitlines()[-1]] if sent.function == "held" else "DROP TABLE sales; SELECT 1 FROM nowhere"
        )

    typefold_engine.answers(answer)
    sql.main(rows=6)
    said = printed()
    assert "with the grammar 6 6 6" in said
    assert "without 6 0 0" in said


def test_what_a_query_does_to_the_table_does_not_stay() -> None:
    database = sql.shop()
    assert sql.answers(database, "DELETE FROM sales") is not None
    assert sql.answers(database, "DROP TABLE sales; SELECT 1") is not None
    assert sql.answers(database, "COPY sales TO 'sales.csv'") is None
    assert sql.answers(database, "SELECT count(*) FROM sales") == [(200,)]
