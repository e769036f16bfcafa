"""Addresses on networks: email, URLs, IP addresses, IP networks and interfaces, all as JSON strings.

Their languages are generous where the true one is not regular, so that a model can write the address that it means, and
pydantic has the last word, as a named post-check.

- IPv4 is exact: numbers without leading zeros, and networks without bits beyond their mask. IPv6 is any grouping in lower
  case that has one value (`2001:db8::1`, zeros written out or not, an IPv4 tail behind `::ffff:`, a scope behind `%`);
  `encode` writes the compressed form of `str`. Networks have their prefix length, as `str` writes it. Whether an IPv6
  network has bits beyond its mask is a post-check. pydantic's `IPvAnyAddress` and its kin are either version.
- `EmailStr`: letters, digits and the signs that RFC 5321 allows around one `@`, with a dot in the domain; no dot at an end
  or beside another, no hyphen at an end of a label, and a last label that does not end in a digit. Beyond ASCII, the
  characters of email-validator: no private use, no spaces, and in the domain only blocks that have letters. The 63
  characters of a label are not counted: in a grammar they take half a second to compile.
- URLs: an allowed scheme, `://`, a host, and then no spaces or control characters. `AnyUrl` takes any scheme, and those
  without a host (`mailto:`, `urn:`). Characters beyond ASCII are legal in a path; pydantic writes them in percent form.
"""

from __future__ import annotations

from importlib.util import find_spec
from ipaddress import IPv4Address, IPv4Interface, IPv4Network, IPv6Address, IPv6Interface, IPv6Network
from typing import Any

from pydantic import EmailStr, IPvAnyAddress, IPvAnyInterface, IPvAnyNetwork, UrlConstraints
from pydantic.networks import _BaseMultiHostUrl, _BaseUrl  # pyright: ignore[reportPrivateUsage]  # no public base

from typefold.compiler.codec import Codec, text_codec
from typefold.compiler.context import Context
from typefold.compiler.grammar.json_strings import escaped, json_string
from typefold.compiler.grammar.nodes import ANY, Expr, char_class, choice, join, optional, repeat, seq
from typefold.compiler.grammar.numeric import integers
from typefold.compiler.limits import LENGTHS
from typefold.compiler.registry import default_registry

_ALNUM = char_class((0x30, 0x39), (0x41, 0x5A), (0x61, 0x7A))
_PLANES = char_class((0x10000, 0x1FBF9), (0x20000, 0x33479), (0x3D000, 0x3FC3F))  # beyond are private use and tags
_IN_LOCAL = char_class(
    (0xA1, 0xAC),
    (0xAE, 0x1FFF),
    (0x2010, 0x2027),
    (0x2030, 0x205E),
    (0x2070, 0x2FFF),
    (0x3001, 0xD7FB),
    (0xF900, 0xFEFE),
    (0xFF00, 0xFFFD),
    (0xE0100, 0xE01EF),
)
_IN_DOMAIN = char_class(
    (0xAA, 0xAC),
    (0xAE, 0x1FFF),
    (0x2070, 0x2184),
    (0x2460, 0x24EA),
    (0x2C00, 0x2FFF),
    (0x3001, 0xD7A3),
    (0xF900, 0xFEFE),
    (0xFF00, 0xFFDC),
)
_BEYOND = ANY - char_class((0x00, 0xA0), (0x2000, 0x206F), (0x3000, 0x3000), "\ufeff")  # letters, and no spaces
_SPECIAL = {"http", "https", "ws", "wss", "ftp"}  # schemes whose hosts are domains
_VISIBLE = char_class((0x21, 0x7E))

_OCTET = integers(0, 255)
_GROUP = repeat(char_class((0x30, 0x39), (0x61, 0x66)), 1, 4)
_V4 = join(".", [_OCTET] * 4)


def _networks_v4() -> Expr:
    """Networks of IPv4: octets within the mask are free, the octet that it cuts is a multiple, those beyond are zero."""
    text: Expr = seq(_OCTET, "/32")
    for index in reversed(range(4)):
        beyond = ".0" * (3 - index)
        cut = (
            seq(choice(*map(str, range(0, 256, 2 ** (8 - bits)))), f"{beyond}/{8 * index + bits}") for bits in range(8)
        )
        text = choice(*cut, text if index == 3 else seq(_OCTET, ".", text))
    return text


