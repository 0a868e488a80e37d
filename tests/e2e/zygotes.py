"""Functions that are forks of a zygote, and how tests know that they are."""

from __future__ import annotations

import contextlib
import time
from pathlib import Path
from typing import Any

from lamella.sandbox import usage
from tests.e2e.server import Cloud, Invoked, Server, zipped

SECONDS = 60
PLAINLY: dict[str, Any] = {"Tags": {"lamella:preload": "off"}}

IS_FORK = """
def is_fork():
    with open("/proc/self/cmdline", "rb") as line:
        return b"--zygote" in line.read()
"""
"""A fork keeps the command of what it was forked from."""

FIRST = (
    "import shared\n"
    + IS_FORK
    + """
def handler(event, context):
    return is_fork()
"""
)


class Side:
    """A server, and functions whose layers have a zygote."""

    def __init__(self, server: Server, account: str = "test") -> None:
        self.server = server
        self.cloud = Cloud(server.endpoint, account=account)

    def layer(self, **modules: str) -> str:
        files: dict[str, str | bytes] = {
            f"python/{name}.py": text for name, text in modules.items()
        }
        return self.cloud.layer(zipped(files))

    def again(self, name: str) -> None:
        """Have the next invocation begin in a new environment."""
        client = self.cloud.client
        client.update_function_configuration(
            FunctionName=name, Description=str(time.monotonic_ns())
        )
        until = time.monotonic() + SECONDS
        while time.monotonic() < until:
            state = client.get_function_configuration(FunctionName=name)
            if state["LastUpdateStatus"] == "Successful":
                return
            time.sleep(0.01)
        raise AssertionError(f"{name} is not updated")

    def anew(self, name: str, event: Any = None) -> Invoked:
        """An invocation in a new environment."""
        self.again(name)
        return self.cloud.invoke(name, event)

    def until_forked(self, layers: list[str], code: str = FIRST, **more: Any) -> str:
        """A function with these layers that began as a fork; ``handler`` says whether it did."""
        name = self.cloud.function(code, layers=layers, **more)
        until = time.monotonic() + SECONDS
        while not self.cloud.result(name):
            assert time.monotonic() < until, self.server.log()
            self.again(name)
        return name

    def zygotes(self) -> list[int]:
        """The processes that fork, by number."""
        return [pid for pid in _below(self.server.pid) if _is_zygote(pid) and _listens(pid)]


def _below(server: int) -> list[int]:
    found = []
    with contextlib.suppress(OSError):  # it has ended just now
        for child in usage.children(server):
            found += [child, *_below(child)]
    return found


def _is_zygote(pid: int) -> bool:
    with contextlib.suppress(OSError):
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        return b"--zygote" in words and not words[0].endswith((b"sh", b"bwrap"))
    return False


def _listens(pid: int) -> bool:
    """Whether it has, where a zygote has it, what it is asked for forks by."""
    with contextlib.suppress(OSError):
        return str(Path(f"/proc/{pid}/fd/8").readlink()).startswith("socket:")
    return False
