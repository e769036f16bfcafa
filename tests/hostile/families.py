"""Tokenizers of each family, small and trained here, and chat templates in the manner of those in use.

A model is a tokenizer with a template: what real ones differ in (normalisers, how spaces are kept, which tokens are added
and how, whether turns are marked by tokens or by text) is here, so that a rule which holds for all of these does not hold
by chance.
"""

# ruff: noqa: RUF001  # look-alikes are what this is about
# pyright: reportUnknownMemberType=false
# (tokenizers has types in part)
from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

from typefold.runtime.engine import ControlTokenPolicy
from typefold.runtime.engines.vllm.chat_tokenizer import PromptTokenizer
from typefold.runtime.engines.vllm.thinking import Render

__all__ = ["MODELS", "Model", "model"]


@dataclass(frozen=True)
class Template:
    """A chat template and the tokens that it marks turns with."""

    source: str
    special: tuple[str, ...]
    plain: tuple[str, ...] = ()
    bos: str | None = None


_CHATML = """{%- for message in messages -%}
{{- '<|im_start|>' + message['role'] + '\n' + message['content'] -}}
{%- if not (loop.last and continue_final_message) -%}{{- '<|im_end|>' + '\n' -}}{%- endif -%}
{%- endfor -%}
{%- if add_generation_prompt -%}{{- '<|im_start|>assistant\n' -}}{%- endif -%}"""

_QWEN = """{%- if tools %}{{- '<|im_start|>system\n# Tools\n' }}{%- for tool in tools %}{{- tool | tojson }}{%- endfor %}
{{- '<|im_end|>\n' }}{%- endif %}
{%- for message in messages %}
{%- set content = message.content %}
{%- if message.role == 'assistant' and '</think>' in content %}
{%- set content = content.split('</think>')[-1].lstrip('\n') %}{%- endif %}
{{- '<|im_start|>' + message.role + '\n' + content }}
{%- if not (loop.last and continue_final_message) %}{{- '<|im_end|>\n' }}{%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}{{- '<|im_start|>assistant\n' }}
{%- if enable_thinking is defined and enable_thinking is false %}{{- '<think>\n\n</think>\n\n' }}{%- endif %}{%- endif %}"""

_LLAMA2 = """{%- if messages[0]['role'] == 'system' -%}
{%- set rest = messages[1:] -%}{%- set system = '<<SYS>>\n' + messages[0]['content'] + '\n<</SYS>>\n\n' -%}
{%- else -%}{%- set rest = messages -%}{%- set system = '' -%}{%- endif -%}
{%- for message in rest -%}
{%- if message['role'] == 'user' -%}
{{- bos_token + '[INST] ' + (system if loop.first else '') + message['content'].strip() + ' [/INST]' -}}
{%- else -%}{{- ' ' + message['content'].strip() -}}
{%- if not (loop.last and continue_final_message) -%}{{- ' ' + eos_token -}}{%- endif -%}{%- endif -%}
{%- endfor -%}"""

_LLAMA3 = """{{- bos_token -}}
{%- for message in messages -%}
{{- '<|start_header_id|>' + message['role'] + '<|end_header_id|>\n\n' + message['content'] | trim -}}
{%- if not (loop.last and continue_final_message) -%}{{- '<|eot_id|>' -}}{%- endif -%}
{%- endfor -%}
{%- if add_generation_prompt -%}{{- '<|start_header_id|>assistant<|end_header_id|>\n\n' -}}{%- endif -%}"""

_GEMMA = """{{- bos_token -}}
{%- if messages[0]['role'] == 'system' -%}
{%- set first = messages[0]['content'] + '\n\n' -%}{%- set rest = messages[1:] -%}
{%- else -%}{%- set first = '' -%}{%- set rest = messages -%}{%- endif -%}
{%- for message in rest -%}
{{- '<start_of_turn>' + ('model' if message['role'] == 'assistant' else 'user') + '\n' -}}
{{- (first if loop.first else '') + message['content'] | trim -}}
{%- if not (loop.last and continue_final_message) -%}{{- '<end_of_turn>\n' -}}{%- endif -%}
{%- endfor -%}
{%- if add_generation_prompt -%}{{- '<start_of_turn>model\n' -}}{%- endif -%}"""

_MISTRAL = """{{- bos_token -}}
{%- for message in messages -%}
{%- if message['role'] == 'user' -%}{{- '[INST] ' + message['content'] + '[/INST]' -}}
{%- elif message['role'] == 'system' -%}{{- '[SYSTEM_PROMPT] ' + message['content'] + '[/SYSTEM_PROMPT]' -}}
{%- else -%}{{- ' ' + message['content'] -}}
{%- if not (loop.last and continue_final_message) -%}{{- eos_token -}}{%- endif -%}{%- endif -%}
{%- endfor -%}"""

_PHI = """{%- for message in messages -%}
{{- '<|' + message['role'] + '|>\n' + message['content'] -}}
{%- if not (loop.last and continue_final_message) -%}{{- '<|end|>\n' -}}{%- endif -%}
{%- endfor -%}
{%- if add_generation_prompt -%}{{- '<|assistant|>\n' -}}{%- endif -%}"""

