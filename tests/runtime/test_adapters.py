"""LoRA adapters: named once, numbered alike everywhere, and refused before an engine could die of them."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from typefold import Adapter, PromptUsageError, Refused, Runtime, ask, prompt
from typefold.runtime.engine import EngineRefusal
from typefold.runtime.engines.scripted import ScriptedEngine
from typefold.runtime.engines.vllm.loading import loading_of
from typefold.runtime.engines.vllm.lora import Adapters


class Named:
    """As vLLM's `LoRARequest`."""

    def __init__(self, lora_name: str, lora_int_id: int, lora_path: str) -> None:
        self.lora_name, self.lora_int_id, self.lora_path = lora_name, lora_int_id, lora_path
        self.name, self.path = lora_name, lora_path


class Loader:
    """What the engine was asked to load."""

    def __init__(self) -> None:
        self.loaded: list[Named] = []

    def __call__(self, request: Named) -> None:
        self.loaded.append(request)


def adapters(load: Any = None, rank: int | None = 16) -> Adapters:
    config = None if rank is None else SimpleNamespace(max_lora_rank=rank)
    return Adapters(config, Named, load or Loader())


def folder(at: Path, rank: int = 8) -> Path:
    at.mkdir()
    (at / "adapter_config.json").write_text(json.dumps({"peft_type": "LORA", "r": rank}))
    return at


def test_an_adapter_has_the_same_number_everywhere_and_is_loaded_once() -> None:
    load = Loader()
    one, other = adapters(load), adapters()
    numbers = {name: one.request(Adapter(name, "org/x")).lora_int_id for name in ("a", "b", "c")}
    assert numbers == {name: other.request(Adapter(name, "org/x")).lora_int_id for name in ("c", "b", "a")}
    assert len({*numbers.values()}) == 3
    assert all(0 < number <= 1 << 31 for number in numbers.values())
    one.request(Adapter("a", Path("org/x")))
    assert [each.lora_name for each in load.loaded] == ["a", "b", "c"]
    assert one.request(None) is None


def test_a_request_of_vllm_s_own_is_taken_as_it_is_and_its_number_stands() -> None:
    known, own = adapters(), Named("a", 7, "org/a")
    assert known.request(own) is own
    assert known.request(Adapter("a", "org/a")).lora_int_id == 7
    with pytest.raises(EngineRefusal, match=r"'b' has lora_int_id=7, which 'a' has already; .*Adapter\('b', 'org/b'\)"):
        known.request(Named("b", 7, "org/b"))
    with pytest.raises(EngineRefusal, match="'a' has lora_int_id=8, and had 7 before"):
        known.request(Named("a", 8, "org/a"))


def test_two_adapters_of_one_name_are_refused() -> None:
    known = adapters()
    known.request(Adapter("a", "org/a"))
    with pytest.raises(EngineRefusal, match="two adapters are named 'a', one from org/a and one from org/b"):
        known.request(Adapter("a", "org/b"))


def test_what_an_engine_can_t_load_is_refused_and_what_to_write_is_said(tmp_path: Path) -> None:
    good, large, empty = folder(tmp_path / "good"), folder(tmp_path / "large", rank=40), tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(EngineRefusal, match=r"Runtime\(\.\.\., enable_lora=True, max_lora_rank=8\)"):
        adapters(rank=None).request(Adapter("good", good))
    with pytest.raises(EngineRefusal, match=r"rank 40, and the engine takes up to 16: .*max_lora_rank=64\)"):
        adapters().request(Adapter("large", large))
    with pytest.raises(EngineRefusal, match=r"has no adapter_config\.json"):
        adapters().request(Adapter("empty", empty))
    with pytest.raises(EngineRefusal, match="there is no folder"):
        adapters().request(Adapter("gone", tmp_path / "gone"))
    with pytest.raises(EngineRefusal, match=r"lora_request is an adapter.*not 'good'"):
        adapters().request("good")

    def broken(request: Named) -> None:
        raise ValueError("q_proj has the wrong shape")

    failing = adapters(broken)
    for _ in range(2):  # a name that was not loaded is not known
        with pytest.raises(EngineRefusal, match="'good' can't be loaded: q_proj has the wrong shape"):
            failing.request(Adapter("good", good))


