"""The compiler: annotations into constraints, calls into messages, answers into values. Pure; it knows no engine."""

from typefold.compiler.codec import Codec, JsonSchema
from typefold.compiler.constraint import TEXT, Constraint, ConstraintKind, Dialect
from typefold.compiler.context import Hook
from typefold.compiler.errors import DecodeError, TemplateError, UnsupportedType
from typefold.compiler.explain import Explanation
from typefold.compiler.grammar.nodes import CharClass, Choice, Language, Lit, Ref, Repeat, Seq
from typefold.compiler.grammar.token_bounds import TokenBounds, Vocabulary, token_bounds
from typefold.compiler.json_format import JsonFormat, JsonFormatName
from typefold.compiler.message import Image, Message, Role
from typefold.compiler.output_type import OutputType, output_type
from typefold.compiler.public import set_public_module
from typefold.compiler.registry import Registry, default_registry
from typefold.compiler.types.schemas import SchemaError, schema_codec, type_of_schema
from typefold.compiler.types.strings import Grammar, Matching, OneOf

__all__ = [
    "TEXT",
    "Codec",
    "Constraint",
    "ConstraintKind",
    "DecodeError",
    "Dialect",
    "Explanation",
    "Grammar",
    "Hook",
    "Image",
    "JsonFormat",
    "JsonFormatName",
    "JsonSchema",
    "Matching",
    "Message",
    "OneOf",
    "OutputType",
    "Registry",
    "Role",
    "SchemaError",
    "TemplateError",
    "TokenBounds",
    "UnsupportedType",
    "Vocabulary",
    "default_registry",
    "output_type",
    "schema_codec",
    "token_bounds",
    "type_of_schema",
]

_NODES = (CharClass, Choice, Language, Lit, Ref, Repeat, Seq)  # pickles of a constraint name them
set_public_module(__name__, [*(globals()[name] for name in __all__), *_NODES])