_DEEPSEEK = """{{- bos_token -}}
{%- for message in messages -%}
{%- if message['role'] == 'system' -%}{{- message['content'] -}}
{%- elif message['role'] == 'user' -%}{{- '<｜User｜>' + message['content'] -}}
{%- else -%}{{- '<｜Assistant｜>' + message['content'] -}}
{%- if not (loop.last and continue_final_message) -%}{{- '<｜end▁of▁sentence｜>' -}}{%- endif -%}{%- endif -%}
{%- endfor -%}
{%- if add_generation_prompt -%}{{- '<｜Assistant｜>' -}}{%- endif -%}"""

_R1 = _DEEPSEEK.replace("'<｜Assistant｜>' -}}{%- endif -%}", "'<｜Assistant｜><think>\\n' -}}{%- endif -%}")

_HARMONY = """{%- for message in messages -%}
{%- if message['role'] == 'assistant' -%}{{- '<|start|>assistant<|channel|>final<|message|>' + message['content'] -}}
{%- else -%}{{- '<|start|>' + message['role'] + '<|message|>' + message['content'] -}}{%- endif -%}
{%- if not (loop.last and continue_final_message) -%}{{- '<|end|>' -}}{%- endif -%}
{%- endfor -%}
{%- if add_generation_prompt -%}{{- '<|start|>assistant' -}}{%- endif -%}"""

_VICUNA = """{%- for message in messages -%}
{%- if message['role'] == 'system' -%}{{- message['content'] + '\n' -}}
{%- elif message['role'] == 'user' -%}{{- 'USER: ' + message['content'] + '\n' -}}
{%- else -%}{{- 'ASSISTANT: ' + message['content'] -}}
{%- if not (loop.last and continue_final_message) -%}{{- eos_token + '\n' -}}{%- endif -%}{%- endif -%}
{%- endfor -%}
{%- if add_generation_prompt -%}{{- 'ASSISTANT:' -}}{%- endif -%}"""

_TEMPLATES = {
    "chatml": Template(_CHATML, ("<|im_start|>", "<|im_end|>", "<|endoftext|>")),
    "qwen": Template(_QWEN, ("<|im_start|>", "<|im_end|>"), ("<think>", "</think>", "<tool_call>", "[THINK]")),
    "llama2": Template(_LLAMA2, ("<s>", "</s>", "<unk>"), bos="<s>"),
    "llama3": Template(
        _LLAMA3,
        ("<|begin_of_text|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"),
        bos="<|begin_of_text|>",
    ),
    "gemma": Template(
        _GEMMA, ("<bos>", "<eos>", "<start_of_turn>", "<end_of_turn>"), ("<table>", "\n\n", "▁▁", "<h1>"), bos="<bos>"
    ),
    "mistral": Template(
        _MISTRAL, ("<s>", "</s>", "[INST]", "[/INST]", "[SYSTEM_PROMPT]", "[/SYSTEM_PROMPT]"), bos="<s>"
    ),
    "phi": Template(_PHI, ("<|system|>", "<|user|>", "<|assistant|>", "<|end|>", "<|endoftext|>")),
    "deepseek": Template(
        _DEEPSEEK,
        ("<｜begin▁of▁sentence｜>", "<｜end▁of▁sentence｜>", "<｜User｜>", "<｜Assistant｜>"),
        bos="<｜begin▁of▁sentence｜>",
    ),
    "r1": Template(
        _R1,
        ("<｜begin▁of▁sentence｜>", "<｜end▁of▁sentence｜>", "<｜User｜>", "<｜Assistant｜>"),
        ("<think>", "</think>"),
        bos="<｜begin▁of▁sentence｜>",
    ),
    "harmony": Template(_HARMONY, ("<|start|>", "<|end|>", "<|message|>", "<|channel|>", "<|return|>")),
    "vicuna": Template(_VICUNA, ("<s>", "</s>", "[CLS]", "[UNK]"), bos="<s>"),
}

Family = Callable[[], Tokenizer]

_GPT4 = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
_VOCABULARY = 1500


def _corpus() -> list[str]:
    """Plain English and some code: this project's own pages."""
    root = Path(__file__).parents[2]
    return [(root / "docs" / "design.md").read_text(), (root / "README.md").read_text(), Path(__file__).read_text()]


def _byte_level(*, normalizer: Any = None, split: bool = False) -> Tokenizer:
    made = Tokenizer(models.BPE())
    if normalizer is not None:
        made.normalizer = normalizer
    level = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=not split)
    made.pre_tokenizer = (
        pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(_GPT4), "isolated"), level]) if split else level
    )
    made.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    made.train_from_iterator(_corpus(), trainers.BpeTrainer(vocab_size=_VOCABULARY, initial_alphabet=alphabet))
    return made


