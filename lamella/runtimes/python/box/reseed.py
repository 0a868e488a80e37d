"""What a fork does anew, because its siblings have the same: random numbers, names, clocks.

The seed of str's hashes is not among it: every dict and set that was made before the fork is
built on it, so no process can change it once it runs. Siblings of one zygote hash alike; other
zygotes, and other starts of the same, do not.
"""

import os
import sys
import time


generators = []
"""Generators that modules made for themselves, to be seeded anew (`dice`)."""


def reseed():
    """Do it. Only what is loaded is touched, and nothing is loaded."""
    for each in generators:
        # numpy's have no other way by which what is spawned of them is new as well.
        each.seed() if hasattr(each, "seed") else each.__init__()
    for name, renew in _RENEWED:
        module = sys.modules.get(name)
        if module is not None:
            try:
                renew(module)
            except (AttributeError, TypeError, ValueError):
                # A module of the same name that is another's, or of a version that keeps its
                # state elsewhere.
                continue


def restart_clocks():
    """Have this moment taken for the start of the process; for a fork that waited for its use."""
    module = sys.modules.get("logging")
    if module is not None:
        _logging(module)


def _random(module):
    module.seed()


def _numpy(module):
    # What numpy.random's own functions draw from; a generator that a module made for itself
    # was not preloaded (`preload`).
    module._rand.seed()


def _uuid(module):
    module._node = None
    module._last_timestamp = None


def _ssl(module):
    module.RAND_add(os.urandom(32), 32.0)


def _tempfile(module):
    module._name_sequence = None


def _logging(module):
    # Nanoseconds from Python 3.13 on.
    module._startTime = time.time_ns() if type(module._startTime) is int else time.time()


def _multiprocessing(module):
    key = module.AuthenticationString(os.urandom(32))
    module._current_process._config["authkey"] = key


_RENEWED = (
    ("random", _random),
    ("numpy.random.mtrand", _numpy),
    ("uuid", _uuid),
    ("_ssl", _ssl),
    ("tempfile", _tempfile),
    ("logging", _logging),
    ("multiprocessing.process", _multiprocessing),
)
"""In the order in which it is done: a module, and what of it is made anew."""
