"""`typefold evaluate` and `typefold compare`: labelled records of files, on the scripted engine."""

import csv
import json
import sys
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from typefold.cli.app import app

PROGRAM = """
from typing import Literal

from typefold import Scored, ask, configure, prompt
from typefold.runtime.engines.scripted import ScriptedEngine

ENGINE = ScriptedEngine(answers=lambda request: "bill" if "$" in request.prompt[-1].content else "other")
configure(ENGINE)
Kind = Literal["bill", "other"]


@prompt(temperature=0)
def sort(mail: str) -> Kind:
    return ask(f"Which kind? {mail}")


@prompt
def sure(mail: str) -> Scored[Kind]:
    return ask(f"Which kind? {mail}")


def by_rule(mail: str) -> Kind:
    return "bill"


def count(mail: str) -> int:
    return len(mail)


def near(expected: int, got: int) -> float:
    return 1 / (1 + abs(expected - got))
"""

ROWS: list[dict[str, Any]] = [
    {"id": 1, "part": "tune", "mail": "You owe $5.", "kind": "bill", "labels": {"kind": "bill"}},
    {"id": 2, "part": "held", "mail": "Hello!", "kind": "other", "labels": {"kind": "other"}},
    {"id": 3, "part": "held", "mail": "Lunch?", "kind": "bill", "labels": {"kind": "bill"}},
]


@pytest.fixture
def program(folder: Path) -> Iterator[str]:
    """The name of a file with functions, in the working folder beside the labelled records."""
    (folder / "mails.py").write_text(PROGRAM, encoding="utf-8")
    write_rows(ROWS)
    yield "mails.py"
    for name in [
        name for name, each in sys.modules.items() if getattr(each, "__file__", "") == str(folder / "mails.py")
    ]:
        del sys.modules[name]


def write_rows(rows: list[dict[str, Any]]) -> None:
    Path("rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def called(*arguments: str) -> Result:
    return CliRunner().invoke(app, [*arguments])


def figures(*arguments: str) -> Any:
    result = called(*arguments, "--json")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def test_a_file_of_labelled_records_is_reported(program: str) -> None:
    result = called("evaluate", f"{program}:sort", "-i", "rows.jsonl", "--expected", "kind")
    assert result.exit_code == 0, result.output
    assert "0.67 [0.21, 0.94]" in result.stdout
    assert "mail='Lunch?'" in result.stdout
    found = figures("evaluate", f"{program}:sort", "-i", "rows.jsonl", "--expected", "kind")
    assert found["accuracy"] == pytest.approx({"value": 2 / 3, "low": 0.208, "high": 0.939, "rows": 3}, abs=1e-3)


def test_labels_inside_of_an_object_and_a_part_of_the_file(program: str) -> None:
    found = figures("evaluate", f"{program}:sort", "-i", "rows.jsonl", "-e", "labels.kind", "--where", "part == 'held'")
    assert (found["rows"], found["accuracy"]["value"]) == (2, 0.5)
    assert figures("evaluate", f"{program}:sort", "-i", "rows.jsonl", "-e", "kind", "--limit", "1")["rows"] == 1


def test_a_file_that_is_read_in_another_way_has_labels_too(program: str) -> None:
    lines = ["Nummer;Mail;kind", *(f"{row['id']};caf\xe9 {row['mail']};{row['kind']}" for row in ROWS)]
    Path("rows.txt").write_bytes("\r\n".join(lines).encode("cp1252"))
    way = ["-i", "rows.txt", "-e", "kind", "--input-format", "csv", "--delimiter", ";", "--encoding", "cp1252"]
    named = [*way, "--rename", "Mail=mail"]
    found = figures("evaluate", f"{program}:sort", *named)
    assert (found["rows"], found["accuracy"]["value"]) == (3, pytest.approx(2 / 3))
    compared = figures("compare", f"{program}:sort", f"{program}:by_rule", *named)
    assert (compared["before"]["rows"], compared["after"]["rows"]) == (3, 3)
    for command in (["evaluate", f"{program}:sort"], ["compare", f"{program}:sort", f"{program}:by_rule"]):
        refused = called(*command, *way)
        assert (refused.exit_code, "where it is meant: --rename Mail=mail" in refused.stderr) == (2, True)
        refused = called(*command, *way, "--rename", "Post=mail")
        assert (refused.exit_code, "--rename: the input has no column Post" in refused.stderr) == (2, True)


def test_csv_and_parquet_have_labels_too(program: str) -> None:
    flat = [{name: str(row[name]) for name in ("mail", "kind")} for row in ROWS]
    with open("rows.csv", "w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, ["mail", "kind"])
        writer.writeheader()
        writer.writerows(flat)
    assert figures("evaluate", f"{program}:sort", "-i", "rows.csv", "-e", "kind")["accuracy"]["value"] == pytest.approx(
        2 / 3
    )
    pyarrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    parquet.write_table(pyarrow.Table.from_pylist(flat), "rows.parquet")
    assert figures("evaluate", f"{program}:sort", "-i", "rows.parquet", "-e", "kind")["rows"] == 3


def test_numbers_in_csv_are_read_as_the_function_s_type(program: str) -> None:
    Path("rows.csv").write_text("mail,size\nab,2\nabc,5\n", encoding="utf-8")
    found = figures("evaluate", f"{program}:count", "-i", "rows.csv", "-e", "size", "--metric", f"{program}:near")
    assert found["accuracy"]["value"] == 0.5
    assert found["metric"]["name"] == "near"
    assert found["metric"]["score"]["value"] == pytest.approx((1 + 1 / 3) / 2)
    assert found["errors"]["bias"]["value"] == -1


def test_mistakes_and_the_plot_are_files(program: str) -> None:
    result = called(
        *("evaluate", f"{program}:sure", "-i", "rows.jsonl", "-e", "kind"),
        *("--mistakes", "wrong.jsonl", "--plot", "reliability.svg"),
    )
    assert result.exit_code == 0, result.output
    [wrong] = map(json.loads, Path("wrong.jsonl").read_text(encoding="utf-8").splitlines())
    assert (wrong["record"]["id"], wrong["expected"], wrong["answer"]) == (3, "bill", "other")
    assert ET.parse("reliability.svg").getroot().tag.endswith("svg")


def test_a_comparison_lists_the_rows_that_flipped(program: str) -> None:
    functions = (f"{program}:sort", f"{program}:by_rule")
    found = figures("compare", *functions, "-i", "rows.jsonl", "-e", "kind")
    assert (found["gained"], found["lost"], found["difference"]["value"]) == ([2], [1], 0.0)
    result = called("compare", *functions, "-i", "rows.jsonl", "-e", "kind")
    assert "gained: the first of 1 rows" in result.stdout


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("sort", "-e", "sort"), "no record has sort; the first has id, part, mail, kind, labels"),
        (("sort", "-e", "part"), "3 of 3 labels don't fit: line 1: 'tune' can't be read"),
        (("sort", "-e", "kind", "--plot", "p.svg"), "states no probabilities"),
        (("sure", "-e", "kind", "--plot", "missing/p.svg"), "missing/p.svg can't be written"),
        (("sort", "-e", "kind", "--mistakes", "missing/m.jsonl"), "missing/m.jsonl can't be written"),
        (("sort", "-e", "kind", "--mistakes", "rows.jsonl"), "--mistakes"),
        (("sort", "-e", "kind", "--metric", "mails.py:by_rule"), "can't be called with the expected value"),
        (("sort", "-e", "kind", "--where", "prt == 'held'"), "no record has prt"),
    ],
)
def test_mistakes_of_a_command_are_said_before_anything_is_asked(
    program: str, arguments: tuple[str, ...], words: str
) -> None:
    name, *rest = arguments
    result = called("evaluate", f"{program}:{name}", "-i", "rows.jsonl", *rest)
    assert result.exit_code == 2, result.output
    assert words in result.stderr
    assert asked() == 0
    assert not Path("p.svg").exists()


