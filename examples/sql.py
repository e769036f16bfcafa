"""Questions into SQL by a grammar that is made of the table itself, so that every answer runs; and the same without it.

TYPEFOLD_MODEL=$(typefold demo-model) python examples/sql.py --rows 24      # needs duckdb: pip install "typefold[examples]"

`grammar_of` reads the columns and the words in them from the database and writes the EBNF of a part of SQL: it names no
column that is not there, compares words with words and numbers with numbers, and groups by what it selects. What the model
writes by it runs. Whether it is the right question is another matter: each has an answer that is known, and the table at
the end counts both, with the grammar and without.
"""

import random
from typing import Annotated, NamedTuple

import duckdb
import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from typefold import Grammar, Prompt, Runtime, ask, example, prompt, system, user

Rows = list[tuple[object, ...]]

CITIES, PRODUCTS = ["Bergen", "Lagos", "Porto", "Tartu"], ["kettle", "lamp", "teapot"]


class Question(NamedTuple):
    text: str
    sql: str


class Attempt(NamedTuple):
    sql: str
    rows: Rows | None  # None: it did not run


def shop(seed: int = 1) -> duckdb.DuckDBPyConnection:
    """A table of sales, in memory; queries can't reach files."""
    rng = random.Random(seed)
    database = duckdb.connect()
    database.execute("CREATE TABLE sales (city VARCHAR, product VARCHAR, units INTEGER, price INTEGER)")
    rows = [[rng.choice(CITIES), rng.choice(PRODUCTS), rng.randrange(1, 20), rng.randrange(5, 90)] for _ in range(200)]
    database.executemany("INSERT INTO sales VALUES (?, ?, ?, ?)", rows)
    database.execute("SET enable_external_access = false; SET lock_configuration = true")
    return database


def grammar_of(database: duckdb.DuckDBPyConnection, table: str) -> str:
    """The EBNF of queries that this table can answer."""
    columns = [(str(name), str(kind)) for name, kind, *_ in database.execute(f"DESCRIBE {table}").fetchall()]
    words = [name for name, kind in columns if kind == "VARCHAR"]
    numbers = [name for name, kind in columns if kind == "INTEGER"]

    def one_of(texts: list[str]) -> str:
        return " | ".join('"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"' for text in texts)

    def equals(column: str) -> list[str]:
        found = database.execute(f"SELECT DISTINCT {column} FROM {table} ORDER BY 1").fetchall()
        return [f"{column} = '" + str(value).replace("'", "''") + "'" for (value,) in found]

    grouped = " | ".join(f'"SELECT {name}, " measure " FROM {table}" filter " GROUP BY {name}" order' for name in words)
    return f"""root ::= total | grouped
total ::= "SELECT " measure " FROM {table}" filter
grouped ::= {grouped}
measure ::= "count(*)" | ("sum" | "avg" | "min" | "max") "(" number ")"
filter ::= "" | " WHERE " condition | " WHERE " condition " AND " condition
condition ::= {one_of([text for name in words for text in equals(name)])} | number comparison [1-9] [0-9]{{0,2}}
comparison ::= " > " | " < " | " = "
order ::= "" | " ORDER BY 2 DESC LIMIT " [1-9]
number ::= {one_of(numbers)}
"""


def questions(count: int, seed: int) -> list[Question]:
    """Questions and the queries that answer them; the same seed asks the same ones."""
    rng = random.Random(seed)

    def question() -> Question:
        city, product, least = rng.choice(CITIES), rng.choice(PRODUCTS), rng.randrange(10, 80)
        asked = [
            Question(
                f"How many units of the {product} were sold in all?",
                f"SELECT sum(units) FROM sales WHERE product = '{product}'",
            ),
            Question(f"How many sales were made in {city}?", f"SELECT count(*) FROM sales WHERE city = '{city}'"),
            Question(
                f"What is the average price of each product in {city}?",
                f"SELECT product, avg(price) FROM sales WHERE city = '{city}' GROUP BY product",
            ),
            Question(f"How many sales had a price above {least}?", f"SELECT count(*) FROM sales WHERE price > {least}"),
            Question(
                f"Which city sold the most units of the {product}?",
                f"SELECT city, sum(units) FROM sales WHERE product = '{product}' GROUP BY city ORDER BY 2 DESC LIMIT 1",
            ),
        ]
        return rng.choice(asked)

    return [question() for _ in range(count)]


def writers(grammar: str) -> tuple[Prompt[[str], str], Prompt[[str], str]]:
    """Two prompts that ask the same: one held to the grammar, one not."""
    task = system("You write SQL for one table: sales (city, product, units, price). Answer with the query alone.")
    shown = [example(each.sql, question=each.text) for each in questions(4, seed=8)]

    @prompt(temperature=0, max_tokens=90, examples=shown)
    def held(question: str) -> Annotated[str, Grammar(grammar)]:
        return ask(task, user(question))

    @prompt(temperature=0, max_tokens=90, examples=shown)
    def free(question: str) -> str:
        return ask(task, user(question))

    return held, free


def answers(database: duckdb.DuckDBPyConnection, sql: str) -> Rows | None:
    """What a query gives, in any order; nothing that it does to the table stays."""
    database.begin()
    try:
        return sorted(database.execute(sql).fetchall(), key=repr)
    except duckdb.Error:
        return None
    finally:
        database.rollback()


def main(rows: int = 24) -> None:
    console = Console()
    database = shop()
    batch = questions(rows, seed=3)
    held, free = writers(grammar_of(database, "sales"))
    known = [answers(database, each.sql) for each in batch]
    texts = [question.text for question in batch]
    tries = {
        name: [Attempt(sql, answers(database, sql)) for sql in to_sql.map(texts)]
        for name, to_sql in (("with the grammar", held), ("without", free))
    }

    shown = Table("question", *tries, title="The first eight", show_lines=True)
    for row, question in enumerate(batch[:8]):
        shown.add_row(question.text, *(escape(attempts[row].sql) for attempts in tries.values()))
    console.print(shown)
    counted = Table("", "queries", "ran", "right")
    for name, attempts in tries.items():
        ran = sum(each.rows is not None for each in attempts)
        right = sum(each.rows == expected for each, expected in zip(attempts, known, strict=True))
        counted.add_row(name, str(rows), str(ran), str(right))
    console.print(counted)


if __name__ == "__main__":  # vLLM may start processes of its own, which import this file
    with Runtime(max_model_len=2048):  # of the model that TYPEFOLD_MODEL names
        typer.run(main)
