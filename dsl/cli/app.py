"""The command `typefold`: its subcommands as typer sees them, with arguments, help and exit codes.

Each prints its answer on standard output and nothing else, so that scripts can use it. Starting it loads neither vLLM nor
torch: a subcommand imports its work when it is called. The exit status is 0 where all went well, 1 where rows failed or
nothing came, 2 where the command can't be carried out as it stands.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Generator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from importlib.metadata import version
from io import TextIOWrapper
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from typefold.cli.journal_command import journal_app
from typefold.cli.start.commands import start_app
from typefold.cli.surroundings import explained, journaled_runtime, pairs, runtime_of

if TYPE_CHECKING:
    from typefold.cli.input_records import Kind
    from typefold.cli.run_command import InputFile

app = typer.Typer(no_args_is_help=True, add_completion=True, rich_markup_mode=None)

_Function = Annotated[str, typer.Argument(metavar="FUNCTION", help="module:function, or file.py:function.")]
_Set = Annotated[list[str] | None, typer.Option("--set", metavar="NAME=VALUE", help="A parameter's value.")]
_Model = Annotated[str | None, typer.Option(help="A model's name or path. By default TYPEFOLD_MODEL.")]
_Format = Annotated[
    Literal["jsonl", "csv", "tsv", "parquet"] | None,
    typer.Option(help="What the file is. By default its name's ending says so.", show_default=False),
]
_Encoding = Annotated[
    str | None, typer.Option(help="The encoding of the input, such as cp1252. By default UTF-8.", show_default=False)
]
_Delimiter = Annotated[
    str | None, typer.Option(help=r"The delimiter of the input's CSV, such as ';' or '\t'.", show_default=False)
]
_Rename = Annotated[
    list[str] | None,
    typer.Option(metavar="COLUMN=NAME", help="The parameter that a column is for, by default that of its name."),
]
_Seed = Annotated[int | None, typer.Option(help="A seed that makes sampling repeatable.")]
_Limit = Annotated[int | None, typer.Option(min=1, help="Take at most this number of records.")]
_Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Show no progress.")]
_Engine = Annotated[
    list[str] | None,
    typer.Option("--engine", metavar="NAME=VALUE", help="An option of vllm.LLM, such as max_model_len=8192."),
]


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(version("typefold"))
        raise typer.Exit


@app.callback()
def typefold(
    show_version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Typed prompt functions for offline vLLM.

    Example: TYPEFOLD_MODEL=$(typefold demo-model) python my_prompts.py
    """


@app.command("check")
def check_command(
    paths: Annotated[
        list[Path] | None, typer.Argument(help="Files and folders. By default: this folder.", show_default=False)
    ] = None,
    form: Annotated[Literal["text", "json"], typer.Option("--format", help="The form of the findings.")] = "text",
    strict: Annotated[bool, typer.Option("--strict", help="Let warnings count as errors.")] = False,
    imports: Annotated[
        bool, typer.Option("--import", help="Also import the files, to compile what only a running program knows.")
    ] = False,
) -> None:
    """Check prompts: templates, return types, options, bodies and examples.

    Neither a model nor mypy is needed, and without --import nothing of the program runs. The exit status is 0 where all is
    right, 1 where something is wrong, and 2 where a path does not exist. docs/typing.md describes every check.

    Example: typefold check src --format json
    """
    from typefold.checks.check import check, python_files, run_modules

    named = paths or [Path()]
    if missing := [path for path in named if not path.exists()]:
        typer.echo(f"typefold: there is no {missing[0]}", err=True)
        raise typer.Exit(2)
    files = list(python_files(named))
    checked = check(files)
    findings = [*checked.findings, *(run_modules(files) if imports else ())]
    mistakes = [finding for finding in findings if finding.severity != "note"]
    if form == "json":
        typer.echo(replace(checked, findings=tuple(findings)).as_json())
    else:
        for finding in findings:
            typer.echo(finding)
        typer.echo(checked.summary(len(mistakes)), err=True)
    if any(strict or finding.severity == "error" for finding in mistakes):
        raise typer.Exit(1)


