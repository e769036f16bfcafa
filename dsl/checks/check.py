"""The driver of `typefold check`: prompts are checked from their sources, without a model, without mypy, without running.

Every prompt function is found, also one inside a function or behind an error. Return types are made again from their
declarations (`typefold.checks.evaluator`) and compiled. A type that only the running program knows counts as right;
`run_modules` imports the modules to have that compiled too.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import traceback
import warnings
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from typefold.checks.checked_file import CheckedFile
from typefold.checks.evaluator.verdict import Evaluator
from typefold.checks.findings import Finding, Severity, at
from typefold.checks.libraries import own_imports
from typefold.checks.rules_calls import call_findings
from typefold.checks.rules_prompt import prompt_findings
from typefold.checks.scopes import DiskNames
from typefold.checks.source import Declared, Function, Source, Unreadable, Where
from typefold.checks.template_types import kind_of_hint
from typefold.compiler.templates.value_types import Kind

_SKIPPED = {"node_modules", "__pycache__", "site-packages", "build", "dist"}


@dataclass(frozen=True)
class Located:
    """A finding in its file; line and column are counted from 1."""

    path: str
    line: int
    column: int
    code: str
    severity: Severity
    message: str

    def __str__(self) -> str:
        text = f"{self.path}:{self.line}:{self.column}: {self.severity}: {self.message}  [{self.code}]"
        return "".join(char if char.isprintable() else ascii(char)[1:-1] for char in text)  # a file may have any name


@dataclass(frozen=True)
class Checked:
    """The findings of a check from top to bottom, and the numbers of files and of prompt functions in them."""

    findings: tuple[Located, ...]
    files: int
    prompts: int

    def summary(self, findings: int) -> str:
        def counted(number: int, noun: str) -> str:
            return f"{number} {noun}{'s' * (number != 1)}"

        found = counted(findings, "finding") if findings else "nothing is wrong"
        return f"{found} ({counted(self.prompts, 'prompt')} in {counted(self.files, 'file')})"

    def as_json(self) -> str:
        findings = [vars(finding) for finding in self.findings]
        return json.dumps({"files": self.files, "prompts": self.prompts, "findings": findings}, indent=2)


def check(paths: Iterable[Path]) -> Checked:
    """Check the prompts in files; `python_files` gives those below folders."""
    sources, findings = list[Source](), list[Located]()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Python's of the sources, pydantic's of the types that are made again
        for path in paths:
            try:
                sources.append(Source.load(str(path)))
            except Unreadable as error:
                findings.append(Located(str(path), error.line, error.column, "syntax", "error", error.reason))
        names = DiskNames(sources)
        evaluator, prompts = Evaluator(names), 0
        with own_imports(names.folders):
            for source in filter(_may_hold_prompts, sources):
                try:
                    file = CheckedFile(source, evaluator)
                    prompts += len(file.prompts)
                    findings += _located(file)
                except (RecursionError, MemoryError):
                    reason = "its code is nested too deeply to be checked"
                    findings.append(Located(source.path, 1, 1, "syntax", "error", reason))
    evaluator.synthetic.close()
    return Checked(tuple(findings), len(sources), prompts)


def python_files(paths: Iterable[Path]) -> Iterator[Path]:
    """Yield named files, and those below named folders but for hidden ones and those of other projects."""
    for path in paths:
        if not os.path.isdir(path):
            yield path
            continue
        found: list[Path] = []
        for folder, inside, names in os.walk(path):
            inside[:] = [name for name in inside if not name.startswith(".") and name not in _SKIPPED]
            found += [Path(folder, name) for name in names if name.endswith(".py")]
        yield from sorted(found)


def _located(file: CheckedFile) -> Iterator[Located]:
    for finding in sorted(dict.fromkeys(_findings(file)), key=lambda each: (each.start, each.code)):
        if not finding.is_silenced(file.source.lines):
            line, column = finding.start
            yield Located(file.source.path, line, column + 1, finding.code, finding.severity, finding.message)


def _findings(file: CheckedFile) -> Iterator[Finding]:
    for function in file.prompts:
        try:
            yield from list(prompt_findings(function, file, dict(_kinds(function, file))))
        except (RecursionError, MemoryError):
            yield at("syntax", f"{function.node.name!r} is nested too deeply to be checked", function.node)
        except Exception as error:  # a mistake of typefold's own: the rest is checked all the same
            reason = f"{type(error).__name__}: {error}"
            message = f"{function.node.name!r} could not be checked ({reason}); this is a mistake in typefold, please report it"
            yield at("internal", message, function.node)
    for call in file.source.calls:
        yield from call_findings(call, file)


def _kinds(function: Function, file: CheckedFile) -> Iterator[tuple[str, Kind]]:
    rest = {function.node.args.vararg: tuple[Any, ...], function.node.args.kwarg: dict[str, Any]}
    for argument in function.arguments:
        annotation = argument.annotation
        if annotation is not None:
            hint = file.evaluator.hint(annotation, file.beside(function))
        elif function.is_bound and argument is function.arguments[0]:
            hint = _owner(function, file)
        else:
            hint = Any
        yield argument.arg, kind_of_hint(rest.get(argument, hint))


def _owner(function: Function, file: CheckedFile) -> Any:
    """The type of the first parameter of a method: its class, or `type` of it."""
    owner, where = function.around[-1], file.beside(function)
    made = file.evaluator.named_type(Declared(owner, Where(where.module, where.around[:-1])))
    names = {getattr(decorator, "id", None) for decorator in function.node.decorator_list}
    return type[made] if "classmethod" in names else made


def _may_hold_prompts(source: Source) -> bool:
    return any("typefold" in line or "prompt" in line or "ask" in line for line in source.lines)


def run_modules(paths: Sequence[Path]) -> Iterator[Located]:
    """Import files as modules, and yield the error of each import that fails; no engine is needed for it."""
    for path in paths:
        source = Source.read(str(path))
        if source is None or not _may_hold_prompts(source):
            continue
        if str(source.root) not in sys.path:
            sys.path.insert(0, str(source.root))
        try:
            importlib.import_module(source.module)
        except (Exception, SystemExit) as error:
            frames = traceback.extract_tb(error.__traceback__)
            lines = [frame.lineno or 1 for frame in frames if Path(frame.filename) == path.resolve()]
            line = lines[-1] if lines else 1
            message = f"importing it raises {type(error).__name__}: {error}"
            yield Located(str(path), line, 1, "import", "error", message)
