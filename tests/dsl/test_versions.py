"""Versions of prompt functions: a digest changes exactly with what the model could notice."""

from __future__ import annotations

import importlib.util
import json
import random
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from typefold import (
    Adapter,
    Journal,
    JsonFormat,
    Logged,
    PromptUsageError,
    Reasoned,
    Runtime,
    Version,
    ask,
    prompt,
    system,
    user,
)
from typefold.runtime.engines.scripted import ScriptedEngine

HEAD = """
from typing import Annotated, Literal
from enum import Enum
from pydantic import BaseModel, Field
from typefold import *

"""

Make = Callable[[str], Version]


@pytest.fixture(scope="module")
def make(tmp_path_factory: pytest.TempPathFactory) -> Make:
    """Makes a module of a source, and returns the version of its function `f`."""
    folder, number = tmp_path_factory.mktemp("modules"), iter(range(10**6))

    def make(source: str) -> Version:
        path = folder / f"made_{next(number)}.py"
        path.write_text(HEAD + textwrap.dedent(source))
        spec = importlib.util.spec_from_file_location(path.stem, path)
        assert spec is not None and spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        version: Version = module.f.version
        return version

    return make


BASE = """
    INTRO = "You sort mail."
    def shorten(text):
        return text[:100]
    @prompt(temperature=0.5)
    def f(text: str, mood: str = "calm") -> Literal["a", "b"]:
        short = shorten(text)
        return ask(system(INTRO), user(f"Sort, {mood}: {short}"))
"""

UNNOTICED = {
    "a comment": ("short = shorten(text)", "short = shorten(text)  # at most a page"),
    "a docstring": ("        short =", '        """Sort."""\n        short ='),
    "a statement that does nothing": ("        short =", "        pass\n        short ="),
    "layout": (
        'ask(system(INTRO), user(f"Sort, {mood}: {short}"))',
        'ask(\n            system(INTRO), user(f"Sort, "\n            f"{mood}: {short}"))',
    ),
    "quotes": ('"Sort, {mood}: {short}"', "'Sort, {mood}: {short}'"),
    "a variable's name": ("short", "brief"),
    "a parameter's name": ("text", "letter"),
    "a constant's name": ("INTRO", "PREFACE"),
    "a helper's name": ("shorten", "cut"),
    "a comment in a helper": ("return text[:100]", "return text[:100]  # enough"),
    "a parameter's type": ("mood: str", "mood: 'str'"),
    "an annotation of a variable": ("short =", "short: str ="),
    "the function's name": ("def f(", "def g("),
    "a time limit": ("temperature=0.5", "temperature=0.5, timeout=3, priority=2, max_failures=1"),
    "a number written otherwise": ("temperature=0.5", "temperature=5e-1"),
    "a name of the version": ("temperature=0.5", 'temperature=0.5, version="2"'),
    "an unused parameter": ('mood: str = "calm"', 'mood: str = "calm", other: int = 3'),
    "facts of an answer": ('-> Literal["a", "b"]', '-> Logged[Literal["a", "b"]]'),
}

NOTICED = {
    "a word": ("Sort, ", "Order, "),
    "a space": ("Sort, ", "Sort,  "),
    "a constant's value": ("You sort mail.", "You sort letters."),
    "a helper's body": ("[:100]", "[:200]"),
    "a default": ('"calm"', '"grim"'),
    "a conversion": ("{mood}", "{mood!r}"),
    "a format": ("{mood}", "{mood:>9}"),
    "a role": ("user(", "assistant("),
    "another argument in its place": ("{mood}: {short}", "{short}: {mood}"),
    "a choice": ('"a", "b"', '"a", "b", "c"'),
    "the order of choices": ('"a", "b"', '"b", "a"'),
    "a type": ('Literal["a", "b"]', "bool"),
    "reasoning": ('-> Literal["a", "b"]', '-> Reasoned[Literal["a", "b"]]'),
    "an option": ("temperature=0.5", "temperature=0.6"),
    "another option": ("temperature=0.5", "temperature=0.5, max_tokens=20"),
    "retries": ("temperature=0.5", "temperature=0.5, retries=1"),
    "words for the format": ("temperature=0.5", "temperature=0.5, describe_format='Say {{ format }}'"),
    "an example": ("temperature=0.5", "temperature=0.5, examples=[example('a', text='x')]"),
    "a template variable": ("temperature=0.5", "temperature=0.5, chat_template_kwargs={'x': 1}"),
}