@app.command("run")
def run_command(
    function: _Function,
    source: Annotated[
        str,
        typer.Option(
            "--input", "-i", help="A .jsonl, .csv, .tsv or .parquet file, a failures file, or - for JSON lines."
        ),
    ],
    output: Annotated[
        str, typer.Option("--output", "-o", help="A .jsonl, .csv, .tsv or .parquet file, or - for JSON lines.")
    ] = "-",
    input_format: _Format = None,
    output_format: _Format = None,
    encoding: _Encoding = None,
    delimiter: _Delimiter = None,
    model: _Model = None,
    journal: Annotated[
        Path | None, typer.Option(help="A file that keeps every answer: run the command again to go on.")
    ] = None,
    journal_prompts: Annotated[
        bool, typer.Option(help="Whether the journal keeps prompts, to be read. Answers are found without them.")
    ] = True,
    failures: Annotated[
        str | None, typer.Option(help="The file for failed rows. By default beside the output.", show_default=False)
    ] = None,
    column: Annotated[str, typer.Option(help="The name of the result's column.")] = "result",
    limit: _Limit = None,
    offset: Annotated[int, typer.Option(min=0, help="Leave out this number of records at the beginning.")] = 0,
    where: Annotated[
        str | None,
        typer.Option(help="Take only records that meet this, such as 'stars < 3'; parameters have their types."),
    ] = None,
    given: _Set = None,
    rename: _Rename = None,
    max_failures: Annotated[
        int | None, typer.Option(min=0, help="End the job when more rows than this have failed.", show_default=False)
    ] = None,
    seed: _Seed = None,
    quiet: _Quiet = False,
    engine: _Engine = None,
) -> None:
    """Run a function for every record of a file.

    Columns go to the parameters of their names, and are read as the parameters' types. The function's result is written
    after the record, in the order of the input. A record that does not fit, or whose row fails, is kept aside with the
    reason, and costs no other row anything. Output and failures take the place of earlier files when the job is done; until
    then they grow beside, as NAME.typefold-part. Mend the failures file and name it as the input: its rows are put into the
    output where they belong.

    Example: typefold run tickets.py:classify -i tickets.csv -o labels.jsonl --journal run.db
    """
    from typefold.cli.run_command import JobFiles, opened_job
    from typefold.execution.progress import showing

    with explained(), showing(quiet=quiet), ExitStack() as stack:
        files = JobFiles.of(source, output, failures, journal, input_format, output_format, encoding, delimiter)
        job = stack.enter_context(
            opened_job(
                files,
                function,
                pairs(given),
                column,
                where,
                pairs(rename),
                limit=limit,
                offset=offset,
                max_failures=max_failures,
            )
        )
        stack.enter_context(journaled_runtime(model, engine, journal, seed, prompts=journal_prompts))
        failed = job.carry_out()
    if failed:
        raise typer.Exit(1)


_Labelled = Annotated[str, typer.Option("--input", "-i", help="A .jsonl, .csv or .parquet file with labels, or -.")]
_Expected = Annotated[
    str, typer.Option("--expected", "-e", help="The column of the right answers; of an object in it by labels.kind.")
]
_Metric = Annotated[
    str | None,
    typer.Option(help="module:function of (expected, answer): a truth value or a score.", show_default=False),
]
_Where = Annotated[
    str | None, typer.Option(help="Take only records that meet this, such as 'stars < 3'.", show_default=False)
]
_Kept = Annotated[Path | None, typer.Option(help="A file that keeps every answer, for the next time.")]
_AsJson = Annotated[bool, typer.Option("--json", help="Print the figures as JSON.")]