def _sentencepiece_bpe(*, metaspace: bool) -> Tokenizer:
    """As in Llama 2: spaces are `▁`, one before the text, and what is unknown is written in bytes."""
    made = Tokenizer(models.BPE(byte_fallback=True, unk_token="<unk>", fuse_unk=True))
    if metaspace:
        made.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="first", split=False)
        made.decoder = decoders.Sequence(
            [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
        )
    else:
        made.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
        made.decoder = decoders.Sequence(
            [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
        )
    bytes_ = [f"<0x{byte:02X}>" for byte in range(256)]
    words = [word for text in _corpus() for word in text.split(" ")]
    trainer = trainers.BpeTrainer(vocab_size=_VOCABULARY, special_tokens=["<unk>", *bytes_])
    made.train_from_iterator(words, trainer)
    data = json.loads(made.to_str())
    data["added_tokens"] = []  # the bytes are pieces of the model, as in Llama's own file, and no added tokens
    return Tokenizer.from_str(json.dumps(data))


def _unigram() -> Tokenizer:
    made = Tokenizer(models.Unigram())
    made.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Replace(Regex(" {2,}"), " ")])
    made.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="always")
    made.decoder = decoders.Metaspace(prepend_scheme="always")
    trainer = trainers.UnigramTrainer(vocab_size=800, special_tokens=["<unk>"], unk_token="<unk>")
    made.train_from_iterator(_corpus(), trainer)
    return made


def _word_piece() -> Tokenizer:
    made = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    made.normalizer = normalizers.BertNormalizer(lowercase=True)
    made.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    made.decoder = decoders.WordPiece()
    made.train_from_iterator(_corpus(), trainers.WordPieceTrainer(vocab_size=_VOCABULARY, special_tokens=["[UNK]"]))
    return made


_FAMILIES: dict[str, Family] = {
    "byte-level": _byte_level,
    "byte-level-split": lambda: _byte_level(split=True),
    "byte-level-nfc": lambda: _byte_level(normalizer=normalizers.NFC(), split=True),
    "llama-legacy": lambda: _sentencepiece_bpe(metaspace=False),
    "llama-metaspace": lambda: _sentencepiece_bpe(metaspace=True),
    "unigram-nfkc": _unigram,
    "wordpiece": _word_piece,
}

MODELS: dict[str, tuple[str, str]] = {
    "smollm": ("byte-level", "chatml"),
    "qwen": ("byte-level-nfc", "qwen"),
    "llama-2": ("llama-legacy", "llama2"),
    "llama-2-new": ("llama-metaspace", "llama2"),
    "llama-3": ("byte-level-split", "llama3"),
    "gemma": ("llama-metaspace", "gemma"),
    "mistral": ("llama-legacy", "mistral"),
    "phi-3": ("llama-metaspace", "phi"),
    "deepseek": ("byte-level-split", "deepseek"),
    "deepseek-r1": ("byte-level-split", "r1"),
    "llama-r1": ("llama-metaspace", "r1"),
    "gpt-oss": ("byte-level-split", "harmony"),
    "unigram-qwen": ("unigram-nfkc", "qwen"),
    "unigram-gemma": ("unigram-nfkc", "gemma"),
    "wordpiece-vicuna": ("wordpiece", "vicuna"),
    "wordpiece-qwen": ("wordpiece", "qwen"),
    "vicuna": ("llama-legacy", "vicuna"),
}


@dataclass(frozen=True)
class Model:
    """A tokenizer with its chat template.

    Attributes:
        name: What it is like.
        tokenizer: As transformers has it.
        control: The tokens that no data may become, special or not, by their text.
    """

    name: str
    tokenizer: Any
    control: tuple[str, ...]

    def render(self, conversation: list[dict[str, str]], variables: dict[str, Any]) -> str:
        """The conversation in the chat template."""
        return str(self.tokenizer.apply_chat_template(conversation, tokenize=False, **variables))

    def prompts(self, control_tokens: ControlTokenPolicy = "keep", most: int | None = None) -> PromptTokenizer:
        """What turns prompts into tokens for it."""
        render: Render = self.render
        return PromptTokenizer(self.tokenizer, render, control_tokens=control_tokens, most=most)

    def ids(self) -> dict[int, str]:
        """The control tokens by number."""
        return {self.tokenizer.convert_tokens_to_ids(token): token for token in self.control}


@cache
def _family(name: str) -> str:
    return _FAMILIES[name]().to_str()


@cache
def model(name: str) -> Model:
    """A model by its name in `MODELS`."""
    family, style = MODELS[name]
    template = _TEMPLATES[style]
    made = Tokenizer.from_str(_family(family))
    made.add_special_tokens([AddedToken(token, special=True, normalized=False) for token in template.special])
    # As most vocabularies have them: looked for in the text as the normaliser leaves it.
    made.add_tokens([AddedToken(token, special=False, normalized=True) for token in template.plain])
    unknown = {"wordpiece": "[UNK]"}.get(family, "<unk>" if family.startswith(("llama", "unigram")) else None)
    tokenizer = PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]  # transformers has no types
        tokenizer_object=made,
        bos_token=template.bos,
        eos_token=next((each for each in template.special if each in ("</s>", "<|im_end|>", "<eos>")), None),
        unk_token=unknown,
        chat_template=template.source,
        clean_up_tokenization_spaces=False,
    )
    control = tuple(each for each in (*template.special, *template.plain) if each.strip("\n▁") and each != unknown)
    return Model(name, tokenizer, control)
