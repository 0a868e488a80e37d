"""A Python that has imported what functions of a layer set import, and forks one for each of them.

``python3.X -S /var/runtime/bootstrap.py --zygote``, in a box that shows the layers and no function.
It is given descriptors: 6, where its report goes (JSON); 7, the names of modules to import, a JSON
list; 8, by which it is told to fork. A fork may become a zygote too, for a set with more layers: it
is given the same again.
"""

import gc
import importlib
import json
import os
import signal
import socket
import sys

import nest
import preload
import reseed

REPORT, NAMES, CONTROL = 6, 7, 8
THREADS = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS")
"""With more than one of them numerical libraries begin threads, which no fork takes along."""
TASK = os.environ.get("LAMBDA_TASK_ROOT", "/var/task")


def main(client, line):
    known = {}
    while True:
        known = report(known)
        if known["fault"]:
            return
        channel = nest.next_fork(socket.socket(fileno=CONTROL))
        if channel is None:
            return
        data, descriptors = nest.hatch(channel, ready)
        told = json.loads(data)
        settle(told, descriptors)
        if not told["nest"]:
            break
        sprout()
    if become(client, told):
        sys.modules["__main__"].tell_of_imports(line)
    client.run(os.environ["_HANDLER"], line)


def report(known):
    """Import what is asked for, on top of what is ``known`` of this process, and say what became of
    it all; that."""
    with open(NAMES) as given:
        names = json.load(given)
    os.environ.update(dict.fromkeys(THREADS, "1"))
    report = preload.preload(names, known)
    for each in THREADS:
        del os.environ[each]
    report["fault"] = report["fault"] or preload.restore_threads()
    # Who was forked is another process's business.
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    # Once here, so that no fork has to set up what it renews.
    reseed.reseed()
    gc.collect()
    gc.freeze()
    with open(REPORT, "w") as answer:
        answer.write(json.dumps(report) + "\n")
    return report


def sprout():
    """In a fork that is to be a zygote: find the layers that are there now."""
    preload.one_thread()
    # Their times of change, which are an archive's, do not tell that folders are others now.
    for path, finder in list(sys.path_importer_cache.items()):
        if hasattr(finder, "invalidate_caches"):
            finder.invalidate_caches()
        elif path.startswith("/opt/"):
            del sys.path_importer_cache[path]
    for name in ("importlib.metadata", "importlib_metadata"):
        metadata = sys.modules.get(name)
        if metadata is not None:
            # Of an instance: it is no method of the class before Python 3.12.
            metadata.MetadataPathFinder().invalidate_caches()


def ready():
    """In a fork that waits to be somebody: what would cost its first invocation time.

    Memory that is shared with the zygote is copied when it is written for the first time, so what
    `become` writes is written once before.
    """
    reseed.reseed()
    put_on(json.loads(json.dumps({**os.environ, "_HANDLER": ""})))


def put_on(environment):
    """Replace what differs, which is little: each change is a call into the C library."""
    for name in os.environ.keys() - environment.keys():
        del os.environ[name]
    for name, value in environment.items():
        if os.environ.get(name) != value:
            os.environ[name] = value


def settle(told, descriptors):
    """In a fork that has its box: take what it was told of that."""
    nest.output(descriptors)
    for kind, value in told["rlimits"].items():
        nest.limit(int(kind), value)
    put_on(told["environment"])
    os.chdir(told["directory"])


def become(client, told):
    """Turn into the runtime of one function, as if begun for it; whether what that imports is to be
    told."""
    sys.argv[:] = sys.argv[:1]
    sys.path_importer_cache.pop(TASK, None)
    if "AWS_LAMBDA_LOG_FORMAT" in os.environ:
        # It was read when the client was loaded.
        importlib.reload(client)
    reseed.restart_clocks()
    return told["argv"][-1] == "--learn"
