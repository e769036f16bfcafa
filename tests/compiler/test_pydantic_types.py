"""Email addresses, URLs, secrets, sizes, JSON values, and the annotations that pydantic names."""

# Types made at run time, looks inside, and lambdas in Hypothesis, which pyright does not follow:
# pyright: reportUnknownLambdaType=false, reportUnknownMemberType=false, reportUnknownArgumentType=false
# pyright: reportUnknownVariableType=false, reportGeneralTypeIssues=false, reportInvalidTypeForm=false
# pyright: reportArgumentType=false, reportInvalidTypeArguments=false, reportOperatorIssue=false
# pyright: reportUntypedNamedTuple=false, reportPrivateUsage=false

from __future__ import annotations

import sys
import unicodedata
from datetime import date
from typing import Annotated, Any

import pytest
from idna import idnadata
from pydantic import (
    AnyUrl,
    BaseModel,
    ByteSize,
    EmailStr,
    Field,
    FileUrl,
    FiniteFloat,
    HttpUrl,
    ImportString,
    Json,
    JsonValue,
    NameEmail,
    NegativeInt,
    PositiveInt,
    PostgresDsn,
    Secret,
    SecretBytes,
    SecretStr,
    SkipValidation,
    StrictBool,
    StrictInt,
    StrictStr,
    UrlConstraints,
    conint,
    conlist,
    constr,
)

from typefold.compiler import DecodeError, UnsupportedType, output_type
from typefold.compiler.types import networks


def test_email_addresses_come_back_and_are_checked_after(prove: Any) -> None:
    assert output_type(EmailStr).post_checks == ("return: a valid email address",)
    prove(EmailStr, ["a@b.co", "ä.b@bücher.de", "A.b+c@sub.example.com", "o'hara@example.org"])


@pytest.mark.parametrize(
    "text", ["a", "a@b", "@b.co", "a@@b.co", "a b@c.co", "a@b.co.", "a..b@c.co", "a@-b.co", "a@b.c0"]
)
def test_what_is_no_email_address_is_not_admitted(admits: Any, text: str) -> None:
    assert not admits(EmailStr, f'"{text}"')


def test_every_character_that_an_address_may_have_is_admitted(admits: Any) -> None:
    local = networks._IN_LOCAL | networks._PLANES
    domain = networks._IN_DOMAIN | networks._PLANES
    beyond = [chr(point) for point in range(0x80, sys.maxunicode + 1) if not 0xD800 <= point <= 0xDFFF]
    assert not [char for char in beyond if unicodedata.category(char)[0] in "LNPSM" and char not in local]
    for packed in idnadata.codepoint_classes["PVALID"]:
        first, end = packed >> 32, packed & 0xFFFFFFFF
        assert all(chr(point) in domain for point in range(max(first, 0x80), end))
    for char in "\ue000\uf8ff\u00ad\u200b\u3000\ufeff\U000f0000\U0010fffd":
        assert not admits(EmailStr, f'"{char}@b.co"') and not admits(EmailStr, f'"a@{char}.co"')


def test_an_address_in_a_reserved_domain_fails_the_named_check() -> None:
    with pytest.raises(DecodeError, match="special-use"):
        output_type(EmailStr).decode('"a@b.test"')


def test_email_addresses_need_their_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(networks, "find_spec", lambda name: None)
    with pytest.raises(UnsupportedType, match=r"needs the package email-validator; install pydantic\[email\]"):
        output_type(EmailStr, path="other")


WEB = [
    "http://a/",
    "https://ä.de/ä b?c=d#e",
    "http://u:p@h:8080/a{b}|^`",
    "http://[::1]:80/",
    "http://a!b/",
    "https://a.b/%zz?x y#a b",
    "http://1",
]
OTHER = ["mailto:x@y.z", "urn:isbn:1", "data:text/plain,hi there", "foo://X/a b", "file:///a/b", "http://a/b"]


