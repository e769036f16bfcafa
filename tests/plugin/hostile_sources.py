"""Sources that would run something when they are checked, if a checker could be had to do it.

Each makes a file or a folder `ran_NAME` in the working folder when its payload runs. `RUN` do so when Python runs them, which
a test makes sure of; the others hold what only a checker would do.
"""

from __future__ import annotations

import pickle
from typing import Any

__all__ = ["BESIDE", "READ", "RUN", "source"]


class _Pickled:
    def __reduce__(self) -> Any:
        return open, ("ran_NAME", "w")


_PICKLE = pickle.dumps(_Pickled(), protocol=0)
_CODE = "__import__('os').mkdir('ran_NAME')"

RUN: dict[str, tuple[str, str]] = {
    "pickle": (
        "from pydantic.v1.parse import load_str_bytes",
        f"Annotated[int, Field(ge=load_str_bytes({_PICKLE!r}, proto='pickle', allow_pickle=True))]",
    ),
    "by_attributes": (
        "import pydantic.v1.parse",
        f"Annotated[int, Field(ge=pydantic.v1.parse.load_str_bytes({_PICKLE!r}, proto='pickle', allow_pickle=True))]",
    ),
    "import_string": (
        "from pydantic.v1.utils import import_string",
        "Annotated[int, Field(ge=import_string('beside.X'))]",
    ),
    "import_string_of_a_private_module": (
        "import pydantic._internal._validators as v",
        "Annotated[int, Field(ge=v.import_string('beside.X'))]",
    ),
    "import_mark": ("from pydantic import ImportString", "Annotated[str, ImportString]"),
    "adapter_of_text": ("from pydantic import TypeAdapter", f'Annotated[int, Field(ge=TypeAdapter("{_CODE}"))]'),
    "create_model": ("from pydantic import create_model", f'create_model("M", a=("{_CODE}", ...))'),
    "text_as_a_field": (f'class M(BaseModel):\n    x: str("{_CODE}")', "M"),
    "text_as_an_argument": (f'class M(BaseModel):\n    x: List[str("{_CODE}")]', "M"),
    "text_by_an_alias": (f'A = str("{_CODE}")\nclass M(BaseModel):\n    x: A', "M"),
    "text_as_a_bound": (
        f'from typing import get_type_hints\nclass M(NamedTuple):\n    x: str("{_CODE}")\nget_type_hints(M)',
        "M",
    ),
    "enum_by_call": ('from io import FileIO\nE = Enum("E", {"A": ("ran_NAME", "w")}, type=FileIO)', "E"),
    "enum_of_files": ('from io import FileIO\nclass E(FileIO, Enum):\n    A = ("ran_NAME", "w")', "E"),
    "metaclass_that_imports": ("class beside(metaclass=__import__):\n    ...", "beside"),
    "alias_generator": ("import os\nclass M(BaseModel, alias_generator=os.mkdir):\n    ran_NAME: int", "M"),
    "alias_generator_of_a_config": (
        'import os\nclass M(BaseModel):\n    model_config = {"alias_generator": os.mkdir}\n    ran_NAME: int',
        "M",
    ),
    "validator_of_a_library": (
        "import os\nfrom pydantic import AfterValidator",
        "Annotated[str, AfterValidator(os.mkdir)]",
    ),
    "validator_before": (
        "import os\nfrom pydantic import BeforeValidator",
        "Annotated[str, BeforeValidator(os.mkdir)]",
    ),
    "validator_that_is_a_class": (
        "from io import FileIO\nfrom functools import partial\nfrom pydantic import PlainValidator",
        "Annotated[str, PlainValidator(partial(FileIO, mode='w'))]",
    ),
    "attrs_alias": (f'@attrs.define\nclass M:\n    x: int = attrs.field(alias="y={_CODE}")', "M"),
    "field_transformer": (
        "import os\n@attrs.define(field_transformer=lambda cls, fields: [os.mkdir('ran_NAME')])\nclass M:\n    x: int",
        "M",
    ),
    "own_metaclass": ("class Meta(type):\n    def __new__(m, *a):\n        CODE\nclass M(metaclass=Meta): ...", "M"),
    "own_subclass_hook": ("class B:\n    def __init_subclass__(cls):\n        CODE\nclass M(B):\n    x: int", "M"),
    "own_index": ("class M:\n    def __class_getitem__(cls, x):\n        CODE", "M[1]"),
    "own_decorator": ("def d(c):\n    CODE\n    return c\n@d\n@dataclass\nclass M:\n    x: int", "M"),
    "own_set_name": (
        "class D:\n    def __set_name__(s, o, n):\n        CODE\nclass M(BaseModel):\n    x: int = D()",
        "M",
    ),
    "own_enum": ("class M(Enum):\n    def __new__(cls, v):\n        CODE\n    A = 1", "M"),
    "own_missing": (
        "class M(Enum):\n    A = 1\n    @classmethod\n    def _missing_(cls, v):\n        CODE",
        "Literal[M(2)]",
    ),
    "own_validator": (
        "def v(x):\n    CODE\n    return x\nfrom pydantic import AfterValidator",
        "Annotated[str, AfterValidator(v)]",
    ),
    "own_predicate": (
        "import annotated_types as at\ndef v(x):\n    CODE\n    return True",
        "Annotated[str, at.Predicate(v)]",
    ),
    "own_post_init": ("@dataclass\nclass M:\n    x: int\n    def __post_init__(self):\n        CODE\nM(1)", "M"),
    "own_format": ("class F:\n    def __format__(s, f):\n        CODE\n        return ''", "Annotated[int, f'{F()}']"),
    "own_operator": ("class F:\n    def __add__(s, o):\n        CODE", "Annotated[int, F() + 1]"),
    "comprehension": ("", f"Annotated[int, [{_CODE} for _ in 'x']]"),
    "walrus": ("", f"Annotated[int, (y := {_CODE})]"),
    "condition": ("", f"Annotated[int, {_CODE} or 1]"),
    "module": ("CODE", "int"),
    "imported": ("import beside", "beside.X"),
    "imported_name": ("from beside import X", "X"),
    "imported_star": ("from beside import *", "X"),
    "default": ("@dataclass\nclass M:\n    x: int = CODE", "M"),
}
"""By name: statements before a prompt function, and its return type."""

