"""Functions with a network: what they reach, what they do not, and that nothing of it is left."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.e2e import outside
from tests.e2e.outside import ALLOWED, HOST, HOSTS_OTHER, LOCAL_PORT, METADATA, OUTSIDE, PORT
from tests.e2e.server import Cloud, Server, serving

pytestmark = pytest.mark.skipif(bool(outside.missing()), reason=outside.missing())

GATEWAY, RESOLVER = "192.0.2.2", "192.0.2.3"
WAY = "lamella:network"
CODE = """
import ctypes, os, socket, subprocess, time

libc = ctypes.CDLL(None, use_errno=True)

def ask(host, port):
    with socket.create_connection((host, port), timeout=2) as connection:
        return connection.recv(100).decode()

def interfaces():
    return [name for _, name in socket.if_nameindex()]

def netlink(kind, body):
    import struct
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0) as kernel:
        kernel.send(struct.pack("=IHHII", 16 + len(body), kind, 0x405, 0, 0) + body)
        return os.strerror(-struct.unpack_from("=i", kernel.recv(4096), 16)[0])

def handler(event, context):
    try:
        return eval(event["try"])
    except OSError as error:
        return {"refused": type(error).__name__ + ": " + str(error.strerror or error)}
"""


@pytest.fixture(scope="module", autouse=True)
def host() -> Iterator[None]:
    """All of this module happens on a host of its own."""
    with outside.host_of_ones_own():
        yield


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, host: None) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("network")
    options = ("--network", "host-nat", "--network-allow", "10.9.1.0/24,192.168.7.7")
    with serving(
        folder / "data", *options, within=outside.with_resolver(folder, OUTSIDE)
    ) as server:
        yield server


@pytest.fixture(scope="module")
def cloud(server: Server) -> Cloud:
    return Cloud(server.endpoint)


@pytest.fixture(scope="module")
def reach(cloud: Cloud) -> Callable[[str], Any]:
    function = cloud.function(CODE, Timeout=15)
    return lambda code: cloud.result(function, {"try": code})


def helpers() -> set[int]:
    """The processes that carry the boxes of servers on this host."""
    here, found = os.stat("/proc/thread-self/ns/net"), set()
    for each in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            is_helper = (each / "comm").read_text() == "slirp4netns\n"
            if is_helper and os.path.samestat(here, (each / "ns/net").stat()):
                found.add(int(each.name))
    return found


def left_of(these: set[int]) -> set[int]:
    """Which of some helpers are still there after as long as it may take."""
    until = time.monotonic() + 30
    while these & helpers() and time.monotonic() < until:
        time.sleep(0.02)
    return these & helpers()


Reach = Callable[[str], Any]


def test_the_outside_is_reached_by_address(reach: Reach) -> None:
    assert reach(f"ask({OUTSIDE!r}, {PORT})") == f"at {OUTSIDE}"


def test_the_outside_is_reached_by_name_through_the_hosts_resolver(reach: Reach) -> None:
    assert reach(f"ask('example.com', {PORT})") == f"at {OUTSIDE}"


def test_the_resolver_is_all_that_the_box_learns_of_the_hosts_names(reach: Reach) -> None:
    assert reach("open('/etc/resolv.conf').read()") == f"nameserver {RESOLVER}\n"


def test_a_private_network_that_is_allowed_is_reached(reach: Reach) -> None:
    assert reach(f"ask({ALLOWED!r}, {PORT})") == f"at {ALLOWED}"


@pytest.mark.parametrize(
    "address", [outside.PRIVATE, METADATA, HOST, HOSTS_OTHER, GATEWAY, "192.0.2.9", "172.16.0.1"]
)
def test_what_the_host_alone_may_reach_is_refused(reach: Reach, address: str) -> None:
    if not address.startswith(("192.0.2.", "172.16.")):
        with socket.create_connection((address, PORT), timeout=5) as reached:
            assert reached.recv(100), "the host itself reaches it"
    assert reach(f"ask({address!r}, {PORT})") == {"refused": "PermissionError: Permission denied"}


def test_a_datagram_goes_no_further_than_a_connection(reach: Reach) -> None:
    send = "socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'x', ({!r}, 53))"
    assert reach(send.format(OUTSIDE)) == 1
    assert reach(send.format(METADATA)) == {"refused": "PermissionError: Permission denied"}
    assert reach(send.format("255.255.255.255"))["refused"].startswith("PermissionError")


@pytest.mark.parametrize("address", ["127.0.0.1", "localhost", "0.0.0.0", GATEWAY, RESOLVER])
def test_the_hosts_loopback_is_not_reached_by_any_name(reach: Reach, address: str) -> None:
    assert "refused" in reach(f"ask({address!r}, {LOCAL_PORT})")


def test_there_is_no_ipv6_but_loopback(reach: Reach) -> None:
    lines = reach("open('/proc/net/if_inet6').read()").splitlines()
    assert {line.split()[-1] for line in lines} <= {"lo"}
    assert "refused" in reach("ask('fd00:ec2::254', 80)")


def test_a_function_cannot_change_its_network(reach: Reach) -> None:
    assert reach("interfaces()") == ["lo", "tap0"]
    route = (
        "bytes([2, 32, 0, 0, 254, 4, 253, 1, 0, 0, 0, 0]) + b'\\x08\\0\\x01\\0' + bytes([10,9,0,7])"
    )
    assert reach(f"netlink(24, {route})") == "Operation not permitted"
    assert reach(f"netlink(25, {route})") == "Operation not permitted"
    link = "bytes(4) + bytes([2, 0, 0, 0]) + bytes(4) + bytes([1, 0, 0, 0])"
    assert reach(f"netlink(16, {link})") == "Operation not permitted"
    for family in ("AF_INET", "AF_PACKET"):
        raw = reach(f"socket.socket(socket.{family}, socket.SOCK_RAW, 255)")
        assert "not permitted" in raw["refused"]
    assert "No such file" in reach("open('/dev/net/tun', 'r+b')")["refused"]
    assert "refused" in reach("open('/proc/sys/net/ipv4/ip_forward', 'w').write('1')")
    assert reach("libc.unshare(0x50000000)") == -1


def test_it_cannot_speak_in_anothers_name(reach: Reach) -> None:
    bound = f"socket.socket(socket.AF_INET, socket.SOCK_DGRAM).bind(({HOST!r}, 0))"
    assert reach(bound)["refused"] == "OSError: Cannot assign requested address"
    device = "socket.socket().setsockopt(socket.SOL_SOCKET, 36, 1)"
    assert "not permitted" in reach(device)["refused"]


def test_a_function_may_decline(cloud: Cloud) -> None:
    alone = cloud.function(CODE, Tags={WAY: "none"})
    assert cloud.result(alone, {"try": "interfaces()"}) == ["lo"]
    assert cloud.result(alone, {"try": f"ask({OUTSIDE!r}, {PORT})"}) == {
        "refused": "OSError: Network is unreachable"
    }


def test_a_helper_has_no_rights_and_ends_with_its_environment(cloud: Cloud) -> None:
    before = helpers()
    function = cloud.function(CODE)
    assert cloud.result(function, {"try": "interfaces()"}) == ["lo", "tap0"]
    (mine,) = helpers() - before
    status = Path(f"/proc/{mine}/status").read_text()
    assert "CapEff:\t0000000000000000" in status
    assert "NoNewPrivs:\t1" in status
    assert "Seccomp:\t2" in status
    assert not any(line.split()[1] == "0" for line in status.splitlines() if "Uid:" in line)
    cloud.client.delete_function(FunctionName=function)
    assert not left_of({mine})


def test_after_a_timeout_the_network_is_there_again(cloud: Cloud) -> None:
    function = cloud.function(CODE, Timeout=2)
    assert cloud.invoke(function, {"try": "time.sleep(9)"}).error is not None
    assert cloud.result(function, {"try": f"ask({OUTSIDE!r}, {PORT})"}) == f"at {OUTSIDE}"


def test_who_asks_by_a_tag_gets_a_network_and_loses_it_with_the_tag(tmp_path: Path) -> None:
    """Its host resolves names at its loopback, where other services are: they stay out of reach."""
    within = outside.with_resolver(tmp_path, "127.0.0.1")
    with serving(tmp_path / "data", "--network", "tagged", within=within) as server:
        cloud = Cloud(server.endpoint)
        function = cloud.function(CODE)
        arn = cloud.client.get_function(FunctionName=function)["Configuration"]["FunctionArn"]
        assert cloud.result(function, {"try": "interfaces()"}) == ["lo"]
        cloud.client.tag_resource(Resource=arn, Tags={WAY: "host-nat"})
        assert cloud.result(function, {"try": f"ask({OUTSIDE!r}, {PORT})"}) == f"at {OUTSIDE}"
        for address in (RESOLVER, ALLOWED):
            assert "refused" in cloud.result(function, {"try": f"ask({address!r}, {LOCAL_PORT})"})
        cloud.client.untag_resource(Resource=arn, TagKeys=[WAY])
        assert cloud.result(function, {"try": "interfaces()"}) == ["lo"]
        with pytest.raises(ClientError) as refused:
            cloud.client.tag_resource(Resource=arn, Tags={WAY: "host"})
        assert refused.value.response["Error"]["Code"] == "InvalidParameterValueException"
        assert "must be none or host-nat." in refused.value.response["Error"]["Message"]


def test_it_takes_no_root(tmp_path: Path) -> None:
    within = outside.as_nobody()
    if subprocess.run([*within, sys.executable, "-c", "import lamella"], check=False).returncode:
        pytest.skip("another user than root cannot run this Python")
    with tempfile.TemporaryDirectory() as folder:
        os.chown(folder, outside.NOBODY, outside.NOBODY)
        environ = {"HOME": folder, "PYTHONDONTWRITEBYTECODE": "1"}
        options = ("--network", "host-nat")
        with serving(Path(folder, "data"), *options, environ=environ, within=within) as server:
            cloud = Cloud(server.endpoint)
            function = cloud.function(CODE, Timeout=15)
            assert cloud.result(function, {"try": f"ask({OUTSIDE!r}, {PORT})"}) == f"at {OUTSIDE}"
            for address in (HOST, METADATA, outside.PRIVATE):
                refused = cloud.result(function, {"try": f"ask({address!r}, {PORT})"})["refused"]
                assert refused == "PermissionError: Permission denied"
            assert "refused" in cloud.result(function, {"try": f"ask({GATEWAY!r}, {LOCAL_PORT})"})


@pytest.mark.parametrize("killed", [False, True])
def test_nothing_is_left_behind(tmp_path: Path, killed: bool) -> None:
    others = helpers()
    with serving(tmp_path / "data", "--network", "host-nat") as server:
        cloud = Cloud(server.endpoint)
        assert cloud.result(cloud.function(CODE), {"try": "interfaces()"}) == ["lo", "tap0"]
        mine = helpers() - others
        assert mine
        if killed:
            server.kill()
        else:
            server.stop()
        assert not left_of(mine)
