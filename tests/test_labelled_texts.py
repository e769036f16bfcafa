"""The texts labelled by hand: each record is right in itself, and the two parts are alike and share nothing."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from decimal import Decimal
from itertools import combinations
from pathlib import Path
from typing import get_args

import pytest

from benchmarks import labelled_texts
from benchmarks.labelled_texts import Aspect, Category, Invoice, Labels, Review, Sentiment, Ticket, Urgency, load, says
from typefold.compiler import OutputType, output_type
from typefold.testing.laws import Recogniser

TICKETS, REVIEWS, INVOICES = load("tickets"), load("reviews"), load("invoices")
Record = Ticket | Review | Invoice
ALL: list[Record] = [*TICKETS, *REVIEWS, *INVOICES]
KINDS: dict[str, Sequence[Record]] = {
    "tickets": TICKETS,
    "reviews": REVIEWS,
    "invoices": INVOICES,
}
kinds = pytest.mark.parametrize("kind", KINDS)


def marks(record: Record) -> Iterator[tuple[str, object]]:
    """Each label with its value, those of open sets by whether there is one."""
    if not isinstance(record, Ticket):
        yield "kind", record.kind
    if isinstance(record, Review):
        yield from (("praised", each) for each in record.labels.praised)
        yield from (("criticised", each) for each in record.labels.criticised)
    for name, value in dict[str, object](record.labels).items():
        if name not in ("praised", "criticised"):
            closed = isinstance(value, bool) or name in ("category", "urgency", "language", "sentiment", "recommends")
            yield name, value if closed else value is None


def test_there_is_enough_of_each_label() -> None:
    wanted: dict[tuple[str, object], int] = {
        **{("category", each): 8 for each in get_args(Category)},
        **{("urgency", each): 8 for each in get_args(Urgency)},
        **{("sentiment", each): 8 for each in get_args(Sentiment)},
        **{("language", each): 8 for each in ("en", "de", "fr", "es")},
        **{("kind", each): 8 for each in ("product", "film", "restaurant", "invoice", "order", "receipt", "reminder")},
        **{(name, each): 8 for name in ("wants_refund", "is_paid") for each in (True, False)},
        **{("recommends", each): 8 for each in (True, False, None)},
        **{
            (name, True): 8
            for name in ("product", "order_number", "rating_stated", "invoice_number", "tax", "due_date")
        },
    }
    found = Counter(mark for record in ALL for mark in marks(record))
    assert not {mark: found[mark] for mark, count in wanted.items() if found[mark] < count}
    aspects = Counter(each for record in REVIEWS for each in [*record.labels.praised, *record.labels.criticised])
    assert not [each for each in get_args(Aspect) if aspects[each] < 8]
    currencies = Counter(record.labels.currency for record in INVOICES)
    assert min(currencies[each] for each in ("EUR", "GBP", "USD")) >= 8 and len(currencies) >= 10


@kinds
def test_a_third_is_for_tuning(kind: str) -> None:
    tune = sum(record.part == "tune" for record in KINDS[kind])
    assert abs(tune - len(KINDS[kind]) / 3) < 1


@kinds
def test_parts_are_balanced(kind: str) -> None:
    """Of each label that occurs often enough a third is for tuning, within two texts or a tenth."""
    records = KINDS[kind]
    every = Counter(mark for record in records for mark in marks(record))
    tune = Counter(mark for record in records if record.part == "tune" for mark in marks(record))
    far = {
        mark: (tune[mark], count)
        for mark, count in every.items()
        if count >= 8 and abs(tune[mark] - count / 3) > max(2, count / 10)
    }
    assert not far


@kinds
def test_each_label_of_a_closed_set_occurs_in_both_parts(kind: str) -> None:
    every = Counter(mark for record in KINDS[kind] for mark in marks(record))
    for part in ("tune", "held"):
        there = {mark for record in KINDS[kind] if record.part == part for mark in marks(record)}
        assert not {mark for mark, count in every.items() if count >= 8} - there


def test_parts_are_loaded_apart() -> None:
    for records, tune, held in (
        (TICKETS, load("tickets", "tune"), load("tickets", "held")),
        (REVIEWS, load("reviews", "tune"), load("reviews", "held")),
        (INVOICES, load("invoices", "tune"), load("invoices", "held")),
    ):
        assert {each.part for each in tune} == {"tune"} and {each.part for each in held} == {"held"}
        assert sorted(each.id for each in [*tune, *held]) == sorted(each.id for each in records)


def words(text: str) -> set[str]:
    return set(re.findall(r"\w+", text.lower()))


def test_texts_are_unlike_each_other() -> None:
    assert len({record.text for record in ALL}) == len({record.id for record in ALL}) == len(ALL)
    known = [(record.id, words(record.text)) for record in ALL]
    near = [(a, b) for (a, one), (b, two) in combinations(known, 2) if len(one & two) > 0.35 * len(one | two)]
    assert not near


def test_numbers_of_orders_and_documents_are_of_one_text_each() -> None:
    """No number leads from a text of one part to a text of the other."""
    numbers = Counter(record.labels.order_number for record in TICKETS if record.labels.order_number)
    numbers.update(record.labels.invoice_number for record in INVOICES if record.labels.invoice_number)
    assert not {number for number, count in numbers.items() if count > 1}


@kinds
def test_lengths_are_spread(kind: str) -> None:
    lengths = sorted(len(record.text.split()) for record in KINDS[kind])
    lines = [record.text.count("\n") + 1 for record in KINDS[kind]]
    assert lengths[len(lengths) // 10] <= 25 and lengths[-len(lengths) // 10] >= 45 and max(lengths) >= 85
    assert 1 in lines and 12 <= max(lines) <= 26


def test_amounts_mostly_stand_in_the_text_as_they_are() -> None:
    """A sum of two amounts of the text is the exception: a tax of two rates."""
    added = [record.id for record in INVOICES if record.labels.tax and not stands(record.text, str(record.labels.tax))]
    assert len(added) <= 2
    assert all(stands(record.text, str(record.labels.total)) for record in INVOICES)


def stands(text: str, amount: str) -> bool:
    digits = re.sub(r"\D", "", amount)
    said = {re.sub(r"\D", "", each) for each in re.findall(r"\d(?:[\d.,' \u00a0]*\d)?", text)}
    parts = {digits, digits.removesuffix("00")}
    return bool(parts & said) or any(re.search(rf"(?<!\d){each}(?!\d)", re.sub(r"[.,']", "", text)) for each in parts)


@pytest.mark.parametrize(
    ("text", "amount", "there"),
    [
        ("Total 1.234,50 EUR", "1234.50", True),
        ("TOTAL £1,234.50", "1234.50", True),
        ("6'486.00 CHF", "6486.00", True),
        ("18 750,00 SEK", "18750.00", True),
        ("¥12,800", "12800", True),
        ("macht 96,-", "96.00", True),
        ("2,250.00 and 2,250.00", "4500.00", True),
        ("Total 1.234,50 EUR", "1234.05", False),
        ("Total 1.234,50 EUR", "234.50", False),
        ("2025-12-01", "12.01", False),
    ],
)
def test_amounts_are_found_in_every_notation(text: str, amount: str, there: bool) -> None:
    assert says(text, Decimal(amount)) is there


def test_nothing_personal_is_in_the_texts() -> None:
    text = "\n".join(record.text for record in ALL)
    hosts = {host.rstrip(".") for host in re.findall(r"[\w.+-]+@([\w.-]+)", text)}
    assert hosts <= {"example.com", "example.org", "example.net"}
    sites = set(re.findall(r"\b(?:https?://|www\.)\S+|\b[\w-]+\.(?:com|org|net|de|fr|es|io|uk)\b", text))
    assert sites <= {"example.com", "example.org", "example.net"}
    assert {number[:6] for number in re.findall(r"\b555-\d+", text)} <= {"555-01"}
    assert not re.findall(r"(?:\+|\b00)\d{1,3}[ /(-]\d[\d /()-]{5,}", text), "a number with a country's prefix"
    assert not re.findall(r"\(\d{3}\) ?\d{3}-\d{4}|\b\d{3}-\d{3}-\d{4}\b|\b0\d{2,4}[ /-]\d{5,}", text), "a phone number"
    assert not re.findall(r"\b[A-Z]{2}\d{2}(?: ?\w{4}){3,}\b", text), "a bank account"
    assert not re.findall(r"\b(?:\d{4}[ -]){3}\d{4}\b", text), "a card"


REAL = """amazon paypal klarna visa mastercard amex google microsoft android iphone samsung sony netflix spotify
uber dhl fedex hermes dpd gls usps ikea lidl aldi rewe edeka tesco walmart costco zalando ebay etsy telekom vodafone
gmail hotmail outlook firefox chrome bosch siemens philips dyson lego nike adidas rolex starbucks mcdonalds"""


def test_no_well_known_company_is_named() -> None:
    named = words("\n".join(record.text for record in ALL)) & set(REAL.split())
    assert not named


@kinds
def test_files_are_plain(kind: str) -> None:
    path = labelled_texts.DATA / f"{kind}.jsonl"
    lines = path.read_text(encoding="utf-8").splitlines()
    assert [json.dumps(json.loads(line), ensure_ascii=False) for line in lines] == lines
    assert [record.id for record in KINDS[kind]] == [f"{kind[:-1]}-{n:03d}" for n in range(1, len(lines) + 1)]
    counts = Counter(record.part for record in KINDS[kind])
    row = f"| {counts['tune']} | {counts['held']} |"
    page = (labelled_texts.DATA / "README.md").read_text(encoding="utf-8")
    assert re.search(rf"^\| `{kind}.jsonl` \| {len(lines)} .*{re.escape(row)}", page, re.MULTILINE)


def test_every_rule_has_its_words() -> None:
    page = (labelled_texts.DATA / "README.md").read_text(encoding="utf-8")
    names = {name for record in (TICKETS[0], REVIEWS[0], INVOICES[0]) for name in dict(record.labels)}
    values = {value for kind in (Category, Urgency, Sentiment, Aspect) for value in get_args(kind)}
    assert not {name for name in names | values if f"`{name}`" not in page}


@kinds
def test_labels_are_answers(kind: str) -> None:
    """The models of labels are return types: each label can be written under the grammar of its model, and is read back."""
    answer: OutputType[Labels] = output_type(type(KINDS[kind][0].labels))
    by = Recogniser.of(answer.constraint)
    for record in KINDS[kind]:
        text = answer.encode(record.labels)
        assert by.admits(text) and answer.decode(text) == record.labels


BROKEN: dict[str, tuple[dict[str, object], dict[str, object], str]] = {
    "an unknown label": ({"category": "complaint"}, {}, "category"),
    "a string that is not in the text": ({"product": "Quill pen"}, {}, "copied from the text"),
    "a doubt about no label": ({}, {"doubtful": {"mood": "who knows"}}, "are no labels"),
    "a doubt without a reason": ({}, {"doubtful": {"urgency": " "}}, "doubtful"),
    "a number as text": ({"wants_refund": "no"}, {}, "wants_refund"),
    "one field too many": ({}, {"note": "x"}, "note"),
    "an unknown part": ({}, {"part": "test"}, "part"),
}


@pytest.mark.parametrize(("labels", "record", "message"), BROKEN.values(), ids=list(BROKEN))
def test_a_wrong_record_is_refused_by_its_line(
    labels: dict[str, object],
    record: dict[str, object],
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    good = json.loads(TICKETS[0].model_dump_json())
    bad = {**good, "id": "ticket-002", "labels": {**good["labels"], **labels}, **record}
    (tmp_path / "tickets.jsonl").write_text(f"{json.dumps(good)}\n{json.dumps(bad)}\n", encoding="utf-8")
    monkeypatch.setattr(labelled_texts, "DATA", tmp_path)
    with pytest.raises(ValueError, match=rf"tickets.jsonl, line 2: (?s:.*){message}"):
        load("tickets")


def test_an_id_that_occurs_twice_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "tickets.jsonl").write_text(f"{TICKETS[0].model_dump_json()}\n" * 2, encoding="utf-8")
    monkeypatch.setattr(labelled_texts, "DATA", tmp_path)
    with pytest.raises(ValueError, match="line 2: ticket-001 occurs twice"):
        load("tickets")


def test_an_amount_and_a_date_that_do_not_fit_are_refused() -> None:
    good = json.loads(INVOICES[0].model_dump_json())
    for labels, message in (
        ({"total": "1104.01"}, "neither an amount"),
        ({"due_date": "2025-03-13"}, "before its date"),
    ):
        with pytest.raises(ValueError, match=message):
            Invoice.model_validate_json(json.dumps({**good, "labels": {**good["labels"], **labels}}), strict=True)


def test_aspects_out_of_order_are_refused() -> None:
    good = json.loads(REVIEWS[0].model_dump_json())
    for aspects in (["ease", "quality"], ["ease", "ease"]):
        with pytest.raises(ValueError, match="once each, in the order"):
            Review.model_validate_json(json.dumps({**good, "labels": {**good["labels"], "praised": aspects}}))
