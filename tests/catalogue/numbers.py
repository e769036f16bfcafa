"""Numbers.

Bounds of whole numbers, floats and decimals are in the grammar: a number out of range cannot be written. Without bounds a
whole number has no greatest value, and its answer no longest text; a `float` always has.
"""

from decimal import Decimal
from fractions import Fraction
from typing import Annotated

from pydantic import Field, PositiveInt

count: int = 42
age: Annotated[int, Field(ge=0, le=120)] = 42
step: Annotated[int, Field(ge=0, lt=100, multiple_of=5)] = 85
positive: PositiveInt = 7
ratio: float = 0.75
share: Annotated[float, Field(ge=0, le=1)] = 0.5
beyond: Annotated[float, Field(gt=0.00001)] = 2.5
exact: Decimal = Decimal("3.50")
price: Annotated[Decimal, Field(ge=0, le=100, decimal_places=2)] = Decimal("19.90")
sum_of_money: Annotated[Decimal, Field(max_digits=8, decimal_places=2)] = Decimal("-12.00")
third: Fraction = Fraction(1, 3)
quarters: Annotated[Decimal, Field(ge=0, lt=10, multiple_of=0.25)] = Decimal("2.75")
