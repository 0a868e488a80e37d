"""The few words of rtnetlink that boxes need: an interface brought up, routes set, routes read.

The keeper imports this, so it stands on the standard library's smallest parts. Everything works
on the network namespace of the thread that calls. All of it is IPv4.

Source: https://www.kernel.org/doc/html/latest/userspace-api/netlink/intro.html, rtnetlink(7)
"""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import struct
from collections.abc import Iterable, Iterator

VIRTUAL = "192.0.2.0/24"
"""The network between a box and the helper. It is for documentation, so it hides nobody's."""
ADDRESS, GATEWAY, RESOLVER = "192.0.2.100", "192.0.2.2", "192.0.2.3"
"""The box, the helper and what it answers names at, as slirp4netns numbers them."""
INTERFACE = "tap0"
CONNECTED_RESOLVER = "resolv.connected.conf"
"""The file in the boxes' ``/etc`` that is ``resolv.conf`` for those with a way out."""
MTU = 65_520
"""What passes the helper in one piece: few large pieces cost it less than many small ones."""

_HEADER = struct.Struct("=IHHII")
_ATTRIBUTE = struct.Struct("=HH")
_ROUTE = struct.Struct("=BBBBBBBBI")
_LINK = struct.Struct("=BxHiII")
_ADDRESS = struct.Struct("=BBBBI")

_ERROR, _DONE = 2, 3
_SET_LINK, _NEW_ADDRESS, _NEW_ROUTE, _GET_ROUTE = 16, 20, 24, 26
_REQUEST, _ACKNOWLEDGE, _DUMP, _REPLACE, _CREATE = 0x1, 0x4, 0x300, 0x100, 0x400
_UP = 0x1
_LINK_MTU, _LINK_FAMILIES, _V6_ADDRESS_MODE, _V6_NO_ADDRESS = 4, 26, 8, 1
_LOCAL_ADDRESS, _PEER_ADDRESS = 2, 1
_DESTINATION, _INTERFACE, _GATEWAY = 1, 4, 5
_UNICAST, _LOCAL, _BROADCAST, _PROHIBIT = 1, 2, 3, 8
_MAIN_TABLE, _STATIC, _ANYWHERE, _ON_LINK_SCOPE = 254, 4, 0, 253
_ON_LINK = 4
"""The gateway is behind the interface although no route says so: nobody shall speak to itself."""


def configure(prohibit: Iterable[str], via: Iterable[str]) -> None:
    """Give this namespace its way out by `INTERFACE`, which is there already.

    What is in ``prohibit`` stays closed but for what is in ``via``, networks such as 10.0.0.0/8.
    Raises OSError.
    """
    with _opened() as kernel:
        for network in prohibit:
            _route(kernel, network, kind=_PROHIBIT)
        index = socket.if_nametoindex(INTERFACE)
        # A kernel without IPv6 gives no such address anyway.
        with contextlib.suppress(OSError):
            mode = _attribute(_V6_ADDRESS_MODE, bytes([_V6_NO_ADDRESS]))
            families = _attribute(_LINK_FAMILIES, _attribute(socket.AF_INET6, mode))
            _ask(kernel, _SET_LINK, 0, _LINK.pack(0, 0, index, 0, 0) + families)
        mtu = _attribute(_LINK_MTU, struct.pack("=I", MTU))
        _ask(kernel, _SET_LINK, 0, _LINK.pack(0, 0, index, _UP, _UP) + mtu)
        own = socket.inet_aton(ADDRESS)
        addresses = _attribute(_LOCAL_ADDRESS, own) + _attribute(_PEER_ADDRESS, own)
        body = _ADDRESS.pack(socket.AF_INET, 32, 0, 0, index) + addresses
        _ask(kernel, _NEW_ADDRESS, _CREATE | _REPLACE, body)
        _route(kernel, f"{RESOLVER}/32", index=index, scope=_ON_LINK_SCOPE)
        for network in (*via, "0.0.0.0/0"):
            _route(kernel, network, index=index, gateway=GATEWAY)


def local_networks() -> list[str]:
    """The addresses, as networks, that this namespace takes for its own. Raises OSError."""
    asked = _ROUTE.pack(socket.AF_INET, 0, 0, 0, 0, 0, 0, 0, 0)
    found = []
    with _opened() as kernel:
        kernel.send(_message(_GET_ROUTE, _REQUEST | _DUMP, asked))
        for kind, body in _answers(kernel):
            if kind == _DONE:
                break
            _, length, _, _, _, _, _, route, _ = _ROUTE.unpack_from(body)
            if route in (_LOCAL, _BROADCAST):
                attributes = dict(_attributes(body[_ROUTE.size :]))
                address = attributes.get(_DESTINATION, bytes(4))
                found.append(f"{socket.inet_ntoa(address)}/{length}")
    return found


def _opened() -> socket.socket:
    return socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE)


def _route(
    kernel: socket.socket,
    network: str,
    *,
    kind: int = _UNICAST,
    index: int | None = None,
    gateway: str | None = None,
    scope: int = _ANYWHERE,
) -> None:
    address, length = network.split("/")
    flags = 0 if gateway is None else _ON_LINK
    body = _ROUTE.pack(
        socket.AF_INET, int(length), 0, 0, _MAIN_TABLE, _STATIC, scope, kind, flags
    ) + _attribute(_DESTINATION, socket.inet_aton(address))
    if index is not None:
        body += _attribute(_INTERFACE, struct.pack("=I", index))
    if gateway is not None:
        body += _attribute(_GATEWAY, socket.inet_aton(gateway))
    _ask(kernel, _NEW_ROUTE, _CREATE | _REPLACE, body)


def _ask(kernel: socket.socket, kind: int, flags: int, body: bytes) -> None:
    kernel.send(_message(kind, flags | _REQUEST | _ACKNOWLEDGE, body))
    next(_answers(kernel))


def _message(kind: int, flags: int, body: bytes) -> bytes:
    return _HEADER.pack(_HEADER.size + len(body), kind, flags, 0, 0) + body


def _attribute(kind: int, value: bytes) -> bytes:
    padding = bytes(-len(value) % 4)
    return _ATTRIBUTE.pack(_ATTRIBUTE.size + len(value), kind) + value + padding


def _answers(kernel: socket.socket) -> Iterator[tuple[int, bytes]]:
    """The kind and body of every message that comes; an error is raised."""
    while True:
        data = kernel.recv(65_536)
        while data:
            size, kind, _, _, _ = _HEADER.unpack_from(data)
            body, data = data[_HEADER.size : size], data[(size + 3) & ~3 :]
            if kind == _ERROR:
                (code,) = struct.unpack_from("=i", body)
                if code:
                    raise OSError(-code, f"rtnetlink: {os.strerror(-code)}")
            yield kind, body


def _attributes(data: bytes) -> Iterator[tuple[int, bytes]]:
    while len(data) >= _ATTRIBUTE.size:
        size, kind = _ATTRIBUTE.unpack_from(data)
        if size < _ATTRIBUTE.size:
            raise OSError(errno.EBADMSG, "rtnetlink: an attribute without a length")
        yield kind, data[_ATTRIBUTE.size : size]
        data = data[(size + 3) & ~3 :]
