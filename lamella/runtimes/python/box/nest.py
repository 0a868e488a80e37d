"""From a fork of a zygote to a box of its own: namespaces, then nothing left to make more of.

A fork has no rights beside those over what is its own: it begins in namespaces for users, mounts,
processes, IPC, host name and network, makes one for control groups when it is in its own, mounts
the two file systems that belong to them, gives up every capability, takes the strict system-call
filter, and forks once more: it is the first process there, which reaps.
All this happens before any code of a function is there: the keeper of boxes mounts that
afterwards, and says so.
"""

import ctypes
import fcntl
import os
import resource
import signal
import socket
import struct
import sys

UID, GID = 993, 990

_NAMESPACES = 0x10000000 | 0x20000 | 0x20000000 | 0x8000000 | 0x4000000 | 0x40000000
"""Those of users, mounts, processes, IPC, host name and network."""
_GROUPS = 0x2000000
"""That of control groups: what is seen there is what a process was in when it made it."""
_CLONE = {"x86_64": 56, "aarch64": 220}
"""The number of the call, by machine."""
_NOSUID, _NODEV, _NOEXEC = 0x2, 0x4, 0x8
_SET_DUMPABLE, _SET_SECCOMP, _CAPBSET_DROP = 4, 22, 24
_CAPABILITY_VERSION = 0x20080522
_GET_FLAGS, _SET_FLAGS, _UP = 0x8913, 0x8914, 0x1
_BYTES = 1048576

_libc = ctypes.CDLL(None, use_errno=True)
_call = ctypes.PyDLL(None, use_errno=True).syscall
"""Keeps Python's lock, as who comes back in a child has nobody to take it from."""


class _Program(ctypes.Structure):
    _fields_ = [("length", ctypes.c_ushort), ("filter", ctypes.c_void_p)]


def _checked(result, call):
    if result != 0:
        code = ctypes.get_errno()
        raise OSError(code, "%s: %s" % (call, os.strerror(code)))


class Channel:
    """What a fork is told by, a socket, and what it is heard by, a pipe."""

    def __init__(self, orders, words):
        self.orders = socket.socket(fileno=orders)
        self.words = words

    def say(self, word, place):
        """A word of this process, which a lock on the pipe tells from others that have it."""
        fcntl.lockf(self.words, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, place)
        os.write(self.words, word)

    def close(self):
        self.orders.close()
        os.close(self.words)


def hatch(channel, prepare):
    """In a fork: become a box; returns in its first ordinary process, with what it is to be.

    Two messages come by ``channel``: to go on, with the filter, when this process is in its
    control groups; and the configuration, with the descriptors of its output, when everything
    is mounted. ``prepare`` is called before that comes, when nobody waits. The answer is the
    configuration, bytes, and the descriptors.

    The filter comes behind a letter: ``b`` for a box that ends with its process, ``n`` for one
    that is a nest, and lasts until it is killed, for its forks.
    """
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    channel.say(b"born", 0)
    order = channel.orders.recv(_BYTES)
    if not order:
        os._exit(0)
    program, lasts = order[1:], order[:1] == b"n"
    _checked(_libc.unshare(_GROUPS), "unshare")
    _write("/proc/self/setgroups", "deny")
    _write("/proc/self/uid_map", "%d %d 1" % (UID, UID))
    _write("/proc/self/gid_map", "%d %d 1" % (GID, GID))
    _furnish()
    _give_up(program)
    # Here, and not in its child, as in a box that begins plainly.
    os.setsid()
    prepared, ready = os.pipe()
    child = os.fork()
    if child != 0:
        os.close(ready)
        if not os.read(prepared, 1):
            os._exit(0)
        os.close(prepared)
        channel.say(b"here", 1)
        _reap(child, channel, lasts)
    os.close(prepared)
    prepare()
    os.write(ready, b".")
    os.close(ready)
    data, descriptors = _receive(channel.orders)
    if not data:
        os._exit(0)
    channel.close()
    return data, descriptors


def _write(path, text):
    descriptor = os.open(path, os.O_WRONLY)
    os.write(descriptor, text.encode())
    os.close(descriptor)


