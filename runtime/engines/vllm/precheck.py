"""Checks of a model's name and of engine options without importing vLLM, which takes ten seconds.

The options are the fields of `EngineArgs` and the parameters of `LLM` in vLLM's source, which is parsed and not run. Where it can't
be found or read so, nothing is refused here, and vLLM has the last word.
"""

from __future__ import annotations

import ast
import difflib
import re
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from stat import S_ISDIR

_CONFIGS = ("config.json", "params.json")  # of transformers, and of Mistral
_ONLY_PATHS = re.compile(r"[./~\\]|.*[\\\s\x00-\x1f]|.*/$|.*/.*/(?!.*\.gguf$)|[A-Za-z]:", re.DOTALL)


@cache
def engine_options() -> frozenset[str] | None:
    """Return the options of the installed `vllm.LLM`; `None` where they can't be read."""
    try:
        spec = find_spec("vllm")
    except (ImportError, ValueError):
        return None
    for folder in (spec.submodule_search_locations or ()) if spec is not None else ():
        try:
            fields = _class(Path(folder, "engine", "arg_utils.py"), "EngineArgs")
            start = next(
                each
                for each in _class(Path(folder, "entrypoints", "llm.py"), "LLM").body
                if isinstance(each, ast.FunctionDef) and each.name == "__init__"
            )
        except (OSError, SyntaxError, ValueError, StopIteration, RecursionError, MemoryError):
            continue
        if fields.bases:  # then some of the names stand elsewhere
            return None
        named = {each.arg for each in (*start.args.args, *start.args.kwonlyargs)}
        assigned = (each.target for each in fields.body if isinstance(each, ast.AnnAssign))
        return frozenset(named | {each.id for each in assigned if isinstance(each, ast.Name)}) - {"self", "model"}
    return None


def why_no_model(name: str, *, is_path: bool = False, elsewhere: bool = False) -> str | None:
    """Return why there can be no model of a name; `None` where there may be one, in a folder or on a hub.

    Unless it `is_path` for certain, `org/name` is a name on a hub where there is no such folder.
    """
    if not name.strip():
        return "the model's name is empty"
    if "://" in name:  # a bucket, or what a plugin of vLLM knows
        return None
    path = Path(name)
    try:
        try:  # `exists` and `is_dir` say no of what can't be looked at, from Python 3.14 on
            mode = path.stat().st_mode
        except (FileNotFoundError, NotADirectoryError, ValueError):
            mode = None
        if mode is not None and S_ISDIR(mode):
            return None if elsewhere else _why_no_folder(path)
        if mode is not None:
            todo = "a model is a folder; give the one that it is in" if path.name in _CONFIGS else "a model is a folder"
            return None if path.suffix == ".gguf" else f"{name} is a file, and {todo}"
    except OSError as error:  # a name that the system takes for none, or a folder that can't be read
        return f"{name!r:.200} can't be looked at: {error}"
    if not is_path and _ONLY_PATHS.match(name) is None:
        return None
    near = difflib.get_close_matches(path.name, _beside(path), n=1)
    meant = f"; did you mean {path.parent / near[0]}?" if near else ""
    here = "" if path.is_absolute() else f" in {Path.cwd()}"
    return f"there is no folder {name!r}{here}{meant}"


def _why_no_folder(folder: Path) -> str | None:
    names = {each.name for each in folder.iterdir()}
    if not names.isdisjoint(_CONFIGS) or any(each.endswith(".gguf") for each in names):
        return None
    todo = "a model's folder is one that `save_pretrained` has written, or a download"
    if "adapter_config.json" in names:
        todo = "it is a LoRA adapter's: name the base model, and pass this one as lora_request=Adapter('name', 'path')"
    elif "snapshots" in names:
        todo = "it is one of the hub's cache: give the hub's name, `org/name`, or the folder below snapshots"
    return f"the folder {str(folder)!r} has no config.json, so there is no model in it; {todo}"


def _beside(path: Path) -> list[str]:
    try:
        return [each.name for each in path.parent.iterdir()]
    except OSError:
        return []


def _class(path: Path, name: str) -> ast.ClassDef:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return next(each for each in tree.body if isinstance(each, ast.ClassDef) and each.name == name)
