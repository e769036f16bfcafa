"""Readers of unions: pydantic picks the member, and a stand-in takes the place of each that it does not know.

A stand-in reads the texts of its member, by the member's own codec, and tells pydantic how well they fit (`Codec.fits`). So
there is one rule for all unions: in smart mode the most fields that are set, then exactness, then order. pydantic has no
word for a fit; it measures one that a stand-in shows it, a number that is exact, strict or converted, and as many objects
of one field as there are fields.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Annotated, Any, Union

from pydantic import ConfigDict, Discriminator, Field, GetCoreSchemaHandler, PydanticUserError, Tag, TypeAdapter
from pydantic_core import PydanticCustomError, SchemaError, core_schema

from typefold.compiler.codec import Codec, Fit, adapter_of
from typefold.compiler.context import Context
from typefold.compiler.guards import split_annotated

_NUMBERS = ("1", 1, 1.0)  # as a float a conversion, taken by strict mode too, and exact


def union_reader(
    members: Sequence[Any], codecs: Sequence[Codec[Any]], admits: Callable[[int, Any], bool], context: Context
) -> Callable[[Any], Any]:
    """Make the function from JSON data to the value of a union; `admits` says whether the member of an index writes data.

    The codecs are complete only when the function is called.
    """
    limits, names = context.limits, context.compilation.names
    config = ConfigDict(regex_engine="python-re") if context.has_python_patterns else None

    @cache
    def adapter() -> TypeAdapter[Any]:
        hints = [
            member if codec.native and codec.expand is None and _is_known(member, names) else _stand_in(member, index)
            for index, (member, codec) in enumerate(zip(members, codecs, strict=True))
        ]
        return adapter_of(_told(Union[tuple(hints)], hints), names, config)  # noqa: UP007  # made at run time

    def _stand_in(member: Any, index: int) -> Any:
        _, marks = split_annotated(member)
        tags = [mark for mark in marks if isinstance(mark, Tag)]
        return Annotated[(Any, _StandIn(codecs[index], lambda data: admits(index, data)), *tags)]

    def _told(union: Any, hints: Sequence[Any]) -> Any:
        """The union as pydantic was told to read it; without a field that tells members apart, which a stand-in has not."""
        if isinstance(limits.discriminator, Discriminator):
            return Annotated[union, limits.discriminator]
        if isinstance(limits.discriminator, str) and hints == list(members):
            return Annotated[union, Field(discriminator=limits.discriminator)]
        if limits.union_mode == "smart" or len(set(hints) - {type(None)}) < 2:
            return union
        return Annotated[union, Field(union_mode="left_to_right")]

    def read(data: Any) -> Any:
        if context.positional:  # what is laid out is one member's alone, and pydantic knows it with its keys only
            for index, codec in enumerate(codecs):
                if codec.expand is not None and admits(index, data):
                    return codec.from_json(data)
        return adapter().validate_json(context.json_format.dump(data))

    return read


def best_fit(fits: Sequence[Fit]) -> Fit:
    """The fit of the member that pydantic prefers."""
    best = fits[0]
    for fit in fits[1:]:
        best = fit if fit.beats(best) else best
    return best


class _StandIn:
    """Reads a member of a union for pydantic."""

    def __init__(self, codec: Codec[Any], admits: Callable[[Any], bool]) -> None:
        self.codec = codec
        self.admits = admits

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        number = core_schema.float_schema(strict=False)
        field = core_schema.typed_dict_schema({"x": core_schema.typed_dict_field(number, required=False)})
        return core_schema.no_info_wrap_validator_function(
            self.read, core_schema.tuple_schema([number, core_schema.list_schema(field)])
        )

    def read(self, data: Any, measure: Callable[[Any], Any]) -> Any:
        if not self.admits(data):
            raise PydanticCustomError("union_member", "it is no text of this member of the union")
        value = self.codec.from_json(data)
        exactness, count = self.codec.fits(data)
        measure((_NUMBERS[exactness], [{"x": 1.0}] * count if count else [{}] * (count is not None)))
        return value


def _is_known(member: Any, names: Mapping[str, Any]) -> bool:
    """Whether pydantic takes a type where it stands alone: not a name for the class around it, as `Self` is."""
    try:
        adapter_of(member, names)
    except (PydanticUserError, SchemaError, NameError, TypeError, ValueError):
        return False
    return True
