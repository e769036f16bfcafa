"""Engines that the tests need beside the one of the session, each in a process of its own; facts come back as JSON.

python other_models.py exact PATH: the demo model in float32, and what it scores.
python other_models.py thinking PATH: a model with marks around its thoughts, and what it is asked.
"""
# transformers says little of its types:
# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportPrivateUsage=false

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field

from typefold import Decisions, Logged, Reasoned, Runtime, Scored, ask, prompt, user
from typefold.runtime import Request
from typefold.runtime.engines.vllm.engine import VllmEngine, load

QUESTION = "Is the sky blue?"
ALWAYS = (
    "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n<think>\n' }}{% endif %}"
)
CHOICES = [
    ["positive", "negative", "neutral"],
    ["true", "false"],
    ["no", "none", "not sure"],
    ["да", "нет"],
    ["👍", "👎"],
    ["Anna Karenina", "Anna Frank", "Bob"],
]


def scored(runtime: Runtime, choices: list[str]) -> list[float]:
    kind: Any = Scored
    generate: Any = runtime.generate
    answer: Scored[str] = generate(QUESTION, output_type=kind[Literal[tuple(choices)]], describe_format=False)
    return list(answer.probabilities.values())


class Weather(BaseModel):
    sky: Scored[Literal["clear", "cloudy", "overcast"]]
    rain: Scored[bool]
    wind: Scored[Annotated[int, Field(ge=0, le=12)]]
    place: Scored[Literal["sea", "seaside", "a hill", "a high hill"]]


def fields(engine: VllmEngine, runtime: Runtime, hint: Any) -> list[dict[str, Any]]:
    """The choices of each field, with the tokens before them."""
    seen: list[Request] = []
    add = engine.add

    def watched(key: str, request: Request, token_ids: Any, max_tokens: int) -> None:
        if request.probe and isinstance(request.begun[-1], str):
            seen.append(request)
        add(key, request, token_ids, max_tokens)

    engine.add = watched  # type: ignore[method-assign]
    generate: Any = runtime.generate
    answer = generate(QUESTION, output_type=hint, **({} if hint is not Weather else {"temperature": 0}))
    del engine.add
    weather: Weather = answer if isinstance(answer, Weather) else answer.value
    scores: list[Scored[Any]] = [weather.sky, weather.rain, weather.wind, weather.place]
    return [
        {
            "prompt": list(engine.tokenize(replace(request, begins=()))),
            "choices": list(request.constraint.spec),
            "found": list(scored.probabilities.values()),
            "outside": scored.outside,
        }
        for request, scored in zip(seen, scores, strict=True)
    ]


def exact(engine: VllmEngine) -> dict[str, Any]:
    """Probabilities of choices, and the prompt that they stand behind."""
    with Runtime(engine) as runtime:
        return {
            "special_ends": engine._parameters._masks_stops,
            "decided": fields(engine, runtime, Decisions[Weather]),
            "written": fields(engine, runtime, Weather),
            "prompt": list(engine.tokenize(Request(prompt=(user(QUESTION),)))),
            "probabilities": [scored(runtime, choices) for choices in CHOICES],
        }


def thinking(engine: VllmEngine) -> dict[str, Any]:
    """What is sent with thinking on and off, and what comes of it."""
    assert engine.info.thinking is not None
    mark = engine.info.thinking.end
    assert mark is not None
    seen: list[Request] = []
    add = engine.add

    def watched(key: str, request: Request, token_ids: Any, max_tokens: int) -> None:
        seen.append(request)
        add(key, request, token_ids, max_tokens)

    engine.add = watched  # type: ignore[method-assign]
    facts: dict[str, Any] = {"end": mark}
    off, on = Request(prompt=(user("?"),)), Request(prompt=(user("?"),), thinking=True)
    own = Request(prompt=(user("?"),), chat_template_kwargs={"enable_thinking": True})
    facts["prompts"] = [text(engine, list(engine.tokenize(request))) for request in (off, on, own)]
    with Runtime(engine) as runtime:
        on_and_on: dict[int, float] = {2: -100.0}  # this model would end at once
        cut = runtime.generate(QUESTION, output_type=Reasoned[bool], max_reasoning_tokens=8, logit_bias=on_and_on)
        facts["cut"] = [cut.value, cut.reasoning]
        facts["begun"] = [text(engine, [each for each in request.begun if isinstance(each, int)]) for request in seen]
        seen.clear()
        ended = runtime.generate(QUESTION, output_type=Reasoned[bool], logit_bias={mark: 100.0})
        facts["ended"] = [
            ended.value,
            ended.reasoning,
            [text(engine, [each for each in request.begun if isinstance(each, int)]) for request in seen],
        ]
        facts["plain"] = runtime.generate(QUESTION, output_type=Logged[bool]).text
        facts["always"] = always(engine)
    return facts


