"""How a prompt function goes to another process: by its name where it can be imported there, else by value.

It is the plan that goes, so whatever holds one goes as the prompt does: `.safe`, `.sample(n)`, `.defer(...)`. By name it takes the options, examples and instance along that it has here, and the other process imports the rest, as
pickle does with any function. One of `__main__`, of a notebook or of another function can't be imported; cloudpickle, and
so Ray, sends its code along, with its return type worked out, since an annotation that is kept as text names things that
are not there. Left out: a runtime, which lives in one process.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from functools import reduce
from pickle import PicklingError
from typing import Any

from typefold.options import Options
from typefold.prompts.definition import Binding, Definition, Example
from typefold.prompts.spec import Plan

__all__ = ["prompt_by_name", "prompt_by_value", "reduced"]


def reduced(plan: Plan[Any]) -> tuple[Callable[..., Plan[Any]], tuple[Any, ...]]:
    """What `__reduce__` gives for a plan.

    Raises:
        PicklingError: It names a runtime of its own.
    """
    if plan.options.runtime is not None:
        raise PicklingError(
            f"{plan.name} has a runtime of its own, which can't go to another process; take it off with "
            f"{plan.name}.using(runtime=None), and open a runtime there"
        )
    definition = plan.definition
    module, name = definition.function.__module__, definition.function.__qualname__
    home = _found(module, name)
    if module != "__main__" and home is not None and home.definition is definition:
        options = None if home.options is plan.options else plan.options
        return prompt_by_name, (module, name, options, plan.examples, plan.bound)
    return prompt_by_value, (
        definition.function,
        definition.binding,
        _hint(definition),
        plan.options,
        plan.examples,
        plan.bound,
    )


def _found(module: str, name: str) -> Plan[Any] | None:
    """The plan of the prompt function that a module has by a name."""
    from typefold.prompts.face import Face, plan_of

    try:
        there: object = reduce(getattr, name.split("."), sys.modules.get(module))
    except AttributeError:
        return None
    return plan_of(there) if isinstance(there, Face) else None


def prompt_by_name(
    module: str, name: str, options: Options | None, examples: tuple[Example[Any], ...], bound: tuple[Any, ...]
) -> Plan[Any]:
    """The plan of a prompt function that can be imported, with the options, examples and instance that it had."""
    from typefold.prompts.face import plan_of

    __import__(module)
    prompt: Any = reduce(getattr, name.split("."), sys.modules[module])
    plan: Plan[Any] = plan_of(prompt)
    return replace(plan, options=options or plan.options, examples=examples, bound=bound, _turns={})


def prompt_by_value(
    function: Callable[..., Any],
    binding: Binding,
    hint: tuple[Any, ...],
    options: Options,
    examples: tuple[Example[Any], ...],
    bound: tuple[Any, ...],
) -> Plan[Any]:
    """The plan of a prompt function that came along as code."""
    definition: Definition[Any] = Definition(function, {}, binding)
    if hint:
        definition.__dict__["hint"] = hint[0]  # where a cached property keeps what it found
    return Plan(definition, options, examples, bound)


def _hint(definition: Definition[Any]) -> tuple[Any, ...]:
    """The return type, if it can be told yet."""
    try:
        return (definition.hint,)
    except NameError:
        return ()
