"""Functions that try to get out, each a real invocation that fails. SECURITY.md lists them."""

from __future__ import annotations

import os
import select
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.e2e.server import Cloud, Server

ATTEMPT = """
import ctypes, os, signal, socket, subprocess, sys

libc = ctypes.CDLL(None, use_errno=True)

def refused(result):
    return result == -1 and os.strerror(ctypes.get_errno())

def handler(event, context):
    try:
        return eval(event["try"])
    except OSError as error:
        return {"refused": type(error).__name__ + ": " + str(error.strerror)}
"""


@pytest.fixture(scope="module")
def attacker(cloud: Cloud) -> str:
    return cloud.function(ATTEMPT, Timeout=10)


def attempt(cloud: Cloud, attacker: str, code: str) -> Any:
    return cloud.result(attacker, {"try": code})


def refused(answer: Any) -> str:
    assert isinstance(answer, dict), answer
    return str(answer["refused"])


def test_the_shadow_file_cannot_be_read(cloud: Cloud, attacker: str) -> None:
    assert "FileNotFoundError" in refused(attempt(cloud, attacker, "open('/etc/shadow').read()"))


def test_the_servers_data_directory_cannot_be_read(
    cloud: Cloud, attacker: str, server: Server
) -> None:
    secret = next(path for path in server.data.rglob("*") if path.is_file())
    assert "FileNotFoundError" in refused(attempt(cloud, attacker, f"open({str(secret)!r}).read()"))


def test_no_home_and_no_other_folder_of_the_host_is_there(cloud: Cloud, attacker: str) -> None:
    seen = set(attempt(cloud, attacker, "os.listdir('/')"))
    assert seen <= {
        *("bin", "sbin", "lib", "lib32", "lib64", "libx32"),
        *("dev", "etc", "opt", "proc", "tmp", "usr", "var"),
    }


def test_processes_of_the_host_are_not_seen(cloud: Cloud, attacker: str) -> None:
    pids = attempt(cloud, attacker, "sorted(int(p) for p in os.listdir('/proc') if p.isdigit())")
    assert pids[0] == 1
    assert len(pids) <= 4


def test_processes_of_the_host_cannot_be_signalled(
    cloud: Cloud, attacker: str, server: Server
) -> None:
    for pid in (server.pid, os.getpid()):
        assert "ProcessLookupError" in refused(attempt(cloud, attacker, f"os.kill({pid}, 0)"))


def test_the_first_process_of_the_box_survives_being_killed(cloud: Cloud, attacker: str) -> None:
    attempt(cloud, attacker, "os.kill(1, signal.SIGKILL)")
    assert attempt(cloud, attacker, "1 + 1") == 2


@pytest.mark.parametrize(
    "folder", ["/", "/etc", "/usr", "/var", "/opt", "/dev/shm", "/var/runtime"]
)
def test_nothing_but_tmp_can_be_written(cloud: Cloud, attacker: str, folder: str) -> None:
    answer = refused(attempt(cloud, attacker, f"open({folder + '/x'!r}, 'w')"))
    assert "Read-only file system" in answer or "Permission denied" in answer
    assert attempt(cloud, attacker, "open('/tmp/x', 'w').write('x')") == 1


def test_another_environments_tmp_is_not_seen(cloud: Cloud) -> None:
    code = """
import os

def handler(event, context):
    if event:
        open("/tmp/" + event, "w").write("secret")
    return sorted(os.listdir("/tmp"))
"""
    one, two = cloud.function(code), cloud.function(code)
    assert cloud.result(one, "mine") == ["mine"]
    assert cloud.result(one) == ["mine"]
    assert cloud.result(two) == []


CONNECT = "socket.create_connection(({host!r}, {port}), timeout=2) and 'connected'"


def test_the_servers_port_cannot_be_reached(cloud: Cloud, attacker: str, server: Server) -> None:
    port = int(server.endpoint.rsplit(":", 1)[1])
    assert "ConnectionRefused" in refused(
        attempt(cloud, attacker, CONNECT.format(host="127.0.0.1", port=port))
    )


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener


def test_the_hosts_loopback_cannot_be_reached(
    cloud: Cloud, attacker: str, listener: socket.socket
) -> None:
    port = listener.getsockname()[1]
    assert "ConnectionRefused" in refused(
        attempt(cloud, attacker, CONNECT.format(host="127.0.0.1", port=port))
    )


def test_there_is_no_way_out_of_the_box_at_all(cloud: Cloud, attacker: str) -> None:
    code = """[line.split()[0] for line in open('/proc/net/route').readlines()[1:]]"""
    assert attempt(cloud, attacker, code) == []
    names = attempt(cloud, attacker, "[name for _, name in socket.if_nameindex()]")
    assert names == ["lo"]
    answer = attempt(
        cloud,
        attacker,
        "socket.socket(socket.AF_INET, socket.SOCK_DGRAM).connect(('192.0.2.1', 53))",
    )
    assert "Network is unreachable" in refused(answer)