@app.command("evaluate")
def evaluate_command(
    function: _Function,
    source: _Labelled,
    input_format: _Format = None,
    encoding: _Encoding = None,
    delimiter: _Delimiter = None,
    rename: _Rename = None,
    expected: _Expected = "expected",
    metric: _Metric = None,
    limit: _Limit = None,
    where: _Where = None,
    mistakes: Annotated[
        str | None, typer.Option(help="A .jsonl file for the rows that are not right.", show_default=False)
    ] = None,
    plot: Annotated[
        str | None, typer.Option(help="An .svg file for the reliability of stated probabilities.", show_default=False)
    ] = None,
    as_json: _AsJson = False,
    model: _Model = None,
    journal: _Kept = None,
    given: _Set = None,
    seed: _Seed = None,
    quiet: _Quiet = False,
    engine: _Engine = None,
) -> None:
    """Ask a function for labelled records, and report how often it is right.

    Columns go to the parameters of their names; the column of the right answers is read as the function's return type. A
    record whose label is missing or does not fit ends the command before anything is asked. Rows that fail count as
    wrong. All figures have 95% intervals.

    Example: typefold evaluate tickets.py:classify -i labelled.jsonl --expected category
    """
    from typefold.cli.evaluate_command import opened, plot_of, prepared

    with explained():
        file = _input(source, input_format, encoding, delimiter, rename)
        wanted = prepared([function], file, expected, metric, limit, where, pairs(given), plots=plot is not None)
        files = {"--input": [source], "--mistakes": [mistakes or ""], "--plot": [plot or ""]}
        with (
            _labelled_run(files, model=model, journal=journal, seed=seed, engine=engine, quiet=quiet),
            opened(mistakes) as aside,
            opened(plot) as drawing,
        ):
            [report] = wanted.run()
            aside(lambda: wanted.mistakes(report))
            drawing(lambda: plot_of(report))
        typer.echo(report.to_json() if as_json else report)


@app.command("compare")
def compare_command(
    before: Annotated[str, typer.Argument(metavar="BEFORE", help="module:function, or file.py:function.")],
    after: Annotated[str, typer.Argument(metavar="AFTER", help="The other function, over the same records.")],
    source: _Labelled,
    input_format: _Format = None,
    encoding: _Encoding = None,
    delimiter: _Delimiter = None,
    rename: _Rename = None,
    expected: _Expected = "expected",
    metric: _Metric = None,
    limit: _Limit = None,
    where: _Where = None,
    as_json: _AsJson = False,
    model: _Model = None,
    journal: _Kept = None,
    given: _Set = None,
    seed: _Seed = None,
    quiet: _Quiet = False,
    engine: _Engine = None,
) -> None:
    """Ask two functions for the same labelled records, and report how they differ, row by row.

    Example: typefold compare tickets.py:classify tickets.py:classify_by_rules -i labelled.jsonl --expected category
    """
    from typefold.cli.evaluate_command import prepared
    from typefold.evaluation import Comparison

    with explained():
        file = _input(source, input_format, encoding, delimiter, rename)
        wanted = prepared([before, after], file, expected, metric, limit, where, pairs(given))
        with _labelled_run({"--input": [source]}, model=model, journal=journal, seed=seed, engine=engine, quiet=quiet):
            comparison = Comparison(*wanted.run())
        typer.echo(comparison.to_json() if as_json else comparison)


@app.command("optimize")
def optimize_command(
    function: _Function,
    source: _Labelled,
    output: Annotated[str, typer.Option("--output", "-o", help="A .json file for the examples and instructions.")],
    validation: Annotated[
        str | None,
        typer.Option(help="Labelled records to judge by. By default a third of the input.", show_default=False),
    ] = None,
    input_format: _Format = None,
    encoding: _Encoding = None,
    delimiter: _Delimiter = None,
    rename: _Rename = None,
    expected: _Expected = "expected",
    metric: _Metric = None,
    limit: _Limit = None,
    budget: Annotated[int, typer.Option(min=1, help="The most times that the function is run for a record.")] = 1000,
    token_budget: Annotated[
        int | None, typer.Option(min=1, help="The most tokens of prompts and answers.", show_default=False)
    ] = None,
    strategy: Annotated[
        Literal["halving", "random"], typer.Option(help="The way to leave candidates out.")
    ] = "halving",
    candidates: Annotated[int, typer.Option(min=2, help="The most candidates.")] = 16,
    max_examples: Annotated[int, typer.Option(min=0, help="The most examples of a prompt.")] = 8,
    instructions: Annotated[int, typer.Option(min=0, help="Instructions that the model proposes from mistakes.")] = 0,
    model: _Model = None,
    journal: _Kept = None,
    given: _Set = None,
    seed: Annotated[
        int | None, typer.Option(help="A seed of the draws, and one that makes sampling repeatable.")
    ] = None,
    quiet: _Quiet = False,
    engine: _Engine = None,
) -> None:
    """Search for examples and instructions with which a function is right more often.

    They go to a small JSON file, to be read and committed; optimized(function, "file.json") applies it. The report is of
    records that the search did not see, and the exit status 1 where nothing better was found. With --journal, the command
    goes on where it was when it is run again.

    Example: typefold optimize tickets.py:classify -i labelled.jsonl --expected category -o classify.json --budget 2000
    """
    from typefold.cli.optimize_command import PreparedSearch

    with explained():
        way = input_format, encoding, delimiter, rename
        held = None if validation is None else _input(validation, *way)
        file = _input(source, *way)
        wanted = PreparedSearch(function, file, held, expected, metric=metric, limit=limit, given=pairs(given))
        files = {"--input": [source], "--validation": [validation or ""], "--output": [output]}
        with _labelled_run(files, model=model, journal=journal, seed=seed, engine=engine, quiet=quiet):
            found = wanted.run(
                output,
                quiet=quiet,
                budget=budget,
                token_budget=token_budget,
                strategy=strategy,
                candidates=candidates,
                max_examples=max_examples,
                instructions=instructions,
                seed=seed or 0,
            )
        typer.echo(found)
    if not found.prompts.prompts:
        raise typer.Exit(1)


