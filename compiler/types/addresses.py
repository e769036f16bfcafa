"""IP addresses, networks and interfaces, as JSON strings.

IPv4 is exact: numbers without leading zeros, and networks without bits beyond their mask. IPv6 is any grouping in lower
case that has one value (`2001:db8::1`, zeros written out or not, an IPv4 tail behind `::ffff:`, a scope behind `%`);
`encode` writes the compressed form of `str`. Networks have their prefix length, as `str` writes it. Checked after: that
an IPv6 network has no bits beyond its mask. pydantic's `IPvAnyAddress` and its kin are either version.
"""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Interface, IPv4Network, IPv6Address, IPv6Interface, IPv6Network
from typing import Any

from pydantic import IPvAnyAddress, IPvAnyInterface, IPvAnyNetwork

from typefold.compiler.codec import Codec
from typefold.compiler.context import Context
from typefold.compiler.grammar.json_strings import escaped
from typefold.compiler.grammar.nodes import Expr, char_class, choice, join, optional, repeat, seq
from typefold.compiler.grammar.numeric import integers
from typefold.compiler.registry import default_registry
from typefold.compiler.types.reading import pydantic_reader

_OCTET = integers(0, 255)
_GROUP = repeat(char_class((0x30, 0x39), (0x61, 0x66)), 1, 4)
_V4 = join(".", [_OCTET] * 4)


def _networks_v4() -> Expr:
    """Octet by octet: those within the mask are free, the one that it cuts is a multiple, those beyond are zero."""
    text: Expr = seq(_OCTET, "/32")
    for index in reversed(range(4)):
        beyond = ".0" * (3 - index)
        cut = (seq(_multiples(2 ** (8 - bits)), f"{beyond}/{8 * index + bits}") for bits in range(8))
        text = choice(*cut, text if index == 3 else seq(_OCTET, ".", text))
    return text


def _multiples(step: int) -> Expr:
    return choice(*(str(number) for number in range(0, 256, step)))


def _addresses_v6() -> Expr:
    whole = join(":", [_GROUP] * 8)
    short = [
        seq(
            _groups(before),
            "::",
            seq() if before == 7 else optional(seq(_GROUP, repeat(seq(":", _GROUP), 0, 6 - before))),
        )
        for before in range(8)
    ]
    return choice(whole, *short, seq("::ffff:", _V4))


def _groups(count: int) -> Expr:
    return join(":", [_GROUP] * count)


IPV6 = _addresses_v6()
"""IPv6 addresses without a scope."""

_V6 = seq(IPV6, optional(escaped(seq("%", repeat(~char_class("%/"), 1, None)))))
_TEXTS: dict[Any, Expr] = {
    IPv4Address: _V4,
    IPv4Interface: seq(_V4, "/", integers(0, 32)),
    IPv4Network: _networks_v4(),
    IPv6Address: _V6,
    IPv6Interface: seq(_V6, "/", integers(0, 128)),
    IPv6Network: seq(_V6, "/", integers(0, 128)),
}
_EITHER = {
    IPvAnyAddress: (IPv4Address, IPv6Address),
    IPvAnyInterface: (IPv4Interface, IPv6Interface),
    IPvAnyNetwork: (IPv4Network, IPv6Network),
}


@default_registry.hook(*_TEXTS, *_EITHER)
def address_codec(hint: Any, context: Context) -> Codec[Any]:
    """The text that `str` writes."""
    context.allow(hint)
    kinds: tuple[Any, ...] = _EITHER.get(hint, (hint,))
    if IPv6Network in kinds:
        context.check("no bits beyond the mask of an IPv6 network")
    text = seq('"', choice(*(context.fresh_rule(kind.__name__, _TEXTS[kind]) for kind in kinds)), '"')
    names = " or ".join(kind.__name__ for kind in kinds)
    return Codec(
        text, {"type": "string", "format": names}, str, pydantic_reader(hint), lambda value: type(value) in kinds
    )