def asked() -> int:
    """The number of requests that the program's engine got."""
    [module] = [
        each for each in list(sys.modules.values()) if getattr(each, "__file__", "") == str(Path("mails.py").resolve())
    ]
    return len(module.ENGINE.requests)


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ({"mail": "Hi"}, "line 4: there is none"),
        ({"mail": "Hi", "kind": None}, "line 4: there is none"),
        ({"mail": "Hi", "kind": "spam"}, "1 of 4 labels don't fit: line 4: 'spam' can't be read"),
    ],
)
def test_a_record_without_a_label_that_fits_is_named_by_its_line(program: str, row: dict[str, Any], words: str) -> None:
    write_rows([*ROWS, row])
    result = called("evaluate", f"{program}:sort", "-i", "rows.jsonl", "-e", "kind")
    assert result.exit_code == 2
    assert words in result.stderr
    assert asked() == 0


def test_a_record_that_does_not_fit_the_function_is_a_failed_row(program: str) -> None:
    write_rows([*ROWS, {"post": "Hi", "kind": "other"}])
    found = figures("evaluate", f"{program}:sort", "-i", "rows.jsonl", "-e", "kind")
    assert (found["rows"], found["failures"]) == (4, {"BadInput": 1})


def test_a_second_evaluation_is_read_from_the_journal(program: str) -> None:
    Path("mails.py").write_text(
        PROGRAM.replace("configure(ENGINE)", "configure(ENGINE, journal='run.db')"), encoding="utf-8"
    )
    for _ in range(2):
        figures("evaluate", f"{program}:sort", "-i", "rows.jsonl", "-e", "kind")
        assert asked() == 3  # by both together
    write_rows([*ROWS, {"mail": "A bill of $7", "kind": "bill"}])
    figures("evaluate", f"{program}:sort", "-i", "rows.jsonl", "-e", "kind")
    assert asked() == 4