def _input(
    path: str,
    kind: Kind | None,
    encoding: str | None,
    delimiter: str | None,
    rename: list[str] | None,
) -> InputFile:
    from typefold.cli.input_records import form_of
    from typefold.cli.run_command import InputFile

    return InputFile(path, form_of(path, kind, encoding, delimiter), pairs(rename))


@contextmanager
def _labelled_run(
    files: dict[str, list[str]],
    *,
    model: str | None,
    journal: Path | None,
    seed: int | None,
    engine: list[str] | None,
    quiet: bool,
) -> Generator[None]:
    """Check the files of an evaluation, and open what it asks."""
    from typefold.cli.output import check_apart, of_journal
    from typefold.execution.progress import showing

    named: dict[str, Sequence[str | int]] = {
        flag: [path for path in paths if path not in ("", "-")] for flag, paths in files.items()
    }
    check_apart(named | {"--journal": of_journal(journal)})
    with showing(quiet=quiet), journaled_runtime(model, engine, journal, seed):
        yield


@app.command("forecast")
def forecast_command(
    function: _Function,
    source: Annotated[str, typer.Option("--input", "-i", help="A .jsonl, .csv or .parquet file, or - for JSON lines.")],
    input_format: _Format = None,
    encoding: _Encoding = None,
    delimiter: _Delimiter = None,
    rename: _Rename = None,
    sample: Annotated[
        int | None,
        typer.Option(
            min=0, help="The records to ask; 0 loads no model. By default 1 of 100, at least 64.", show_default=False
        ),
    ] = None,
    max_tokens: Annotated[
        list[int] | None, typer.Option(min=1, help="A limit to forecast the answers for; several may be given.")
    ] = None,
    limit: _Limit = None,
    column: Annotated[str, typer.Option(help="The name of the result's column.")] = "result",
    as_json: _AsJson = False,
    model: _Model = None,
    journal: _Kept = None,
    given: _Set = None,
    seed: _Seed = None,
    quiet: _Quiet = False,
    engine: _Engine = None,
) -> None:
    """Ask a function for a sample of a file's records, and forecast tokens, time and sizes of all of them.

    `typefold run` with the same journal does not ask for the sample again. The speed is measured where the sample keeps the
    engine full, else it is a lower bound.

    Example: typefold forecast tickets.py:classify -i tickets.csv --journal run.db
    """
    from typefold.cli.forecast_command import work_of
    from typefold.evaluation.forecasting import forecast_of

    with explained():
        file = _input(source, input_format, encoding, delimiter, rename)
        work = work_of(function, file, pairs(given), limit, column)
        with _labelled_run({"--input": [source]}, model=model, journal=journal, seed=seed, engine=engine, quiet=quiet):
            found = forecast_of(work, {"sample": sample, "max_tokens": max_tokens or ()})
        typer.echo(found.to_json() if as_json else found)


@app.command("status")
def status_command(
    journal: Annotated[Path, typer.Argument(metavar="FILE", help="The journal of a job.")],
    as_json: _AsJson = False,
) -> None:
    """Print how far a job is, how fast, and what failed; while it runs, and after it has ended or was killed.

    Example: typefold status run.db
    """
    from typefold.cli.jobs.status_command import show, status_of

    with explained():
        found = status_of(journal)
    for line in [json.dumps(found)] if as_json else show(found):
        typer.echo(line)


