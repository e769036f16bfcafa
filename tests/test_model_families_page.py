"""`docs/guides/model-families.md` shows the prompts of six families as they are sent, and what is known of the others.

`TYPEFOLD_WRITE_DOCS=1 pytest tests/test_model_families_page.py` (`make docs`) writes the page.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Literal

from typefold import ask, prompt
from typefold.runtime import Thinking
from typefold.runtime.request import Request

from .runtime.chat_templates import FAMILIES, Family
from .runtime.test_reasoning import engine_of

PAGE = Path(__file__).parent.parent / "docs" / "guides" / "model-families.md"
SHOWN = ("Llama 3.1", "Qwen3", "DeepSeek-R1", "gpt-oss", "Gemma 4", "Magistral")
STARTS = "▶"


@prompt(describe_format=False)
def judge(text: str) -> Literal["keep", "drop"]:
    return ask(f"Keep or drop? {text}")


HEAD = """# Models and their prompts

<!-- Written by tests/test_model_families_page.py: change that, and run `make docs`. -->

An answer is held to its type from its first token on, so that token must stand where the model would begin its answer: behind the
header of its turn, and in no thought. typefold reads that place from the model's chat template and vocabulary.

| calls | what is sent |
|---|---|
| plain answers, `str` too | The model does not reason: the template's switch is off, or the text that stands before its answers is put behind the prompt. |
| plain answers of a model whose template always begins a thought | The model reasons for at most `max_reasoning_tokens` tokens (512), the thought is closed, and the answer begins behind it. The value, streams and `Logged` have the answer alone. With `max_reasoning_tokens=0` the thought is closed at once. |
| `Reasoned[T]` | The model reasons between its own marks, and the text is in `reasoning`. A model without marks is asked in words. |

`chat_template_kwargs={"enable_thinking": True}` (or the switch that the template has) makes plain answers of a model reason too.
`prompt.explain()` says which way is taken once the engine is loaded, and `Reasoned.way` which was. `raw(...)` prompts, and those whose
answer is begun with `assistant(...)`, are sent as they are.

## Six families

The call is `judge("A good poem.")`, of a function that returns `Literal["keep", "drop"]`. The constraint begins at STARTS; (...) stands for
the model's free text before that.
""".replace("STARTS", STARTS)

TABLE = """## What is known of others

Each row is a test, on the model's own template where a package carries it (`trl`, `mistral-common`), else on one that writes the same
control tokens in the same places. A test compares the marks with the reasoning parsers of the installed vLLM.

| family | template, or where it was read | a plain answer begins behind | reasoning, and then the answer |
|---|---|---|---|
"""


def rendered(family: Family, thinking: Thinking | None, answer: str) -> str:
    """Return a prompt as it is sent, with the place where the constraint begins."""
    engine, tokenizer = engine_of(family)
    messages: Any = judge.render("A good poem.")
    if thinking is None:
        sent = tokenizer.decode(list(engine.tokenize(Request(prompt=messages))))
        return f"{sent}{STARTS}{answer}"
    sent = tokenizer.decode(list(engine.tokenize(Request(prompt=messages, thinking=True, begun=thinking.opening))))
    return f"{sent}(...){tokenizer.decode(thinking.closing)}{STARTS}{answer}"


def section(family: Family) -> str:
    thinking = engine_of(family)[0]._prompts.thoughts.thinking  # pyright: ignore[reportPrivateUsage]
    forms: dict[str, Thinking | None]
    if thinking is None:
        forms = {"All answers; `Reasoned` asks in words, in a turn before this one:": None}
    elif thinking.always:
        forms = {"Plain answers, and `Reasoned`:": thinking, "Plain answers with `max_reasoning_tokens=0`:": None}
    else:
        forms = {"Plain answers:": None, "`Reasoned`:": thinking}
    blocks = [f"{title}\n\n```text\n{rendered(family, form, 'keep')}\n```" for title, form in forms.items()]
    return "\n\n".join([f"### {family.name}", *blocks])


def row(family: Family) -> str:
    cells = [
        family.name,
        family.source,
        code(family.plain),
        code(f"{family.opened}(...){family.closing}") if family.opened else "",
    ]
    return f"| {' | '.join(cells)} |"


def code(text: str) -> str:
    return f"`{text}`".replace("\n", "⏎").replace("|", "\\|")


def page() -> str:
    by_name = {family.name: family for family in FAMILIES}
    sections = "\n\n".join(section(by_name[name]) for name in SHOWN)
    others = "\n".join(row(family) for family in FAMILIES)
    return f"{HEAD}\n{sections}\n\n{TABLE}{others}\n\n⏎ is a line break.\n"


def test_the_page_shows_what_is_sent() -> None:
    written = page()
    if os.environ.get("TYPEFOLD_WRITE_DOCS"):
        PAGE.write_text(written, encoding="utf-8")
    assert PAGE.read_text(encoding="utf-8") == written, "run `make docs`"


def test_no_shown_answer_begins_inside_a_thought() -> None:
    for family in FAMILIES:
        thinking = engine_of(family)[0]._prompts.thoughts.thinking  # pyright: ignore[reportPrivateUsage]
        if thinking is not None:
            start, end = thinking.marks
            for form in (None, thinking):
                before = rendered(family, form, "keep").partition(STARTS)[0]
                assert before.rfind(start) <= before.rfind(end) or start not in before.rpartition("poem")[2]