def changed(change: tuple[str, str]) -> str:
    old, new = change
    assert old in BASE
    source = BASE.replace(old, new)
    return source + ("\n    f = g\n" if "def g(" in source else "")


@pytest.mark.parametrize("kind", UNNOTICED)
def test_the_digest_stays_with_a_change_that_the_model_can_not_notice(kind: str, make: Make) -> None:
    before, after = make(BASE), make(changed(UNNOTICED[kind]))
    assert after.digest == before.digest
    assert before.diff(after) == ""


@pytest.mark.parametrize("kind", NOTICED)
def test_the_digest_changes_with_a_change_that_the_model_could_notice(kind: str, make: Make) -> None:
    before, after = make(BASE), make(changed(NOTICED[kind]))
    assert after.digest != before.digest
    assert before.diff(after) != ""
    assert after.diff(before) != before.diff(after)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.sampled_from(sorted(UNNOTICED)), max_size=6, unique=True), st.sampled_from(sorted(NOTICED)))
def test_changes_together_do_as_each_by_itself(make: Make, unnoticed: list[str], noticed: str) -> None:
    """Whichever changes go together, one that is noticed decides."""

    plain, both = BASE, BASE.replace(*NOTICED[noticed])
    for kind in unnoticed:
        plain, both = plain.replace(*UNNOTICED[kind]), both.replace(*UNNOTICED[kind])
    tail = "\n    f = g\n" if "def g(" in plain else ""
    before, after = make(BASE), make(plain + tail)
    assert after.digest == before.digest
    assert make(both + tail).digest != before.digest


TEMPLATE = '''
    @prompt
    def f(text: str, mood: str) -> str:
        """Be {{ mood }}{# kindly #}.
        {% if mood %}{{ text | upper }}{% endif %}"""
        return ask()
'''


@pytest.mark.parametrize(
    ("old", "new", "noticed"),
    [
        ("{# kindly #}", "", False),
        ("{{ mood }}", "{{mood}}", False),
        ("mood", "tone", False),
        ("text: str, mood: str", "mood: str, text: str", False),
        ("Be ", "Stay ", True),
        ("mood: str", "mood: str = 'calm'", True),
        ("| upper", "| lower", True),
        ("{% if mood %}", "{% if text %}", True),
        ("return ask()", "return ask()  # as above", False),
    ],
)
def test_a_template_is_told_by_what_it_writes(old: str, new: str, noticed: bool, make: Make) -> None:
    assert old in TEMPLATE
    assert (make(TEMPLATE).digest != make(TEMPLATE.replace(old, new)).digest) is noticed


NAMED = {
    "a tuple": ("X = ('one', 'two')", "X = ('one', 'three')"),
    "a set": ("X = {'one', 'two', 'three'}", "X = {'one', 'two'}"),
    "a message": ("X = system('one')", "X = system('two')"),
    "a dict": ("X = {'one': 1}", "X = {'one': 2}"),
    "an enum": ("class X(Enum):\n        ONE = 'one'", "class X(Enum):\n        ONE = 'two'"),
    "a function of a function": (
        "def y():\n        return 1\n    def X():\n        return y()",
        "def y():\n        return 2\n    def X():\n        return y()",
    ),
    "a function that calls itself": (
        "def X(n=1):\n        return X(n - 1) if n else 'one'",
        "def X(n=2):\n        return X(n - 1) if n else 'one'",
    ),
}


@pytest.mark.parametrize("kind", NAMED)
def test_values_that_the_body_names_are_part_of_it(kind: str, make: Make) -> None:
    one, other = (
        make(f'\n    {source}\n    @prompt\n    def f(text: str) -> str:\n        return ask(f"{{X}} {{text}}")\n')
        for source in NAMED[kind]
    )
    assert one.digest != other.digest