def _addresses_v6() -> Expr:
    whole = join(":", [_GROUP] * 8)
    short = [
        seq(
            join(":", [_GROUP] * before),
            "::",
            seq() if before == 7 else optional(seq(_GROUP, repeat(seq(":", _GROUP), 0, 6 - before))),
        )
        for before in range(8)
    ]
    return choice(whole, *short, seq("::ffff:", _V4))


_V6_WITHOUT_SCOPE = _addresses_v6()
_V6 = seq(_V6_WITHOUT_SCOPE, optional(escaped(seq("%", repeat(~char_class("%/"), 1, None)))))
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
    return text_codec(hint, text, " or ".join(kind.__name__ for kind in kinds), *kinds)


@default_registry.hook(EmailStr)
def email_codec(hint: Any, context: Context) -> Codec[str]:
    """An email address. The package email-validator checks it, and brings its domain into normal form."""
    context.allow(hint, *LENGTHS, "pattern")
    if find_spec("email_validator") is None:
        raise context.refuse(hint, "needs the package email-validator; install pydantic[email]")
    context.check("a valid email address", told="")
    context.imply_config()
    atom = repeat(_ALNUM | char_class("!#$%&'*+-/=?^_`{|}~") | _IN_LOCAL | _PLANES, 1, None)
    inner = _ALNUM | _IN_DOMAIN | _PLANES
    label = seq(inner, optional(seq(repeat(inner | char_class("-"), 0, None), inner)))
    last = seq(optional(seq(inner, repeat(inner | char_class("-"), 0, None))), inner - char_class((0x30, 0x39)))
    text = seq(atom, repeat(seq(".", atom), 0, None), "@", repeat(seq(label, "."), 1, None), last)
    return text_codec(hint, json_string(text), "email", str)


@default_registry.hook_factory(lambda hint: isinstance(hint, type) and issubclass(hint, (_BaseUrl, _BaseMultiHostUrl)))
def url_codec(hint: Any, context: Context) -> Codec[Any]:
    """A URL with one of the class's schemes. pydantic checks it, and brings it into normal form."""
    marks: list[UrlConstraints] = [hint._constraints, *context.limits.claim(UrlConstraints)]
    context.allow(hint)
    schemes = next((mark.allowed_schemes for mark in reversed(marks) if mark.allowed_schemes), None)
    context.check("a valid URL", told="")
    for mark in marks[1:]:
        if mark.max_length is not None:
            context.limits.note(f"at most {mark.max_length} characters")
    rest = optional(seq(char_class("/?#"), repeat(_VISIBLE | _BEYOND, 0, None)))
    if schemes is None:
        lower = char_class((0x61, 0x7A))
        scheme = seq(lower, repeat(lower | char_class((0x30, 0x39), "+-."), 0, None))
        text = seq(scheme, ":", repeat(_VISIBLE | _BEYOND | char_class(" "), 0, None))
    else:
        special = not _SPECIAL.isdisjoint(schemes)
        several = issubclass(hint, _BaseMultiHostUrl)
        authority = _authority(special=special, several=several)
        hostless = not special and not several and not any(mark.host_required for mark in marks)  # as in file:///etc
        text = seq(choice(*schemes), "://", optional(authority) if hostless else authority, rest)
    form = "uri" if schemes is None else f"uri with {' or '.join(schemes)}"
    return text_codec(hint, json_string(text), form, hint)


def _authority(*, special: bool, several: bool) -> Expr:
    """A host, or several with commas between, with a user in front and a port behind where there is one."""
    user = seq(repeat(_ALNUM | char_class("-._~!$&'()*+,;=%:"), 1, None), "@")
    forbidden = "/?#\\<>^|@:[]" + ("%" if special else "") + ("," if several else "")
    name = repeat(_VISIBLE - char_class(forbidden), 1, None)
    host = seq(choice(name, seq("[", _V6_WITHOUT_SCOPE, "]")), optional(seq(":", integers(0, 65535))))
    hosts = seq(host, repeat(seq(",", host), 0, None)) if several else host
    return seq(optional(user), hosts)