def _furnish():
    """In the first process of the new namespaces: what shows them, and a loopback that works."""
    _mount(b"proc", b"/proc", _NOSUID | _NODEV | _NOEXEC, b"")
    _mount(b"devpts", b"/dev/pts", _NOSUID | _NOEXEC, b"newinstance,ptmxmode=0666,mode=620")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        name = struct.pack("16sh14x", b"lo", 0)
        flags = struct.unpack("16sh14x", fcntl.ioctl(asking, _GET_FLAGS, name))[1]
        fcntl.ioctl(asking, _SET_FLAGS, struct.pack("16sh14x", b"lo", flags | _UP))


def _mount(kind, target, flags, options):
    _checked(_libc.mount(kind, target, kind, ctypes.c_ulong(flags), options), "mount %r" % target)


def _give_up(program):
    """Every capability, for good, and the calls that ``program`` refuses."""
    with open("/proc/sys/kernel/cap_last_cap") as last:
        for each in range(int(last.read()) + 1):
            _checked(_libc.prctl(_CAPBSET_DROP, each, 0, 0, 0), "prctl")
    header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION, 0)
    _checked(_libc.capset(header, (ctypes.c_uint32 * 6)()), "capset")
    if program != b"-":
        code = ctypes.create_string_buffer(program, len(program))
        filled = _Program(len(program) // 8, ctypes.addressof(code))
        _checked(_libc.prctl(_SET_SECCOMP, 2, ctypes.byref(filled), 0, 0), "prctl(seccomp)")


def _reap(child, channel, lasts):
    """Be the first process: end when ``child`` has, unless it ``lasts``, and say how. Never returns."""
    try:
        # Python's own handler would end it.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        _libc.prctl(_SET_DUMPABLE, 0, 0, 0, 0)
        for each in (0, 1, 2):
            os.dup2(os.open(os.devnull, os.O_RDWR), each)
        code = 255
        while True:
            ended, status = os.wait()
            if ended == child:
                code = _exit_code(status)
                break
        if lasts:
            _outlive()
        os.write(channel.words, b"%d" % code)
    finally:
        os._exit(0)


def _outlive():
    """Be the first process for those that are left, until it is killed. Never returns."""
    # From here on the kernel reaps.
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    while True:
        try:
            os.wait()
        except ChildProcessError:
            signal.pause()


def _exit_code(status):
    """As a shell has it: 128 and the signal."""
    return 128 + os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)


def _receive(channel):
    """A message and the descriptors beside it; bare of `socket.recv_fds`, which 3.8 lacks."""
    data, ancillary, _, _ = channel.recvmsg(_BYTES, socket.CMSG_SPACE(16 * 4))
    descriptors = []
    for level, kind, given in ancillary:
        if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
            count = len(given) // 4
            descriptors += struct.unpack("%di" % count, given[: count * 4])
    return data, descriptors


def _fork():
    """A fork in namespaces of its own, the first process there; 0 in that. Without what Python and
    the C library do in a child: that writes to much of the memory that it shares, and this one
    only makes another."""
    words = (_CLONE[os.uname().machine], _NAMESPACES | signal.SIGCHLD, 0, 0, 0, 0)
    child = _call(*(ctypes.c_long(each) for each in words))
    _checked(min(child, 0), "clone")
    return child


def next_fork(control):
    """Wait until another fork is wanted: its channel. None when none will be any more."""
    while True:
        try:
            data, descriptors = _receive(control)
        except InterruptedError:
            continue
        if not data:
            return None
        channel = Channel(*descriptors)
        if _fork() == 0:
            control.close()
            return channel
        channel.close()


def output(descriptors):
    """Make what came with the configuration the output, the error output and descriptor 6."""
    moved = [fcntl.fcntl(each, fcntl.F_DUPFD_CLOEXEC, 16) for each in descriptors]
    for each in descriptors:
        os.close(each)
    sys.stdout.flush()
    sys.stderr.flush()
    os.dup2(moved[0], 1)
    os.dup2(moved[0], 2)
    for place, each in enumerate(moved[1:], 6):
        os.dup2(each, place)
    for each in moved:
        os.close(each)


def limit(kind, value):
    """Set a resource limit of this process, as far as it may."""
    hard = resource.getrlimit(kind)[1]
    value = value if hard == resource.RLIM_INFINITY else min(value, hard)
    resource.setrlimit(kind, (value, value))