READ: dict[str, tuple[str, str]] = {
    "enum_of_processes": ('from subprocess import Popen\nclass E(Popen, Enum):\n    A = (["touch", "ran_NAME"],)', "E"),
    "attrs_these": (f'import attr\n@attr.s(these={{"x=[{_CODE}]": attr.ib()}})\nclass M: ...', "M"),
    "main_of_unittest": ("from unittest.__main__ import main", "main"),
    "main_of_venv": ("import venv.__main__", "venv.__main__.rc"),
    "main_of_asyncio": ("from asyncio.__main__ import x", "x"),
    "hello": ("from __phello__ import x", "x"),
    "loader": ("import ctypes", 'Annotated[int, ctypes.cdll["./evil.so"]]'),
    "relative": ("from .beside import X", "X"),
    "far_relative": ("from .....beside import X", "X"),
    "subclasses": ("", "Annotated[int, object.__subclasses__()]"),
    "globals": ("from pydantic import Field", 'Annotated[int, Field.__globals__["__builtins__"]]'),
    "sys_of_re": ("import re", 'Annotated[int, re.sys.modules["os"]]'),
    "journal": (
        "from typefold import Journal\nfrom pydantic import PlainValidator",
        "Annotated[str, PlainValidator(Journal)]",
    ),
    "mail": ("from pydantic import EmailStr", "EmailStr"),
}

BESIDE = _CODE.replace("NAME", "beside") + "\nX = int\n"
"""A module in the same folder."""


def source(name: str) -> str:
    """One of them, whole."""
    before, hint = (RUN | READ)[name]
    text = f"""
from dataclasses import dataclass
from enum import Enum
from typing import *
import attrs
from pydantic import BaseModel, Field
from typefold import ask, example, prompt
{before}
@prompt(examples=[example({"beside.X" if "import" in name else "ran_NAME"!r}, x="x")])
def f(x: str) -> {hint}:
    return ask(f"{{x}}")
"""
    return text.replace("CODE", _CODE).replace("NAME", name)
