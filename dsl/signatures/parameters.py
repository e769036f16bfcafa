"""Arguments, compared with the annotations of their parameters: without coercion, in a fraction of a microsecond each.

A parameter's annotation is compiled once into classes, literal values and other tests. Plain classes are compared by
`isinstance`; of a container the container alone, not its items; an annotation of which nothing can be told takes anything.
A missing value (`None`, and what frames have in its place: NaN, NaT, NA) fits only where the annotation admits it.
The numbers of numpy fit where Python's do, an `int` fits a `float`, and defaults are not compared.

Here, too, are the parameters that are given by name. Left out: validation, the business of the types themselves.
"""

from __future__ import annotations

import inspect
import numbers
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, is_dataclass
from datetime import date, datetime
from enum import Enum
from functools import partial, reduce
from pathlib import PurePath
from types import NoneType
from typing import Any, ForwardRef, Literal, LiteralString, NewType, TypeVar, get_args, get_origin

from pydantic import BaseModel, ValidationError
from typing_extensions import (
    Format,
    TypeAliasType,
    get_annotations,
    get_protocol_members,
    get_type_hints,
    is_protocol,
    is_typeddict,
)
from typing_inspection.introspection import is_union_origin
from typing_inspection.typing_objects import is_annotated, is_typealiastype

from typefold.compiler.errors import describe
from typefold.compiler.guards import signature_of
from typefold.errors import PromptUsageError
from typefold.messages import is_missing

_Test = Callable[[Any], bool]


@dataclass(frozen=True, slots=True)
class _Taken:
    """The values that an annotation takes: instances of classes, and else what passes one of the tests."""

    classes: tuple[type[Any], ...] = ()
    tests: tuple[_Test, ...] = ()

    def __or__(self, other: _Taken) -> _Taken:
        return _Taken(self.classes + other.classes, self.tests + other.tests)

    def takes(self, value: object) -> bool:
        return isinstance(value, self.classes) or any(test(value) for test in self.tests)


@dataclass(frozen=True, slots=True)
class _Parameter:
    name: str
    hint: Any
    taken: _Taken
    default: object
    spread: Callable[[Any], Iterable[Any]] | None


class Parameters:
    """The parameters of a function without its first `skipped`, for comparing arguments with them."""

    def __init__(
        self, function: Callable[..., object], skipped: int = 0, namespace: Mapping[str, Any] | None = None
    ) -> None:
        self._known: dict[str, _Parameter] = {}
        self._names: list[str] = []
        try:
            given = list(signature_of(function).parameters.values())[skipped:]
            hint_of = hints_of(function, namespace or {})
        except Exception:  # a callable without a signature: nothing is known
            return
        for each in given:
            if each.kind in (each.POSITIONAL_ONLY, each.POSITIONAL_OR_KEYWORD):
                self._names.append(each.name)
            try:
                hint = hint_of(each.name)
                taken = _taken(hint)
            except Exception:  # a name that is not defined yet, an annotation that is no type
                continue
            if taken is not None:
                self._known[each.name] = _Parameter(each.name, hint, taken, each.default, _SPREAD.get(each.kind))

    def unfit(self, arguments: Mapping[str, Any]) -> str | None:
        """Why arguments don't fit, and what to write; `None` where they do."""
        for name, each in self._known.items():
            if name not in arguments:
                continue
            value = arguments[name]
            if each.spread is None:
                if not each.taken.takes(value) and value is not each.default:
                    return _misfit(each, value)
            else:
                for part in each.spread(value):
                    if not each.taken.takes(part):
                        return _misfit(each, part)
        return None

    def by_name(self, arguments: Iterable[Any]) -> dict[str, Any]:
        """The first arguments, in their places, by the names of their parameters."""
        return dict(zip(self._names, arguments, strict=False))

    def missing(self, arguments: Mapping[str, Any]) -> str | None:
        """Why an argument is a missing value that its parameter does not take."""
        for name, value in arguments.items():
            each = self._known.get(name) if is_missing(value) else None
            if each and each.spread is None and not each.taken.takes(value) and value is not each.default:
                return _misfit(each, value)
        return None

    @property
    def first_required(self) -> str | None:
        """The name of the first parameter, if that takes no `None`."""
        each = self._known.get(self._names[0]) if self._names else None
        return None if each is None or each.taken.takes(None) else each.name


