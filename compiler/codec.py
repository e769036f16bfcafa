"""`Codec[T]`: what a hook returns, a type's form inside JSON."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeAlias, TypeVar

from typefold.compiler.grammar.nodes import Expr

__all__ = ["Codec", "JsonSchema"]

T = TypeVar("T")

JsonSchema: TypeAlias = dict[str, Any]


@dataclass(frozen=True)
class Codec(Generic[T]):
    """A type's form inside JSON.

    Attributes:
        expr: The JSON texts of its values.
        schema: JSON schema, which tells the model the shape; it enforces nothing.
        to_json: A value as JSON data.
        from_json: JSON data as a value; raises `ValueError` where a post-check fails.
        accepts: Whether an object is a value of the type, so that a union can find the member that writes it.
        bare: For string-like types the texts without quotation marks, for use at the root; else `None`.
        raw: A grammar that only the engine can read, for use at the root in place of `bare`; else `None`.
        native: Whether pydantic, given the type, reads this very JSON into the same values.
        plain: Whether a value is its own JSON data, so that members of a union may share texts.
        expand: Data as the compact format has it, or what there is of it so far, as objects with keys; `None` where that is
            the same. A `native` codec needs it there if a part of it has one.
    """

    expr: Expr
    schema: JsonSchema
    to_json: Callable[[T], Any]
    from_json: Callable[[Any], T]
    accepts: Callable[[Any], bool]
    bare: Expr | None = None
    raw: str | None = None
    native: bool = True
    plain: bool = False
    expand: Callable[[Any], Any] | None = None

    def expanded(self, data: Any) -> Any:
        """Data as this codec has it, with the keys that the compact format leaves out."""
        return data if self.expand is None else self.expand(data)