@app.command("try")
def try_command(function: _Function, given: _Set = None, model: _Model = None, engine: _Engine = None) -> None:
    """Call a function once and print its result; the text of a prompt's answer while it is generated.

    Example: typefold try tickets.py:classify --set text="It never arrived."
    """
    from typefold.cli.single_call import arguments_of, try_once
    from typefold.cli.target import load

    with explained():
        target = load(function)
        arguments = arguments_of(target, pairs(given))
        with runtime_of(model, engine):
            try_once(target, arguments)


@app.command("render")
def render_command(function: _Function, given: _Set = None) -> None:
    """Print the messages of a prompt exactly as they are sent. No model is needed.

    Example: typefold render tickets.py:classify --set text="It never arrived."
    """
    from typefold.cli.single_call import arguments_of, render
    from typefold.cli.target import load

    with explained():
        target = load(function)
        render(target, arguments_of(target, pairs(given)))


@app.command("explain")
def explain_command(function: _Function) -> None:
    """Explain a prompt's return type: its form, the constraint that decoding enforces, the checks behind it.

    Example: typefold explain tickets.py:classify
    """
    from typefold.cli.single_call import explain
    from typefold.cli.target import load

    with explained():
        explain(load(function))


_Records = Annotated[
    str | None,
    typer.Option("--input", "-i", help="Records to be answered: .jsonl, .csv, .parquet, or - for JSON lines."),
]


@app.command("version")
def version_command(
    function: _Function,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="The file to save it in.", show_default=False)
    ] = None,
    source: _Records = None,
    expected: Annotated[str | None, typer.Option(help="A column that is no input.", show_default=False)] = None,
    limit: _Limit = None,
    model: _Model = None,
    engine: _Engine = None,
) -> None:
    """Print the version of a prompt, or save it as a small JSON file, with its answers to the records if there are any.

    Example: typefold version tickets.py:classify -o classify-2.json -i tickets.jsonl
    """
    from typefold.cli.target import CommandError
    from typefold.cli.version_command import records_of, side_of, with_answers

    with explained():
        side = side_of(function)
        version = side.version
        if source is not None:
            if output is None:
                raise CommandError("--input: answers are kept in a file; name it with --output")
            records = records_of(source, expected, limit)
            with runtime_of(model, engine):
                version = with_answers(side, records)
        if output is None:
            typer.echo(version)
        else:
            version.save(output)


@app.command("diff")
def diff_command(
    old: Annotated[str, typer.Argument(metavar="OLD", help="A saved version (.json), or module:function.")],
    new: Annotated[str, typer.Argument(metavar="NEW", help="The other one.")],
    source: _Records = None,
    expected: Annotated[str | None, typer.Option(help="The column of the right answers.", show_default=False)] = None,
    limit: _Limit = None,
    model: _Model = None,
    engine: _Engine = None,
) -> None:
    """Say what differs between two versions of a prompt and, with records, which answers changed.

    With --expected it says too how many more are right, as a paired interval. A saved version has the answers that were kept with
    it, a function is asked. The exit status is 0 where the model could notice no difference, and 1 else.

    Example: typefold diff classify-2.json tickets.py:classify -i tickets.jsonl --expected team
    """
    from typefold.cli.version_command import effect, records_of, side_of

    with explained():
        before, after = side_of(old), side_of(new)
        typer.echo(f"{before.version} -> {after.version}")
        difference = before.version.diff(after.version)
        typer.echo(difference or "the model could notice no difference")
        if source is not None:
            records = records_of(source, expected, limit)
            typer.echo()
            with ExitStack() as stack:
                if before.target is not None or after.target is not None:
                    stack.enter_context(runtime_of(model, engine))
                for line in effect(before, after, records):
                    typer.echo(line)
    if difference:
        raise typer.Exit(1)


app.add_typer(start_app)
app.add_typer(journal_app, name="journal")


def main() -> None:
    """Run the command line; the entry point of the script `typefold`."""
    for number in range(3):  # no file that is opened later may get the descriptor of a stream that is closed
        try:
            os.fstat(number)
        except OSError:
            os.dup2(os.open(os.devnull, os.O_RDWR), number)
    sys.stderr = sys.stderr or open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115  # else print writes to standard output
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a text that the terminal has no letters for ends nothing
    app()