def test_urls_come_back_in_normal_form(prove: Any) -> None:
    prove(HttpUrl, map(HttpUrl, WEB))
    prove(AnyUrl, map(AnyUrl, OTHER))
    prove(FileUrl, map(FileUrl, ["file:///etc/x", "file://host/x"]))
    prove(PostgresDsn, map(PostgresDsn, ["postgres://u:p@h/db", "postgresql://u@h1:1,h2:2/db"]))


def test_urls_are_told_apart_by_their_schemes(admits: Any) -> None:
    assert not admits(HttpUrl, '"ftp://a.b/"')
    assert not admits(HttpUrl, '"http:///a"')
    assert not admits(HttpUrl, '"http://a b/"')
    secure = Annotated[AnyUrl, UrlConstraints(allowed_schemes=["https"])]
    assert [text for text in ("http://a/", "https://a/") if admits(secure, f'"{text}"')] == ["https://a/"]


def test_a_url_that_is_none_fails_the_named_check() -> None:
    kind = output_type(list[HttpUrl])
    assert kind.post_checks == ("return[]: a valid URL",)
    with pytest.raises(DecodeError, match="invalid IPv4 address"):
        kind.decode('["http://1.2.3.4.5/"]')


def test_secrets_are_written_in_full_and_come_back(prove: Any) -> None:
    prove(SecretStr, [SecretStr(""), SecretStr('a"b')])
    prove(SecretBytes, [SecretBytes(b""), SecretBytes(b"\xff")])
    prove(Secret[date], [Secret[date](date(2024, 2, 29))])
    prove(list[Secret[bytes]], [[Secret[bytes](b"\xff")]])


def test_a_secret_has_the_limits_of_its_text(admits: Any) -> None:
    pin = Annotated[SecretStr, Field(min_length=2, max_length=4)]
    assert [text for text in ("1", "12", "1234", "12345") if admits(pin, f'"{text}"')] == ["12", "1234"]
    with pytest.raises(UnsupportedType, match="does not say what it hides"):
        output_type(Secret)


def test_a_size_is_a_whole_number_of_bytes(prove: Any, admits: Any) -> None:
    prove(ByteSize, [ByteSize(0), ByteSize(1024), ByteSize(10**25)])
    assert not admits(ByteSize, "-1")
    assert not admits(ByteSize, '"1KB"')


def test_any_json_value_comes_back(prove: Any) -> None:
    prove(JsonValue, [None, True, 1, 1.5, "a", [], {"a": [{}]}])
    prove(dict[str, JsonValue], [{"a": [1, None]}])


@pytest.mark.parametrize(
    ("hint", "message"),
    [
        (NameEmail, "is two fields in one text; use a model with `name: str` and `email: EmailStr`"),
        (ImportString, "would import what the model names"),
        (Json, "is JSON inside a JSON string"),
        (Json[int], "is wrapped in Json, which is JSON inside a JSON string; use the type itself"),
        (Annotated[date, SkipValidation], "has SkipValidation, so nothing would turn JSON into its values"),
    ],
)
def test_what_has_no_good_form_is_refused_with_a_remedy(hint: Any, message: str) -> None:
    class Holder(BaseModel):
        field: hint

    with pytest.raises(UnsupportedType) as caught:
        output_type(Holder)
    assert caught.value.path == "return.field"
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("hint", "values"),
    [
        (PositiveInt, [1, 10**20]),
        (NegativeInt, [-1]),
        (conint(gt=3, le=9), [4, 9]),
        (constr(max_length=3), ["", "abc"]),
        (conlist(int, min_length=1), [[1]]),
        (StrictInt, [0]),
        (StrictStr, ["a"]),
        (StrictBool, [True, False]),
        (FiniteFloat, [0.5]),
    ],
)
def test_types_that_pydantic_only_names_need_no_hook(prove: Any, hint: Any, values: list[Any]) -> None:
    prove(hint, values)
