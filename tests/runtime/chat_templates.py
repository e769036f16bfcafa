"""Chat templates of well-known families of models: real ones from packages, and our own in the manner of others.

`trl` and `mistral-common` carry the templates of model repositories. Where neither has one, ours writes the same control tokens in the
same places; `source` says where these were read. A tokenizer here has a token for each control token of a template, one for an
empty line, and one for every other character, so that what is sent can be read.
"""

# ruff: noqa: RUF001  # DeepSeek marks turns with full-width bars
from __future__ import annotations

import importlib.util
import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jinja2
import pytest
from jinja2.ext import Extension, loopcontrols
from jinja2.nodes import Node, Scope
from jinja2.parser import Parser
from jinja2.sandbox import ImmutableSandboxedEnvironment

from typefold.runtime.engines.vllm.chat_tokenizer import PromptTokenizer
from typefold.runtime.engines.vllm.thinking import Render, switches_of

_LLAMA_CPP = "github.com/ggml-org/llama.cpp, models/templates/"
_VLLM = "vLLM's reasoning parser"
_CONTROL = re.compile(r"<[^<>\s'\"]+>|\[/?[A-Z_]+\]|<｜[^｜]+｜>")


def trl(name: str) -> str:
    """Return a chat template that `trl` carries, as the model repository has it."""
    spec = importlib.util.find_spec("trl")
    if spec is None or not spec.submodule_search_locations:
        pytest.skip("trl is not installed, which carries this template")
    return (Path(spec.submodule_search_locations[0]) / "chat_templates" / f"{name}.jinja").read_text(encoding="utf-8")


def mistral(version: str, system: str | None, efforts: tuple[str, ...] = ()) -> str:
    """Return the chat template that `mistral-common` makes for a version of Mistral's tokenizer with thinking."""
    templates = pytest.importorskip("mistral_common.integrations.chat_templates.chat_templates")
    base = pytest.importorskip("mistral_common.tokens.tokenizers.base")
    made: str = templates.generate_chat_template(
        spm=False,
        tokenizer_version=base.TokenizerVersion(version),
        image_support=False,
        audio_support=False,
        thinking_support=True,
        default_system_prompt=system,
        plain_thinking_support=False,
        use_special_token_variables=True,
        model_settings_fields=frozenset({"reasoning_effort"}) if efforts else None,
        reasoning_effort_values=efforts or None,
        reasoning_effort_default=efforts[0] if efforts else None,
    )
    return made


def ours(user: tuple[str, str], assistant: tuple[str, str], generation: str) -> str:
    """Return a template that writes each turn between two texts, and `generation` where the model is to write."""
    return (
        "{%- for message in messages %}{%- if message.role == 'assistant' %}"
        f"{assistant[0]}{{{{- message.content }}}}{{%- if not (loop.last and continue_final_message) %}}{assistant[1]}{{%- endif %}}"
        f"{{%- else %}}{user[0]}{{{{- message.content }}}}{user[1]}{{%- endif %}}{{%- endfor %}}"
        f"{{%- if add_generation_prompt %}}{generation}{{%- endif %}}"
    )


def text(written: str) -> str:
    """Return a template's code that writes a text, whatever white space stands around it."""
    return "{{- " + repr(written) + " -}}"


def when(condition: str, then: str, otherwise: str = "") -> str:
    return f"{{%- if {condition} -%}}{text(then)}{{%- else -%}}{text(otherwise)}{{%- endif -%}}"


_CHATML = ((text("<|im_start|>user\n"), text("<|im_end|>\n")), (text("<|im_start|>assistant\n"), text("<|im_end|>\n")))
_OFF = "enable_thinking is defined and not enable_thinking"


@dataclass(frozen=True)
class Family:
    """A family of models, and what its prompts end in.

    Attributes:
        name: A name for it.
        template: Its chat template.
        source: The place that the template, or the knowledge of it, is from.
        plain: The end of a prompt behind which a plain answer begins.
        opened: The end of a prompt behind which the model reasons.
        closing: The text between its reasoning and the answer, the end marker included.
        always: Whether its template begins every answer inside a thought.
        tokens: Control tokens that the template does not name.
        spelled: Whether its marks are ordinary text to its tokenizer.
    """

    name: str
    template: Callable[[], str]
    source: str
    plain: str
    opened: str = ""
    closing: str = ""
    always: bool = False
    tokens: tuple[str, ...] = ()
    spelled: bool = False