@pytest.mark.parametrize("path", ["/" + "a" * 5000, "~nobody-of-this-name/x", "deep"])
def test_a_path_that_the_file_system_does_not_take_fails_its_row_alone(
    path: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever else an engine raises is taken for a crash of it."""
    monkeypatch.chdir(tmp_path)
    (folder(tmp_path / "deep") / "adapter_config.json").write_text("[" * 100_000)
    with pytest.raises(EngineRefusal, match="the adapter 'a' can't be loaded: "):
        adapters().request(Adapter("a", path))


def test_on_a_cpu_no_adapter_gets_the_last_place() -> None:
    known = Adapters(SimpleNamespace(max_lora_rank=16), Named, Loader(), places=2)
    for name in ("a", "b", "a"):
        known.request(Adapter(name, "org/x"))
    with pytest.raises(EngineRefusal, match=r"'c' is one more than the engine has places for \(2\).*max_loras=3\)"):
        known.request(Adapter("c", "org/x"))
    asked = {"enable_lora": True, "max_loras": 2}
    assert loading_of(asked, cpu=True, cuda=False).options["max_loras"] == 3
    assert loading_of({**asked, "max_cpu_loras": 2}, cpu=True, cuda=False).options["max_cpu_loras"] == 3
    assert loading_of(asked, cpu=False, cuda=True).options["max_loras"] == 2
    assert "max_loras" not in loading_of({}, cpu=True, cuda=False).options


def test_an_adapter_needs_a_name_and_a_path() -> None:
    for name, path in (("", "org/a"), ("a", "")):
        with pytest.raises(ValueError, match="needs a name and a path"):
            Adapter(name, path)
    assert Adapter("a", Path("b/c")) == Adapter("a", "b/c") == pickle.loads(pickle.dumps(Adapter("a", "b/c")))


@prompt(temperature=0)
def say(word: str) -> str:
    return ask(f"Say {word}.")


def test_a_name_is_text_and_a_path_may_be_bytes() -> None:
    odd: Any = 3
    with pytest.raises(ValueError, match="both as text, not 3 and"):
        Adapter(odd, "org/x")
    raw: Any = b"org/x"
    assert Adapter("a", raw) == Adapter("a", "org/x")


def test_requests_with_other_adapters_are_never_one() -> None:
    engine = ScriptedEngine()
    one, other = say.using(lora_request=Adapter("a", "org/a")), say.using(lora_request=Adapter("b", "org/b"))
    with Runtime(engine):
        said = [each("yes") for each in (say, one, other, one)]
    assert len(engine.requests) == 3
    assert said[1] == said[3]
    assert len({*said}) == 3


def test_generate_takes_one_adapter_or_one_a_prompt() -> None:
    engine = ScriptedEngine()
    with Runtime(engine) as runtime:
        runtime.generate(["a", "b"], lora_request=[Adapter("a", "org/a"), None])
        runtime.generate("c", lora_request=Adapter("a", "org/a"))
    given = {request.prompt[-1].content: request.options["lora_request"] for request in engine.requests}  # type: ignore[union-attr]  # pyright: ignore[reportAttributeAccessIssue]
    assert given == {"a": Adapter("a", "org/a"), "b": None, "c": Adapter("a", "org/a")}


def test_what_is_no_adapter_is_refused_where_it_is_written() -> None:
    wrong: Any = "legal"
    with pytest.raises(PromptUsageError, match=r"say: lora_request is an adapter, as in Adapter\('name', 'path'\)"):
        say.using(lora_request=wrong)


def test_an_adapter_that_an_engine_refuses_fails_its_own_row() -> None:
    known = adapters(rank=None)

    def refuse(request: Any) -> str | None:
        try:
            known.request(request.options.get("lora_request"))
        except EngineRefusal as error:
            return str(error)
        return None

    with Runtime(ScriptedEngine(refuse=refuse)):
        assert say("yes")
        error = say.using(lora_request=Adapter("a", "org/a")).safe("yes").failure()
    assert isinstance(error, Refused)
    assert "enable_lora=True" in str(error)
