"""Modules imported into a process before functions are forked from it: a zygote.

Only what may be shared is imported. That is tried first, in processes of their own (`trial`,
`watch`): a module that leaves a thread, a file or a child behind, tries to reach the network, reads
a variable that is another in each function, draws random numbers, writes to the log or to files,
or does not come to an end, is left to the function, and so is whatever imports it.
"""

import importlib
import json
import os
import sys

import leavings

_FOLDER = os.path.dirname(os.path.abspath(__file__))
MOST = 3000
CHARACTERS = 200
_THREADS = (
    "openblas_set_num_threads",
    "openblas_set_num_threads64_",
    "scipy_openblas_set_num_threads",
    "scipy_openblas_set_num_threads64_",
    "omp_set_num_threads",
    "MKL_Set_Num_Threads",
)
_LIBRARIES = ("openblas", "libgomp", "libomp", "libiomp", "mkl_rt")


def preload(names):
    """Import what of ``names`` may be shared, and say what became of each.

    The answer has ``imported``, names in order; ``refused``, a reason by name; ``read``, the
    variables that were looked at meanwhile (a function with another value for one of them must
    not be forked from here); ``hides``, the first parts of the names of all modules that were
    looked for (a function must not be forked from here if its own folder holds one of them);
    ``noted``, oddities that are allowed, by name; and ``fault``, what this process has now that
    forbids forking it, or None. Before it is called, the variables that keep numerical libraries
    from starting threads are set (OPENBLAS_NUM_THREADS and its like).
    """
    # A layer may have a module of this name, or of the next one's.
    for name in (__name__, "leavings"):
        sys.modules.pop(name, None)
    before, known = leavings.State(), frozenset(sys.modules)
    verdict = _verdict([each for each in names if _is_name(each)][:MOST])
    fault = None
    for name in verdict["imported"]:
        try:
            importlib.import_module(name)
        except BaseException as error:  # noqa: BLE001 - anything may come out of a module
            fault = fault or "%s is not the same twice (%s)" % (name, type(error).__name__)
    fault = fault or leavings.State().since(before)
    new = {str(each).partition(".")[0] for each in sys.modules.keys() - known}
    hides = sorted(new.union(verdict.pop("sought")))
    return {**verdict, "hides": hides, "fault": fault}


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
            # Not a layer's module of that name, whatever order the path has.
            sys.path.insert(0, _FOLDER)
            import trial

            del sys.path[0]
            trial.judge(names, theirs)
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


def restore_threads(count):
    """In a fork: give numerical libraries, which were loaded with one thread, ``count`` of them.

    ``count`` is how many a plain import would have had: the processors that the process may run
    on, which is what OpenBLAS and OpenMP take where no variable says otherwise.
    """
    if count < 2:
        return
    paths = _mapped()
    if paths:
        _set_threads(paths, count)


def _mapped():
    found = []
    with open("/proc/self/maps", "rb") as maps:
        for line in maps:
            _, slash, rest = line.partition(b"/")
            path = os.fsdecode(slash + rest.rstrip(b"\n"))
            name = path.rpartition("/")[2]
            if any(each in name for each in _LIBRARIES) and path not in found:
                found.append(path)
    return found


def _set_threads(paths, count):
    known = frozenset(sys.modules)
    import ctypes

    for path in paths:
        try:
            library = ctypes.CDLL(path, os.RTLD_NOLOAD | os.RTLD_LAZY)
        except OSError:
            continue
        for symbol in _THREADS:
            call = getattr(library, symbol, None)
            if call is not None:
                call.restype = None
                call(ctypes.c_int(count))
    for name in sys.modules.keys() - known:
        del sys.modules[name]