ATTRIBUTES = {
    "a class's": "class X:\n        TEXT = 'one'",
    "an inherited one": "class Y:\n        TEXT = 'one'\n    class X(Y):\n        pass",
    "a model's": "class Y(BaseModel):\n        TEXT: str\n    X = Y(TEXT='one')",
    "an object's": "class Y:\n        def __init__(self):\n            self.TEXT = 'one'\n    X = Y()",
    "a static method's body": "class X:\n        @staticmethod\n        def TEXT():\n            return 'one'",
    "a class method's body": "class X:\n        @classmethod\n        def TEXT(cls):\n            return 'one'",
    "a class in a class's": "class X:\n        class TEXT:\n            value = 'one'",
}


@pytest.mark.parametrize("kind", ATTRIBUTES)
def test_attributes_that_the_body_names_are_part_of_it(kind: str, make: Make) -> None:
    use = {
        "a static method's body": "X.TEXT()",
        "a class method's body": "X.TEXT()",
        "a class in a class's": "X.TEXT.value",
    }
    body = (
        f'\n    @prompt\n    def f(text: str) -> str:\n        return ask(f"{{{use.get(kind, "X.TEXT")}}} {{text}}")\n'
    )
    one = make(f"\n    {ATTRIBUTES[kind]}{body}")
    other = make("\n    " + ATTRIBUTES[kind].replace("'one'", "'two'") + body)
    assert one.digest == make(f"\n    {ATTRIBUTES[kind]}{body}").digest
    assert one.digest != other.digest
    assert one.diff(other)


def test_a_property_is_not_asked(make: Make) -> None:
    source = """
        class X:
            @property
            def TEXT(self):
                raise AssertionError
        x = X()
        @prompt
        def f(text: str) -> str:
            return ask(f"{x.TEXT} {text}")
    """
    assert make(source).digest == make(source).digest


def test_a_module_s_attribute_is_part_of_it(make: Make) -> None:
    source = """
        import types
        texts = types.ModuleType("texts")
        texts.INTRO = "one"
        texts.OTHER = "two"
        @prompt
        def f(text: str) -> str:
            return ask(f"{texts.INTRO} {text}")
    """
    digest = make(source).digest
    assert make(source.replace('"two"', '"three"')).digest == digest
    assert make(source.replace('"one"', '"three"')).digest != digest


def test_a_variable_of_the_function_around_is_part_of_it() -> None:
    def made(word: str) -> Version:
        @prompt
        def f(text: str) -> str:
            return ask(f"{word}: {text}")

        return f.version

    assert made("one") == made("one")
    assert made("one").digest != made("two").digest


def test_values_without_content_go_by_their_type(make: Make) -> None:
    """An object's address, a growing cache and a large table are no part of a version."""
    source = """
        class Client:
            def get(self):
                return "x"
        client = Client()
        TABLE = list(range(20_000))
        @prompt
        def f(text: str) -> str:
            return ask(f"{client.get()} {TABLE[0]} {text}")
    """
    assert make(source).digest == make(source.replace("20_000", "30_000")).digest


def test_a_function_without_source_is_told_by_its_texts() -> None:
    def made(text: str) -> Version:
        space: dict[str, Any] = {}
        exec(f'from typefold import *\n@prompt\ndef f(a: str) -> int:\n  "Docs."\n  return ask(f"{text} {{a}}")', space)
        version: Version = space["f"].version
        return version

    assert made("one").digest == made("one").digest
    assert made("one").digest != made("two").digest


class Desk:
    def __init__(self, name: str) -> None:
        self.name = name

    @prompt
    def sort(self, letter: str) -> bool:
        return ask(f"""
Is it for {self.name}?
{letter}""")


def test_a_method_has_the_version_of_its_function() -> None:
    assert Desk("a").sort.version == Desk("b").sort.version == Desk.sort.version
    assert Desk.sort.version.messages == "user: \nIs it for {self.name}?\n{letter}"


