"""Models of other people's types: JSON schemas out of published packages, made into pydantic models by a generator.

    python collect.py PACKAGES MODELS [PER_PACKAGE]

`PACKAGES` holds unpacked packages, a folder each; `MODELS` gets a module (or a package) for each schema and `index.json`,
which says of each where it is from and which models it has. It runs in an environment of its own that has
datamodel-code-generator and polyfactory (`make prove` makes it), and knows nothing of typefold. Nothing is fetched.

Schemas are taken evenly from each package, so that one with hundreds does not drown the others; copies are left out. The
generator's styles (constrained types, `Annotated`, sets and literals) take turns. What it cannot read, or what it writes
and Python cannot import, is noted and left out: that is between the schema and the generator.
"""

# Runs in an environment of its own, with packages that this one does not have:
# pyright: reportMissingImports=false, reportUnknownMemberType=false, reportUnknownArgumentType=false
# pyright: reportUnknownVariableType=false, reportUnusedImport=false

from __future__ import annotations

import hashlib
import importlib
import inspect
import json
import multiprocessing
import pkgutil
import resource
import signal
import sys
import time
import warnings
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

PER_PACKAGE = 15
VALUES, SECONDS_FOR_VALUES = 3, 0.5
SECONDS, MEMORY = 90, 4 << 30  # what one schema may take
LARGEST = 400_000  # bytes of a schema
STYLES: tuple[dict[str, bool], ...] = (
    {},
    {"use_annotated": True, "field_constraints": True, "use_title_as_name": True},
    {"use_annotated": True, "field_constraints": True, "use_unique_items_as_set": True, "snake_case_field": True},
)


@dataclass
class Entry:
    """One schema: where it is from, and what became of it.

    Attributes:
        package: The folder of its package.
        schema: Its path in there.
        module: The name of the module with its models.
        style: Which of the generator's styles it was written in.
        error: Why there are no models, if so.
        root: The model of the schema as a whole, where there is one.
        models: All models, as `module:name`.
        values: Values of models, as JSON, made up by polyfactory: by somebody who has never seen a grammar of ours.
    """

    package: str
    schema: str
    module: str
    style: int
    error: str | None = None
    root: str | None = None
    models: list[str] = field(default_factory=list)
    values: dict[str, list[str]] = field(default_factory=dict)


def schemas(package: Path) -> Iterator[Path]:
    """The JSON schemas in a package: those that say so, and those that look so and are named so."""
    for path in sorted(package.rglob("*.json")):
        try:
            data: Any = json.loads(path.read_text(encoding="utf-8-sig"))
        except (ValueError, OSError):
            continue
        if not isinstance(data, dict) or path.stat().st_size > LARGEST:
            continue
        says = "json-schema.org" in str(data.get("$schema", ""))
        has_parts = any(isinstance(data.get(key), dict) for key in ("properties", "definitions", "$defs"))
        has_shape = not data.keys().isdisjoint(("type", "$ref", "oneOf", "anyOf", "allOf"))
        if says or (has_parts and has_shape and "schema" in path.relative_to(package).as_posix().lower()):
            yield path


