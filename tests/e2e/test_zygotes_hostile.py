"""Layers whose import attacks the zygote: nobody else notices, and their own functions answer."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.e2e.server import serving
from tests.e2e.test_zygotes import SHARED
from tests.e2e.zygotes import FIRST, Side

EVIL = """
import os, posix, sys

def is_there(path):
    # Not by what a trial watches.
    try:
        return bool(posix.stat(path))
    except OSError:
        return False

def attack():
    import ctypes, fcntl, resource, signal, socket, subprocess, threading, time
    libc = ctypes.CDLL(None)
    ATTACK

with open("/proc/self/cmdline", "rb") as line:
    IN_ZYGOTE = b"--zygote" in line.read()
# In a function it does nothing: only its zygote is attacked, where WHEN.
if IN_ZYGOTE and not is_there("/var/task/app.py") and WHEN:
    attack()
"""
ATTACKS = {
    "a thread that waits for the fork": """
    own = os.getpid()
    def wait():
        while os.getpid() == own: time.sleep(0.001)
    threading.Thread(target=wait, daemon=True).start()""",
    "a hook that ends forks": "os.register_at_fork(after_in_child=lambda: os._exit(7))",
    "a hook that stops forks": """
    os.register_at_fork(after_in_child=lambda: os.kill(os.getpid(), signal.SIGSTOP))""",
    "a hook that talks": """
    os.register_at_fork(after_in_child=lambda: [talk(n) for n in range(3, 30)])
    def talk(n):
        try: os.write(n, b"here")
        except OSError: pass""",
    "handlers of signals": """
    for each in range(1, 32):
        try: signal.signal(each, lambda *_: os._exit(1))
        except (OSError, ValueError): pass""",
    "another os.fork": "os.fork = lambda: 0",
    "another socket.socket": "socket.socket = None; os.write = lambda *_: 0",
    "an open file": "globals().update(kept=open('/tmp/kept', 'w'))",
    "an end": "os._exit(0)",
    "an exception of all": "raise KeyboardInterrupt",
    "a loop": """
    while True: time.sleep(1)""",
    "a fork bomb": """
    while True:
        try: os.fork() or time.sleep(600)
        except OSError: time.sleep(1)""",
    "words to every descriptor": """
    for each in range(3, 64):
        try: os.write(each, b'{"imported": [1], "refused": {}, "fault": null}\\n' * 3)
        except OSError: pass""",
    "no descriptors": "os.closerange(3, 256)",
    "mounts": """
    for each in (b"/tmp", b"/var/task", b"/opt", b"/proc", b"/"):
        libc.umount2(each, 2)
        libc.mount(b"none", each, None, 32 | 4096, None)
        libc.mount(b"none", each, b"tmpfs", 0, None)""",
    "namespaces": "libc.unshare(0x10000000 | 0x20000 | 0x20000000 | 0x40000000)",
    "namespaces with other mounts": """
    libc.unshare(0x10000000 | 0x20000)
    libc.mount(b"tmpfs", b"/var", b"tmpfs", 0, b"")
    os.makedirs("/var/task")""",
    "signals to all": "os.kill(-1, signal.SIGKILL)",
    "signals to its parent": "os.kill(os.getppid(), signal.SIGKILL)",
    "limits": "resource.setrlimit(resource.RLIMIT_NOFILE, (3, 3))",
    "another module of the nest": "sys.modules['nest'] = sys.modules['reseed'] = os",
    "a great report": "sys.stdout.write('x' * 4_000_000); os.write(6, b'x' * 4_000_000)",
}
CODE = FIRST.replace("import shared", "import evil") + "    return event\n"
CODE = CODE.replace("    return is_fork()\n", "")


@pytest.fixture(scope="module")
def sides(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Side, Side]]:
    """A server's users of two accounts; the first attacks."""
    with serving(tmp_path_factory.mktemp("hostile") / "data", "--preload", "on") as server:
        yield Side(server), Side(server, "222222222222")