_SPREAD: dict[Any, Callable[[Any], Iterable[Any]]] = {
    inspect.Parameter.VAR_POSITIONAL: lambda values: values,
    inspect.Parameter.VAR_KEYWORD: lambda values: values.values(),
}


def is_async(function: Callable[..., Any]) -> bool:
    """Whether calling a function gives something to be awaited."""
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(
        getattr(function, "__call__", None)  # noqa: B004  # an AsyncPrompt is an object whose call is a coroutine
    )


def name_of(function: Callable[..., Any]) -> str:
    """Return a function's name for messages; its class's where it has none."""
    while isinstance(function, partial):
        function = function.func
    return getattr(function, "__name__", type(function).__name__)


def names_of(value: object) -> set[tuple[str, str]]:
    """The library and the name of each class that a value is of, told without an import."""
    return {(each.__module__.partition(".")[0], each.__name__) for each in type(value).__mro__}


def hints_of(function: Callable[..., object], namespace: Mapping[str, Any]) -> Callable[[str], Any]:
    """Return a function that evaluates the annotation of a parameter, `Any` where it has none, one at a time."""
    plain: Any = inspect.unwrap(function)
    while isinstance(plain, partial):
        plain = inspect.unwrap(plain.func)
    if not hasattr(plain, "__annotations__"):
        plain = getattr(plain, "__call__", plain)  # noqa: B004  # an object that is called
    annotations = get_annotations(plain, format=Format.FORWARDREF)
    return lambda name: evaluated(annotations[name], plain, namespace) if name in annotations else Any


def evaluated(annotation: object, function: Any, namespace: Mapping[str, Any]) -> Any:
    """Return the type that an annotation means. Raises NameError where it names something not defined yet."""
    plain: Any = inspect.unwrap(function)
    local = dict(namespace) | {each.__name__: each for each in getattr(plain, "__type_params__", ())}
    holder = type("_", (), {"__annotations__": {"it": annotation}, "__module__": function.__module__})
    return get_type_hints(holder, globalns=getattr(plain, "__globals__", {}), localns=local, include_extras=True)["it"]


def union_members(hint: Any) -> list[Any]:
    """Return the members of a union, or the one type that a hint is; aliases and `Annotated` are looked through."""
    if is_typealiastype(hint):
        return union_members(hint.__value__)
    origin = get_origin(hint)
    if is_annotated(origin):
        return union_members(get_args(hint)[0])
    if is_union_origin(origin):
        return [part for each in get_args(hint) for part in union_members(each)]
    return [NoneType if hint is None else hint]


def _taken(hint: Any) -> _Taken | None:
    """The values that a type takes; `None` for anything, and for a type of which nothing can be told."""
    alias = hint if isinstance(hint, TypeAliasType) else get_origin(hint)
    if isinstance(alias, TypeAliasType):
        return _taken(alias.__value__)
    if isinstance(hint, NewType):
        return _taken(hint.__supertype__)
    if isinstance(hint, TypeVar):
        parts = hint.__constraints__ or ((hint.__bound__,) if hint.__bound__ is not None else ())
        return _any_of(parts) if parts and not isinstance(hint.__bound__, (str, ForwardRef)) else None
    if hint is None or hint is NoneType:
        return _Taken((NoneType,))
    if hint is LiteralString:
        return _Taken((str,))
    origin = get_origin(hint)
    if is_annotated(origin):
        return _taken(get_args(hint)[0])
    if is_union_origin(origin):
        return _any_of(get_args(hint))
    if origin is Literal:
        return _Taken(tests=(partial(_is_one_of, get_args(hint)),))
    if origin is type:
        return _Taken((type,))
    kind = hint if origin is None else origin
    return _of_class(kind) if isinstance(kind, type) else None


