"""Modules imported into a process before functions are forked from it: a zygote.

Only what may be shared is imported. That is tried first, in processes of their own (`trial`,
`watch`): a module that leaves a thread, a file or a child behind, tries to reach the network, reads
a variable that is another in each function, draws random numbers, writes to the log or to files,
or does not come to an end, is left to the function, and so is whatever imports it.
"""

import ctypes
import importlib
import json
import os
import sys

import dice
import leavings
import reseed
import trial

MOST = 3000
CHARACTERS = 200
_LIBRARIES = (
    ("openblas", "openblas_set_num_threads", ("OPENBLAS_NUM_THREADS", "GOTO_NUM_THREADS")),
    ("openblas", "openblas_set_num_threads64_", ("OPENBLAS_NUM_THREADS", "GOTO_NUM_THREADS")),
    ("openblas", "scipy_openblas_set_num_threads", ("OPENBLAS_NUM_THREADS", "GOTO_NUM_THREADS")),
    ("openblas", "scipy_openblas_set_num_threads64_", ("OPENBLAS_NUM_THREADS", "GOTO_NUM_THREADS")),
    ("libgomp", "omp_set_num_threads", ()),
    ("libomp", "omp_set_num_threads", ()),
    ("libiomp", "omp_set_num_threads", ()),
    ("mkl_rt", "MKL_Set_Num_Threads", ("MKL_NUM_THREADS",)),
)
"""What a numerical library's file is called, the function that sets its threads, and the variables
that it reads at its start, before OMP_NUM_THREADS."""


def preload(names, known=None):
    """Import what of ``names`` may be shared, and say what became of each. ``known`` is the answer of
    the process that this one was forked from, if that was one of these.

    The answer has ``imported``, names in order; ``refused``, a reason by name; ``read``, the
    variables that were looked at meanwhile (a function with another value for one of them must
    not be forked from here); ``hides``, the first parts of the names of all modules that were
    looked for (a function must not be forked from here if its own folder holds one of them; one
    that begins with ``*.`` is the end of a name, `watch.METADATA`, one that begins with a slash a
    file or folder that the layers' folder was asked for, `watch.of_layers`);
    ``noted``, oddities that are allowed, by name; and ``fault``, what this process has now that
    forbids forking it, or None. Before it is called, the variables that keep numerical libraries
    from starting threads are set (OPENBLAS_NUM_THREADS and its like).
    """
    known = known or {}
    before, there = leavings.State(), frozenset(sys.modules)
    verdict = _verdict([each for each in names if _is_name(each)][:MOST])
    fault = None
    made = dice.Dice()
    made.watch()
    for name in _generators_first(verdict):
        try:
            importlib.import_module(name)
        except BaseException as error:  # noqa: BLE001 - anything may come out of a module
            fault = fault or "%s is not the same twice (%s)" % (name, type(error).__name__)
        made.look()
    made.leave()
    reseed.generators.extend(made.generators())
    fault = fault or leavings.State().since(before)
    new = {str(each).partition(".")[0] for each in sys.modules.keys() - there}
    hides = sorted(new.union(verdict.pop("sought"), known.get("hides", ())))
    read = sorted({*verdict["read"], *known.get("read", ())})
    return {**verdict, "hides": hides, "read": read, "fault": fault}


def _generators_first(verdict):
    """The modules to import: before those that make generators of random numbers come those of
    which they are made."""
    loaded = verdict.pop("loaded", ())
    return [each for each in dice.SOURCES if each in loaded] + verdict["imported"]


def _is_name(name):
    if not isinstance(name, str) or len(name) > CHARACTERS:
        return False
    return all(part.isidentifier() for part in name.split("."))


def _verdict(names):
    """What `trial.judge` finds, in a process that is gone afterwards: nothing of it stays here."""
    ours, theirs = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.close(ours)
            trial.judge(names, theirs, reseed.generators)
        finally:
            os._exit(1)
    os.close(theirs)
    data = b""
    while True:
        more = os.read(ours, 65536)
        if not more:
            break
        data += more
    os.close(ours)
    os.waitpid(pid, 0)
    try:
        return json.loads(data)
    except ValueError:
        reason = "the process that tried it did not say what became of it"
        refused = dict.fromkeys(names, reason)
        return {"imported": [], "refused": refused, "read": [], "sought": [], "noted": {}}


def one_thread():
    """In a fork that is to import more: have numerical libraries compute in the thread that calls."""
    for call, _ in _found():
        call(1)


def restore_threads(count=None):
    """Before the first fork: give numerical libraries, which were loaded with one thread, as many as
    a plain import would have given them; what forbids forking this process then, or None.

    That is what the variables say that they read, else ``count``, else one for each processor that
    the process may run on. OpenBLAS starts threads at once, ends them before a fork, and starts them
    anew in a fork that has work for them; where they stay, nothing may be forked from here.
    """
    if count is None:
        count = len(os.sched_getaffinity(0))
    for call, variables in _found():
        wanted = count
        for name in (*variables, "OMP_NUM_THREADS"):
            value = os.environ.get(name, "").partition(",")[0].strip()
            if value.isascii() and value.isdigit() and int(value) > 0:
                wanted = min(int(value), 1024)
                break
        if wanted > 1:
            call(wanted)
    pid = os.fork()
    if pid == 0:
        os._exit(0)
    os.waitpid(pid, 0)
    return "its threads outlive a fork" if leavings.threads_above(1) else None


def _found():
    """The functions with which the libraries that are loaded take a number of threads."""
    found = []
    for path in _mapped():
        try:
            library = ctypes.CDLL(path, os.RTLD_NOLOAD | os.RTLD_LAZY)
        except OSError:
            continue
        for part, symbol, variables in _LIBRARIES:
            call = getattr(library, symbol, None) if part in path.rpartition("/")[2] else None
            if call is not None:
                call.restype, call.argtypes = None, [ctypes.c_int]
                found.append((call, variables))
    return found


def _mapped():
    parts = {part for part, _, _ in _LIBRARIES}
    found = []
    with open("/proc/self/maps", "rb") as maps:
        for line in maps:
            start = line.find(b"/")
            if start < 0:
                continue
            path = os.fsdecode(line[start:-1])
            if path not in found and any(part in path.rpartition("/")[2] for part in parts):
                found.append(path)
    return found
