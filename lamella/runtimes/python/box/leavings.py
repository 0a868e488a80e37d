"""What an import can leave behind in a process that is to be forked, and whether one did.

A fork has what its parent has, except threads; so whatever is found here would be shared by, or
be missing from, every function that is forked from the process.
"""

import logging
import os
import sys
import time

import _signal

SIGNALS = 64
ENDING_SECONDS = 1.0
"""How long a thread or process that is ending may take to be gone."""
_FUNCTIONS = ("fork", "_exit", "getpid", "register_at_fork", "execve", "waitpid")
_OTHERS = ~(3 << 31)
"""All signals but 32 and 33, which the C library takes for itself with the first thread."""
_STATUS = (b"SigBlk:\t", b"SigIgn:\t", b"SigCgt:\t")


class State:
    """How a process stands: compare one from before with one from after. ``log`` is the
    descriptor of a file that took the place of its output, if any."""

    def __init__(self, log=None):
        data = _read("/proc/self/status")
        self.threads = int(_field(data, b"Threads:\t"))
        self.signals = [int(_field(data, name), 16) & _OTHERS for name in _STATUS] + _handlers()
        self.files = _files()
        self.has_child = has_child()
        self.environment = dict(os.environ._data)
        self.folder = _folder()
        self.path = list(sys.path)
        self.functions = [getattr(os, name) for name in _FUNCTIONS] + [os.environ]
        self.logging = _logging()
        self.written = 0 if log is None else _written(log)

    def since(self, before):
        """What was left since ``before``, as a reason; None if it is nothing."""
        for found in self._found(before):
            return found
        return None

    def _found(self, before):
        if self.threads > before.threads and threads_above(before.threads):
            yield "leaves a thread behind"
        if self.has_child and not before.has_child and has_child():
            yield "leaves a child process behind"
        for number, what in self.files.items():
            if before.files.get(number) != what:
                yield "leaves %s open" % _described(number)
        if before.files.keys() - self.files.keys():
            yield "closes a file that it did not open"
        if self.signals != before.signals:
            yield "changes what signals do"
        for name in sorted(self.environment.keys() ^ before.environment.keys()):
            yield "changes the environment variable %s" % name.decode("utf-8", "replace")
        for name, value in self.environment.items():
            if before.environment.get(name, value) != value:
                yield "changes the environment variable %s" % name.decode("utf-8", "replace")
        if self.folder != before.folder:
            yield "changes the working directory"
        if self.path != before.path:
            yield "changes sys.path"
        for name, now, then in zip(_FUNCTIONS + ("environ",), self.functions, before.functions):
            if now is not then:
                yield "replaces os.%s" % name
        if self.logging != before.logging:
            yield "sets up logging"
        if self.written != before.written:
            yield "writes to the log"


def threads_above(count):
    """Whether there are still more threads than ``count`` after a moment: one that was joined
    needs a little time to be gone."""
    until = time.monotonic() + ENDING_SECONDS
    while int(_field(_read("/proc/self/status"), b"Threads:\t")) > count:
        if time.monotonic() > until:
            return True
        time.sleep(0.001)
    return False


def has_child():
    """Whether there is a child process, running or not waited for."""
    try:
        os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return False
    return True


def _read(path):
    file = os.open(path, os.O_RDONLY)
    try:
        return os.read(file, 65536)
    finally:
        os.close(file)


def _field(data, name):
    start = data.index(name) + len(name)
    return data[start : data.index(b"\n", start)]


def _handlers():
    found = []
    for number in range(1, SIGNALS + 1):
        try:
            found.append(_signal.getsignal(number))
        except ValueError:
            found.append(None)
    return found


def _files():
    found = {}
    for name in os.listdir("/proc/self/fd"):
        try:
            about = os.fstat(int(name))
        except OSError:  # the list's own descriptor
            continue
        found[int(name)] = (about.st_dev, about.st_ino)
    return found


def _described(number):
    try:
        return os.readlink("/proc/self/fd/%d" % number)[:200]
    except OSError:
        return "a file"


def _folder():
    try:
        return os.getcwd()
    except OSError:
        return None


def _logging():
    root = logging.root
    return (
        list(root.handlers),
        list(root.filters),
        root.level,
        root.manager.disable,
        logging.getLoggerClass(),
        logging.getLogRecordFactory(),
    )


def _written(log):
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (AttributeError, OSError, ValueError):
            continue
    return os.lseek(log, 0, os.SEEK_CUR)
