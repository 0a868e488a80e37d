"""A function that has been initialised, and forks an environment for each start: SnapStart.

``python3.X -S /var/runtime/bootstrap.py --snapshot``, in a box of the function's own. It is given
descriptors: 7, where it says whether it can be forked (JSON); 8, by which it is told to fork. The
snapshot is this process, from the moment on at which AWS's client asks to be restored: that call
returns in forks alone.

What of a process cannot be divided among forks (threads, children, open files that are written, what
is shared memory) would tie environments together, so who has it is not forked. Connections end with
the snapshot, as on AWS.
"""

import gc
import json
import os
import shutil
import signal
import socket
import stat
import sys
import traceback

import leavings
import nest
import preload
import reseed

REPORT, CONTROL = 7, 8
UNRESTORED = 70
"""What a fork ends with that is good for nothing: others would do no better (`eggs.py`)."""
THREADS = (
    "OPENBLAS_NUM_THREADS",
    "GOTO_NUM_THREADS",
    "OMP_NUM_THREADS",
    "MKL_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
)
"""With more than one of them numerical libraries begin threads, which no fork takes along."""
TMP = "/tmp"
ASK = "GET /2018-06-01/runtime/restore/next HTTP/1.1\r\nHost: %s\r\n\r\n"


def prepare(line):
    """Have ``line``, AWS's client, wait where the snapshot is to be taken."""
    for each in (REPORT, CONTROL):
        os.set_inheritable(each, False)
    line.restore_next = Snapshot().restore_next
    for name in THREADS:
        # Libraries see it, os.environ does not.
        os.putenv(name, "1")


class Snapshot:
    """This process, which is going to be one."""

    def __init__(self):
        self._given = dict(os.environ)
        self._before = leavings.State()
        self._shared = _shared_mappings()
        self._reopened = []
        self._connections = []
        self._folder = None
        self._tmp = -1

    def restore_next(self):
        """Be the snapshot; returns in each fork of it that has become an environment."""
        self._ended = signal.getsignal(signal.SIGCHLD)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        fault = self._fault() or preload.restore_threads()
        with os.fdopen(REPORT, "w") as report:
            report.write(json.dumps({"fault": fault}) + "\n")
        endpoint = os.environ.get("AWS_LAMBDA_RUNTIME_API", "127.0.0.1:9001")
        asking = _ask(endpoint)
        if fault is not None:
            while True:
                signal.pause()
        asking.close()
        channel = self._wait()
        if channel is None:
            os._exit(0)
        try:
            self._become(*nest.hatch(channel, self._ready))
        except BaseException:  # noqa: BLE001 - nobody is there to be told, and nothing has begun
            traceback.print_exc()
            os._exit(UNRESTORED)

    def _wait(self):
        """Fork whenever that is asked for; the channel, in a fork."""
        for each in self._connections:
            _disconnect(each)
        self._folder = os.path.realpath("/proc/self/cwd")
        # A fork may have its own there before it comes to look.
        self._tmp = os.open(TMP, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        reseed.reseed()
        gc.collect()
        gc.freeze()
        # Who was forked is another process's business.
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)
        for each in (signal.ITIMER_REAL, signal.ITIMER_VIRTUAL, signal.ITIMER_PROF):
            # Nothing of the function goes on here; forks have no timers in any case.
            signal.setitimer(each, 0)
        # The shell that has begun this process is to outlive it from now on, with its forks.
        os.kill(os.getppid(), signal.SIGUSR1)
        return nest.next_fork(socket.socket(fileno=CONTROL))

    def _ready(self):
        """In a fork that waits: what can be done before anybody does."""
        reseed.reseed()

    def _become(self, data, descriptors):
        """In a fork that has its box: what is another there than in the snapshot."""
        nest.output(descriptors)
        if self._ended is not None:
            signal.signal(signal.SIGCHLD, self._ended)
        told = json.loads(data)
        for kind, value in told["rlimits"].items():
            nest.limit(int(kind), value)
        for name, value in told["environment"].items():
            if self._given.get(name) != value:
                os.environ[name] = value
        for name in THREADS:
            if name in os.environ:
                os.putenv(name, os.environ[name])
            else:
                os.unsetenv(name)
        _copy("/proc/self/fd/%d" % self._tmp, TMP)
        os.close(self._tmp)
        for number, flags, path in self._reopened:
            _reopen(number, flags, path)
        _enter(self._folder, told["directory"])

    def _fault(self):
        """Why this process cannot be forked; None if it can."""
        before, now = self._before, leavings.State()
        if now.threads > before.threads and leavings.threads_above(before.threads):
            return "its initialisation leaves a thread behind"
        if now.has_child and leavings.has_child():
            return "its initialisation leaves a child process behind"
        if now.functions != before.functions:
            return "its initialisation replaces os.fork, or what belongs to it"
        if _shared_mappings() - self._shared:
            return "its initialisation leaves shared memory behind"
        for number in before.files:
            if now.files.get(number) != before.files[number]:
                return "its initialisation closes a file that it did not open"
        for number in now.files.keys() - before.files.keys():
            if not self._can_be_divided(number):
                return "its initialisation leaves %s open" % _described(number)
        return None

    def _can_be_divided(self, number):
        """Whether each fork can have a descriptor of its own in the place of this one."""
        mode = os.fstat(number).st_mode
        if stat.S_ISCHR(mode):
            return True
        if stat.S_ISSOCK(mode):
            is_connection = _is_connection(number)
            if is_connection:
                self._connections.append(number)
            return is_connection
        if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
            return False
        flags = _flags(number)
        path = os.readlink("/proc/self/fd/%d" % number)
        is_read = flags & os.O_ACCMODE == os.O_RDONLY
        if is_read and _is_there(number, flags, path):
            self._reopened.append((number, flags, path))
            return True
        return False


