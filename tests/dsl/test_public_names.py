"""The package loads its names when one is used, and nobody who uses them sees that."""

import subprocess
import sys
from collections.abc import Mapping
from typing import Any, Optional, TypeVar, Union, get_args, get_origin, get_type_hints

import pytest

import typefold

T = TypeVar("T")

FRESH = {
    "dir": "import typefold; assert set(typefold.__all__) <= set(dir(typefold)), dir(typefold)",
    "dir before all else": "import typefold; assert {'prompt', 'Runtime', '__version__'} <= set(dir(typefold)), dir(typefold)",
    "everything": "from typefold import *; assert prompt and Runtime and run",
    "another name for it": "import typefold as tf; assert tf.prompt.__module__ == 'typefold'",
    "members": "import inspect, typefold; assert {'ask', 'Prompt', 'to_frame'} <= {name for name, _ in inspect.getmembers(typefold)}",
    "completion": "import rlcompleter, typefold; c = rlcompleter.Completer(globals()); assert 'typefold.prompt(' in c.attr_matches('typefold.pro')",
    "help": "import pydoc, typefold; shown = pydoc.plain(pydoc.render_doc(typefold)); assert 'class Runtime' in shown and 'to_frame(' in shown, shown",
    "the module that holds them": "import typefold.exports, typefold; assert typefold.prompt is typefold.exports.prompt",
    "a pickle": "import pickle; assert pickle.loads(b'ctypefold\\nBadInput\\n.').__name__ == 'BadInput'",
    "hints": """if True:
        import typing, typefold
        def told(result: "typefold.Statistics") -> "typefold.Votes[str]": ...
        hints = typing.get_type_hints(told)
        assert hints == {"result": typefold.Statistics, "return": typefold.Votes[str]}, hints""",
    "a name that was set first": """if True:
        import typefold
        typefold.ask = "replaced"
        assert typefold.prompt and typefold.ask == "replaced\"""",
}


@pytest.mark.parametrize("program", FRESH.values(), ids=FRESH)
def test_the_first_use_of_a_name_in_a_program(program: str) -> None:
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr


def test_a_wrong_name_is_told_what_is_near() -> None:
    ended = subprocess.run(
        [sys.executable, "-c", "import typefold; typefold.promt"], capture_output=True, text=True, check=False
    )
    assert "module 'typefold' has no attribute 'promt'. Did you mean: 'prompt'?" in ended.stderr


def test_a_name_that_is_replaced_or_taken_away_stays_so(monkeypatch: pytest.MonkeyPatch) -> None:
    names: Mapping[str, object] = vars(typefold)
    monkeypatch.setattr(typefold, "ask", "replaced")
    monkeypatch.delattr(typefold, "run")
    assert not hasattr(typefold, "no_such_name")
    assert names["ask"] == "replaced"
    assert not hasattr(typefold, "run")


@pytest.mark.parametrize("name", ["Prompt", "AsyncPrompt", "Samples", "AsyncSamples"])
def test_types_of_prompts_are_evaluated_as_any_generic_is(name: str) -> None:
    kind: Any = getattr(typefold, name)
    of_text = kind[[str], int]
    assert get_origin(of_text) is kind
    assert get_args(of_text) == ((str,), int)
    assert {of_text, kind[[str], int]} == {of_text}
    assert Optional[of_text] == of_text | None == Union[of_text, None]  # noqa: UP007, UP045  # the older forms are meant
    assert Optional[of_text] != Optional[kind[[int], int]]  # noqa: UP045
    assert kind[[int, T], T][str] == kind[[int, str], str]
    assert kind[[T], int][str] == of_text
    assert kind[..., int] != of_text

    def told(value: Any) -> Any: ...

    told.__annotations__ = {"value": f"typefold.{name}[[str], 'int'] | None"}
    assert get_type_hints(told)["value"] == of_text | None
