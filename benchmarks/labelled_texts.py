"""Texts written and labelled by hand: support tickets, reviews, and invoices with order confirmations.

    held = load("tickets", part="held")
    held[0].text, held[0].labels.category

`benchmarks/data/README.md` has the guideline behind the labels. A third of each kind is for tuning (`tune`: examples in prompts,
wordings, calibration), the rest (`held`) for evaluation alone. Labels are models, so they serve as return types as well.
Persons, companies and addresses are invented.
"""

from __future__ import annotations

import datetime as dt
import re
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Generic, Literal, Self, TypeVar, get_args, overload

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError, model_validator

DATA = Path(__file__).parent / "data"

Kind = Literal["tickets", "reviews", "invoices"]
Part = Literal["tune", "held"]
Category = Literal["billing", "delivery", "defect", "return", "account", "technical", "order", "other"]
Urgency = Literal["low", "normal", "high", "critical"]
"""In this order."""
Sentiment = Literal["very_negative", "negative", "mixed", "positive", "very_positive"]
"""In this order."""
Aspect = Literal[
    "price", "quality", "design", "ease", "delivery", "service", "food",
    "atmosphere", "waiting", "story", "acting", "visuals", "sound", "pacing",
]  # fmt: skip
Words = Annotated[str, StringConstraints(min_length=1, strip_whitespace=True)]


class Labels(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class TicketLabels(Labels):
    category: Category
    urgency: Urgency
    wants_refund: bool
    product: Words | None
    order_number: Words | None
    language: Literal["en", "de", "fr", "es"]


class ReviewLabels(Labels):
    sentiment: Sentiment
    praised: list[Aspect]
    criticised: list[Aspect]
    recommends: bool | None
    rating_stated: int | None


class InvoiceLabels(Labels):
    vendor: Words
    invoice_number: Words | None
    date: dt.date | None
    currency: Annotated[str, StringConstraints(pattern=r"^[A-Z]{3}$")]
    total: Decimal
    tax: Decimal | None
    line_items: Annotated[int, Field(ge=1)] | None
    due_date: dt.date | None
    is_paid: bool


L = TypeVar("L", bound=Labels)


class Text(BaseModel, Generic[L]):
    """One text. `doubtful` names each label on which two careful readers could differ, with a word why."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    id: Annotated[str, StringConstraints(pattern=r"^(ticket|review|invoice)-\d{3}$")]
    part: Part
    text: Words
    labels: L
    doubtful: dict[str, Words]

    @model_validator(mode="after")
    def labels_fit_the_text(self) -> Self:
        labels = dict[str, object](self.labels)
        if unknown := self.doubtful.keys() - labels.keys():
            raise ValueError(f"{self.id}: {sorted(unknown)} in `doubtful` are no labels")
        copied = (labels.get(name) for name in ("product", "order_number", "vendor", "invoice_number"))
        if absent := [value for value in copied if isinstance(value, str) and value not in self.text]:
            raise ValueError(f"{self.id}: {absent} should be copied from the text, and do not stand in it")
        return self


class Ticket(Text[TicketLabels]):
    pass


class Review(Text[ReviewLabels]):
    kind: Literal["product", "film", "restaurant"]

    @model_validator(mode="after")
    def aspects_are_in_order(self) -> Self:
        order: tuple[str, ...] = get_args(Aspect)
        for aspects in (self.labels.praised, self.labels.criticised):
            if aspects != sorted(set(aspects), key=order.index):
                raise ValueError(f"{self.id}: {aspects} occur once each, in the order of `Aspect`")
        return self


class Invoice(Text[InvoiceLabels]):
    kind: Literal["invoice", "order", "receipt", "reminder"]

    @model_validator(mode="after")
    def amounts_are_in_the_text(self) -> Self:
        for amount in (self.labels.total, self.labels.tax):
            if amount is not None and not says(self.text, amount):
                raise ValueError(f"{self.id}: {amount} is neither an amount of the text nor the sum of two")
        if self.labels.date and self.labels.due_date and self.labels.due_date < self.labels.date:
            raise ValueError(f"{self.id}: is due before its date")
        return self


def says(text: str, amount: Decimal) -> bool:
    """Whether the amount, or two that add up to it, stands in the text in any notation (1,234.50; 1.234,50; 1'234.5; 1 234)."""
    said = re.findall(r"\d{1,3}(?:[., '\u2019\u00a0]\d{3})+(?:[.,]\d{1,2}(?!\d))?|\d+(?:[.,]\d{1,2}(?!\d))?", text)
    values = {value(number) for number in said}
    return abs(amount) in values or any(abs(amount) - one in values for one in values)


def value(number: str) -> Decimal:
    whole, fraction = re.sub(r"[.,](\d{1,2})$", r"|\1", number).partition("|")[::2]
    return Decimal(re.sub(r"\D", "", whole) + "." + (fraction or "0"))


T = TypeVar("T", Ticket, Review, Invoice)


def read(path: Path, model: type[T], part: Part | None = None) -> list[T]:
    records: dict[str, T] = {}
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        try:
            record = model.model_validate_json(line, strict=True)
        except ValidationError as error:
            raise ValueError(f"{path.name}, line {number}: {error}") from error
        if record.id in records:
            raise ValueError(f"{path.name}, line {number}: {record.id} occurs twice")
        records[record.id] = record
    return [record for record in records.values() if part in (None, record.part)]


@overload
def load(kind: Literal["tickets"], part: Part | None = None) -> list[Ticket]: ...
@overload
def load(kind: Literal["reviews"], part: Part | None = None) -> list[Review]: ...
@overload
def load(kind: Literal["invoices"], part: Part | None = None) -> list[Invoice]: ...
def load(kind: Kind, part: Part | None = None) -> list[Ticket] | list[Review] | list[Invoice]:
    """The texts of a kind: of both parts, or of one. A record that does not fit is a `ValueError` that names its line."""
    match kind:
        case "tickets":
            return read(DATA / "tickets.jsonl", Ticket, part)
        case "reviews":
            return read(DATA / "reviews.jsonl", Review, part)
        case "invoices":
            return read(DATA / "invoices.jsonl", Invoice, part)