def _ask(endpoint):
    """Say that the initialisation is over; nobody answers."""
    host, _, port = endpoint.rpartition(":")
    asking = socket.create_connection((host, int(port)))
    asking.sendall((ASK % endpoint).encode())
    return asking


def _shared_mappings():
    """Memory that forks would share when they write it."""
    with open("/proc/self/maps", "rb") as maps:
        return {line.split(None, 1)[0] for line in maps if line.split(None, 2)[1][1:4] == b"w-s"}


def _is_connection(number):
    """Whether a descriptor is a connection by TCP."""
    with socket.socket(fileno=os.dup(number)) as line:
        if line.family not in (socket.AF_INET, socket.AF_INET6) or line.type != socket.SOCK_STREAM:
            return False
        try:
            line.getpeername()
        except OSError:
            return line.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN) == 0
        return True


def _disconnect(number):
    with socket.socket(fileno=os.dup(number)) as line:
        try:
            line.shutdown(socket.SHUT_RDWR)
        except OSError:
            return  # it has ended already


def _flags(number):
    with open("/proc/self/fdinfo/%d" % number) as about:
        for line in about:
            if line.startswith("flags:"):
                return int(line.split()[1], 8)
    return 0


def _is_there(number, flags, path):
    """Whether a file can be opened again, in a fork as well: it has another number in ``/proc``."""
    if path == "/proc" or path.startswith("/proc/"):
        return False
    try:
        anew = os.open(path, flags & ~os.O_CREAT)
    except OSError:
        return False
    try:
        return os.path.sameopenfile(anew, number)
    finally:
        os.close(anew)


def _described(number):
    try:
        return os.readlink("/proc/self/fd/%d" % number)[:200]
    except OSError:
        return "a file"


def _reopen(number, flags, path):
    """Give a file that is read a place of its own, where it stands now."""
    at = os.lseek(number, 0, os.SEEK_CUR) if not flags & os.O_DIRECTORY else 0
    anew = os.open(path, flags & ~os.O_CREAT)
    os.lseek(anew, at, os.SEEK_SET)
    os.dup2(anew, number, inheritable=os.get_inheritable(number))
    os.close(anew)


def _copy(source, target):
    """Take along what the initialisation has put into ``/tmp``."""
    if os.listdir(source):
        try:
            shutil.copytree(source, target, symlinks=True, dirs_exist_ok=True)
        except shutil.Error as error:
            for _, path, why in error.args[0]:
                sys.stderr.write("%s is not restored: %s\n" % (path, why))


def _enter(folder, otherwise):
    try:
        os.chdir(folder)
    except OSError:
        os.chdir(otherwise)