def _any_of(hints: Iterable[Any]) -> _Taken | None:
    each = [_taken(hint) for hint in hints]
    known = [taken for taken in each if taken is not None]
    return reduce(_Taken.__or__, known) if len(known) == len(each) else None


def _of_class(kind: type[Any]) -> _Taken | None:
    if kind is object or kind is Any:
        return None
    if is_typeddict(kind):
        return _Taken((dict,))
    if issubclass(kind, BaseModel):  # Box(...) fits Box[int], of which it is no instance
        return _Taken((kind.__pydantic_generic_metadata__["origin"] or kind,))
    if is_protocol(kind) or kind.__module__ == "typing" or hasattr(kind, "__get_pydantic_core_schema__"):
        return _by_members(kind)
    if kind in (float, complex):
        wider = (int, float) if kind is float else (int, float, complex)
        return _Taken(wider, (partial(_is_numpy, numbers.Real if kind is float else numbers.Complex),))
    if kind is int:
        return _Taken((int,), (partial(_is_numpy, numbers.Integral),))
    if kind is bool:
        return _Taken((bool,), (lambda value: bool(names_of(value) & {("numpy", "bool"), ("numpy", "bool_")}),))
    if kind in (date, datetime):  # NaT says that it is one
        return _Taken(tests=(lambda value: isinstance(value, kind) and not is_missing(value),))
    return _Taken((kind,))


def _by_members(kind: type[Any]) -> _Taken:
    """Of protocols and of marks such as `EmailStr`, which have no instances of their own: all but a missing value."""
    members = get_protocol_members(kind) if is_protocol(kind) else {"a missing value has no such attribute"}
    return _Taken(tests=(lambda value: not is_missing(value) or all(hasattr(value, name) for name in members),))


def _is_one_of(choices: tuple[Any, ...], value: object) -> bool:
    return any(
        value is choice
        or (
            (isinstance(value, type(choice)) or _is_numpy(numbers.Integral, value))
            and isinstance(value, bool) == isinstance(choice, bool)
            and bool(value == choice)
        )
        for choice in choices
    )


def _is_numpy(kind: type[Any], value: object) -> bool:
    """Whether it is a number of numpy's, of a kind; NaN is one that is missing only where no fraction is taken."""
    return isinstance(value, kind) and ("numpy", "generic") in names_of(value)


def _misfit(parameter: _Parameter, value: object) -> str:
    name, wanted, kind = parameter.name, describe(parameter.hint), type(value)
    if is_missing(value):
        if value is not None and parameter.taken.takes(None):
            return f"{name} is {value!s}, a missing value, and the parameter takes {wanted}; give None for it"
        what = "None" if value is None else f"{value!s}, a missing value"
        return (
            f"{name} is {what}, and the parameter takes {wanted}; fill or drop such rows, or annotate it with `| None`"
        )
    if kind.__name__ == wanted and kind.__module__ != "builtins":
        return f"{name} takes {wanted}, and this is one of another class of that name (was it defined again?); make the value anew"
    shown = f" ({_short(value)})" if isinstance(value, (str, bytes, int, float, Enum)) else ""
    return f"{name} takes {wanted}, not {kind.__name__}{shown}; {_remedy(parameter.hint, value)}"


def unfit_value(name: str, hint: Any, value: object) -> str | None:
    """Return why a value is none of an annotation's, in which it has a name; `None` where it may be one."""
    try:
        taken = _taken(hint)
    except Exception:  # an annotation that is no type
        return None
    return None if taken is None or taken.takes(value) else _misfit(_Parameter(name, hint, taken, None, None), value)


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 40 else f"{text[:37]}..."


