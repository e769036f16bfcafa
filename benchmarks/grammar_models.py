"""The models of `benchmarks/grammar.py`. Each call makes new classes, so that nothing is known of them anywhere."""

from dataclasses import dataclass
from datetime import date
from enum import Enum
from types import GenericAlias
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field, create_model

Percent = Annotated[int, Field(ge=0, le=100)]


@dataclass(frozen=True)
class Model:
    """A model, and the JSON of two of its values."""

    name: str
    hint: Any
    texts: tuple[str, str]


class Status(Enum):
    OPEN = "open"
    PAID = "paid"
    SENT = "sent"


def order() -> Model:
    """Twenty fields of many kinds, four of them optional."""

    class Address(BaseModel):
        street: str
        city: str
        code: Annotated[str, Field(pattern=r"^[0-9]{5}$")]

    class Order(BaseModel):
        number: int
        customer: str
        email: str
        status: Status
        priority: Literal["low", "normal", "high"]
        total: Annotated[float, Field(ge=0, le=100_000)]
        discount: float | None
        quantity: Annotated[int, Field(ge=1, le=999)]
        paid: bool
        placed: date
        shipping: Address
        tags: list[str]
        parcels: Annotated[list[int], Field(max_length=10)]
        weights: dict[str, float]
        rating: Annotated[int, Field(ge=1, le=5)] | None
        courier: Literal["post", "van", "bike"] | None
        billing: Address | None = None
        note: str | None = None
        gift: bool = False
        priority_percent: Percent = 0

    place = '{"street": "12 Hill Road", "city": "Oslo", "code": "01234"}'
    whole = (
        '{"number": 48213, "customer": "Grace \\"GL\\" Lee", "email": "grace@example.org", "status": "paid", '
        '"priority": "high", "total": 1299.5, "discount": 12.25, "quantity": 3, "paid": true, "placed": "2024-02-29", '
        f'"shipping": {place}, "tags": ["fragile", "first order"], "parcels": [1, 20, 3], '
        '"weights": {"box": 2.5, "bag": 0.75}, "rating": 5, "courier": "van", '
    )
    rest = f'"billing": {place}, "note": "Ring twice; leave it at the door.", "gift": true, "priority_percent": 80}}'
    return Model("object of 20 fields", Order, (whole + rest, whole.removesuffix(", ") + "}"))


def bounded_order() -> Model:
    """The same, with one bounded string."""
    plain = order()
    bound: Any = (Annotated[str, Field(max_length=40)], ...)
    return Model(
        "the same, one string of at most 40", create_model("Bounded", __base__=plain.hint, email=bound), plain.texts
    )


def person() -> Model:
    """Seven required fields."""

    class Person(BaseModel):
        name: str
        age: Annotated[int, Field(ge=0, le=120)]
        city: str
        married: bool
        job: Literal["doctor", "teacher", "farmer", "pilot"]
        height: float
        motto: str

    one = (
        '{"name": "Ada Lovelace", "age": 36, "city": "London", "married": true, "job": "teacher", "height": 1.65, '
        '"motto": "That brain of mine is something more than merely mortal."}'
    )
    other = '{"name": "", "age": 0, "city": "Oslo", "married": false, "job": "pilot", "height": 0.5, "motto": "—"}'
    return Model("object of 7 fields", Person, (one, other))


def people() -> Model:
    """An array of these."""
    inner = person()
    one, other = inner.texts
    hint: Any = GenericAlias(list, (inner.hint,))
    return Model("array of objects of 7 fields", hint, (f"[{one}, {other}, {one}]", "[]"))


def few_people() -> Model:
    """An array of these with a bound."""
    inner = person()
    one, other = inner.texts
    hint: Any = Annotated[GenericAlias(list, (inner.hint,)), Field(min_length=1, max_length=20)]
    return Model("the same, 1 to 20 of them", hint, (f"[{one}, {other}, {one}]", f"[{other}]"))


def options() -> Model:
    """Twelve fields that may all be left out."""
    names = [
        "size",
        "colour",
        "weight",
        "shape",
        "brand",
        "grade",
        "price",
        "stock",
        "style",
        "cover",
        "paper",
        "spine",
    ]
    fields: dict[str, Any] = {name: (str, "") for name in names}
    some = ", ".join(f'"{name}": "as {name} goes"' for name in names[::3])
    every = ", ".join(f'"{name}": "some"' for name in names)
    return Model("object of 12 optional fields", create_model("Options", **fields), (f"{{{some}}}", f"{{{every}}}"))


MODELS = (person, order, bounded_order, people, few_people, options)
