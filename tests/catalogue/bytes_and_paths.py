"""Bytes, identifiers and paths.

Bytes are base64 in a JSON string. Their length is counted before encoding, and is in the grammar.
"""

from pathlib import Path, PosixPath, PurePath, PurePosixPath, PureWindowsPath
from typing import Annotated
from uuid import UUID

from pydantic import (
    UUID4,
    Base64Bytes,
    Base64Str,
    Base64UrlBytes,
    DirectoryPath,
    Field,
    FilePath,
    NewPath,
)

data: bytes = b"abc"
array: bytearray = bytearray(b"abc")
base64_bytes: Base64Bytes = b"abc"
few: Annotated[bytes, Field(min_length=2, max_length=8)] = b"abcd"
url_bytes: Base64UrlBytes = b"\xff\xfe"
base64_text: Base64Str = "abc"
identifier: UUID = UUID("6ba7b810-9dad-11d1-80b4-00c04fd430c8")
random_identifier: UUID4 = UUID("9b2f5c1e-8d3a-4c6b-a1f0-2e7d9c4b5a68")
path: Path = Path("notes/today.md")
posix: PosixPath = PosixPath("notes/today.md")
pure: PurePath = PurePath("notes/today.md")
pure_posix: PurePosixPath = PurePosixPath("notes/today.md")
pure_windows: PureWindowsPath = PureWindowsPath("C:/notes")
file: FilePath = Path("/etc/hosts")
folder: DirectoryPath = Path("/")
new: NewPath = Path("/no-such-file.txt")
