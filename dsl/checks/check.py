"""`typefold check`: prompts are checked from their sources, without a model, without mypy, and without running them.

Every prompt function is found, also one inside a function or behind an error, and its return type is compiled: types are
made again from their declarations (`typefold.checks.evaluator`). What only the running program knows counts as right;
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

from typefold.checks.disk import DiskNames
from typefold.checks.evaluator import Evaluator, Where
from typefold.checks.findings import Finding, Severity, at
from typefold.checks.libraries import own_imports
from typefold.checks.rules_body import misplaced_ask
from typefold.checks.rules_options import option_findings
from typefold.checks.rules_outputs import asking, output_findings
from typefold.checks.rules_prompt import PromptCheck, parameters_in
from typefold.checks.silence import is_silenced
from typefold.checks.source import Function, Source, Unreadable
from typefold.checks.template_types import kind_of_hint
from typefold.checks.words import Words
from typefold.compiler.templates.value_types import Kind

__all__ = ["Checked", "Located", "check", "python_files", "run_modules"]

_SKIPPED = {"node_modules", "__pycache__", "site-packages", "build", "dist"}


@dataclass(frozen=True)
class Located:
    """A finding, in its file.

    Attributes:
        path: The file.
        line: Counted from 1.
        column: Counted from 1.
        code: The name of the check.
        severity: `error` or `warning`.
        message: What is wrong and what to write instead.
    """

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
    """What a check found.

    Attributes:
        findings: What is wrong, file by file, from top to bottom.
        files: How many files were read.
        prompts: How many prompt functions they hold.
    """

    findings: tuple[Located, ...]
    files: int
    prompts: int

    def summary(self, findings: int) -> str:
        """In one line."""
        found = "nothing is wrong" if not findings else f"{findings} finding{'s' * (findings != 1)}"
        return (
            f"{found} ({self.prompts} prompt{'s' * (self.prompts != 1)} in {self.files} file{'s' * (self.files != 1)})"
        )

    def as_json(self) -> str:
        """For machines."""
        findings = [vars(finding) for finding in self.findings]
        return json.dumps({"files": self.files, "prompts": self.prompts, "findings": findings}, indent=2)


def check(paths: Iterable[Path]) -> Checked:
    """Check the prompts in files, and in the files below folders."""
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
                    file = _File(source, evaluator)
                    prompts += len(file.prompts)
                    findings += file.located()
                except (RecursionError, MemoryError):
                    reason = "its code is nested too deeply to be checked"
                    findings.append(Located(source.path, 1, 1, "syntax", "error", reason))
    evaluator.synthetic.close()
    return Checked(tuple(findings), len(sources), prompts)


def python_files(paths: Iterable[Path]) -> Iterator[Path]:
    """The files that are named, and those below the folders that are; no hidden ones, and none of other projects."""
    for path in paths:
        if not os.path.isdir(path):
            yield path
            continue
        found: list[Path] = []
        for folder, inside, names in os.walk(path):
            inside[:] = [name for name in inside if not name.startswith(".") and name not in _SKIPPED]
            found += [Path(folder, name) for name in names if name.endswith(".py")]
        yield from sorted(found)


class _File:
    """One file with its prompts."""

    def __init__(self, source: Source, evaluator: Evaluator) -> None:
        self._source = source
        self._evaluator = evaluator
        self._module = source.module
        self._words = Words(evaluator, self._module)
        self.prompts = [each for each in source.functions.values() if self._words.is_prompt_function(each) is True]

    def located(self) -> Iterator[Located]:
        """What is wrong, from top to bottom, without what is silenced."""
        found = sorted(set(self._findings()), key=lambda pair: (pair[0].start, pair[0].code))
        for finding, lines in found:
            if not is_silenced(finding, self._source, lines):
                line, column = finding.start
                yield Located(self._source.path, line, column + 1, finding.code, finding.severity, finding.message)

    def _findings(self) -> Iterator[tuple[Finding, range]]:
        """Each with the lines, beside its own, on which it can be silenced."""
        for function in self.prompts:
            checked = PromptCheck(function, self._source, self._module, self._evaluator)
            lines = range(function.node.lineno, checked.last_line + 1)
            try:
                for finding in list(checked.findings(dict(self._kinds(function)))):
                    yield finding, lines
            except (RecursionError, MemoryError):
                message = f"{function.node.name!r} is nested too deeply to be checked"
                yield at("syntax", message, function.node), range(0)
            except Exception as error:  # a mistake of typefold's own: the rest is checked all the same
                reason = f"{type(error).__name__}: {error}"
                message = f"{function.node.name!r} could not be checked ({reason}); this is a mistake in typefold, please report it"
                yield at("internal", message, function.node), range(0)
        for call in self._source.every_call:
            decorated = self._source.decorated_by(call)
            where = Where(self._module, () if decorated is None else decorated.around)
            if self._words.is_options(call, where):
                lines = range(0) if decorated is None else range(decorated.node.lineno, decorated.node.lineno + 1)
                for finding in option_findings(call, self._evaluator, where):
                    yield finding, lines
            inside = self._source.around(call.lineno, call.col_offset)
            around = Where(self._module, () if inside is None else (*inside.around, inside.node))
            asked = asking(call, self._evaluator, around)
            if asked is not None:
                for finding in output_findings(call, asked, self._evaluator, around):
                    yield finding, range(0)
            if self._words.is_ask(call.func, inside):
                misplaced = misplaced_ask(call, self._source, self._words)
                if misplaced is not None:
                    yield at("prompt-ask", misplaced, call), range(0)

    def _kinds(self, function: Function) -> Iterator[tuple[str, Kind]]:
        where = Where(self._module, function.around)
        rest = {function.node.args.vararg: tuple[Any, ...], function.node.args.kwarg: dict[str, Any]}
        for argument in parameters_in(function):
            hint = Any if argument.annotation is None else self._evaluator.hint(argument.annotation, where)
            yield argument.arg, kind_of_hint(rest.get(argument, hint))


def _may_hold_prompts(source: Source) -> bool:
    return any("typefold" in line or "prompt" in line or "ask" in line for line in source.lines)


def run_modules(paths: Sequence[Path]) -> Iterator[Located]:
    """Import files as modules, and give the error on which each import ends; no engine is needed for it."""
    for path in paths:
        source = Source.read(str(path))
        if source is None or not _may_hold_prompts(source):
            continue
        root = Path(*path.resolve().parts[: -len(source.module.split("."))])
        if str(root) not in sys.path:
            sys.path.insert(0, str(root))
        try:
            importlib.import_module(source.module)
        except (Exception, SystemExit) as error:
            frames = [
                frame for frame in traceback.extract_tb(error.__traceback__) if Path(frame.filename) == path.resolve()
            ]
            line = frames[-1].lineno or 1 if frames else 1
            message = f"importing it raises {type(error).__name__}: {error}"
            yield Located(str(path), line, 1, "import", "error", message)
