"""Frozen samples: pickles, findings, prompts as they are sent and journal keys stay as they are, wherever code moves.

Where one of them changes on purpose, write the samples anew, and read the difference before it is committed:

    TYPEFOLD_RENEW_FROZEN=1 pytest tests/test_frozen.py

A pickle that is written anew can't be read by programs that pickled before; a key that is, makes journals ask again.
"""

# Tests look inside:
# pyright: reportPrivateUsage=false

from __future__ import annotations

import io
import json
import os
import pickle
import re
import sqlite3
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

import jinja2
import pytest
from mypy import api
from returns.result import Failure, Success

from tests.apart import apart
from tests.frozen import calls
from tests.frozen.samples import PICKLED
from tests.plugin.conftest import Project
from tests.plugin.typing_page import CASES
from typefold import Adapter, Deferred, JsonFormat, Message, Runtime, is_prompt, system, user
from typefold.compiler import Image, output_type
from typefold.runtime import Request
from typefold.runtime.engines.scripted import ScriptedEngine
from typefold.runtime.journal import digest

FROZEN = Path(__file__).parent / "frozen"
RENEW = bool(os.environ.get("TYPEFOLD_RENEW_FROZEN"))
PACKAGES = {"typefold", "typefold.compiler", "typefold.runtime", "typefold.runtime.journal", "typefold.testing"}
OTHERS = {
    "_operator",
    "builtins",
    "copyreg",
    "datetime",
    "functools",
    "pathlib",
    "operator",
    "returns",
    "tests",
    "types",
    "typing",
}


class Reader(pickle.Unpickler):
    """Reads a pickle and notes what it names."""

    def __init__(self, data: bytes) -> None:
        super().__init__(io.BytesIO(data))
        self.names: set[str] = set()
        self.modules: set[str] = set()

    def find_class(self, module: str, name: str) -> Any:
        self.names.add(f"{module}.{name}")
        self.modules.add(module)
        return super().find_class(module, name)


def read(data: bytes) -> tuple[Any, Reader]:
    reader = Reader(data)
    return reader.load(), reader


def described(value: object) -> Any:
    """A value as its class and its parts, to be compared: errors are equal to none but themselves."""
    it: Any = value
    if isinstance(value, (Success, Failure)):
        return type(it), described(it._inner_value)
    if isinstance(value, BaseException):
        return type(value), str(value), described(vars(value)), described(value.args)
    if isinstance(value, Deferred):
        with Runtime(ScriptedEngine(answers=lambda request: "4")):
            return repr(it), it.result()
    if is_prompt(value):
        return type(it), repr(it), it.render("a"), described(it._spec.options)
    if isinstance(value, list | tuple):
        return type(it), [described(part) for part in it]
    if isinstance(value, Mapping):
        return {name: described(part) for name, part in it.items()}
    if is_dataclass(value):
        return type(it), {field.name: described(getattr(it, field.name)) for field in fields(it)}
    has_equals = "__eq__" in {name for kind in type(value).__mro__[:-1] for name in vars(kind)}
    return type(value), value if has_equals else re.sub(" at 0x[0-9a-f]+", "", repr(value))


@pytest.mark.parametrize("kind", PICKLED)
def test_a_frozen_pickle_is_read(kind: str) -> None:
    path = FROZEN / "pickles" / f"{kind}.pickle"
    fresh = PICKLED[kind]()
    if RENEW:
        path.write_bytes(pickle.dumps(fresh, protocol=4))
    assert described(read(path.read_bytes())[0]) == described(fresh)


@pytest.mark.parametrize("kind", PICKLED)
def test_a_pickle_names_no_module_inside_of_the_package(kind: str) -> None:
    _, reader = read(pickle.dumps(PICKLED[kind]()))
    inner = {name for name in reader.modules if name not in PACKAGES and name.partition(".")[0] not in OTHERS}
    assert not inner, sorted(reader.names)


def test_each_frozen_pickle_has_its_kind() -> None:
    assert {path.stem for path in (FROZEN / "pickles").iterdir()} == {*PICKLED}


def compare(name: str, found: dict[str, Any]) -> None:
    """Compare with the samples of a file, or write these anew."""
    path = FROZEN / name
    if RENEW:
        path.write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    frozen = json.loads(path.read_text(encoding="utf-8"))
    assert [*found] == [*frozen]
    changed = [(key, value, found[key]) for key, value in frozen.items() if value != found[key]]
    assert not changed


def sources() -> dict[str, str]:
    """Programs with mistakes: those of the page on typing, and those of the plugin's messages."""
    yaml: Any = pytest.importorskip("yaml")
    cases = yaml.safe_load((FROZEN.parent / "plugin" / "test_messages.yml").read_text(encoding="utf-8"))
    plain = [case for case in cases if "mypy_config" not in case and "files" not in case]
    return {
        **{f"page_{number}.py": case.program for number, case in enumerate(CASES)},
        **{f"{case['case']}.py": jinja2.Template(case["main"]).render() for case in plain},
    }