THINK = ("<think>", "</think>")
FAMILIES = (
    Family(
        *("DeepSeek-R1", lambda: trl("deepseek_r1_distill"), "trl"),
        plain="<｜Assistant｜><think>\n\n</think>\n\n",
        opened="<｜Assistant｜><think>\n",
        closing="</think>\n\n",
        always=True,
        tokens=THINK,
    ),
    Family(
        *("QwQ", lambda: ours(*_CHATML, text("<|im_start|>assistant\n<think>\n")), "huggingface.co/Qwen/QwQ-32B"),
        plain="<|im_start|>assistant\n<think>\n\n</think>\n\n",
        opened="<|im_start|>assistant\n<think>\n",
        closing="</think>\n\n",
        always=True,
        tokens=THINK,
    ),
    Family(
        *(
            "MiniMax-M2",
            lambda: ours(
                (text("]~b]user\n"), text("[e~[\n")), (text("]~b]ai\n"), text("[e~[\n")), text("]~b]ai\n<think>\n")
            ),
        ),
        source=f"{_LLAMA_CPP}unsloth-MiniMax-M2.jinja",
        plain="]~b]ai\n<think>\n\n</think>\n\n",
        opened="]~b]ai\n<think>\n",
        closing="</think>\n\n",
        always=True,
        tokens=THINK,
    ),
    Family(
        *(
            "OLMo 3 Think, marks as text",
            lambda: ours(*_CHATML, text("<|im_start|>assistant\n<think>")),
            f"{_VLLM} olmo3",
        ),
        plain="<|im_start|>assistant\n<think>\n\n</think>\n\n",
        opened="<|im_start|>assistant\n<think>",
        closing="</think>\n\n",
        always=True,
        spelled=True,
    ),
    Family(
        "EXAONE Deep",
        lambda: ours(
            (text("[|user|]"), text("\n")),
            (text("[|assistant|]"), text("[|endofturn|]\n")),
            text("[|assistant|]<thought>\n"),
        ),
        source="huggingface.co/LGAI-EXAONE/EXAONE-Deep-7.8B; vLLM has no parser for it",
        plain="[|assistant|]<thought>\n\n</thought>\n\n",
        opened="[|assistant|]<thought>\n",
        closing="</thought>\n\n",
        always=True,
        tokens=("<thought>", "</thought>"),
    ),
    Family(
        *("Qwen3", lambda: trl("qwen3"), "trl"),
        plain="<|im_start|>assistant\n<think>\n\n</think>\n\n",
        opened="<|im_start|>assistant\n<think>\n",
        closing="</think>\n\n",
        tokens=THINK,
    ),
    Family(
        *("Qwen3.5", lambda: trl("qwen3_5_think"), "trl"),
        plain="<|im_start|>assistant\n<think>\n\n</think>\n\n",
        opened="<|im_start|>assistant\n<think>\n",
        closing="</think>\n\n",
        tokens=THINK,
    ),
    Family(
        *("Qwen3 2507 Instruct", lambda: trl("qwen3_instruct_2507"), "trl"),
        plain="<|im_start|>assistant\n",
        tokens=THINK,  # its tokenizer has them, and it does not think
    ),
    Family(
        *("gpt-oss", lambda: trl("gptoss"), "trl"),
        plain="<|start|>assistant<|channel|>final<|message|>",
        opened="<|start|>assistant<|channel|>analysis<|message|>",
        closing="<|end|><|start|>assistant<|channel|>final<|message|>",
    ),
    Family(
        *("Gemma 4", lambda: trl("gemma4_v5"), "trl"),
        plain="<|turn>model\n",
        opened="<|turn>model\n<|channel>thought\n",
        closing="<channel|>",
    ),
    Family(
        *(
            "Gemma 4, larger",
            lambda: ours(
                (text("<|turn>user\n"), text("<turn|>\n")),
                (text("<|turn>model\n"), text("<turn|>\n")),
                text("<|turn>model\n") + when("not enable_thinking", "<|channel>thought\n<channel|>"),
            ),
        ),
        source=f"{_LLAMA_CPP}gemma4.jinja",
        plain="<|turn>model\n<|channel>thought\n<channel|>",
        opened="<|turn>model\n<|channel>thought\n",
        closing="<channel|>",
    ),
    Family(
        *(
            "Magistral",
            lambda: mistral("v13", "Think first.\n[THINK]Your thoughts.[/THINK]Then answer."),
            "mistral-common",
        ),
        plain="[/INST][THINK][/THINK]",
        opened="[/INST][THINK]",
        closing="[/THINK]",
    ),
    Family(
        *("Mistral, by effort", lambda: mistral("v15", None, ("none", "high")), "mistral-common"),
        plain="[/INST]",
        opened="[/INST][THINK]",
        closing="[/THINK]",
    ),
    Family(
        *("GLM-4.5", lambda: trl("glm4moe"), "trl"),
        plain="<|assistant|>\n<think></think>\n",
        opened="<|assistant|>\n<think>",
        closing="</think>\n",
        tokens=THINK,
    ),
    Family(
        *("Nemotron 3", lambda: trl("nemotron_3_super"), "trl"),
        plain="<|im_start|>assistant\n<think></think>",
        opened="<|im_start|>assistant\n<think>\n",
        closing="</think>",
        tokens=THINK,
    ),
    Family(
        *("Muse Glimmer", lambda: trl("muse_glimmer"), "trl"),
        plain="<|start|>assistant to=user<|message|>",
        opened="<|start|>assistant to=self<|message|>",
        closing="<|eom|><|start|>assistant to=user<|message|>",
    ),
    Family(
        *(
            "DeepSeek-V3.1",
            lambda: ours(
                (text("<｜User｜>"), ""),
                (text("<｜Assistant｜></think>"), text("<｜end▁of▁sentence｜>")),
                text("<｜Assistant｜>") + when("thinking", "<think>", "</think>"),
            ),
        ),
        source=f"{_LLAMA_CPP}deepseek-ai-DeepSeek-V3.1.jinja",
        plain="<｜Assistant｜></think>",
        opened="<｜Assistant｜><think>",
        closing="</think>",
    ),
    Family(
        *(
            "MiniMax-M3",
            lambda: ours(
                (text("]~b]user\n"), text("[e~[\n")),
                (text("]~b]ai\n"), text("[e~[\n")),
                text("]~b]ai\n")
                + when("thinking_mode == 'enabled'", "<mm:think>")
                + when("thinking_mode == 'disabled'", "</mm:think>"),
            ),
        ),
        source=f"{_VLLM} minimax_m3; the closing mark for no thought: ms-swift",
        plain="]~b]ai\n</mm:think>",
        opened="]~b]ai\n<mm:think>",
        closing="</mm:think>",
    ),
    Family(
        *(
            "Kimi K2 Thinking",
            lambda: ours(
                (text("<|im_user|>user<|im_middle|>"), text("<|im_end|>")),
                (text("<|im_assistant|>assistant<|im_middle|><think></think>"), text("<|im_end|>")),
                text("<|im_assistant|>assistant<|im_middle|>"),
            ),
        ),
        source=f"{_LLAMA_CPP}Kimi-K2-Thinking.jinja",
        plain="<|im_assistant|>assistant<|im_middle|><think></think>",
        opened="<|im_assistant|>assistant<|im_middle|><think>",
        closing="</think>",
    ),
    Family(
        *(
            "Kimi K3",
            lambda: ours(
                (text('<|open|>message role="user"<|sep|>'), text("<|close|>message<|sep|><|end_of_msg|>")),
                (
                    text('<|open|>message role="assistant"<|sep|>')
                    + when("thinking", "<|open|>think<|sep|><|close|>think<|sep|>")
                    + text("<|open|>response<|sep|>"),
                    text("<|close|>response<|sep|><|close|>message<|sep|><|end_of_msg|>"),
                ),
                text('<|open|>message role="assistant"<|sep|>')
                + when("thinking", "<|open|>think<|sep|>", "<|open|>response<|sep|>"),
            ),
        ),
        source=f"{_LLAMA_CPP}Kimi-K3.jinja",
        plain='<|open|>message role="assistant"<|sep|><|open|>response<|sep|>',
        opened='<|open|>message role="assistant"<|sep|><|open|>think<|sep|>',
        closing="<|close|>think<|sep|><|open|>response<|sep|>",
    ),
    Family(
        *(
            "Seed-OSS",
            lambda: ours(
                (text("<seed:bos>user\n"), text("<seed:eos>")),
                (
                    text("<seed:bos>assistant\n")
                    + when("message.reasoning_content", "<seed:think>")
                    + "{{- message.reasoning_content -}}"
                    + when("message.reasoning_content", "</seed:think>"),
                    text("<seed:eos>"),
                ),
                text("<seed:bos>assistant\n") + when("thinking_budget == 0", "<seed:think><seed:cot_budget_reflect>"),
            ),
        ),
        source=f"{_LLAMA_CPP}ByteDance-Seed-OSS.jinja",
        plain="<seed:bos>assistant\n<seed:think></seed:think>",
        opened="<seed:bos>assistant\n<seed:think>",
        closing="</seed:think>",
        tokens=("<seed:think>", "</seed:think>"),
    ),
    Family(
        *("LFM2.5", lambda: trl("lfm2_2_5_v2"), "trl"),
        plain="<|im_start|>assistant\n<think></think>",
        opened="<|im_start|>assistant\n<think>",
        closing="</think>",
        tokens=THINK,
    ),
    Family(
        *(
            "Hunyuan 3",
            lambda: ours(
                (text("<user:9f>"), ""),
                (text("<assistant:9f><think:9f></think:9f>"), text("<eos:9f>")),
                text("<assistant:9f>")
                + when("reasoning_effort == 'no_think'", "<think:9f></think:9f>", "")
                + when("reasoning_effort == 'high'", "<think:9f>"),
            ),
        ),
        source=f"{_VLLM}s hy_v3 and hy_v4: the suffix of each checkpoint, and the word for no reasoning",
        plain="<assistant:9f><think:9f></think:9f>",
        opened="<assistant:9f><think:9f>",
        closing="</think:9f>",
    ),
    Family(
        *(
            "Hunyuan A13B",
            lambda: ours(
                (text("<|startoftext|>"), text("<|extra_0|>")),
                ("", text("<|eos|>")),
                when(_OFF, "<think>\n\n</think>\n<answer>\n"),
            ),
        ),
        source=f"{_VLLM} hunyuan_a13b",
        plain="<|extra_0|><think>\n\n</think>\n<answer>\n",
        opened="<|extra_0|><think>\n",
        closing="\n</think>\n<answer>\n",
        spelled=True,
    ),
    Family(
        *(
            "Command A Reasoning",
            lambda: ours(
                (text("<|USER_TOKEN|>"), text("<|END_OF_TURN_TOKEN|>")),
                (text("<|CHATBOT_TOKEN|><|START_RESPONSE|>"), text("<|END_RESPONSE|><|END_OF_TURN_TOKEN|>")),
                text("<|CHATBOT_TOKEN|>")
                + when("reasoning", "<|START_THINKING|>", "<|START_THINKING|><|END_THINKING|>"),
            ),
        ),
        source=f"{_VLLM} cohere_command4",
        plain="<|CHATBOT_TOKEN|><|START_THINKING|><|END_THINKING|><|START_RESPONSE|>",
        opened="<|CHATBOT_TOKEN|><|START_THINKING|>",
        closing="<|END_THINKING|><|START_RESPONSE|>",
    ),
    Family(
        *(
            "Inkling",
            lambda: ours(
                (text("<|message_user|><|content_text|>"), text("<|end_message|>")),
                (text("<|message_model|><|content_text|>"), text("<|end_message|><|content_model_end_sampling|>")),
                text("<|message_model|>"),
            ),
        ),
        source=f"{_VLLM} inkling",
        plain="<|message_model|><|content_text|>",
        opened="<|message_model|><|content_thinking|>",
        closing="<|end_message|><|message_model|><|content_text|>",
        tokens=("<|content_thinking|>",),
    ),
    Family(
        *(
            "Granite 3.2",
            lambda: ours(
                (
                    when(
                        "thinking",
                        "Write your thoughts after 'Here is my thought process:' and your response after 'Here is my response:'.",
                    )
                    + text("<|start_of_role|>user<|end_of_role|>"),
                    text("<|end_of_text|>\n"),
                ),
                (text("<|start_of_role|>assistant<|end_of_role|>"), text("<|end_of_text|>\n")),
                text("<|start_of_role|>assistant<|end_of_role|>"),
            ),
        ),
        source=f"{_VLLM} granite",
        plain="<|start_of_role|>assistant<|end_of_role|>",
        opened="<|start_of_role|>assistant<|end_of_role|>Here is my thought process:",
        closing="Here is my response:",
        spelled=True,
    ),
    Family(*("Llama 3.1", lambda: trl("llama3_1"), "trl"), plain="<|start_header_id|>assistant<|end_header_id|>\n\n"),
)


