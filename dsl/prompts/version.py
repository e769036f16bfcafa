"""Versions of a prompt function: a digest of what the model could notice, and the parts themselves, to be saved and compared."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, fields
from difflib import unified_diff
from hashlib import blake2b
from pathlib import Path
from typing import Any

from typefold.compiler import Message
from typefold.compiler.guards import is_dict, is_list_or_tuple
from typefold.errors import PromptUsageError, saved_object
from typefold.execution.strategies import ReturnType
from typefold.options import Options
from typefold.runtime.journal import digest
from typefold.runtime.request import is_adapter

_FORMAT = 1  # of the file
_PLAIN = (str, int, float, bool, type(None))


@dataclass(frozen=True, kw_only=True)
class Version:
    """A version of a prompt function. Made by `Prompt.version`, and saved as a small JSON file.

    Versions with one digest are asked in the same words for the same answers. `str()` gives the name, if there is one, and the
    digest, as journals and spans have them.

    Attributes:
        name: The name that its author gave it, as in `@prompt(version="2")`; `None` for none.
        function: The name of the function.
        messages: The messages: a template, or the body with the values that it names.
        told: The words that describe the answer's form to the model.
        constraint: The constraint on answers: its kind, and its choices or grammar.
        json_schema: The form of answers as a JSON schema.
        options: The options that bear on answers.
        examples: The examples as turns, each a role and a text.
        source: A digest of what makes the messages.
        answers: Answers that were kept with it, each with the arguments of its row.

    Example:
        >>> from typefold import ask, prompt
        >>> @prompt(version="2", temperature=0)
        ... def capital(country: str) -> str:
        ...     return ask(f"Name the capital of {country}.")
        >>> capital.version.name, capital.version.messages
        ('2', 'user: Name the capital of {country}.')
        >>> capital.version.digest == capital.using(timeout=60).version.digest
        True
        >>> capital.version.digest == capital.using(temperature=0.5).version.digest
        False
    """

    name: str | None
    function: str
    messages: str
    told: str
    constraint: str
    json_schema: Mapping[str, Any]
    options: Mapping[str, Any]
    examples: tuple[tuple[str, str], ...]
    source: str
    answers: tuple[Mapping[str, Any], ...] = field(default=(), repr=False)

    @property
    def digest(self) -> str:
        """16 hexadecimal digits that are the same for the same version, in every process."""
        noticed = (self.source, self.told, self.constraint, self.options, self.examples)
        text = json.dumps(noticed, sort_keys=True)
        return blake2b(text.encode(), digest_size=8).hexdigest()

    def __str__(self) -> str:
        return self.digest if self.name is None else f"{self.name}@{self.digest}"

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write it to a file as JSON.

        Args:
            path: The file; an earlier one is replaced.

        Raises:
            OSError: It can't be written.

        Example:
            >>> from pathlib import Path
            >>> from tempfile import TemporaryDirectory
            >>> from typefold import Version, ask, prompt
            >>> @prompt
            ... def capital(country: str) -> str:
            ...     return ask(f"What is the capital of {country}?")
            >>> with TemporaryDirectory() as folder:
            ...     capital.version.save(Path(folder) / "capital.json")
            ...     Version.load(Path(folder) / "capital.json") == capital.version
            True
        """
        held = {"typefold_version": _FORMAT, "digest": self.digest, **asdict(self)}
        if not self.answers:
            del held["answers"]
        text = json.dumps(held, indent=2, ensure_ascii=False) + "\n"
        Path(path).write_bytes(text.encode("utf-8", "surrogatepass"))

    @staticmethod
    def load(path: str | os.PathLike[str]) -> Version:
        """Read a file that `save` wrote; no code runs.

        Args:
            path: The file.

        Returns:
            The version.

        Raises:
            PromptUsageError: The file is none of these, or was changed.
            OSError: It can't be read.
        """
        how = "Version.save and `typefold version` write one"
        held = saved_object(path, "typefold_version", _FORMAT, kind="saved version", how=how)
        try:
            found = Version(
                **{each.name: held[each.name] for each in fields(Version) if each.name not in ("examples", "answers")},
                examples=tuple((str(role), str(text)) for role, text in held["examples"]),
                answers=tuple(dict(each) for each in held.get("answers", ())),
            )
            texts: list[Any] = [found.function, found.messages, found.told, found.constraint]
            if found.digest == held["digest"] and all(isinstance(each, str) for each in texts):
                return found
        except (KeyError, TypeError, ValueError):
            pass
        raise PromptUsageError(f"{path}: this was changed since it was saved: its digest is another; save it anew")

    def diff(self, later: Version) -> str:
        """Compare it with a later version.

        Args:
            later: The other version.

        Returns:
            A text for people: for each part that differs its lines, as `diff -u` writes them; empty where the model could
            notice no difference.

        Example:
            >>> from typefold import ask, prompt
            >>> @prompt(temperature=0)
            ... def capital(country: str) -> str:
            ...     return ask(f"What is the capital of {country}?")
            >>> print(capital.version.diff(capital.using(temperature=0.5).version))
            options
            -temperature: 0
            +temperature: 0.5
        """
        return "\n".join(self._differences(later))

    def _differences(self, later: Version) -> Iterator[str]:
        if self.digest == later.digest:
            return
        before, after = dict(self._parts()), dict(later._parts())
        for part, lines in before.items():
            changed = [*unified_diff(lines, after[part], lineterm="", n=2)][2:]
            if changed:
                yield part
                yield from (line for line in changed if not line.startswith("@@"))
        if self.source != later.source and before["messages"] == after["messages"]:
            yield from ("messages", " in a way that the text above does not show")

    def _parts(self) -> Iterator[tuple[str, list[str]]]:
        yield "messages", self.messages.split("\n")
        yield "description of the format", self.told.split("\n")
        yield "examples", [line for role, text in self.examples for line in f"{role}: {text}".split("\n")]
        yield "options", [f"{name}: {json.dumps(value)}" for name, value in sorted(self.options.items())]
        yield "schema", json.dumps(self.json_schema, indent=2, ensure_ascii=False).split("\n")
        yield "constraint", self.constraint.split("\n")


