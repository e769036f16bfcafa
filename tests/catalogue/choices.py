"""Choices.

Where all members are strings, an answer is the bare member, without quotation marks; else each member is written as JSON
writes its value. Inside of another type, `Scored[X]` is written as `X`, and has the probability of each choice.
"""

from enum import Enum, Flag, IntEnum, IntFlag, StrEnum, auto
from typing import Literal

from typefold import Scored


class Mood(Enum):
    GRIM = "grim"
    FUNNY = "funny"


class Role(StrEnum):
    HERO = auto()
    VILLAIN = auto()


class Level(IntEnum):
    LOW = 1
    HIGH = 2


class Access(Flag):
    READ = auto()
    WRITE = auto()
    SHARE = auto()


class Bits(IntFlag):
    A = 1
    B = 2


class Corner(Enum):
    ORIGIN = (0, 0)
    TOP = (0, 1)


Setting = Enum("Setting", {"FAST": {"steps": 1}, "SLOW": {"steps": 50}})


verdict: Literal["keep", "drop"] = "keep"
mixed: Literal["auto", 1, None] = 1
stars: Literal[1, 2, 3, 4, 5] = 4
one_mood: Literal[Mood.GRIM] = Mood.GRIM
mood: Mood = Mood.FUNNY
role: Role = Role.HERO
level: Level = Level.HIGH
access: Access = Access.READ | Access.SHARE
bits: Bits = Bits.B
corner: Corner = Corner.TOP
setting: Setting = Setting.SLOW
yes_or_no: bool = True
scored: Scored[Mood] = Scored.of(Mood.GRIM)