def test_the_findings_are_as_they_were(
    tmp_path: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TYPEFOLD_MYPY_RAISE", "1")
    project = Project(tmp_path, request.config.rootpath / ".pytest_cache" / "d" / "mypy")  # as in tests/plugin
    programs = sources()
    for name, program in programs.items():
        project.write(name, program)
    out, err, _ = apart(api.run, project.arguments(*programs))
    assert not err
    by_mypy = [line for line in out.splitlines() if re.search(r"\[prompt-[a-z]+\]$", line)]
    program = "from typefold.cli.app import main; main()"
    command = [sys.executable, "-c", program, "check", *programs, "--format", "json"]
    checked: Any = json.loads(subprocess.run(command, capture_output=True, text=True).stdout)
    by_check = [
        f"{each['path']}:{each['line']}:{each['column']}: {each['severity']}: {each['message']}  [{each['code']}]"
        for each in checked["findings"]
    ]
    findings = {
        name: {
            "mypy": sorted(line for line in by_mypy if line.startswith(f"{name}:")),
            "check": sorted(line for line in by_check if line.startswith(f"{name}:")),
        }
        for name in programs
    }
    assert sum(len(each["mypy"]) for each in findings.values()) == len(by_mypy) > 30
    compare("findings.json", findings)


def sent(request: Request) -> dict[str, Any]:
    """Readable form of a request as the engine gets it."""
    prompt = request.prompt
    return {
        "prompt": prompt if isinstance(prompt, str) else [[each.role, each.content] for each in prompt],
        "constraint": request.constraint.kind,
        "digest": request.constraint.digest.hex(),
        "sampling": {name: repr(value) for name, value in request.sampling.items()},
    }


@pytest.mark.parametrize("name", ["examples", "types"])
def test_prompts_are_sent_as_they_were(name: str) -> None:
    made = getattr(calls, name)()
    compare(f"prompts-{name}.json", {of: sent(calls.request_of(function, args)) for of, function, args in made})


def requests() -> dict[str, Request]:
    """Requests that differ in one field, as far as the field is part of a key."""
    prompt = (system("Be brief."), user("Zürich \U0001f30d?"))
    seed = {"seed": 1}
    image = user("Is this ", Image(b"...", "png", 64, 48), " a cat?")
    sampled = Request(prompt=prompt, sampling={"temperature": 0.8})
    return {
        "plain": Request(prompt=prompt, sampling=seed),
        "greedy": Request(prompt=prompt, sampling={"temperature": 0}),
        "raw": Request(prompt="Mars is", sampling=seed),
        "image": Request(prompt=(image,), sampling=seed),
        "turns": Request(prompt=(*prompt, Message("assistant", "Yes."), user("Why?")), sampling=seed),
        "choice": Request(prompt=prompt, sampling=seed, constraint=output_type(bool).constraint),
        "object": Request(prompt=prompt, sampling=seed, constraint=output_type(dict[str, list[int]]).constraint),
        "limit": Request(prompt=prompt, sampling={**seed, "max_tokens": 5}),
        "stop": Request(prompt=prompt, sampling={**seed, "stop": ["."], "logit_bias": {3: 0.5}}),
        "logprobs": Request(prompt=prompt, sampling={**seed, "logprobs": 2}),
        "adapter": Request(prompt=prompt, sampling=seed, options={"lora_request": Adapter("a", "nowhere/at-all")}),
        "templated": Request(prompt=prompt, sampling=seed, chat_template_kwargs={"mood": ["grim"], "who": user("I")}),
        "begun": Request(prompt=prompt, sampling=seed, begun=(3, 5)),
        "thinking": Request(prompt=prompt, sampling=seed, thinking=True),
        "sampled": sampled,
        "placed": Request(prompt=prompt, sampling={"temperature": 0.8}, place=b"a row"),
    }


def test_journal_keys_are_as_they_were(tmp_path: Path) -> None:
    engine = ScriptedEngine(
        answers=lambda request: "true" if request.constraint.kind == "choice" else "{}", model="org/model"
    )
    asked = requests()
    with Runtime(engine, journal=tmp_path / "run.db") as runtime:
        for name, request in asked.items():
            [future] = runtime.submit([request])
            assert future.result(60).text, name
    database = sqlite3.connect(tmp_path / "run.db")
    keys = [key.hex() for (key,) in database.execute("SELECT key FROM calls ORDER BY id")]
    database.close()
    compare("keys.json", dict(zip(asked, keys, strict=True)))


HASHED = (
    "messages",
    "raw",
    "example",
    "Adapter",
    "Outcome",
    "Scored",
    "Reasoned",
    "Logged",
    "Votes",
    "Best",
    "ToolCall",
)


def test_digests_of_values_are_as_they_were() -> None:
    """Values of the package's own classes may be options of a request, or say which row asks."""
    values = {kind: PICKLED[kind]() for kind in HASHED} | {"formats": [*JsonFormat]}
    compare("digests.json", {kind: (digest(value) or b"").hex() for kind, value in values.items()})


IMPORTED = 168
"""Modules of the package that the public names load, at most."""


def test_the_import_loads_no_more_than_it_did() -> None:
    program = "import sys; from typefold import *; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.split()
    assert len([name for name in loaded if name.partition(".")[0] == "typefold"]) <= IMPORTED
    heavy = {
        "vllm",
        "torch",
        "transformers",
        "numpy",
        "pandas",
        "polars",
        "pyarrow",
        "PIL",
        "ray",
        "mypy",
        "typer",
        "rich",
    }
    assert not heavy & {name.partition(".")[0] for name in loaded}
