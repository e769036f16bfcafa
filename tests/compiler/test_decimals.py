"""Decimals: the grammar and pydantic agree on every limit."""

# Types made at run time, and lambdas in Hypothesis, which pyright does not follow:
# pyright: reportUnknownLambdaType=false, reportUnknownMemberType=false, reportUnknownArgumentType=false
# pyright: reportUnknownVariableType=false, reportGeneralTypeIssues=false, reportInvalidTypeForm=false
# pyright: reportArgumentType=false, reportInvalidTypeArguments=false, reportOperatorIssue=false
# pyright: reportUntypedNamedTuple=false

from __future__ import annotations

from decimal import Decimal, localcontext
from typing import Annotated, Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from pydantic import Field, TypeAdapter, ValidationError, condecimal

from typefold.compiler import DecodeError, UnsupportedType, output_type

short = st.builds(lambda digits, power: Decimal(digits).scaleb(power), st.integers(-2000, 2000), st.integers(-5, 3))
wide = st.builds(
    lambda digits, power: Decimal(f"{digits}E{power}"), st.integers(-(10**30), 10**30), st.integers(-80, 80)
)
bounds = st.sampled_from(
    [
        Decimal(text)
        for text in ["0", "1", "-1", "0.5", "-0.25", "9.99", "10", "100", "12.345", "-3.7", "1E+3", "0.001", "99.5"]
    ]
)
limits = st.fixed_dictionaries(
    {},
    optional={
        "ge": bounds,
        "gt": bounds,
        "le": bounds,
        "lt": bounds,
        "max_digits": st.integers(1, 6),
        "decimal_places": st.integers(0, 6),
    },
)


@given(st.lists(short | wide, min_size=1))
@settings(max_examples=25, deadline=None)
def test_every_finite_decimal_comes_back(prove: Any, numbers: list[Decimal]) -> None:
    prove(Decimal, numbers)


@given(limits, st.lists(short | wide, min_size=1, max_size=12), st.data())
@settings(max_examples=150, deadline=None)
def test_limits_are_exact(
    prove: Any, admits: Any, limits: dict[str, Any], numbers: list[Decimal], data: st.DataObject
) -> None:
    hint: Any = Annotated[Decimal, Field(**limits)] if limits else Decimal
    adapter: TypeAdapter[Decimal] = TypeAdapter(hint)
    tiny = st.sampled_from(
        [Decimal(0), Decimal("0.001"), Decimal("-0.1"), Decimal("1E-9"), Decimal("-1E-9"), Decimal(1)]
    )
    for bound in [value for name, value in limits.items() if name in ("ge", "gt", "le", "lt")]:
        with localcontext() as context:
            context.prec = 200
            numbers.append(bound + data.draw(tiny))
    right, wrong = [], []
    for number in numbers:
        try:
            adapter.validate_python(number)
            right.append(number)
        except ValidationError:
            wrong.append(number)
    try:
        kind = output_type(hint)
    except UnsupportedType:
        assert not right
        return
    assert kind.post_checks == ()
    prove(hint, right)
    for number in wrong:
        assert not admits(hint, f'"{number:f}"'), number
        assert not admits(hint, f'"{number}"'), number


@given(st.sampled_from([Decimal("0.25"), Decimal("0.1"), Decimal(5)]), st.lists(short, min_size=1))
@settings(max_examples=30, deadline=None)
def test_a_step_bounds_the_decimals_and_is_checked_after(
    prove: Any, admits: Any, step: Decimal, numbers: list[Decimal]
) -> None:
    hint = Annotated[Decimal, Field(multiple_of=step)]
    assert output_type(hint).post_checks == (f"return: multiple_of={step!r}",)
    right = [number for number in numbers if number % step == 0]
    assume(right)
    prove(hint, right)
    assert not admits(hint, '"0.125"')


def test_digits_beyond_those_of_a_float_survive() -> None:
    number = Decimal("123456789012345678901234567890.123456789012345678901234567890")
    assert output_type(list[Decimal]).decode(f'["{number}"]') == [number]


def test_trailing_zeros_are_kept_where_no_limit_forbids_them(admits: Any) -> None:
    assert output_type(Decimal).encode(Decimal("3.50")) == '"3.50"'
    price = Annotated[Decimal, Field(decimal_places=2)]
    assert admits(price, '"3.50"')
    assert not admits(price, '"3.500"')
    assert output_type(price).encode(Decimal("3.500")) == '"3.50"'


def test_exponents_are_for_very_large_and_very_small_numbers(admits: Any) -> None:
    assert output_type(Decimal).encode(Decimal("1E+5")) == '"100000"'
    assert output_type(Decimal).encode(Decimal("1.5E+60")) == '"1.5E+60"'
    assert not admits(Decimal, '"1E+5"')
    assert not admits(Annotated[Decimal, Field(le=10)], '"1E+60"')


@pytest.mark.parametrize("text", ["", "+1", ".5", "5.", "01", "1_000", " 1", "NaN", "Infinity", "1e50", "-", "-0"])
def test_a_text_in_another_form_is_not_admitted(admits: Any, text: str) -> None:
    assert not admits(Decimal, f'"{text}"')


def test_minus_zero_is_written_as_zero_and_what_is_no_number_is_not() -> None:
    assert output_type(Decimal).encode(Decimal("-0")) == '"0"'
    for number in (Decimal("NaN"), Decimal("Infinity")):
        with pytest.raises(ValueError, match="no finite number"):
            output_type(Decimal).encode(number)


def test_a_float_as_a_bound_is_its_shortest_text(admits: Any) -> None:
    assert admits(Annotated[Decimal, Field(ge=0.1)], '"0.1"')
    assert not admits(Annotated[Decimal, Field(ge=0.1)], '"0.0999999999999999999999"')


def test_a_large_number_of_digits_is_checked_after() -> None:
    kind = output_type(Annotated[Decimal, Field(max_digits=100)])
    assert kind.post_checks == ("return: max_digits=100",)
    with pytest.raises(DecodeError):
        kind.decode('"' + "9" * 101 + '"')


def test_limits_that_no_number_meets_are_refused() -> None:
    with pytest.raises(UnsupportedType, match=r"^return\[\]: Decimal has limits that no number meets"):
        output_type(list[Annotated[Decimal, Field(gt=1, lt=2, decimal_places=0)]])
    with pytest.raises(UnsupportedType, match="max_length, which does not apply"):
        output_type(Annotated[Decimal, Field(max_length=2)])


def test_condecimal_is_an_annotation_like_others(prove: Any) -> None:
    prove(condecimal(max_digits=5, decimal_places=2, ge=Decimal(0)), [Decimal("3.50"), Decimal("999.99"), Decimal(0)])


def test_a_union_with_numbers_is_told_apart_by_its_quotes(prove: Any) -> None:
    prove(Decimal | int | None, [Decimal(1), 1, None])
