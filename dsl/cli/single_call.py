"""One call of a function from the command line: its messages, its return type explained, and one answer."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from typing import Any

from rich.console import Console
from rich.pretty import Pretty
from typing_extensions import TypeIs

from typefold.cli.target import CommandError
from typefold.messages import RawPrompt
from typefold.programs.record_function import BadRecord, Inputs, Target
from typefold.prompts import is_prompt
from typefold.prompts.base_prompt import BasePrompt
from typefold.prompts.prompt import Prompt


def arguments_of(target: Target, given: dict[str, str]) -> dict[str, Any]:
    """The arguments in `--set` options."""
    inputs = Inputs(target, given)
    missing = [each.name for each in target.parameters if each.required and each.name not in given]
    if missing:
        raise CommandError(f"{target.name} needs {', '.join(missing)}: --set {missing[0]}=...")
    try:
        return inputs.arguments({})
    except BadRecord as error:
        raise CommandError(str(error)) from None


def explain(target: Target) -> None:
    """Print the explanation of a prompt's return type."""
    Console().print(prompt_of(target).explain())


def render(target: Target, arguments: dict[str, Any]) -> None:
    """Print the messages exactly as they are sent."""
    rendered, console = prompt_of(target).render(**arguments), Console()
    if isinstance(rendered, RawPrompt):
        console.print(str(rendered), markup=False, highlight=False)
        return
    for message in rendered:
        console.rule(message.role, align="left", style="dim")
        console.print(message.shown, markup=False, highlight=False)


def try_once(target: Target, arguments: dict[str, Any]) -> None:
    """Call it once and print the value; the text of a prompt's answer while it is written, on standard error."""
    function: Any = target.function
    if _is_prompt(function):
        with function.stream(**arguments) as stream:
            for piece in stream:
                print(piece, end="", file=sys.stderr, flush=True)
            value = stream.result()
        print(file=sys.stderr)
    elif target.is_async:
        value = asyncio.run(function(**arguments))
    else:
        value = function(**arguments)
    Console().print(value if isinstance(value, str) else Pretty(value), markup=False, highlight=False)


def prompt_of(target: Target) -> BasePrompt[Callable[..., object]]:
    """Return the prompt that a command names. Raises `CommandError` for a plain function."""
    function: Any = target.function
    if not is_prompt(function):
        raise CommandError(f"{target.name} is a plain function, no prompt; name one of the prompts that it calls")
    return function


def _is_prompt(function: object) -> TypeIs[Prompt[Any]]:
    return isinstance(function, Prompt)
