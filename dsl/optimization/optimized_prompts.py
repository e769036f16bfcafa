"""The outcome of a search as a file: examples and instructions of prompts, to be read, reviewed and committed.

It is JSON, of the version that `_FORMAT` says, and loading it runs no code. It names the version of each prompt that it was made for.
"""

from __future__ import annotations

import functools
import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Literal, TypeVar, cast

from pydantic import ConfigDict, TypeAdapter, ValidationError

from typefold.errors import PromptUsageError, saved_object
from typefold.prompts.base_prompt import spec_if_prompt
from typefold.prompts.revision import Revision, Scope
from typefold.prompts.spec import PromptSpec
from typefold.signatures.parameters import is_async, name_of, words_of

F = TypeVar("F", bound=Callable[..., object])

_FORMAT = 1


class StalePrompts(PromptUsageError):
    """Optimized prompts were made for another version of a prompt than the one that they are applied to.

    Attributes:
        prompt: The prompt's name.
    """

    def __init__(self, message: str, prompt: str) -> None:
        super().__init__(message)
        self.prompt = prompt

    def __reduce__(self) -> tuple[type[StalePrompts], tuple[str, str]]:
        return StalePrompts, (str(self), self.prompt)


@dataclass(frozen=True)
class OptimizedPrompts:
    """Examples and instructions that a search has found, with the evaluation that justifies them.

    Attributes:
        function: The name of the function that was optimized.
        prompts: The revision of each of its prompts that is changed.
        evaluation: The figures on rows that the search did not see: `before`, `after`, `difference`, each with its interval.
        model: The model that answered.

    Example:
        >>> from pathlib import Path
        >>> from tempfile import TemporaryDirectory
        >>> from typefold import OptimizedPrompts
        >>> from typefold.optimization import Revision, StoredExample
        >>> found = OptimizedPrompts("capital", (Revision("capital", (StoredExample({"country": "France"}, "Paris"),)),))
        >>> with TemporaryDirectory() as folder:
        ...     found.save(Path(folder) / "capital.json")
        ...     OptimizedPrompts.load(Path(folder) / "capital.json") == found
        True
    """

    __pydantic_config__: ClassVar[ConfigDict] = {"extra": "forbid"}

    function: str
    prompts: tuple[Revision, ...]
    evaluation: Mapping[str, Any] = field(default_factory=dict[str, Any])
    model: str = ""

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write it to a file as JSON; an earlier file is replaced.

        Args:
            path: The file.
        """
        Path(path).write_bytes(self.to_json().encode("utf-8", "surrogatepass"))

    def to_json(self) -> str:
        """Return it as `save` writes it."""
        plain: dict[str, Any] = _reader().dump_python(self, mode="json")
        return json.dumps({"typefold_optimized": _FORMAT, **plain}, indent=2, ensure_ascii=False) + "\n"

    @staticmethod
    def load(path: str | os.PathLike[str]) -> OptimizedPrompts:
        """Read a file that `save` wrote; no code runs.

        Args:
            path: The file.

        Returns:
            The optimized prompts.

        Raises:
            PromptUsageError: The file is none of these, or of a later typefold.
            OSError: It can't be read.
        """
        kind, how = "file of optimized prompts", "Optimization.save writes one"
        held = saved_object(path, "typefold_optimized", _FORMAT, kind=kind, how=how)
        try:
            return _reader().validate_python(held)
        except ValidationError as error:
            raise PromptUsageError(f"{path!s}: this is no {kind}: {words_of(error)}; {how}") from None


@functools.cache
def _reader() -> TypeAdapter[OptimizedPrompts]:
    return TypeAdapter(OptimizedPrompts)


def optimized(
    function: F,
    prompts: OptimizedPrompts | str | os.PathLike[str],
    /,
    *,
    stale: Literal["refuse", "use"] = "refuse",
) -> F:
    """Return a function with the examples and instructions that a search has found for it.

    Args:
        function: A prompt function, or any function that calls some; `async def` too.
        prompts: The outcome of `optimize`, or the file that it was saved in.
        stale: Whether prompts that were changed since are refused (the default), or `"use"` takes the file all the same.

    Returns:
        The function, of its own type. A prompt function is another one with these examples; any other function is wrapped, and
        the prompts that it calls are asked with theirs.

    Raises:
        StalePrompts: A prompt is not the one that the search was made for; of a function that calls prompts, when it calls it.
        PromptUsageError: An example does not fit a prompt, or the file is none of these.

    Example:
        >>> from typefold import OptimizedPrompts, ask, optimized, prompt
        >>> from typefold.optimization import Revision, StoredExample
        >>> @prompt
        ... def capital(country: str) -> str:
        ...     return ask(f"What is the capital of {country}?")
        >>> found = OptimizedPrompts("capital", (Revision("capital", (StoredExample({"country": "France"}, "Paris"),)),))
        >>> better = optimized(capital, found)
        >>> [message.content for message in better.render("Peru")][1:]
        ['Paris', 'What is the capital of Peru?']
    """
    if not callable(function):
        raise PromptUsageError(f"optimized: the first argument is the function, not {function!r:.80}")
    if stale not in ("refuse", "use"):
        raise PromptUsageError(f"optimized: stale is 'refuse' or 'use', not {stale!r}")
    found = prompts if isinstance(prompts, OptimizedPrompts) else OptimizedPrompts.load(prompts)
    of_file = "" if prompts is found else f"{prompts}: "

    def revision_of(spec: PromptSpec) -> Revision | None:
        named = [each for each in found.prompts if each.prompt == spec.name]
        version = spec.version().digest
        for each in named:
            if not each.made_for or version in each.made_for or (stale == "use" and each is named[-1]):
                return each
        if named:
            raise StalePrompts(
                f"{of_file}{spec.name} was changed since it was optimized: its version is {version}, and the search was made "
                f"for {' and '.join(named[0].made_for)}. Optimize it anew, or pass stale='use' where the examples still fit",
                spec.name,
            )
        return None

    if (spec := spec_if_prompt(function)) is not None:
        revision = revision_of(spec)
        if revision is None and found.prompts:
            raise PromptUsageError(
                f"{of_file}the optimized prompts are {', '.join(each.prompt for each in found.prompts)}, and this is {spec.name}"
            )
        made: Any = type(function)
        return cast("F", made(spec if revision is None else spec.revised(revision)))
    return cast("F", scoped(function, Scope(revision_of)))


def scoped(
    function: Callable[..., Any], scope: Callable[[], Any], *, asynchronous: bool | None = None
) -> Callable[..., Any]:
    """Return a function whose calls run in a context of their own; `async def` if it is, or is to be."""

    def call(*args: Any, **kwargs: Any) -> Any:
        with scope():
            return function(*args, **kwargs)

    async def call_async(*args: Any, **kwargs: Any) -> Any:
        with scope():
            called: Any = function
            return await (called if spec_if_prompt(function) is None else called.aio)(*args, **kwargs)

    made = call_async if is_async(function) or asynchronous else call
    made.__name__ = name_of(function)
    return functools.wraps(function)(made)