def test_a_tag_gives_no_network_where_the_server_gives_none(cloud: Cloud) -> None:
    function = cloud.function(ATTEMPT, Tags={"lamella:network": "host-nat"})
    names = cloud.result(function, {"try": "[name for _, name in socket.if_nameindex()]"})
    assert names == ["lo"]


def test_abstract_sockets_of_the_host_are_not_seen(cloud: Cloud, attacker: str) -> None:
    name = f"\0lamella-{os.getpid()}"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(name)
        listener.listen(1)
        code = f"socket.socket(socket.AF_UNIX).connect({name!r})"
        assert "ConnectionRefused" in refused(attempt(cloud, attacker, code))


@pytest.mark.parametrize(
    "call",
    ["os.setuid(0)", "os.setgid(0)", "os.setgroups([0])", "os.chown('/tmp', 0, 0)"],
)
def test_nobody_becomes_root(cloud: Cloud, attacker: str, call: str) -> None:
    assert attempt(cloud, attacker, "os.getuid()") != 0
    assert "Error" in refused(attempt(cloud, attacker, call))


def test_set_uid_programs_of_the_host_give_nothing(cloud: Cloud, attacker: str) -> None:
    code = "subprocess.run(['su', '-c', 'id'], capture_output=True, stdin=subprocess.DEVNULL).returncode"
    assert attempt(cloud, attacker, code) != 0
    status = attempt(cloud, attacker, "open('/proc/self/status').read()")
    assert "NoNewPrivs:\t1" in status
    assert "CapBnd:\t0000000000000000" in status


NOT_PERMITTED = "Operation not permitted"

CALLS = {
    "mount": "refused(libc.mount(b'x', b'/tmp', b'tmpfs', 0, None))",
    "umount": "refused(libc.umount2(b'/opt', 2))",
    "unshare a user namespace": "refused(libc.unshare(0x10000000))",
    "unshare a mount namespace": "refused(libc.unshare(0x00020000))",
    "clone into a user namespace": "refused(libc.syscall(56, 0x10000000 | 17, 0, 0, 0, 0))",
    "setns": "refused(libc.setns(0, 0))",
    "ptrace": "refused(libc.ptrace(16, 1, 0, 0))",
    "process_vm_readv": "refused(libc.process_vm_readv(1, 0, 0, 0, 0, 0))",
    "bpf": "refused(libc.syscall(321, 5, 0, 0))",
    "perf_event_open": "refused(libc.syscall(298, 0, 0, -1, -1, 0))",
    "io_uring": "refused(libc.syscall(425, 1, 0))",
    "userfaultfd": "refused(libc.syscall(323, 0))",
    "keyctl": "refused(libc.syscall(250, 0, 0, 0))",
    "load a kernel module": "refused(libc.syscall(175, 0, 0, b''))",
    "open_by_handle_at": "refused(libc.syscall(304, 0, 0, 0))",
    "chroot": "refused(libc.chroot(b'/tmp'))",
    "pivot_root": "refused(libc.syscall(155, b'/tmp', b'/tmp'))",
    "set the clock": "refused(libc.syscall(227, 0, b'0' * 16))",
    "reboot": "refused(libc.reboot(0))",
    "packet socket": "refused(libc.socket(17, 3, 0))",
}


@pytest.mark.skipif(os.uname().machine != "x86_64", reason="the numbers are those of x86_64")
@pytest.mark.parametrize("what", sorted(CALLS))
def test_the_kernel_refuses_to(cloud: Cloud, attacker: str, what: str) -> None:
    assert attempt(cloud, attacker, CALLS[what]) == NOT_PERMITTED


def test_secrets_of_the_server_are_not_in_the_environment(cloud: Cloud, attacker: str) -> None:
    names = set(attempt(cloud, attacker, "dict(os.environ)"))
    assert not {"HOME", "USER", "VIRTUAL_ENV", "PYTEST_CURRENT_TEST"} & names


def test_no_descriptor_of_the_server_is_inherited(cloud: Cloud, attacker: str) -> None:
    code = "[os.readlink('/proc/self/fd/' + f) for f in os.listdir('/proc/self/fd') if int(f) > 2 and os.path.exists('/proc/self/fd/' + f) and not os.path.sameopenfile(1, int(f))]"
    for target in attempt(cloud, attacker, code):
        assert target.startswith(("socket:", "/proc/")), target


