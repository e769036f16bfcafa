"""The function that a command names: `module:function`, or `path/to/file.py:function`."""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import os
import sys
import zlib
from difflib import get_close_matches
from pathlib import Path
from types import ModuleType
from typing import Any

from typefold.programs.record_function import Target, target_of


class CommandError(Exception):
    """A command can't be carried out; the message names a remedy."""


def load(name: str) -> Target:
    """Import the module of a function, `module:function` or `file.py:function`, and find it there."""
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
