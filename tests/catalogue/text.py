"""Text.

A whole answer that is a `str` is bare text. A length and a pattern are in the grammar. Where both are given and the text
could be divided in many ways, the pattern is, and the length is checked after.
"""

from typing import Annotated, LiteralString

from pydantic import Field, StringConstraints

anything: str = "It rained."
title: Annotated[str, Field(max_length=40)] = "The Lighthouse"
motto: Annotated[str, StringConstraints(min_length=1, max_length=80)] = "Lux in tenebris"
page: Annotated[str, Field(max_length=2000)] = "It rained."
word: Annotated[str, Field(pattern=r"^[a-z]+$")] = "harbour"
short_word: Annotated[str, Field(pattern=r"^[a-z]+$", max_length=12)] = "harbour"
code: Annotated[str, Field(pattern=r"^[a-z](-*[a-z])*$", max_length=12)] = "north-sea"
tidy: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)] = "It rained."
constant: LiteralString = "as str"
