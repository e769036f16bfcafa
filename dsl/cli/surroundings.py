"""The surroundings of a subcommand: its runtime, its options as values, and its errors as lines and exit codes."""

from __future__ import annotations

import json
from collections.abc import Generator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import typer


@contextmanager
def explained() -> Generator[None]:
    """Print an error in one line and exit: 1 for a call that gave no value, 2 for a command that can't be carried out."""
    from typefold.cli.target import CommandError
    from typefold.errors import AT_ONCE
    from typefold.runtime import PromptError

    ends: tuple[type[Exception], ...] = (CommandError, *AT_ONCE, ImportError)
    try:
        yield
    except PromptError as error:
        typer.echo(f"typefold: {type(error).__name__}: {error}", err=True)
        raise typer.Exit(1) from None
    except ends as error:
        typer.echo(f"typefold: {error}", err=True)
        raise typer.Exit(2) from None


def program_files() -> dict[str, Sequence[str | int]]:
    """The files of the program that has been imported: its modules, and the journal that it keeps."""
    from typefold.cli.output import loaded_modules, of_journal
    from typefold.runtimes.current import find_current

    runtime = find_current()
    return {"the program": loaded_modules(), "its journal": of_journal(runtime.journal if runtime else None)}


@contextmanager
def runtime_of(model: str | None, engine: list[str] | None, **options: Any) -> Generator[None]:
    """The runtime that the options name; the one that the module itself has configured, where they name none."""
    from typefold.cli.target import CommandError
    from typefold.runtimes.current import find_current
    from typefold.runtimes.runtime import Runtime

    values = _values(engine)
    for name in ("model", *options):
        if name in values:
            raise CommandError(f"--engine {name}={values[name]}: write it as --{name} {values[name]}")
    given = values | {name: value for name, value in options.items() if value is not None}
    if model is None and not given and find_current() is not None:
        yield
        return
    if model is None and find_current() is not None:  # another model would answer than the one that the module names
        raise CommandError(
            f"{', '.join(f'--{name}' for name in options if name in given) or '--engine'}: the module's own configure(...) has "
            f"no such option; write it there, or name the model here with --model"
        )
    with Runtime(model, **given):
        yield


@contextmanager
def journaled_runtime(
    model: str | None, engine: list[str] | None, journal: Path | None, seed: int | None, *, prompts: bool = True
) -> Generator[None]:
    """The runtime that the options name, with the journal, which keeps prompts or does not."""
    from typefold.runtime.journal import Journal

    with ExitStack() as stack:
        kept = None if journal is None else stack.enter_context(Journal(journal, prompts=prompts))
        stack.enter_context(runtime_of(model, engine, journal=kept, seed=seed))
        yield


def pairs(given: list[str] | None) -> dict[str, str]:
    """Return `NAME=VALUE` options as texts by name."""
    from typefold.cli.target import CommandError

    pairs: dict[str, str] = {}
    for each in given or ():
        name, equals, value = each.partition("=")
        if not equals:
            raise CommandError(f"{each}: write it as NAME=VALUE")
        pairs[name] = value
    return pairs


def _values(given: list[str] | None) -> dict[str, Any]:
    """Options of the engine: JSON where it is some, else text."""
    values: dict[str, Any] = {}
    for name, text in pairs(given).items():
        try:
            values[name] = json.loads(text)
        except ValueError:
            values[name] = text
    return values