class MarkTokenizer:
    """A token for each control token, for an empty line, and for every other character."""

    all_special_tokens: tuple[str, ...] = ()

    def __init__(self, template: str, tokens: tuple[str, ...] = (), *, spelled: bool = False) -> None:
        named = {*_CONTROL.findall(template), *tokens} - (
            {"<think>", "</think>", "<answer>"} if spelled else set[str]()
        )
        self.chat_template = template
        self.vocabulary = {token: 1_200_000 + index for index, token in enumerate(sorted(named))}
        self._pattern = re.compile(
            "|".join(map(re.escape, sorted([*named, "\n\n"], key=len, reverse=True))) + "|.", re.DOTALL
        )

    def get_vocab(self) -> dict[str, int]:
        return dict(self.vocabulary)

    def get_added_vocab(self) -> dict[str, int]:
        return dict(self.vocabulary)

    def encode(self, text: str, add_special_tokens: bool = False) -> list[int]:
        pieces = self._pattern.findall(text)
        return [1_190_000 if each == "\n\n" else self.vocabulary.get(each) or ord(each) for each in pieces]

    def __call__(self, text: str, **options: Any) -> dict[str, list[int]]:
        return {"input_ids": self.encode(text)}

    def decode(self, token_ids: list[int] | tuple[int, ...], skip_special_tokens: bool = False) -> str:
        names = {index: token for token, index in self.vocabulary.items()} | {1_190_000: "\n\n"}
        return "".join(names.get(each) or chr(each) for each in token_ids)


