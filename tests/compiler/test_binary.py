"""Bytes, UUIDs and paths."""

from __future__ import annotations

import base64
from pathlib import Path, PurePosixPath, PureWindowsPath, WindowsPath
from typing import Annotated, Any
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import (
    UUID1,
    UUID4,
    UUID7,
    Base64Bytes,
    Base64Str,
    Base64UrlBytes,
    BaseModel,
    ConfigDict,
    EncodedBytes,
    EncoderProtocol,
    Field,
    FilePath,
    NewPath,
)

from typefold.compiler import DecodeError, UnsupportedType, output_type


@given(st.lists(st.binary(max_size=20), min_size=1))
@settings(max_examples=20, deadline=None)
def test_all_bytes_come_back(prove: Any, values: list[bytes]) -> None:
    prove(bytes, values, samples=10, misses=4)
    prove(bytearray, list(map(bytearray, values)), samples=0, misses=0)
    prove(Base64Bytes, values, samples=0, misses=0)
    prove(Base64UrlBytes, values, samples=0, misses=0)


@given(st.integers(0, 8), st.integers(0, 8))
@settings(max_examples=40, deadline=None)
def test_a_length_of_bytes_is_exact(admits: Any, one: int, other: int) -> None:
    least, most = sorted((one, other))
    kind = Annotated[bytes, Field(min_length=least, max_length=most)]
    assert output_type(kind).post_checks == ()
    for size in range(11):
        assert admits(kind, f'"{base64.b64encode(bytes(size)).decode()}"') == (least <= size <= most)


@pytest.mark.parametrize("text", ["a", "ab", "ab=", "abc", "ab===", "aGl=", "a-b_", "ab==cd==", "aGk= "])
def test_base64_that_is_not_canonical_is_not_admitted(admits: Any, text: str) -> None:
    assert not admits(bytes, f'"{text}"')


def test_a_long_length_of_bytes_is_checked_after_by_name() -> None:
    kind = output_type(Annotated[bytes, Field(max_length=1000)])
    assert kind.post_checks == ("return: max_length=1000",)
    with pytest.raises(DecodeError, match="at most 1000 bytes"):
        kind.decode(kind.encode(bytes(1001)))


def test_bytes_in_a_model_are_base64_whatever_its_configuration(prove: Any) -> None:
    class Plain(BaseModel):
        data: bytes
        size: Annotated[int, Field(multiple_of=2)] = 0

    class Configured(BaseModel):
        model_config = ConfigDict(val_json_bytes="base64", ser_json_bytes="base64")
        data: Annotated[bytes, Field(max_length=3)]

    prove(Plain, [Plain(data=b"\xff\xfe"), Plain(data=b"", size=4)])
    prove(Configured, [Configured(data=b"\xff")])
    with pytest.raises(DecodeError, match="multiple of 2"):
        output_type(Plain).decode('{"data": "", "size": 3}')


def test_limits_inside_what_is_read_by_us_are_still_checked() -> None:
    kind = output_type(tuple[bytes, Annotated[int, Field(multiple_of=3)]])
    assert kind.post_checks == ("return[1]: multiple_of=3",)
    assert kind.decode('["", 6]') == (b"", 6)
    with pytest.raises(DecodeError, match="multiple of 3"):
        kind.decode('["", 7]')


def test_base64_text_is_checked_to_be_utf8(prove: Any) -> None:
    assert prove(Base64Str, ["hällo", ""]).failed
    assert output_type(Base64Str).post_checks == ("return: base64 of UTF-8",)


def test_an_encoder_of_unknown_texts_is_refused() -> None:
    class Reverse(EncoderProtocol):
        @classmethod
        def decode(cls, data: bytes) -> bytes:
            return data[::-1]

        @classmethod
        def encode(cls, value: bytes) -> bytes:
            return value[::-1]

        @classmethod
        def get_json_format(cls) -> str:
            return "reverse"

    with pytest.raises(UnsupportedType, match=r"^return\.data: bytes is encoded by .*Reverse"):
        output_type(BaseModelOf(Annotated[bytes, EncodedBytes(encoder=Reverse)]))


def BaseModelOf(hint: Any) -> Any:
    return type("Made", (BaseModel,), {"__annotations__": {"data": hint}, "__module__": __name__})


@given(st.lists(st.uuids(), min_size=1))
@settings(max_examples=20, deadline=None)
def test_every_uuid_comes_back(prove: Any, values: list[UUID]) -> None:
    prove(UUID, values, samples=5, misses=2)


@pytest.mark.parametrize(("hint", "version"), [(UUID1, 1), (UUID4, 4), (UUID7, 7)])
def test_the_version_of_a_uuid_is_in_the_grammar(prove: Any, admits: Any, hint: Any, version: int) -> None:
    assert output_type(hint).post_checks == ()
    prove(hint)
    for other in range(1, 9):
        assert admits(hint, f'"12345678-1234-{other}234-8234-123456789012"') == (other == version)
    assert not admits(hint, f'"12345678-1234-{version}234-1234-123456789012"')


@pytest.mark.parametrize(
    "text",
    [
        "12345678123412341234123456789012",
        "12345678-1234-1234-1234-12345678901A",
        "{12345678-1234-1234-1234-123456789012}",
    ],
)
def test_a_uuid_in_another_form_is_not_admitted(admits: Any, text: str) -> None:
    assert not admits(UUID, f'"{text}"')


def test_paths_come_back(prove: Any) -> None:
    prove(Path, [Path("a/../b"), Path("/"), Path('with "quotes"\n'), Path()])
    prove(PurePosixPath, [PurePosixPath("a\\b")])
    prove(PureWindowsPath, [PureWindowsPath("c:/a/b")])


def test_a_path_of_another_system_is_refused() -> None:
    with pytest.raises(UnsupportedType, match="cannot be made on this system; use its Pure form"):
        output_type(WindowsPath)


def test_that_a_file_is_there_is_checked_after(prove: Any, tmp_path: Path) -> None:
    here = tmp_path / "here"
    here.touch()
    assert prove(FilePath, [here], samples=10).failed
    assert output_type(FilePath).post_checks == ("return: an existing file",)
    with pytest.raises(DecodeError, match="already exists"):
        output_type(NewPath).decode(f'"{here}"')