def test_it_is_the_same_in_every_process(tmp_path: Path) -> None:
    program = tmp_path / "sorted_mail.py"
    program.write_text(
        HEAD
        + textwrap.dedent(BASE)
        + "\nWORDS = {'one', 'two', 'three'}\n@prompt\ndef g(a: str) -> str:\n    return ask(f'{WORDS} {a}')\nif __name__ == '__main__':\n    print(f.version, g.version)\n"
    )
    said = {
        subprocess.run(
            [sys.executable, str(program)],
            env={"PYTHONHASHSEED": str(seed), "PATH": ""},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in (1, 2, 3)
    }
    assert len(said) == 1, said


@prompt(version="first", temperature=0)
def label(text: str) -> Logged[bool]:
    return ask(f"Good? {text}")


def test_the_digest_of_a_version_is_as_it_was() -> None:
    """The same for every release and every version of Python, or journals and saved versions would name others."""
    assert label.version.digest == "3d282083c35663bf"


def test_journals_logged_answers_and_explanations_have_it(tmp_path: Path) -> None:
    path = tmp_path / "run.db"
    with Runtime(ScriptedEngine(lambda request: "true"), journal=path) as runtime:
        assert label("x").version == str(label.version) == f"first@{label.version.digest}"
        label.using(version=None, temperature=0.5).map(["y"])
        runtime.generate("z")
    with Journal(path, read_only=True) as journal:
        found = [record.version for record in journal.records()]
    assert found == [str(label.version), label.using(temperature=0.5).version.digest, None]
    assert label.explain().version == str(label.version)
    assert f"version        {label.version}" in str(label.explain())
    assert "version" not in str(label.using(version=None).explain())


def test_a_runtime_s_way_of_writing_json_is_noticed() -> None:
    @prompt
    def numbers(text: str) -> list[int]:
        return ask(text)

    alone = numbers.version.digest
    with Runtime(ScriptedEngine(), json_format="tight"):
        assert numbers.version.digest != alone
        assert numbers.version.digest == numbers.using(json_format=JsonFormat.TIGHT).version.digest
    assert numbers.version.digest == alone


@settings(max_examples=50, deadline=None)
@given(
    st.dictionaries(
        st.sampled_from(["temperature", "top_p", "max_tokens", "seed", "min_p"]), st.integers(1, 1), max_size=5
    )
)
def test_the_order_in_which_options_are_set_is_not_noticed(options: dict[str, Any]) -> None:
    shuffled = random.Random(0).sample(sorted(options), len(options))
    other: Any = label
    for name in shuffled:
        other = other.using(
            **{name: float(options[name]) if name in ("top_p", "min_p", "temperature") else options[name]}
        )
    same: Any = label
    assert other.version == same.using(**options).version


def test_a_saved_version_is_read_again(tmp_path: Path) -> None:
    path = tmp_path / "label.json"
    shown = label.with_examples(label.example(True, "Zürich \udc80")).using(lora_request=Adapter("a", "b"))
    shown.version.save(path)
    assert Version.load(path) == shown.version
    held = json.loads(path.read_bytes().decode("utf-8", "surrogatepass"))
    assert held["digest"] == shown.version.digest and held["options"]["lora_request"] == {"adapter": "a", "path": "b"}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "no saved version"),
        ("[]", "no saved version"),
        ("{}", "no saved version"),
        ('{"typefold_version": 1}', "changed since it was saved"),
        ('{"typefold_version": 99}', "a later typefold"),
    ],
)
def test_a_file_that_is_none_is_refused(text: str, words: str, tmp_path: Path) -> None:
    path = tmp_path / "other.json"
    path.write_text(text)
    with pytest.raises(PromptUsageError, match=words):
        Version.load(path)


def test_a_file_that_was_changed_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "label.json"
    label.version.save(path)
    path.write_text(path.read_text().replace('"temperature": 0', '"temperature": 1'))
    with pytest.raises(PromptUsageError, match="changed since it was saved"):
        Version.load(path)


def test_a_difference_is_told_by_parts() -> None:
    @prompt(temperature=0.5)
    def other(text: str) -> Reasoned[bool]:
        return ask(system("Be strict."), user(f"Good? {text}"))

    messages = ["messages", "+system: Be strict.", " user: Good? {text}"]
    options = ["options", "-temperature: 0", '+asked: "reasoned"', "+temperature: 0.5"]
    assert label.version.diff(other.version).split("\n") == [*messages, *options]


@pytest.mark.parametrize("name", ["", " ", "a@b", "a\nb", 3])
def test_a_name_is_one_line(name: Any) -> None:
    with pytest.raises(PromptUsageError, match="version is a name"):
        label.using(version=name)
