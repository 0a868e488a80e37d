"""Which routes a network has, and what of the kernel's words is understood."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network

import pytest

from lamella.sandbox import netlink, uplink
from lamella.sandbox.network import CREDENTIALS, Network, rules

OWN = (IPv4Network("127.0.0.0/8"), IPv4Network("10.1.2.3/32"), IPv4Network("203.0.113.5/32"))


def network(*allow: str) -> Network:
    return Network(tuple(map(IPv4Network, allow)))


def reached(address: str, *allow: str) -> bool:
    """What the kernel decides by these rules: the longest prefix wins."""
    made = rules(network(*allow), OWN)
    routes = [(IPv4Network("0.0.0.0/0"), True)]
    routes += [(IPv4Network(each), False) for each in made.prohibit]
    routes += [(IPv4Network(each), True) for each in made.via]
    hits = [(each.prefixlen, way) for each, way in routes if IPv4Address(address) in each]
    return max(hits)[1]


@pytest.mark.parametrize("address", ["1.1.1.1", "172.32.0.1", "100.128.0.1", "198.51.100.7"])
def test_public_addresses_are_reached(address: str) -> None:
    assert reached(address)


@pytest.mark.parametrize(
    "address",
    [
        *("10.0.0.1", "10.255.255.255", "172.16.0.1", "172.31.255.255", "192.168.0.1"),
        *("100.64.0.1", "169.254.0.1", "0.0.0.1", "224.0.0.251", "255.255.255.255"),
        *("203.0.113.5", "10.1.2.3", "192.0.2.2", "192.0.0.192"),
        *(str(each.network_address) for each in CREDENTIALS),
    ],
)
def test_private_addresses_the_hosts_own_and_credentials_are_not(address: str) -> None:
    assert not reached(address)


@pytest.mark.parametrize("allow", ["10.1.0.0/16", "10.0.0.0/8", "8.0.0.0/5", "0.0.0.0/0"])
def test_what_is_allowed_is_reached_but_for_the_hosts_own_addresses(allow: str) -> None:
    assert reached("10.1.9.9", allow)
    assert not reached("10.1.2.3", allow)
    assert not reached("169.254.169.254", allow)
    assert not reached("192.168.1.1", allow) or allow == "0.0.0.0/0"


def test_an_own_address_is_reached_if_it_is_named_itself() -> None:
    assert reached("10.1.2.3", "10.1.2.3/32")
    assert reached("203.0.113.5", "203.0.113.5/32")
    assert reached("169.254.169.254", "169.254.169.254/32")
    assert not reached("10.1.2.4", "10.1.2.3/32")


def test_loopback_is_left_to_the_box() -> None:
    assert not any(each.startswith("127.") for each in rules(network(), OWN).prohibit)


def test_the_hosts_addresses_are_read_from_the_kernel() -> None:
    assert IPv4Network("127.0.0.0/8") in uplink.own_networks()
    assert "127.0.0.1/32" in netlink.local_networks()
