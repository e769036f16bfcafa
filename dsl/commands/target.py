"""The function that a command names: `module:function`, or `path/to/file.py:function`."""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import os
import sys
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from types import ModuleType
from typing import Any, get_type_hints

from typefold.rows import is_async

__all__ = ["CommandError", "Parameter", "Target", "load", "target_of"]


class CommandError(Exception):
    """A command can't be carried out; the message says what to do."""


@dataclass(frozen=True)
class Parameter:
    """A parameter of a function.

    Attributes:
        name: Its name.
        hint: Its type; `Any` where it has none.
        required: Whether it has no default.
    """

    name: str
    hint: Any
    required: bool


@dataclass(frozen=True)
class Target:
    """A function to be called for rows: a prompt or any other.

    Attributes:
        name: As it was named.
        function: The function.
        parameters: What it takes by name.
        returns: Its return type; `Any` where it has none.
    """

    name: str
    function: Callable[..., Any]
    parameters: tuple[Parameter, ...]
    returns: Any

    @property
    def is_async(self) -> bool:
        """Whether calling it gives something to be awaited."""
        return is_async(self.function)


def load(name: str) -> Target:
    """Import the module of a function and find it there.

    Args:
        name: `module:function` or `file.py:function`; the folder one is in is looked into first.

    Raises:
        CommandError: There is no such module or function, or it can't be called by name.
    """
    module_name, colon, path = name.partition(":")
    if not (module_name and colon and path):
        raise CommandError(f"name a function as module:function or file.py:function, not {name!r}")
    module = _module(module_name)
    found: Any = module
    for part in path.split("."):
        try:
            found = getattr(found, part)
        except AttributeError:
            near = get_close_matches(part, dir(found), n=1)
            hint = f"; did you mean {near[0]}?" if near else ""
            raise CommandError(f"{module_name} has no {part}{hint}") from None
    if not callable(found) or inspect.isclass(found):
        raise CommandError(f"{name} is a {type(found).__name__} and no function")
    return target_of(found, name)


def target_of(function: Callable[..., Any], name: str) -> Target:
    """A function as one to be called for rows.

    Args:
        function: The function.
        name: What messages call it.

    Raises:
        CommandError: It can't be called by name, or an annotation names what is not there.
    """
    hints = _hints(function)
    return Target(name, function, _parameters(name, function, hints), hints.get("return", Any))


def _module(name: str) -> ModuleType:
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)
    path = Path(name)
    try:
        if path.suffix == ".py":
            if not path.is_file():
                raise CommandError(f"there is no file {name}")
            return _module_in(path.resolve())
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is not None and (name == error.name or name.startswith(error.name + ".")):
            raise CommandError(f"there is no module {name} here or among what is installed") from None
        raise CommandError(f"{name} can't be imported: {error}") from error
    except CommandError:
        raise
    except Exception as error:
        raise CommandError(f"{name} can't be imported: {type(error).__name__}: {error}") from error


def _module_in(path: Path) -> ModuleType:
    """The module in a file: as programs beside it import it, unless that name is another module's."""
    if sys.path[0] != str(path.parent):
        sys.path.insert(0, str(path.parent))
    if _is_in(path, sys.modules.get(path.stem)):
        return sys.modules[path.stem]
    if path.stem.isidentifier() and path.stem not in sys.modules:
        spec = importlib.util.find_spec(path.stem)
        if spec is not None and spec.origin is not None and _is_file(spec.origin, path):
            return importlib.import_module(path.stem)
    name = f"_typefold_{path.stem}_{zlib.crc32(os.fsencode(path)):08x}"
    if name in sys.modules:
        return sys.modules[name]
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None and spec.loader is not None  # the name ends in .py
    module = sys.modules[name] = importlib.util.module_from_spec(spec)  # annotations are looked up there
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


def _is_in(path: Path, module: ModuleType | None) -> bool:
    file = getattr(module, "__file__", None)
    return file is not None and _is_file(file, path)


def _is_file(file: str, path: Path) -> bool:
    return Path(file).resolve() == path


def _parameters(name: str, function: Callable[..., Any], hints: Mapping[str, Any]) -> tuple[Parameter, ...]:
    found = list[Parameter]()
    for each in inspect.signature(function).parameters.values():
        if each.kind in (each.VAR_POSITIONAL, each.VAR_KEYWORD):
            continue
        if each.kind is each.POSITIONAL_ONLY:
            raise CommandError(f"{name}: {each.name} takes no argument by name; write the parameter before no `/`")
        found.append(Parameter(each.name, hints.get(each.name, Any), each.default is each.empty))
    return tuple(found)


def _hints(function: Callable[..., Any]) -> Mapping[str, Any]:
    plain = inspect.unwrap(function)
    if not hasattr(plain, "__annotations__"):
        plain = getattr(plain, "__call__", plain)  # noqa: B004  # an object that is called
    try:
        return get_type_hints(plain, include_extras=True)
    except NameError as error:
        raise CommandError(
            f"{getattr(function, '__name__', function)}: an annotation names what is not there: {error}"
        ) from error
