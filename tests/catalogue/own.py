"""typefold's own.

Annotations of `str`, so that a value is a plain `str` for type checkers too: text that a regular expression matches as a
whole, text out of a list, and text by a grammar in the words of the engine's backend. `type_of_schema` makes a type of a
JSON schema, where there is nothing but that; an annotation names its values for type checkers.
"""

from typing import TYPE_CHECKING, Annotated, Any, TypeAlias

from typefold import Grammar, Matching, OneOf
from typefold.compiler import type_of_schema

cities = ["Oslo", "Rome", "Lima"]  # a list that is made at run time, of thousands perhaps

schema = {
    "title": "Box",
    "type": "object",
    "properties": {"label": {"type": "string", "maxLength": 8}, "inside": {"type": "array", "items": {"$ref": "#"}}},
    "required": ["label"],
}
if TYPE_CHECKING:
    Crate: TypeAlias = dict[str, Any]
else:
    Crate = type_of_schema(schema)

plate: Annotated[str, Matching(r"[A-Z]{3}-\d{4}")] = "ABC-1234"
city: Annotated[str, OneOf(cities)] = "Rome"
grammar: Annotated[str, Grammar('root ::= "yes" | "no"')] = "yes"
crate: Crate = {"label": "tea", "inside": [{"label": "leaf"}]}
