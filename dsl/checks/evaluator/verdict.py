"""The door of the evaluator: types made again from their declarations, and the compiler's judgement of them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from pydantic import PydanticUserError
from pydantic_core import SchemaError

from typefold.checks.evaluator.evaluate import Evaluator
from typefold.checks.evaluator.stand_ins import REGISTRY, has_opaque, is_opaque
from typefold.compiler.errors import TemplateError, UnsupportedType
from typefold.compiler.output_type import OutputType, output_type
from typefold.errors import PromptUsageError
from typefold.execution.strategies import compile_return
from typefold.options import Options

__all__ = ["Evaluator", "Judgement", "has_opaque", "is_opaque", "judged", "one_line"]


@dataclass(frozen=True)
class Judgement:
    """The compiled type as far as it can be known, and the reasons against it and against its options."""

    kind: OutputType[Any] | None = None
    refused: str | None = None
    misused: str | None = None


def judged(hint: Any, *, path: str = "return", options: Options | None = None, is_returned: bool = True) -> Judgement:
    """Judge a type by the compiler; the judgement is empty if an opaque type is in the way.

    A returned type may be `Logged` and the like.
    """
    kind: OutputType[Any] | None = None
    try:
        options = options or Options()
        if is_returned:
            compiled = compile_return(hint, options.json_format, path=path, registry=REGISTRY)
            kind = compiled.kind
            compiled.check(options, where="")
        else:
            kind = output_type(hint, json_format=options.json_format, registry=REGISTRY, path=path)
            options.check(kind, where="")
    except UnsupportedType as error:
        return Judgement() if has_opaque(error.hint) else Judgement(refused=one_line(str(error).removeprefix(": ")))
    except (PromptUsageError, TemplateError) as error:
        return Judgement(kind, misused=str(error).removeprefix(": "))
    except (SchemaError, PydanticUserError) as error:
        return Judgement(refused=one_line(f"{UnsupportedType(path, hint, 'is refused by pydantic')}: {error}"))
    except (NameError, RecursionError, MemoryError):  # a name that was not found here, a type of too many parts
        return Judgement()
    return Judgement(kind)


_BUILDING = re.compile(r'Error building "[\w-]+" validator: SchemaError: |(?<=: )SchemaError: ')
_ELSEWHERE = re.compile(r" For further information visit \S+")


def one_line(text: str) -> str:
    """Shorten a message: without line breaks, and without the steps by which pydantic came to it."""
    return _ELSEWHERE.sub("", _BUILDING.sub("", " ".join(text.split())))
