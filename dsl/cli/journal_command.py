"""`typefold journal`: read, export and prune a journal.

Answers go to standard output, all else to standard error. The exit status is 0 where all went well, 1 where the journal is
damaged or can't be used, and 2 where a path or an option is wrong. Nothing here needs a model, or vLLM.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from typefold.cli.output import moment_shown, printable

if TYPE_CHECKING:
    from rich.console import Console

    from typefold.runtime.journal import Journal, Record

journal_app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    help="Look into a journal: the file in which Runtime(journal=...) keeps every finished request.\n\n"
    "Example: typefold journal show run.db --function judge --last 3",
)

_File = Annotated[Path, typer.Argument(metavar="FILE", help="The journal.")]
_Function = Annotated[str | None, typer.Option(help="Only requests of this prompt function.", show_default=False)]
_Model = Annotated[str | None, typer.Option(help="Only answers of this model.", show_default=False)]
_WIDE = 1000
_LONG = 400  # characters of a text that are shown
_Row = Annotated[int | None, typer.Option(help="Only requests of this row.", show_default=False)]


@journal_app.command("info")
def info_command(
    file: _File,
    check: Annotated[
        bool, typer.Option("--check", help="Also read all of the file, to see whether it is sound.")
    ] = False,
) -> None:
    """Print a journal's summary: requests and tokens of each function and model, dates, size.

    With --check the exit status is 1 if the file is damaged.

    Example: typefold journal info run.db --check
    """
    with _open(file) as journal:
        damage = journal.damage() if check else []
        for problem in damage:
            typer.echo(f"typefold: {file}: {problem}", err=True)
        summaries, models = journal.summary(), [] if damage else journal.models()
    console = _console()
    size = sum(path.stat().st_size for path in (file, file.with_name(f"{file.name}-wal")) if path.exists())
    calls = sum(each.calls for each in summaries)
    dates = (
        f", {moment_shown(min(each.first for each in summaries))} to {moment_shown(max(each.last for each in summaries))}"
        if calls
        else ""
    )
    _print(console, f"{file}: {_count(calls, 'request')}, {_bytes(size)}{dates}")
    if summaries:
        from rich.table import Table

        table = Table("function", "model", box=None, pad_edge=False, header_style="bold")
        for name in ("requests", "prompt tokens", "output tokens", "last"):
            table.add_column(name, justify="right")
        for each in summaries:
            table.add_row(
                *map(printable, (each.function, each.model)),
                *(f"{number:,}" for number in (each.calls, each.prompt_tokens, each.output_tokens)),
                moment_shown(each.last),
            )
        console.print(table)
    silent = sorted({model.name for model in models} - {each.model for each in summaries})
    if silent:
        _print(console, f"no requests of: {', '.join(silent)}")
    if check and not damage:
        _print(console, "sound: every page was read")
    if damage:
        raise typer.Exit(1)


@journal_app.command("show")
def show_command(
    file: _File,
    last: Annotated[int, typer.Option("--last", "-n", min=1, help="The number of requests, the newest.")] = 10,
    function: _Function = None,
    row: _Row = None,
    model: _Model = None,
    full: Annotated[bool, typer.Option("--full", help="Print long texts in full.")] = False,
) -> None:
    """Print the last requests for reading: function, row, prompt, answer, tokens.

    Control characters in texts are shown as escapes, so that no text can play tricks with the terminal.

    Example: typefold journal show run.db -n 3 --function judge
    """
    from typefold.runtime.journal import JournalError

    console, damaged = _console(), 0
    with _open(file) as journal:
        records = list(journal.sound_records(function=function, row=row, model=model, last=last))
    for record in records:
        if isinstance(record, JournalError):
            damaged += 1
            typer.echo(f"typefold: {record}", err=True)
        else:
            _show(console, record, None if full else _LONG)
    if damaged:
        raise typer.Exit(1)
    if not records:
        typer.echo(f"typefold: {file} holds no such request", err=True)


@journal_app.command("export")
def export_command(
    file: _File,
    output: Annotated[
        str | None,
        typer.Option("--output", "-o", help="The file to write. By default: standard output.", show_default=False),
    ] = None,
    function: _Function = None,
    row: _Row = None,
    model: _Model = None,
) -> None:
    """Write requests as JSON lines, in the order in which they ended.

    Each line has the fields of a `Record`: function, row, attempt, model, prompt, sampling, text, tokens, when. An earlier
    file is replaced when the new one is whole, which only its owner may read. The journal itself is never written to. Records
    that are damaged are named and left out; the exit status is 1 then.

    Example: typefold journal export run.db --function judge -o judged.jsonl
    """
    from typefold.runtime.journal import JournalError

    count = damaged = 0
    with _writing(file, output) as write, _open(file) as journal:
        for record in journal.sound_records(function=function, row=row, model=model):
            if isinstance(record, JournalError):
                damaged += 1
                typer.echo(f"typefold: {record}", err=True)
            else:
                write(record.as_json())
                count += 1
        if damaged and not count:
            _fail("nothing could be read, so nothing was written", 1)
    if output is not None and output != "-":
        typer.echo(f"typefold: wrote {_count(count, 'request')} to {output}", err=True)
    if damaged:
        raise typer.Exit(1)


@journal_app.command("prune")
def prune_command(
    file: _File,
    function: _Function = None,
    model: _Model = None,
    before: Annotated[
        str | None,
        typer.Option(
            help="Only requests that ended before this time, as 2026-01-31 or 2026-01-31T18:00 (UTC).",
            show_default=False,
        ),
    ] = None,
    damaged: Annotated[
        bool, typer.Option("--damaged", help="Only records that are damaged; the file keeps the others.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Don't ask.")] = False,
) -> None:
    """Remove requests and give their space back. A program that runs again asks the model for them.

    Say which: by function, by model, by time, or all three; or those that are damaged. It says how many there are and asks
    first.

    Example: typefold journal prune run.db --model org/old-model --before 2026-01-31 --yes
    """
    when = None if before is None else _time(before)
    chosen = (function, model, when) != (None, None, None)
    if not chosen and not damaged:
        _fail(
            "say what to remove: --function, --model, --before or --damaged; to remove everything, delete the file", 2
        )
    if chosen and damaged:
        _fail("--damaged goes alone: a damaged record can't be told by its function, model or time", 2)
    if damaged:
        _prune_damaged(file, yes=yes)
        return
    with _open(file, writing=True) as journal:
        count = journal.count(function=function, model=model, before=when)
        if not count:
            typer.echo(f"typefold: {file} holds no such request", err=True)
            return
        if not yes and not typer.confirm(f"Remove {_count(count, 'request')} of {journal.count():,}?", err=True):
            _fail("nothing was removed", 1)
        removed = journal.prune(function=function, model=model, before=when)
    typer.echo(f"typefold: removed {_count(removed, 'request')}", err=True)


def _prune_damaged(file: Path, *, yes: bool) -> None:
    with _open(file, writing=True) as journal:
        found = journal.damage()
        if not found:
            typer.echo(f"typefold: {file} holds nothing that is damaged", err=True)
            return
        if not yes and not typer.confirm("\n".join([*found, "Remove these records?"]), err=True):
            _fail("nothing was removed", 1)
        removed = journal.prune(damaged=True)
    typer.echo(f"typefold: removed {_count(removed, 'damaged record')}", err=True)


@contextmanager
def _open(file: Path, *, writing: bool = False) -> Generator[Journal]:
    """Open an existing journal; an error ends the command."""
    from typefold.runtime.journal import Journal, JournalError

    if not file.is_file():
        _fail(f"there is no {file}", 2)
    try:
        with Journal(file, read_only=not writing) as journal:
            yield journal
    except JournalError as error:
        _fail(str(error), 1)


@contextmanager
def _writing(file: Path, output: str | None) -> Generator[Callable[[str], object]]:
    """Open a writer of lines: to a file that appears when it is whole, or to standard output."""
    from typefold.cli.output import check_apart, of_journal, open_output, written_to
    from typefold.cli.target import CommandError

    try:
        check_apart({"FILE": of_journal(file), "--output": written_to(output)})
        whole = open_output(output, private=True)
        try:
            yield lambda line: whole.write(f"{line}\n".encode())  # JSON is UTF-8 in every locale
            whole.finish()
        finally:
            whole.discard()
    except CommandError as error:
        _fail(str(error), 2)


def _fail(reason: str, status: int) -> NoReturn:
    typer.echo(f"typefold: {reason}", err=True)
    raise typer.Exit(status)


def _console() -> Console:
    from rich.console import Console

    # Into a file or a pipe, a row of a table is one line, however long.
    return Console(soft_wrap=True, highlight=False, width=None if sys.stdout.isatty() else _WIDE)


def _print(console: Console, text: str, style: str = "") -> None:
    """Print a text as it is: nothing in it is markup, and nothing in it moves the cursor."""
    console.print(printable(text), style=style, markup=False, emoji=False)


def _show(console: Console, record: Record, longest: int | None) -> None:
    """Print a request: its function and row, prompt and answer."""
    row = "" if record.row is None else f", row {record.row}"
    attempt = f", attempt {record.attempt}" if record.attempt > 1 else ""
    _print(console, f"{record.id}  {record.function}{row}{attempt}", "bold")
    cached = f" ({record.cached_tokens:,} cached)" if record.cached_tokens else ""
    tokens = f"{record.prompt_tokens:,} tokens{cached} in, {record.output_tokens:,} out, {record.finish_reason}"
    sampling = "".join(f", {name}={value}" for name, value in record.sampling.items())
    _print(console, f"  {moment_shown(record.finished)}  {record.model}  {tokens}{sampling}", "dim")
    match record.prompt:
        case None:
            _print(console, "  (the prompt was not kept)", "dim")
        case str(text):
            _turn(console, "raw", text, longest)
        case turns:
            for turn in turns:
                _turn(console, turn["role"], turn["content"], longest)
    if record.failure is not None:
        facts = "".join(f", {name}={value}" for name, value in record.failure.items() if name != "error")
        _print(console, f"  no model was asked: {record.failure['error']}{facts}\n", "red")
        return
    form = "" if record.constraint_kind == "text" else f" ({record.constraint_kind})"
    _turn(console, f"answer{form}", record.text, longest, "green")
    console.print()


def _turn(console: Console, speaker: str, text: str, longest: int | None, style: str = "") -> None:
    _print(console, f"  {speaker}", "dim")
    if longest is not None and len(text) > longest:
        text = f"{text[:longest]} ... and {len(text) - longest:,} characters more"
    for line in text.split("\n"):
        _print(console, f"    {line}", style)


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def _bytes(size: int) -> str:
    return f"{size / 1_000_000:,.1f} MB" if size >= 100_000 else f"{size / 1000:,.1f} kB"


def _time(text: str) -> str:
    """A moment as a journal writes it."""
    from typefold.runtime.journal.records import moment

    try:
        return moment(text)
    except ValueError as error:
        _fail(f"--before {error}", 2)
