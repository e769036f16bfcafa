"""A prompt function, checked when mypy applies its decorator: what the source tells, and what mypy's types add."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from mypy.nodes import ARG_STAR, ARG_STAR2, Decorator, MypyFile
from mypy.plugin import FunctionContext, MethodContext
from mypy.types import (
    AnyType,
    CallableType,
    Instance,
    TupleType,
    Type,
    TypeAliasType,
    TypeOfAny,
    UnionType,
    get_proper_type,
)

from typefold.checks.findings import Finding
from typefold.checks.rules_prompt import PromptCheck, parameters_in
from typefold.compiler.templates.value_types import UNKNOWN, Kind
from typefold.mypy.arguments import example_types
from typefold.mypy.kinds import Look, kind_of
from typefold.mypy.report import report, unfiltered
from typefold.mypy.workspace import Workspace

__all__ = ["check_prompt"]


def check_prompt(ctx: FunctionContext | MethodContext, workspace: Workspace) -> None:
    """Look through the function that is decorated, and report what is wrong."""
    decorator = ctx.context
    api: Any = ctx.api
    tree = getattr(api, "tree", None)
    if not isinstance(decorator, Decorator) or tree is None:
        return  # prompt(f) as a call: what f is may not be known
    found = workspace.once(decorator, lambda: _found(decorator, tree, api, workspace))
    with unfiltered(api):
        for finding, last_line in found:
            report(api, finding, decorator.func, last_line)


def _found(decorator: Decorator, tree: MypyFile, api: Any, workspace: Workspace) -> list[tuple[Finding, int]]:
    """What is wrong, each with the last line on which it can be silenced."""
    source = workspace.source(tree.fullname)
    function = source.function_at(decorator.func.line, decorator.func.name) if source is not None else None
    if source is None or function is None:
        return []
    check = PromptCheck(function, source, tree.fullname, workspace.evaluator())
    look = Look(api.options)
    found = [(finding, check.last_line) for finding in _findings(check, decorator, look, api)]
    workspace.depends(tree, look.modules, look.triggers)
    return found


def _findings(check: PromptCheck, decorator: Decorator, look: Look, api: Any) -> Iterator[Finding]:
    """What is wrong, one thing at each place, and nothing where mypy has said that an annotation means nothing."""
    signature = get_proper_type(decorator.func.type)
    typed = list(example_types(decorator, signature, api))
    yield from typed
    places = {finding.start for finding in typed}
    refused = isinstance(signature, CallableType) and _has_error(signature.ret_type)
    kinds = _kinds(check, signature, look)
    for finding in check.findings(kinds, says_annotations=_is_strict(api), says_returns=True):
        if finding.start not in places and not (refused and finding.code == "prompt-return"):
            yield finding


def _is_strict(api: Any) -> bool:
    """Whether mypy says by itself that an annotation is missing."""
    return bool(api.options.disallow_untyped_defs or api.options.disallow_incomplete_defs)


def _kinds(check: PromptCheck, signature: object, look: Look) -> dict[str, Kind]:
    """What is known of each parameter."""
    types: dict[str, Type] = {}
    if isinstance(signature, CallableType):
        every = zip(signature.arg_names, signature.arg_types, signature.arg_kinds, strict=True)
        types = {name: kind for name, kind, how in every if name is not None and how not in (ARG_STAR, ARG_STAR2)}
    names = [argument.arg for argument in parameters_in(check.function)]
    return {name: kind_of(types[name], look) if name in types else UNKNOWN for name in names}


def _has_error(kind: Type) -> bool:
    """Whether mypy has put an error's `Any` somewhere in a type."""
    if isinstance(kind, TypeAliasType) and kind.is_recursive:
        return False
    proper = get_proper_type(kind)
    if isinstance(proper, AnyType):
        return proper.type_of_any == TypeOfAny.from_error
    parts = proper.args if isinstance(proper, Instance) else ()
    return any(map(_has_error, proper.items if isinstance(proper, (UnionType, TupleType)) else parts))
