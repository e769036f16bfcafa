"""Flags."""

# Types made at run time, which mypy does not follow:
# mypy: disable-error-code="misc, arg-type, unused-ignore"

from __future__ import annotations

import enum
import itertools
from typing import Any

import pytest
from pydantic import BaseModel

from typefold.compiler import UnsupportedType, output_type


class Right(enum.Flag):
    READ = 1
    WRITE = 2
    BOTH = 3
    RUN = 8


class Bit(enum.IntFlag):
    A = 4
    B = 1


def test_every_combination_has_one_text_and_comes_back(prove: Any) -> None:
    every = [a | b | c for a, b, c in itertools.product(*([Right(0), part] for part in Right))]
    prove(Right, every)
    assert len({output_type(Right).encode(value) for value in every}) == 8
    prove(Bit, [Bit(0), Bit.A, Bit.A | Bit.B])
    prove(Right | None, [Right.READ, None])


def test_names_come_in_the_order_of_declaration_each_once(admits: Any) -> None:
    assert output_type(Right).encode(Right.BOTH | Right.RUN) == '["READ", "WRITE", "RUN"]'
    assert output_type(Right).decode('["READ", "WRITE"]') is Right.BOTH
    for text in ('["WRITE", "READ"]', '["READ", "READ"]', '["BOTH"]', '"READ"', "1", '["READ",]'):
        assert not admits(Right, text)


def test_flags_stand_in_models(prove: Any) -> None:
    class File(BaseModel):
        rights: Right = Right.READ
        history: list[Right] = []

    prove(File, [File(), File(rights=Right(0), history=[Right.BOTH])])


def test_bits_without_a_name_are_not_written() -> None:
    with pytest.raises(ValueError, match="bits without a name"):
        output_type(Bit).encode(Bit(16))


def test_a_flag_without_members_is_refused() -> None:
    with pytest.raises(UnsupportedType, match=r"^return\[\]: .* has no members"):
        output_type(list[enum.Flag("Empty", [])])  # type: ignore[misc]
