"""pydantic's own types.

Where no grammar describes the valid texts exactly, the grammar is generous, and pydantic has the last word. Types such as
`PositiveInt`, `conlist(...)` or `StrictStr` are read as the annotations that they stand for.
"""

from typing import Annotated

from pydantic import (
    AnyUrl,
    ByteSize,
    EmailStr,
    Field,
    HttpUrl,
    JsonValue,
    MongoDsn,
    Secret,
    SecretBytes,
    SecretStr,
    UrlConstraints,
)

email: EmailStr = "ada@example.org"
any_url: AnyUrl = AnyUrl("urn:isbn:0451450523")
http_url: HttpUrl = HttpUrl("https://example.org/a?b=1")
ftp_url: Annotated[AnyUrl, UrlConstraints(allowed_schemes=["ftp"])] = AnyUrl("ftp://example.org/x")
database: MongoDsn = MongoDsn("mongodb://ada@one:27017,two:27017/ships")
password: SecretStr = SecretStr("open sesame")
long_password: Annotated[SecretStr, Field(min_length=12, max_length=32)] = SecretStr("correct horse")
key: SecretBytes = SecretBytes(b"abc")
pin: Secret[Annotated[int, Field(ge=0, le=9999)]] = Secret(1234)
size: ByteSize = ByteSize(4096)
json: JsonValue = {"a": [1, 2.5, None]}
