"""IP addresses, networks and interfaces."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Interface, IPv4Network, IPv6Address, IPv6Interface, IPv6Network
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import IPvAnyAddress, IPvAnyInterface, IPvAnyNetwork

from typefold.compiler import output_type

v4 = st.ip_addresses(v=4)
sparse = st.lists(st.sampled_from([0, 0, 0, 1, 0xFF, 0xFFFF]), min_size=8, max_size=8)
v6 = st.ip_addresses(v=6) | sparse.map(lambda parts: IPv6Address(":".join(f"{part:x}" for part in parts)))


@given(
    st.lists(v4, min_size=1, max_size=4), st.lists(v6, min_size=1, max_size=4), st.integers(0, 32), st.integers(0, 128)
)
@settings(max_examples=8, deadline=None)
def test_addresses_come_back(prove: Any, old: list[IPv4Address], new: list[IPv6Address], short: int, long: int) -> None:
    prove(IPv4Address, old, samples=5, misses=2)
    prove(IPv6Address, new, samples=5, misses=2)
    prove(IPvAnyAddress, [*old, *new], samples=5, misses=0)
    ours = [IPv4Interface((int(each), short)) for each in old], [IPv6Interface((int(each), long)) for each in new]
    prove(IPv4Interface, ours[0], samples=5, misses=0)
    prove(IPv6Interface, ours[1], samples=5, misses=0)
    prove(IPvAnyInterface, [*ours[0], *ours[1]], samples=5, misses=0)
    nets = [each.network for each in ours[0]], [each.network for each in ours[1]]
    prove(IPv4Network, nets[0], samples=5, misses=2)
    prove(IPv6Network, nets[1], samples=5, misses=0)
    prove(IPvAnyNetwork, [*nets[0], *nets[1]], samples=5, misses=0)


@given(v4, st.integers(0, 32))
@settings(max_examples=200, deadline=None)
def test_an_old_network_has_no_bits_beyond_its_mask(admits: Any, address: IPv4Address, size: int) -> None:
    try:
        right = bool(IPv4Network(f"{address}/{size}"))
    except ValueError:
        right = False
    assert admits(IPv4Network, f'"{address}/{size}"') == right


@pytest.mark.parametrize("text", ["256.1.1.1", "01.1.1.1", "1.1.1", "1.1.1.1.1", "1.1.1.1 ", "1", ""])
def test_an_old_address_that_is_none_is_not_admitted(admits: Any, text: str) -> None:
    assert not admits(IPv4Address, f'"{text}"')


@pytest.mark.parametrize(
    "text", [":::", "1::2::3", "1:2:3:4:5:6:7", "1:2:3:4:5:6:7:8:9", "g::", "1:2:3:4:5:6:7:8::", "::1%", "::12345"]
)
def test_a_new_address_that_is_none_is_not_admitted(admits: Any, text: str) -> None:
    assert not admits(IPv6Address, f'"{text}"')


@pytest.mark.parametrize("text", ["2001:0db8:0:0:0:0:0:1", "::ffff:1.2.3.4", "fe80::1%eth0", "::", "1:2:3:4:5:6:7::"])
def test_a_new_address_is_read_as_models_write_it(admits: Any, text: str) -> None:
    assert admits(IPv6Address, f'"{text}"')
    assert output_type(IPv6Address).decode(f'"{text}"') == IPv6Address(text)


def test_only_networks_of_version_6_have_a_post_check() -> None:
    check = "return: no bits beyond the mask of an IPv6 network"
    assert output_type(IPv6Network).post_checks == output_type(IPvAnyNetwork).post_checks == (check,)
    assert not output_type(IPv4Network).post_checks
    assert not output_type(IPv6Interface).post_checks