class _Generation(Extension):
    """The tag that trainers put around answers, which stands for what is in it."""

    tags = {"generation"}  # noqa: RUF012  # as the class above has it

    def parse(self, parser: Parser) -> Node:
        line = next(parser.stream).lineno
        return Scope(parser.parse_statements(("name:endgeneration",), drop_needle=True), lineno=line)


def _raised(reason: str) -> None:
    raise ValueError(reason)


def _day(form: str) -> str:
    return "2026-01-02"


def _as_json(value: object, **options: object) -> str:
    return json.dumps(value, ensure_ascii=False)


def render_of(template: str) -> Render:
    """Return what fills in a chat template, with what transformers gives one to work with."""
    environment: Any = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[loopcontrols, _Generation], undefined=jinja2.Undefined
    )
    environment.globals.update({"raise_exception": _raised, "strftime_now": _day})
    environment.filters["tojson"] = _as_json
    compiled = environment.from_string(template)

    def render(conversation: list[dict[str, Any]], variables: dict[str, Any]) -> str:
        final = conversation[-1]["content"]
        rendered: str = compiled.render(messages=conversation, bos_token="", eos_token="", **variables)
        if variables.get("continue_final_message"):  # as transformers does it
            return rendered[: rendered.rindex(final.strip()) + len(final.strip())]
        return rendered

    return render


def prompts_of(family: Family) -> tuple[PromptTokenizer, MarkTokenizer]:
    """Return the tokenizer of a family's prompts, and that of their texts."""
    template = family.template()
    tokenizer = MarkTokenizer(template, family.tokens, spelled=family.spelled)
    render, switches = render_of(template), switches_of(template)
    return PromptTokenizer(tokenizer, render, switches=switches, template=template), tokenizer