def version_of(
    function: str,
    content: tuple[str, str],
    told: str,
    compiled: ReturnType,
    options: Options,
    turns: tuple[Message, ...],
) -> Version:
    """Make the version of a prompt function from its parts; `content` is a digest of its body, and the body for people."""
    constraint = compiled.kind.constraint
    spec = constraint.spec if isinstance(constraint.spec, str) else "\n".join(map(repr, constraint.spec))
    source, messages = content
    return Version(
        name=options.version,
        function=function,
        messages=messages,
        told=told,
        constraint=f"{constraint.kind}\n{spec}".rstrip(),
        json_schema=json.loads(json.dumps(compiled.kind.json_schema)),
        options={name: _plain(value) for name, value in _noticed(options, compiled)},
        examples=tuple((turn.role, "\n".join([turn.content, *turn.image_digests])) for turn in turns),
        source=source,
    )


def _noticed(options: Options, compiled: ReturnType) -> Iterator[tuple[str, Any]]:
    """Yield the options that bear on answers, and the way in which an answer is asked for."""
    strategy = compiled.strategy
    if strategy.is_reasoned or not strategy.is_drawn:
        yield "asked", "reasoned" if strategy.is_reasoned else "scored"
    yield from options.sampling.items()
    if options.sampling_params is not None:
        yield "sampling_params", options.sampling_params
    if (adapter := options.engine.get("lora_request")) is not None:
        yield "lora_request", adapter
    if options.max_reasoning_tokens != Options.max_reasoning_tokens:
        yield "max_reasoning_tokens", options.max_reasoning_tokens
    if options.retries:
        yield "retries", options.retries
        yield "checked", list(compiled.kind.post_checks)
    if options.retry_truncated:
        yield "retry_truncated", True
    if options.chat_template_kwargs:
        yield "chat_template_kwargs", dict(options.chat_template_kwargs)


def _plain(value: Any) -> Any:
    """Return a value of an option as JSON has it: equal numbers are equal, and an object is told by its content."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, _PLAIN):
        return value
    if is_dict(value):
        return {str(name): _plain(each) for name, each in sorted(value.items(), key=lambda item: str(item[0]))}
    if is_list_or_tuple(value):
        return [_plain(each) for each in value]
    if is_adapter(value):
        return {"adapter": value.name, "path": os.fspath(value.path)}
    found = digest(value)
    return f"{type(value).__name__} {'' if found is None else found.hex()}".rstrip()