def chosen(package: Path, most: int, seen: set[bytes]) -> list[Path]:
    """At most so many of a package's schemas, evenly; none that another package had."""
    fresh: list[Path] = []
    for path in schemas(package):
        digest = hashlib.sha256(path.read_bytes()).digest()
        if digest not in seen:
            seen.add(digest)
            fresh.append(path)
    step = max(1, -(-len(fresh) // most))
    return fresh[::step]


def write(path: Path, style: dict[str, bool], into: Path, module: str) -> None:
    """The models of a schema, as a module, or as a package where they take several."""
    from datamodel_code_generator import DataModelType, InputFileType, PythonVersion, generate
    from datamodel_code_generator.format import Formatter

    made: Any = generate(
        path,
        input_file_type=InputFileType.JsonSchema,
        output_model_type=DataModelType.PydanticV2BaseModel,
        target_python_version=PythonVersion.PY_311,
        formatters=[Formatter.BUILTIN],
        allow_remote_refs=True,  # also said of files beside the schema's folder; there is no client to fetch others
        disable_timestamp=True,
        **style,
    )
    if isinstance(made, str):
        (into / f"{module}.py").write_text(made, encoding="utf-8")
        return
    for parts, code in made.items():
        file = into.joinpath(module, *parts)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(code if isinstance(code, str) else code.body, encoding="utf-8")
    for folder in [into / module, *(path for path in (into / module).rglob("*") if path.is_dir())]:
        (folder / "__init__.py").touch()


def models(module: str) -> tuple[list[str], str | None]:
    """The models of a module and of those inside it, and which one is of the schema as a whole: the last."""
    from pydantic import BaseModel

    top = importlib.import_module(module)
    inside = [top]
    for info in pkgutil.walk_packages(getattr(top, "__path__", []), f"{module}."):
        inside.append(importlib.import_module(info.name))
    found: list[str] = []
    for each in inside:
        for name, item in vars(each).items():  # parametrised models stand there too, under names that are none
            own = inspect.isclass(item) and issubclass(item, BaseModel) and item.__module__ == each.__name__
            if own and name == item.__name__ and name.isidentifier():
                found.append(f"{each.__name__}:{name}")
    top_level = [name for name in found if name.startswith(f"{module}:")]
    return found, top_level[-1] if top_level else None


def values(name: str, count: int) -> list[str]:
    """Some values of a model, as pydantic writes them."""
    from polyfactory.factories.pydantic_factory import ModelFactory

    module, _, model = name.partition(":")
    cls = getattr(importlib.import_module(module), model)
    factory = ModelFactory.create_factory(cls, __allow_none_optionals__=True, __max_collection_length__=3)
    factory.seed_random(len(name))
    return [factory.build().model_dump_json(by_alias=True, exclude_unset=True) for _ in range(count)]


class OutOfTime(BaseException):
    """One model took too long; the next may not."""


def out_of_time(*_: object) -> None:
    """What the clock does."""
    raise OutOfTime


def work(path: Path, entry: Entry, into: Path, answers: Any) -> None:
    """In a process of its own, since a schema may be a trap."""
    warnings.simplefilter("ignore")
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    signal.signal(signal.SIGALRM, out_of_time)
    signal.alarm(SECONDS)
    sys.path.insert(0, str(into))
    sys.dont_write_bytecode = True
    try:
        write(path, STYLES[entry.style], into, entry.module)
        entry.models, entry.root = models(entry.module)
        entry.error = None if entry.models else "no models"
    except BaseException as error:
        entry.error = f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"[:200]
    signal.alarm(0)
    deadline = time.monotonic() + SECONDS
    for name in entry.models:
        try:
            signal.setitimer(signal.ITIMER_REAL, min(SECONDS_FOR_VALUES, max(deadline - time.monotonic(), 0.01)))
            entry.values[name] = values(name, VALUES)
        except BaseException:  # recursion, a pattern that it cannot make up, a time limit: then there are none
            continue
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
    answers.send(asdict(entry))


def main(packages: Path, into: Path, most: int) -> None:
    """Collect from every package."""
    import datamodel_code_generator  # noqa: F401  # once, before the processes that inherit it

    fork = multiprocessing.get_context("fork")
    into.mkdir(parents=True, exist_ok=True)
    entries: list[dict[str, Any]] = []
    seen: set[bytes] = set()
    for package in sorted(path for path in packages.iterdir() if path.is_dir()):
        for path in chosen(package, most, seen):
            number = len(entries)
            entry = Entry(package.name, path.relative_to(package).as_posix(), f"m{number:04}", number % len(STYLES))
            receiver, sender = fork.Pipe(duplex=False)
            process = fork.Process(target=work, args=(path, entry, into, sender))
            process.start()
            sender.close()
            try:
                answer = receiver.recv()
            except EOFError:  # ended by the alarm, or for want of memory
                answer = asdict(entry) | {"error": "took too much time or memory"}
            process.join()
            entries.append(answer)
    (into / "index.json").write_text(json.dumps(entries, indent=1), encoding="utf-8")
    bad = Counter(str(entry["error"]).partition(":")[0] for entry in entries if entry["error"])
    good = [entry for entry in entries if not entry["error"]]
    print(
        f"{len(entries)} schemas of {len({entry['package'] for entry in entries})} packages; "
        f"{len(good)} with models, {sum(len(entry['models']) for entry in good)} in all; not generated: {dict(bad)}"
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]) if len(sys.argv) > 3 else PER_PACKAGE)
