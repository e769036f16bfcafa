"""Prompt functions in another process: by their name, or by value where they have none to be imported by."""

from __future__ import annotations

import pickle
import subprocess
import sys
import threading
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from typefold import Prompt, Runtime, ask, prompt
from typefold.runtime.engines.scripted import ScriptedEngine

SHOP = """
from typefold import ask, prompt, example

class Shop:
    def __init__(self, name):
        self.name = name

    @prompt
    def greet(self, who: str) -> str:
        return ask(f"{self.name} greets {who}.")

@prompt(temperature=0.5, examples=[example(3, text="three")])
def number(text: str) -> int:
    return ask(f"A number for {text}")

@prompt
async def later(text: str) -> bool:
    return ask(f"Is {text} so?")

raised = number.using(temperature=1.5)
"""


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """A module that can be imported."""
    (tmp_path / "pickled_shop.py").write_text(SHOP)
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    monkeypatch.delitem(sys.modules, "pickled_shop", raising=False)
    return import_module("pickled_shop")


def test_a_prompt_goes_by_its_name_with_its_options(shop: ModuleType, tmp_path: Path) -> None:
    sent = {"number": shop.number, "raised": shop.raised, "later": shop.later, "greet": shop.Shop("Ann's").greet}
    file = tmp_path / "sent"
    file.write_bytes(pickle.dumps(sent))
    program = f"""
import pickle, sys
sys.path.insert(0, {str(tmp_path)!r})
from typefold import Runtime
from typefold.runtime.engines.scripted import ScriptedEngine
got = pickle.loads(open({str(file)!r}, "rb").read())
import pickled_shop
print(len(got["number"].render("x")), type(got["later"]).__name__, got["greet"].render("Bo")[0].content)
engine = ScriptedEngine(answers=lambda request: "4")
with Runtime(engine):
    got["number"]("a"), got["raised"]("b")
print([dict(request.sampling)["temperature"] for request in engine.requests])
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout == "4 AsyncPrompt Ann's greets Bo.\n[0.5, 1.5]\n", done.stderr
    assert len(pickle.dumps(shop.number)) < 400, "its code went along"


def test_what_is_made_of_a_prompt_goes_by_its_name_too(shop: ModuleType) -> None:
    made = [shop.number.safe, shop.raised.sample(3), shop.raised.sample(3).safe, shop.later.sample(2), shop.later.safe]
    sent = pickle.dumps(made)
    assert len(sent) < 1500, "code went along"
    safe, samples, safe_samples, *_ = pickle.loads(sent)
    with Runtime(ScriptedEngine(answers=lambda request: "4")):
        assert safe("a").unwrap() == 4 and samples("a") == [4, 4, 4]
        assert [each.unwrap() for each in safe_samples("a")] == [4, 4, 4]
    assert len(pickle.dumps(shop.number.defer("a"))) < 800


def test_a_prompt_without_a_home_goes_by_value() -> None:
    lock = threading.Lock()  # in reach of the prompt, and of no process but this

    @prompt(max_tokens=7)
    def local(text: str) -> list[bool]:
        return ask(f"Is it so? {text}")

    cloudpickle: Any = pytest.importorskip("cloudpickle")
    copied: Prompt[[str], list[bool]] = pickle.loads(cloudpickle.dumps(local))
    assert copied.render("a") == local.render("a")
    engine = ScriptedEngine(answers=lambda request: "[]")
    with Runtime(engine):
        assert copied("a") == []
    assert engine.requests[0].sampling["max_tokens"] == 7
    assert not lock.locked()


def test_a_prompt_with_a_runtime_of_its_own_says_what_to_do(shop: ModuleType) -> None:
    with (
        Runtime(ScriptedEngine()) as runtime,
        pytest.raises(pickle.PicklingError, match=r"number\.using\(runtime=None\)"),
    ):
        pickle.dumps(shop.number.using(runtime=runtime))
