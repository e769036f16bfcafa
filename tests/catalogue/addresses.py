"""Addresses.

IPv4 is exact. An IPv6 address may be grouped in any way that has one meaning, in lower case; `encode` writes the compressed
form.
"""

from ipaddress import IPv4Address, IPv4Interface, IPv4Network, IPv6Address, IPv6Interface, IPv6Network

from pydantic import IPvAnyAddress, IPvAnyInterface, IPvAnyNetwork

four: IPv4Address = IPv4Address("192.0.2.1")
four_interface: IPv4Interface = IPv4Interface("192.0.2.1/24")
four_network: IPv4Network = IPv4Network("192.0.2.0/24")
six: IPv6Address = IPv6Address("2001:db8::1")
six_interface: IPv6Interface = IPv6Interface("2001:db8::1/64")
six_network: IPv6Network = IPv6Network("2001:db8::/32")
either: IPvAnyAddress = IPv6Address("::1")
either_interface: IPvAnyInterface = IPv4Interface("192.0.2.1/24")
either_network: IPvAnyNetwork = IPv4Network("192.0.2.0/24")
