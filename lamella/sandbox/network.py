"""Which addresses a box with a network may reach: the rules, and nothing that touches a network.

A box reaches the outside through the host, so without rules it would reach what the host alone
may: its own services, the machines beside it, the address that hands out a cloud's credentials.
The rules become routes of the box's own network namespace, set before anything in it runs and
by whom the box has no rights over.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Network

from lamella.sandbox.netlink import VIRTUAL

PRIVATE = tuple(
    map(
        IPv4Network,
        (
            "0.0.0.0/8",
            "10.0.0.0/8",
            "100.64.0.0/10",
            "169.254.0.0/16",
            "172.16.0.0/12",
            "192.0.0.0/24",
            "192.168.0.0/16",
            "224.0.0.0/4",
            "240.0.0.0/4",
        ),
    )
)
"""What belongs to a site, a link or nobody, as far as it can lie beyond the host.

Source: https://www.iana.org/assignments/iana-ipv4-special-registry
"""

CREDENTIALS = tuple(
    map(
        IPv4Network,
        ("169.254.169.254", "169.254.170.2", "169.254.170.23", "168.63.129.16", "100.100.100.200"),
    )
)
"""Where clouds answer a machine, and whoever speaks in its name, with data and credentials."""

LOOPBACK = IPv4Network("127.0.0.0/8")
"""In a box this is the box's own; the host's cannot be reached by any rule."""


@dataclass(frozen=True, slots=True)
class Network:
    """A way out for a box, by the host's own; ``allow`` is what it may reach beyond the rules."""

    allow: tuple[IPv4Network, ...] = ()


@dataclass(frozen=True, slots=True)
class Rules:
    """``prohibit`` cannot be reached; ``via`` can, though it lies in something prohibited."""

    prohibit: tuple[str, ...]
    via: tuple[str, ...]


def rules(network: Network, own: Iterable[IPv4Network]) -> Rules:
    """The rules of a network on a host whose addresses are ``own``; of two the narrower holds.

    Who allows a range does not mean the host's own addresses in it, nor those that give out
    credentials: these are allowed by naming each of them.
    """
    named = frozenset(network.allow)
    closed = {each for each in PRIVATE if not any(each.subnet_of(wide) for wide in named)}
    single = {*CREDENTIALS, *(each for each in own if not each.subnet_of(LOOPBACK))}
    via = {each for each in named if any(each.subnet_of(wide) for wide in (*PRIVATE, *single))}
    prohibit = (closed | single | {IPv4Network(VIRTUAL)}) - named
    return Rules(_texts(prohibit), _texts(via))


def _texts(networks: Iterable[IPv4Network]) -> tuple[str, ...]:
    return tuple(map(str, sorted(networks)))
