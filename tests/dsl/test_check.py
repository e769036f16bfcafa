"""`typefold check`: what it finds without mypy and without running the program, and how it says so."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from textwrap import dedent

import pytest
from typer.testing import CliRunner, Result

from typefold.checks.check import Checked, check, python_files
from typefold.cli.app import app

Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Write:
    monkeypatch.chdir(tmp_path)

    def made(text: str, name: str = "app.py") -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(dedent(text).lstrip("\n"), encoding="utf-8")
        return Path(name)

    return made


def command(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["check", *arguments])


def found(checked: Checked) -> list[tuple[int, int, str]]:
    return [(each.line, each.column, each.code) for each in checked.findings]


GOOD = """
    from typefold import ask, prompt

    @prompt
    def judge(text: str) -> bool:
        return ask(f"Is this any good? {text}")
    """
WRONG = '''
    from dataclasses import dataclass
    from typefold import ask, example, prompt

    raise SystemExit("nothing of this runs")

    @dataclass
    class Character:
        name: str

        def title(self) -> str:
            return self.name

    @prompt(tempurature=1, examples=[example("x", txet="y")])
    def shows(text: Character, more: int) -> complex:
        """{{ text.nmae }} {{ text.title() }}
        {{ txt | uper }}"""
        return ask()

    def outer() -> None:
        @prompt
        def inner(text: str):
            return ask(text).strip()

        @prompt
        def silent(text: str) -> str:
            """Say it."""

    @prompt
    def unused(text: str) -> str:
        return ask("x")

    def forgotten(text: str) -> str:
        return ask(text)
    '''


def test_every_check_is_made_without_running_the_program(write: Write) -> None:
    checked = check([write(WRONG)])
    assert (checked.files, checked.prompts) == (1, 4)
    assert found(checked) == [
        (13, 9, "prompt-option"),
        (13, 52, "prompt-example"),
        (14, 42, "prompt-return"),
        (15, 16, "prompt-attribute"),
        (16, 8, "prompt-name"),
        (16, 14, "prompt-filter"),
        (21, 5, "prompt-return"),
        (22, 16, "prompt-ask"),
        (25, 5, "prompt-ask"),
        (29, 12, "prompt-unused"),
        (33, 12, "prompt-ask"),
    ]


def test_types_are_found_in_other_files_and_packages(write: Write) -> None:
    write("", "package/__init__.py")
    write(
        "from typing import Annotated\nfrom pydantic import Field\nAge = Annotated[int, Field(ge=9, le=3)]\n",
        "package/ages.py",
    )
    write(
        "from pydantic import BaseModel\nfrom .ages import Age\nclass Person(BaseModel):\n    age: Age\n",
        "package/models.py",
    )
    text = "from package.models import Person\nfrom typefold import ask, prompt\n@prompt\ndef make(text: str) -> Person:\n    return ask(text)\n"
    path = write(text, "app.py")
    [finding] = check([path]).findings
    assert finding.message == "return.age: int has bounds that no number meets (from 9 to 3)"


def test_names_are_found_that_a_star_brought(write: Write) -> None:
    write("""
        from dataclasses import dataclass
        from pydantic import *
        from rules import *

        class Item(BaseModel):
            size: int = Field(ge=LOW, le=0)
        """, "models.py")  # fmt: skip
    write("LOW = 9\n_HIGH = 0\n", "rules.py")
    path = write("""
        from typefold import *
        from models import *
        from rules import *

        @prompt
        def make(text: str) -> Item:
            return ask(f"Make {text}.")

        @prompt
        def hidden(text: str) -> list[_HIGH]:
            return ask(f"Make {text}.")
        """)  # fmt: skip
    checked = check([path])
    assert [finding.message for finding in checked.findings] == [
        "return.size: int has bounds that no number meets (from 9 to 0)"
    ]
    assert checked.prompts == 2


def test_a_runtime_is_known_by_where_it_was_made_or_by_its_annotation(write: Write) -> None:
    path = write("""
        import typefold as tf
        from elsewhere import model
        from typefold import Logged, Runtime, current, output_type

        runtime = Runtime("x")
        noted: Runtime = model()
        runtime.generate("x", output_type=complex)
        noted("x", output_type=[int, complex])
        model("x", output_type=complex)
        model().generate("x", output_type=complex)

        def f(given: Runtime, other: object, runtime: object) -> None:
            given.generate("x", output_type=complex).real.hex()
            other.generate("x", output_type=complex)
            runtime.generate("x", output_type=complex)
            with tf.Runtime("x") as one, Runtime("y") as two:
                one("x", output_type=complex)
                two.generate("x", output_type=Logged[complex])
            current().generate("x", output_type=complex)
            Runtime("x").generate("x", output_type=complex)  # type: ignore[prompt-return]
            output_type(dict[str, complex], path="answer").decode("{}")
            output_type(complex, registry=model)
            tf.output_type(Logged[int])
        """)
    checked = check([path])
    assert found(checked) == [
        (7, 35, "prompt-return"),
        (8, 30, "prompt-return"),
        (13, 37, "prompt-return"),
        (17, 30, "prompt-return"),
        (18, 39, "prompt-return"),
        (19, 41, "prompt-return"),
        (21, 17, "prompt-return"),
        (23, 20, "prompt-return"),
    ]
    said = [finding.message.partition(":")[0] for finding in checked.findings]
    assert said == ["output_type"] * 4 + ["output_type.value", "output_type", "answer[...]", "return"]


def test_a_type_in_the_second_place_is_checked(write: Write) -> None:
    path = write("""
        from typefold import Runtime

        def f(runtime: Runtime, prompts: list[str]) -> None:
            runtime("x", complex)
            runtime.generate(["x", "y"], [int, complex], temperature=0)
            runtime.generate.safe(prompts, set[dict[str, int]])
            runtime.generate("x", {"type": "object"})
            runtime.generate(*prompts, complex)
            runtime.generate("x", int)
        """)
    assert found(check([path])) == [(4, 18, "prompt-return"), (5, 40, "prompt-return"), (6, 36, "prompt-return")]


def test_a_comment_silences_a_check(write: Write) -> None:
    path = write(
        '''
        from typefold import ask, prompt

        @prompt
        def one(text: str) -> complex:  # type: ignore[prompt-return, prompt-name]
            """{{ txt }}"""
            return ask()

        @prompt
        def other(text: str) -> complex:  # type: ignore[prompt-name]
            return ask(text)

        @prompt
        def third(text: str) -> complex:  # type: ignore
            return ask(text)
        '''
    )
    assert found(check([path])) == [(9, 25, "prompt-return")]


def test_a_class_with_a_hook_of_the_programs_own_is_right(write: Write) -> None:
    path = write(
        """
        from typefold import ask, prompt
        from typefold.compiler import default_registry

        class Colour: ...

        class Shade: ...

        @default_registry.hook(Colour)
        def colour_codec(hint, context): ...

        @prompt
        def paint(text: str) -> list[Colour]:
            return ask(text)

        @prompt
        def shade(text: str) -> Shade:
            return ask(text)
        """
    )
    assert found(check([path])) == [(16, 25, "prompt-return")]


def test_only_python_files_of_the_project_are_read(write: Write, tmp_path: Path) -> None:
    kept = [write(GOOD, "a.py"), write(GOOD, "package/b.py")]
    for name in (".venv/lib/c.py", "node_modules/d.py", "notes.txt"):
        write(GOOD, name)
    assert list(python_files([Path()])) == kept


def test_the_exit_status_says_whether_anything_is_wrong(write: Write) -> None:
    write(GOOD)
    done = command()
    assert (done.exit_code, done.stdout, done.stderr) == (0, "", "nothing is wrong (1 prompt in 1 file)\n")
    write(WRONG)
    assert command("app.py").exit_code == 1
    done = command("nowhere")
    assert (done.exit_code, done.stderr) == (2, "typefold: there is no nowhere\n")


def test_warnings_count_with_strict_only(write: Write) -> None:
    write(GOOD.replace("{text}", "this"))
    done = command()
    assert (done.exit_code, done.stdout) == (
        0,
        "app.py:4:11: warning: the prompt function 'judge' never uses its parameter 'text'  [prompt-unused]\n",
    )
    assert command("--strict").exit_code == 1


def test_findings_are_printed_for_machines(write: Write) -> None:
    write(GOOD.replace("bool", "complex"))
    done = command("--format", "json")
    assert done.exit_code == 1
    assert json.loads(done.stdout) == {
        "files": 1,
        "prompts": 1,
        "findings": [
            {
                "path": "app.py",
                "line": 4,
                "column": 25,
                "code": "prompt-return",
                "severity": "error",
                "message": "return: complex has no form in JSON; use tuple[float, float] or a model with two fields",
            }
        ],
    }


def test_a_file_that_python_cant_read_is_a_finding(write: Write) -> None:
    write("from typefold import prompt\ndef f(:\n")
    done = command()
    assert (done.exit_code, done.stdout) == (1, "app.py:2:7: error: invalid syntax  [syntax]\n")


def test_importing_compiles_what_only_the_running_program_knows(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", list(sys.path))
    write(
        """
        from typefold import ask, prompt

        def make():
            return complex

        Answer = make()

        @prompt
        def count(text: str) -> Answer:
            return ask(text)
        """,
        "imported_only.py",
    )
    assert command().exit_code == 0
    done = command("--import")
    assert done.exit_code == 1
    assert done.stdout.startswith(
        "imported_only.py:8:1: error: importing it raises UnsupportedType: count: return: complex"
    )
    sys.modules.pop("imported_only", None)


def test_it_needs_neither_mypy_nor_vllm(write: Write) -> None:
    write(WRONG)
    program = """if True:
        import sys
        from pathlib import Path
        from typefold.checks.check import check
        assert check([Path("app.py")]).findings
        print(sorted({"mypy", "vllm", "torch", "transformers"} & set(sys.modules)))
    """
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_a_type_is_judged_in_the_json_format_that_is_named(write: Write) -> None:
    path = write(
        """
        from dataclasses import dataclass
        from typefold import ask, output_type, prompt

        @dataclass
        class Metres:
            length: float

        @dataclass
        class Feet:
            length: float

        @prompt(json_format="compact")
        def tall(text: str) -> Metres | Feet:
            return ask(text)

        @prompt
        def wide(text: str) -> Metres | Feet:
            return ask(text)

        @prompt(json_format="short")
        def deep(text: str) -> Metres:
            return ask(text)

        KIND = output_type(Metres | Feet, json_format="compact")
        """
    )
    assert found(check([path])) == [(17, 24, "prompt-union"), (20, 21, "prompt-option")]


DEEP = {
    "minus": "x = " + "-" * 100_000 + "1",
    "brackets": "x = " + "(" * 100_000 + ")" * 100_000,
    "lambdas": "x = " + "lambda: " * 100_000 + "1",
    "attributes": "x = a" + ".b" * 100_000,
    "calls": "x = f" + "()" * 100_000,
    "sums": "x = 1" + "+1" * 100_000,
    "conditions": "x = " + "a if b else " * 100_000 + "c",
    "branches": "if a: pass\n" + "elif b: pass\n" * 50_000,
    "types": "def f() -> " + "list[" * 100_000 + "int" + "]" * 100_000 + ": ...",
    "texts": "x = " + "f'{" * 5_000 + "1" + "}'" * 5_000,
}
"""Code that Python's parser gives up on, each in its own way."""