def test_more_memory_than_configured_is_killed_and_the_next_invocation_runs(cloud: Cloud) -> None:
    code = """
def handler(event, context):
    held = []
    for _ in range(event):
        held.append(bytearray(b"x" * (1 << 20)))
    return len(held)
"""
    name = cloud.function(code, MemorySize=128, Timeout=30)
    assert cloud.result(name, 10) == 10
    invoked = cloud.invoke(name, 1024)
    assert invoked.error == "Unhandled"
    assert invoked.payload["errorType"] == "Runtime.ExitError"
    assert invoked.payload["errorMessage"].endswith(
        "Error: Runtime exited with error: signal: killed"
    )
    assert cloud.result(name, 10) == 10


@pytest.mark.parametrize(("each", "killed"), [(0, False), (80, True)])
def test_processes_of_a_box_hold_memory_together_and_what_they_share_once(
    cloud: Cloud, each: int, killed: bool
) -> None:
    code = """
import os, time

def handler(each, context):
    held = bytearray(b"x") * (120 << 20)
    for _ in range(3):
        if os.fork() == 0:
            own = bytearray(b"y") * (each << 20)
            time.sleep(60)
    time.sleep(0.5 if each == 0 else 60)
    return len(held) >> 20
"""
    name = cloud.function(code, MemorySize=256, Timeout=30)
    if killed:
        assert cloud.invoke(name, each).payload["errorMessage"].endswith("signal: killed")
    else:
        assert cloud.result(name, each) == 120


def test_tmp_does_not_count_as_memory_and_ends_at_its_size(cloud: Cloud) -> None:
    code = """
import os

def handler(event, context):
    written = 0
    try:
        with open("/tmp/full", "wb") as file:
            while True:
                file.write(bytes(1 << 20))
                written += 1
    except OSError as error:
        reason = error.strerror
    os.remove("/tmp/full")
    return [written, reason]
"""
    name = cloud.function(code, MemorySize=128, Timeout=30, EphemeralStorage={"Size": 512})
    written, reason = cloud.result(name)
    assert reason == "No space left on device"
    assert 505 <= written <= 512


def test_processes_are_limited_to_1024(cloud: Cloud) -> None:
    code = """
import os, signal, time

def handler(event, context):
    children = []
    try:
        while len(children) < 3000:
            pid = os.fork()
            if pid == 0:
                signal.pause()
            children.append(pid)
        reason = None
    except OSError as error:
        reason = error.strerror
    for pid in children:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    return [len(children), reason]
"""
    name = cloud.function(code, MemorySize=2048, Timeout=60)
    count, reason = cloud.result(name)
    assert reason == "Resource temporarily unavailable"
    assert count <= 1024


def test_open_files_are_limited_to_1024(cloud: Cloud, attacker: str) -> None:
    assert "Too many open files" in refused(
        attempt(cloud, attacker, "[open('/dev/null') for _ in range(2000)]")
    )


def test_a_daemon_does_not_survive_its_environment(cloud: Cloud) -> None:
    marker = f"lamella-daemon-{os.getpid()}"
    code = """
import subprocess

def handler(event, context):
    subprocess.Popen(
        ["/bin/sh", "-c", "sleep 1000; : " + event], start_new_session=True,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )
"""
    name = cloud.function(code)
    cloud.result(name, marker)
    assert commands_with(marker)
    cloud.client.delete_function(FunctionName=name)
    wait_until_gone(marker)


def wait_until_gone(marker: str) -> None:
    """The kernel tears a box down in its own time; the test's own timeout bounds the wait."""
    for descriptor in [os.pidfd_open(pid) for pid in commands_with(marker)]:
        select.select([descriptor], [], [], 30)
        os.close(descriptor)
    assert not commands_with(marker)


def commands_with(marker: str) -> list[int]:
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if marker.encode() in path.read_bytes():
                found.append(int(path.parent.name))
        except OSError:
            continue
    return found


def test_a_nul_in_a_variable_takes_no_box_apart(cloud: Cloud) -> None:
    """Options of the box's maker are separated by NULs: a value with one would add options."""
    name = cloud.function("def handler(event, context): pass")
    with pytest.raises(ClientError, match="NUL"):
        cloud.client.update_function_configuration(
            FunctionName=name, Environment={"Variables": {"XX": "x\0--ro-bind\0/\0/tmp"}}
        )


def test_another_environments_runtime_api_cannot_be_reached(cloud: Cloud) -> None:
    """Each has 127.0.0.1:9001 in a network namespace of its own: only one's own answers."""
    code = """
import os, urllib.request

def handler(event, context):
    address = os.environ["AWS_LAMBDA_RUNTIME_API"]
    request = urllib.request.Request(
        f"http://{address}/2018-06-01/runtime/invocation/{event or context.aws_request_id}/response",
        data=b'"mine"', method="POST")
    try:
        return urllib.request.urlopen(request, timeout=2).status
    except urllib.error.HTTPError as error:
        return error.code
"""
    one, two = cloud.function(code), cloud.function(code)
    other = cloud.invoke(one).raw["ResponseMetadata"]["RequestId"]
    assert cloud.invoke(two, other).payload == 400