AT_ONCE = "True"
BEHIND_THE_TRIAL = "os.getppid() == 2"
"""When a module attacks: where it is tried first already, or only where it is imported for good, by a
child of the shell that is the second process of the box."""
IN_A_STEM = "not is_there('/opt/python/above.py')"
BEHIND_THE_TRIAL_OF_A_STEM = f"{IN_A_STEM} and os.getppid() == 1"
"""The same for a zygote that others are to be forks of: as a fork itself it is a child of the first process."""
FAST = (
    "a hook that ends forks",
    "a hook that talks",
    "another os.fork",
    "a fork bomb",
    "words to every descriptor",
    "namespaces with other mounts",
    "signals to all",
)


def attacked(side: Side, what: str, when: str, starts: int) -> None:
    evil = EVIL.replace("ATTACK", ATTACKS[what].strip()).replace("WHEN", when)
    name = side.cloud.function(CODE, layers=[side.layer(evil=evil)])
    for number in range(starts):
        invoked = side.anew(name, number)
        assert (invoked.payload, invoked.error) == (number, None), (what, invoked.log)


def attacked_below(side: Side, what: str, when: str, starts: int) -> None:
    """By a layer that two sets begin with; each has another above it."""
    below = side.layer(evil=EVIL.replace("ATTACK", ATTACKS[what].strip()).replace("WHEN", when))
    code = f"import above\n{CODE}"
    names = [
        side.cloud.function(code, layers=[below, side.layer(above=f"NUMBER = {number}")])
        for number in range(2)
    ]
    for number in range(starts):
        for name in names:
            invoked = side.anew(name, number)
            assert (invoked.payload, invoked.error) == (number, None), (what, invoked.log)


def harms_nobody(
    sides: tuple[Side, Side],
    attacks: list[tuple[str, str]],
    starts: int,
    attacked: Callable[[Side, str, str, int], None] = attacked,
) -> None:
    side = sides[0]
    honest = [(each, each.until_forked([each.layer(shared=SHARED)])) for each in sides]
    with ThreadPoolExecutor(3) as callers:
        attempts = [callers.submit(attacked, side, *attack, starts) for attack in attacks]
        rounds = 0
        while not all(each.done() for each in attempts):
            for whose, name in honest:
                whose.again(name)
                # On a machine that is busy enough a fork may take too long, and nobody waits.
                assert isinstance(whose.cloud.result(name), bool)
            rounds += 1
        for attempt in attempts:
            attempt.result()
    assert rounds > 3
    assert "Traceback" not in side.server.log()


def test_a_hostile_import_harms_nobody_else_and_its_own_functions_answer(
    sides: tuple[Side, Side],
) -> None:
    harms_nobody(sides, [(each, BEHIND_THE_TRIAL) for each in FAST], 3)


def test_a_hostile_layer_below_two_sets_harms_nobody_else_and_both_answer(
    sides: tuple[Side, Side],
) -> None:
    attacks = [(each, BEHIND_THE_TRIAL_OF_A_STEM) for each in FAST[::2]]
    harms_nobody(sides, attacks, 3, attacked_below)


@pytest.mark.slow
@pytest.mark.parametrize("when", [IN_A_STEM, BEHIND_THE_TRIAL_OF_A_STEM], ids=["at once", "behind"])
def test_every_hostile_layer_below_two_sets_harms_nobody_else(
    sides: tuple[Side, Side], when: str
) -> None:
    harms_nobody(sides, [(each, when) for each in ATTACKS], 5, attacked_below)


@pytest.mark.slow
@pytest.mark.parametrize("when", [AT_ONCE, BEHIND_THE_TRIAL], ids=["at once", "behind"])
def test_every_hostile_import_harms_nobody_else(sides: tuple[Side, Side], when: str) -> None:
    harms_nobody(sides, [(each, when) for each in ATTACKS], 5)