GOOD_TEXT = dedent(GOOD).lstrip("\n")


def test_a_file_that_ends_the_reader_costs_no_other_file(write: Write, tmp_path: Path) -> None:
    for name, code in DEEP.items():
        write(f"from typefold import prompt\n{code}\n", f"deep_{name}.py")
    for name, data in {
        "codec": b"# -*- coding: nonsense -*-\n",
        "no_text": b"# -*- coding: rot13 -*-\n",
        "slow": b"# -*- coding: punycode -*-\n",
        "two": b"\xef\xbb\xbf# -*- coding: latin-1 -*-\n",
        "undefined": b"# -*- coding: undefined -*-\nx = 1\n",
        "bytes": b"x = '\xff'\n",
        "nul": b"from typefold import prompt\nx = '\0'\n",
        "large": b"#" * 4_000_001,
    }.items():
        (tmp_path / f"read_{name}.py").write_bytes(data)
    os.mkfifo(tmp_path / "kind_fifo.py")
    (tmp_path / "kind_lost.py").symlink_to("nowhere.py")
    (tmp_path / "kind_circle.py").symlink_to("kind_circle.py")
    (tmp_path / "folder.py").mkdir()
    (tmp_path / "linked.py").symlink_to("folder.py")
    write(WRONG, "folder.py/wrong.py")
    (tmp_path / "folder.py" / "around").symlink_to(tmp_path)
    checked = check(python_files([Path()]))
    ended = {finding.path: finding.message for finding in checked.findings if finding.code == "syntax"}
    assert sorted(ended) == sorted(
        [
            *(f"deep_{name}.py" for name in DEEP if name != "attributes" or sys.version_info < (3, 14))
        ]  # which reads them
        + [f"read_{name}.py" for name in ("codec", "no_text", "slow", "two", "undefined", "bytes", "nul", "large")]
        + [f"kind_{name}.py" for name in ("fifo", "lost", "circle")]
    )
    assert ended["deep_minus.py"] == "its code is nested too deeply for Python's parser"
    assert ended["kind_fifo.py"] == "it is no regular file"
    assert ended["read_large.py"] == "it has more than 4,000,000 bytes, and larger files are not checked"
    others = {finding.path for finding in checked.findings if finding.code != "syntax"}
    assert (others, checked.prompts) == ({"folder.py/wrong.py"}, 4)
    assert command().exit_code == 1