def _remedy(hint: Any, value: object) -> str:
    parts = [get_origin(each) or each for each in union_members(hint)]
    kinds: list[type[Any]] = [part for part in parts if isinstance(part, type) and part is not NoneType]
    kind = kinds[0] if kinds else None
    name = getattr(kind, "__name__", "")
    if kind is None:
        return "give one of these"
    if hasattr(value, "as_py"):
        return "write .as_py(), or give the whole column"
    if kind is int and isinstance(value, float) and value.is_integer():
        return "write int(...) if that is what is meant (of pandas, frame.convert_dtypes() keeps whole numbers beside gaps)"
    if isinstance(value, Mapping):
        if issubclass(kind, BaseModel):
            return f"write {name}.model_validate(...)"
        if is_dataclass(kind):
            return f"write {name}(**...)"
        return f"give a {name}, and rows of such to map_rows, which goes by names"
    if issubclass(kind, str) and isinstance(value, (bytes, Enum)):
        return "write .decode()" if isinstance(value, bytes) else "write .value"
    is_many = isinstance(value, Collection) and not isinstance(value, (str, bytes))
    alike = (list, tuple, set, frozenset) if is_many else (str, int, float, Enum, PurePath)
    if issubclass(kind, alike):
        return f"write {name}(...) if that is what is meant"
    if issubclass(kind, date) and isinstance(value, str):
        return f"write {name}.fromisoformat(...)"
    one = f"give {'an' if name[:1].lower() in set('aeiou') else 'a'} {name}"
    return f"{one}; a value for each row goes by .starmap(zip(...)) or .map_rows" if is_many else one


@dataclass(frozen=True)
class Parameter:
    """A parameter of a function; its hint is `Any` where it has none."""

    name: str
    hint: Any
    required: bool
    default: Any = None


def whole_of(parameters: Sequence[Parameter], columns: Sequence[object]) -> Parameter | None:
    """The parameter that takes whole records, if there is one: the only one, of a type with fields, and no column's name."""
    if len(parameters) != 1 or parameters[0].name in columns:
        return None
    kinds = [part for part in union_members(parameters[0].hint) if part is not NoneType]
    has_fields = len(kinds) == 1 and (
        is_typeddict(kinds[0]) or is_dataclass(kinds[0]) or hasattr(kinds[0], "model_fields")
    )
    return parameters[0] if has_fields else None


def misnamed(parameters: Sequence[Parameter], columns: Sequence[object]) -> str | None:
    """Name a column that differs from a parameter's name in case or surrounding spaces alone.

    Otherwise a parameter with a default would take it in every row, without a word.
    """
    for column, name in almost(parameters, columns).items():
        return f"the column {column!r} is not {name!r}; rename it"
    return None


def almost(parameters: Sequence[Parameter], columns: Sequence[object]) -> dict[str, str]:
    """Return the columns that differ from a parameter's name in case or surrounding spaces alone, with that name."""
    names = {each.name for each in parameters}
    near = {_folded(column): column for column in columns if isinstance(column, str) and column not in names}
    return {near[_folded(name)]: name for name in sorted(names.difference(columns)) if _folded(name) in near}


def _folded(name: str) -> str:
    return name.replace("\ufeff", "").strip().casefold()


def parameters_of(
    function: Callable[..., object], name: str, hint_of: Callable[[str], Any], *, skipped: int = 0
) -> tuple[Parameter, ...]:
    """Return the parameters that are given by name, without the first `skipped`, `*args` and `**kwargs`."""
    found = list[Parameter]()
    for each in list(signature_of(function).parameters.values())[skipped:]:
        if each.kind in (each.VAR_POSITIONAL, each.VAR_KEYWORD):
            continue
        if each.kind is each.POSITIONAL_ONLY:
            raise PromptUsageError(f"{name}: {each.name} takes no argument by name; write the parameter before no `/`")
        required = each.default is each.empty
        found.append(Parameter(each.name, hint_of(each.name), required, None if required else each.default))
    return tuple(found)


def words_of(error: ValidationError) -> str:
    """The mistakes that pydantic finds, each with its place."""
    found = [
        f"{'.'.join(map(str, each['loc']))}: {each['msg']}" if each["loc"] else each["msg"]
        for each in error.errors(include_url=False, include_context=False, include_input=False)
    ]
    return "; ".join(found[:3]) + (f"; and {len(found) - 3} more" if len(found) > 3 else "")
