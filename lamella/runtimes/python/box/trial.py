"""Which modules may be imported ahead of functions: tried in processes that are thrown away.

`judge` forks a process that imports module after module under the eyes of `watch`. Where one is
refused, hangs or ends the process, it and those that were importing it are out; what was imported
well before is now imported here too, and a new process goes on from there. So each module is
judged as it stands when every refused one is missing, whatever the order in which they came.
"""

import ctypes
import importlib
import json
import os
import select
import signal
import sys
import time

import dice
import watch

MODULE_SECONDS = 10.0
"""How long nothing may be heard of a module that is being imported."""
TRIAL_SECONDS = 60.0
LINE_BYTES = 1048576
TOLD_BYTES = 64 * LINE_BYTES
_SUBREAPER, _DEATH_SIGNAL = 36, 1


class Judge:
    """What is known of the modules so far. ``pipe`` is where the report goes in the end, ``generators``
    are those of random numbers that modules have which were there before."""

    def __init__(self, names, pipe, generators=()):
        self.names = names
        self._dice = dice.Dice(known=generators)
        self.pipe = pipe
        self.refused = {}
        self.imported = []
        self.read = set()
        self.sought = set()
        self.noted = {}
        self._until = time.monotonic() + TRIAL_SECONDS

    def judge(self):
        prctl = ctypes.CDLL(None).prctl
        prctl(_SUBREAPER, 1, 0, 0, 0)
        self._dice.watch()
        waiting = self.names
        while True:
            waiting = [each for each in waiting if each not in self.refused]
            waiting = [each for each in waiting if not self._is_there(each)]
            if not waiting:
                return
            if time.monotonic() > self._until:
                self._give_up(waiting, "there was no time left to try it")
                return
            trial = Trial(self, waiting, prctl)
            trial.run()
            for name in trial.good:
                self._import(name)

    def report(self):
        return {
            "imported": self.imported,
            "refused": self.refused,
            "read": sorted(self.read),
            "sought": sorted(self.sought),
            "noted": self.noted,
            "loaded": [each for each in dice.SOURCES if each in sys.modules],
        }

    def _give_up(self, names, reason):
        for name in names:
            self.refused.setdefault(name, reason)

    def _is_there(self, name):
        if name in sys.modules and name not in self.imported:
            self.imported.append(name)
        return name in sys.modules

    def _import(self, name):
        try:
            importlib.import_module(name)
            self.imported.append(name)
        except BaseException as error:  # noqa: BLE001 - anything may come out of a module
            # It was imported well a moment ago.
            self.refused[name] = "is not the same twice (%s)" % type(error).__name__
        self._dice.look()

    @property
    def left(self):
        return self._until - time.monotonic()

    @property
    def generators(self):
        return self._dice.generators()


class Trial:
    """One process in which modules are tried. ``good`` are those that it imported well."""

    def __init__(self, judge, names, prctl):
        self.good = []
        self._judge = judge
        self._names = names
        self._prctl = prctl
        self._stack = []
        self._is_over = False

    def run(self):
        ours, theirs = os.pipe()
        pid = os.fork()
        if pid == 0:
            self._try(ours, theirs)
        os.close(theirs)
        try:
            reason = self._listen(ours)
        finally:
            os.close(ours)
            end_children()
        if reason is not None:
            self._refuse(reason)

    def _try(self, ours, theirs):
        try:
            os.close(ours)
            os.close(self._judge.pipe)
            self._prctl(_DEATH_SIGNAL, signal.SIGKILL, 0, 0, 0)
            # So that a daemon, whose parent has ended, is seen.
            self._prctl(_SUBREAPER, 1, 0, 0, 0)
            log = os.memfd_create("log")
            sys.dont_write_bytecode = True
            refused = frozenset(self._judge.refused)
            watching = watch.Watch(theirs, log, refused, self._judge.generators)
            watching.run(self._names)
            watching.tell("over")
        finally:
            os._exit(0)

    def _listen(self, pipe):
        """Hear the process out; the reason to refuse what it was importing last, if any."""
        poll = select.poll()
        poll.register(pipe, select.POLLIN)
        rest, told = b"", 0
        while not self._is_over:
            if not poll.poll(max(0.0, min(MODULE_SECONDS, self._judge.left)) * 1000):
                return "takes longer than %g seconds" % MODULE_SECONDS
            data = os.read(pipe, 65536)
            told += len(data)
            if not data:
                return "ends the process"
            *lines, rest = (rest + data).split(b"\n")
            if len(rest) > LINE_BYTES or told > TOLD_BYTES:
                return "says more than is listened to"
            for line in lines:
                reason = self._hear(json.loads(line))
                if reason is not None:
                    return reason
        return None

    def _hear(self, words):
        kind, judge = words[0], self._judge
        if kind == "begin":
            self._stack.append(words[1])
        elif kind == "end":
            self._stack.pop()
        elif kind == "ok":
            _, name, read, sought, noted = words
            self.good.append(name)
            judge.read.update(read)
            judge.sought.update(sought)
            judge.noted.update(noted)
        elif kind == "failed":
            judge.refused[words[1]] = words[2]
        elif kind == "refuse":
            return words[1]
        elif kind == "over":
            self._is_over = True
        return None

    def _refuse(self, reason):
        """The innermost module is refused for ``reason``, those around it for importing it."""
        if not self._stack:
            # It ended between two modules: what it was about to import is anybody's guess.
            self._stack = [each for each in self._names if each not in self.good][:1]
        *around, last = self._stack
        refused = self._judge.refused
        refused.setdefault(last, reason)
        for name in around:
            if name != last:
                refused.setdefault(name, "imports %s, which is not preloaded" % last)


def judge(names, report, generators=()):
    """Judge ``names`` and write what was found to the descriptor ``report``; does not return."""
    status = 1
    try:
        found = Judge(names, report, generators)
        found.judge()
        data = json.dumps(found.report()).encode()
        while data:
            data = data[os.write(report, data) :]
        status = 0
    finally:
        os._exit(status)


def end_children():
    """Kill every child process, and theirs: orphans come to this process."""
    while True:
        try:
            pid, _ = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if pid == 0:
            for child in _children():
                os.kill(child, signal.SIGKILL)
            os.waitpid(-1, 0)


def _children():
    own = str(os.getpid()).encode()
    found = []
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                with open("/proc/%s/stat" % name, "rb") as file:
                    about = file.read()
            except OSError:
                continue
            if about.rpartition(b")")[2].split()[1] == own:
                found.append(int(name))
    return found