@pytest.mark.parametrize(
    "code",
    ["x = a" + ".b" * 2_900 + "()", "X = " + "1 + " * 900 + "1", "if a: pass\n" + "elif b: X = int\n" * 900],
    ids=["attributes", "sum", "branches"],
)
def test_deep_code_that_python_reads_is_checked_or_is_a_finding_of_its_file(code: str, write: Write) -> None:
    write(f"{GOOD_TEXT}\n{code}\n\n@prompt\ndef wrong(text: str) -> complex:\n    return ask(text)\n", "deep.py")
    write(WRONG)
    checked = check(python_files([Path()]))
    assert {finding.path for finding in checked.findings} == {"app.py", "deep.py"}
    assert not [finding for finding in checked.findings if finding.code == "internal"]


def test_a_docstring_that_is_nested_too_deeply_is_a_finding_of_its_function(write: Write) -> None:
    deep = "{{ " + "(" * 3000 + "text" + ")" * 3000 + " }}"
    path = write(f'{GOOD_TEXT}\n@prompt\ndef deep(text: str) -> str:\n    """{deep}"""\n    return ask()\n')
    [finding] = check([path]).findings
    assert (finding.code, finding.message) == ("syntax", "'deep' is nested too deeply to be checked")


def test_a_file_is_read_in_the_encoding_that_it_declares(write: Write, tmp_path: Path) -> None:
    text = "# -*- coding: latin-1 -*-\n" + dedent(WRONG).replace("more: int", "größe: int").lstrip("\n")
    (tmp_path / "app.py").write_bytes(text.encode("latin-1"))
    (tmp_path / "bom.py").write_bytes(b"\xef\xbb\xbf" + GOOD_TEXT.replace("\n", "\r\n").encode())
    checked = check(python_files([Path()]))
    assert (checked.files, checked.prompts, len(checked.findings)) == (2, 5, 11)