def always(engine: VllmEngine) -> dict[str, Any]:
    """What is sent, and what comes of it, under a chat template that begins every answer inside a thought."""
    llm = engine._llm
    llm.chat_template = ALWAYS
    opened = VllmEngine(llm, owned=False)
    seen: list[tuple[Request, str]] = []
    add = opened.add

    def watched(key: str, request: Request, token_ids: Any, max_tokens: int) -> None:
        seen.append((request, text(engine, list(token_ids))))
        add(key, request, token_ids, max_tokens)

    opened.add = watched  # type: ignore[method-assign]
    thinking = opened.info.thinking
    assert thinking is not None
    facts: dict[str, Any] = {"always": thinking.always}
    on_and_on: dict[int, float] = {2: -100.0}  # this model would end at once

    @prompt(describe_format=False, temperature=0, max_reasoning_tokens=8, logit_bias=on_and_on)
    def is_so() -> bool:
        return ask(QUESTION)

    @prompt(max_tokens=8, temperature=0, max_reasoning_tokens=8, logit_bias=on_and_on)
    def tell() -> str:
        return ask(QUESTION)

    @prompt(describe_format=False, max_reasoning_tokens=8)
    def weigh() -> Scored[bool]:
        return ask(QUESTION)

    with Runtime(opened):
        facts["label"], facts["text"] = is_so(), tell()
        facts["sent"] = [sent for _, sent in seen]
        seen.clear()
        facts["closed"] = is_so.using(max_reasoning_tokens=0)()
        facts["scored"] = list(weigh().probabilities.values())
        facts["behind"] = [sent for _, sent in seen]
        seen.clear()
        assert thinking.end is not None
        value = is_so.using(logit_bias={thinking.end: 100.0}, max_reasoning_tokens=64)()
        facts["ended"] = [value, [sent for _, sent in seen]]
    return facts


def text(engine: VllmEngine, token_ids: list[int]) -> str:
    from transformers import AutoTokenizer

    return str(AutoTokenizer.from_pretrained(sys.argv[2]).decode(token_ids))


def thinking_model(demo: Path, at: Path) -> Path:
    """The demo model with marks for thoughts in the place of two tokens that it does not use, and a switch."""
    at.mkdir()
    for name in ("config.json", "model.safetensors"):
        (at / name).symlink_to(demo / name)
    tokenizer = json.loads((demo / "tokenizer.json").read_text())
    marks = {"<repo_name>": "<think>", "<reponame>": "</think>"}
    for token in tokenizer["added_tokens"]:
        if token["content"] in marks:
            token |= {"content": marks[token["content"]], "special": False}
    vocabulary = tokenizer["model"]["vocab"]
    tokenizer["model"]["vocab"] = {marks.get(piece, piece): index for piece, index in vocabulary.items()}
    (at / "tokenizer.json").write_text(json.dumps(tokenizer))
    settings = json.loads((demo / "tokenizer_config.json").read_text())
    off = "{% if enable_thinking is defined and not enable_thinking %}{{ '<think>\\n\\n</think>\\n\\n' }}{% endif %}"
    settings["chat_template"] += "{% if add_generation_prompt %}" + off + "{% endif %}"
    (at / "tokenizer_config.json").write_text(json.dumps(settings))
    return at


if __name__ == "__main__":
    what, path = sys.argv[1:]
    facts = {"exact": exact, "thinking": thinking}[what](load(path, max_model_len=512, max_num_seqs=8, dtype="float32"))
    print("FACTS", json.dumps(facts))
