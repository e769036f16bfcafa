"""`typefold forecast`: what a function costs over the records of a file."""

from __future__ import annotations

import json
from pathlib import Path

from tests.commands.conftest import Command


def written(folder: Path, records: int, bad: str = "") -> str:
    lines = [json.dumps({"id": number, "text": f"ticket {number % 9}"}) for number in range(records)]
    (folder / "in.jsonl").write_text("\n".join([*lines, bad]), encoding="utf-8")
    return "in.jsonl"


def test_figures_are_printed_as_a_table_or_as_json(folder: Path, command: Command) -> None:
    name = written(folder, 200, '{"text": 5}\nno json')
    shown = command("forecast", "tickets:classify", "-i", name)
    assert shown.exit_code == 0, shown.stderr
    assert "tickets:classify: 202 rows, from 64 that were asked" in shown.stdout
    assert "2 rows can't be run, of 202 looked at" in shown.stdout
    figures = json.loads(command("forecast", "tickets:classify", "-i", name, "--json", "--limit", "200").stdout)
    assert (figures["rows"], figures["asked"], figures["misfits"]) == (200, 64, [])
    assert figures["prompt_tokens"]["low"] == figures["prompt_tokens"]["high"]


def test_a_file_that_is_read_in_another_way(folder: Path, command: Command) -> None:
    (folder / "in.csv").write_bytes("Text;Preis\r\nschön;12,50\r\nnaja;3\r\n".encode("cp1252"))
    way = ["-i", "in.csv", "--delimiter", ";", "--encoding", "cp1252", "--sample", "0"]
    done = command("forecast", "tickets:classify", *way, "--rename", "Text=text")
    assert (done.exit_code, "2 rows, none asked" in done.stdout) == (0, True), done.stderr
    refused = command("forecast", "tickets:classify", *way)
    assert (refused.exit_code, "--rename Text=text" in refused.stderr) == (2, True)


def test_the_run_afterwards_does_not_pay_for_the_sample(folder: Path, command: Command) -> None:
    name = written(folder, 200)
    module = (folder / "tickets.py").read_text(encoding="utf-8")
    own = f"{module}\nconfigure(ScriptedEngine(answer), journal='run.db', seed=3)\n"
    (folder / "own.py").write_text(own, encoding="utf-8")
    forecast = command("forecast", "own:program", "-i", name, "--sample", "70")
    assert forecast.exit_code == 0, forecast.stderr
    done = command("run", "own:program", "-i", name, "-o", "out.jsonl")
    assert "70 answers from the journal" in done.stderr


def test_without_a_model_a_prompt_is_counted_and_a_program_is_refused(folder: Path, command: Command) -> None:
    name = written(folder, 20)
    counted = command("forecast", "tickets:classify", "-i", name, "--sample", "0")
    assert counted.exit_code == 0
    assert "20 rows, none asked" in counted.stdout
    tell = "import tickets\nfrom typefold import ask, prompt\n@prompt(max_tokens=9)\ndef tell(text: str) -> str:\n    return ask(text)\n"
    (folder / "free.py").write_text(tell, encoding="utf-8")
    free = command("forecast", "free.py:tell", "-i", name, "--sample", "0")
    assert "by the types" in free.stdout
    refused = command("forecast", "tickets:program", "-i", name, "--sample", "0")
    assert refused.exit_code == 2
    assert "the calls of a program are known by running it" in refused.stderr


def test_wrong_columns_and_no_records_are_refused(folder: Path, command: Command) -> None:
    (folder / "wrong.csv").write_text("id,Text\n1,a\n", encoding="utf-8")
    wrong = command("forecast", "tickets:classify", "-i", "wrong.csv")
    assert (wrong.exit_code, "Text" in wrong.stderr) == (2, True)
    (folder / "empty.jsonl").write_text("", encoding="utf-8")
    empty = command("forecast", "tickets:classify", "-i", "empty.jsonl")
    assert (empty.exit_code, "there are no rows" in empty.stderr or "no records" in empty.stderr) == (2, True)