def test_names_and_findings_that_the_terminal_has_no_letters_for_are_printed(tmp_path: Path) -> None:
    odd = os.fsencode(tmp_path) + b"/odd\xff\n\x1b[31m.py"
    with open(odd, "w", encoding="utf-8") as file:
        file.write(GOOD_TEXT.replace("bool", "Literal['ä\\ud800', 1j]").replace("import ask", "import Literal, ask"))
    (tmp_path / "app.py").write_text("from typefold import prompt\nx = ä ü\n", encoding="utf-8")
    done = subprocess.run(
        [Path(sys.executable).parent / "typefold", "check"],
        env={**os.environ, "PYTHONIOENCODING": "ascii"},
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stdout.count("\n")) == (1, 1), done
    assert "Traceback" not in done.stderr


def test_a_class_with_getattr_may_have_any_attribute(tmp_path: Path) -> None:
    path = tmp_path / "app.py"
    path.write_text(
        dedent(
            """
            from dataclasses import dataclass
            from pydantic import BaseModel
            from typefold import ask, prompt

            @dataclass
            class Record:
                a: int

                def __getattr__(self, name: str) -> int:
                    return 3

            class Model(BaseModel):
                def __getattr__(self, name: str) -> int:
                    return 3

            class Derived(Record):
                def use(self) -> None:
                    self.c = 1

            @prompt
            def f(record: Record, model: Model, derived: Derived) -> str:
                '''{{ record.b }} {{ model.b }} {{ derived.b }}'''
                return ask()
            """
        )
    )
    assert check([path]).findings == ()
