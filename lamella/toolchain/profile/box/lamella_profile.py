"""Measures imports, inside of a box: the handler of a function that exists to be measured.

It is packed into the function's code and run by Python 3.8 and everything newer, so it imports
nothing of Lamella, and of the standard library little. Imports are recorded in a process of
their own, which has begun as the runtime begins; beside a file `TARGET`, which names another
handler, it loads that one's module as the runtime would and records this very cold start.
What its answers mean is for `lamella.toolchain.profile.trace` to say, which trusts nothing here.
"""

from __future__ import annotations

import _frozen_importlib as machinery
import _thread
import importlib
import json
import os
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
RUNTIME = "/var/runtime"
TARGET = os.path.join(HERE, "lamella_profile.txt")
COMPILER = os.path.join(HERE, "lamella_compile.py")
ANSWER = "/tmp/lamella-profile.json"
WORK = "/tmp/lamella-compile"
MOST_IMPORTS = 20_000
MOST_TEXT = 300
MOST_ANSWER = 5_500_000
IMPORT_SECONDS = 120
COMPILE_SECONDS = 600
DEPTH = 4


class Recorder:
    """Every import of the main thread: its name, who caused it, when it began and how long it took.

    It stands in the place of ``_find_and_load``, through which the import statement and
    ``importlib.import_module`` both go for a module that is not there yet.
    """

    def __init__(self):
        self.rows = []
        self._stack = [-1]
        self._real = machinery._find_and_load
        self._thread = _thread.get_ident()
        self._zero = time.perf_counter()

    def __enter__(self):
        self._zero = time.perf_counter()
        machinery._find_and_load = self._record
        return self

    def __exit__(self, *_):
        machinery._find_and_load = self._real
        self.seconds = time.perf_counter() - self._zero

    def _record(self, name, import_):
        if _thread.get_ident() != self._thread or len(self.rows) >= MOST_IMPORTS:
            return self._real(name, import_)
        row = [name, self._stack[-1], 0.0, 0.0, None]
        self._stack.append(len(self.rows))
        self.rows.append(row)
        began = time.perf_counter()
        try:
            row[4] = self._real(name, import_)
        finally:
            row[2], row[3] = began - self._zero, time.perf_counter() - began
            self._stack.pop()
        return row[4]

    def told(self):
        """The record as JSON has it; an origin is ``None`` where the import failed."""
        return {
            "seconds": self.seconds,
            "imports": [
                [text(name), parent, began, took, None if module is None else origin(module)]
                for name, parent, began, took, module in self.rows
            ],
        }


def origin(module):
    """Where a module comes from; modules may be objects of any kind, that do anything."""
    try:
        # Past what a module that loads itself late would do when it is asked.
        about = type(sys).__getattribute__(module, "__dict__")
        spec = about.get("__spec__")
        found = spec.origin if spec is not None else about.get("__file__")
        if found in (None, "namespace"):
            found = next(iter(about.get("__path__") or ()), "")
        return text(found)
    except BaseException:
        return ""


def text(value):
    return str.__str__(value)[:MOST_TEXT] if isinstance(value, str) else ""


def said(error):
    """An error as one line; to ask it may fail, too."""
    try:
        return ("%s: %s" % (type(error).__name__, error))[: 2 * MOST_TEXT]
    except BaseException:
        return type(error).__name__[:MOST_TEXT]


def record(names):
    """Import ``names``, one after another, and tell; the first error ends it."""
    recorder, fault = Recorder(), None
    with recorder:
        try:
            for name in names:
                importlib.import_module(name)
        except BaseException as error:
            fault = said(error)
    return dict(recorder.told(), error=fault)


def cold_start(target):
    """Load another handler's module as the runtime does; what that has cost."""
    if os.environ.get("_HANDLER") == "lamella_profile.handler":
        os.environ["_HANDLER"] = target
    module, _, attribute = target.rpartition(".")
    told = record([module.replace("/", ".")])
    if told["error"] is None and not hasattr(sys.modules[module.replace("/", ".")], attribute):
        told["error"] = "Handler '%s' missing on module '%s'" % (attribute, module)
    return told


def packages():
    """What the layers bring that can be imported: names at the top, or below a namespace."""
    import pkgutil

    version = "python%d.%d" % sys.version_info[:2]
    found = {}
    for folder in ("/opt/python/lib/%s/site-packages" % version, "/opt/python"):
        _below(folder, "", found, pkgutil, DEPTH)
    return sorted(found)


def _below(folder, prefix, found, pkgutil, depth):
    for _, name, _ in pkgutil.iter_modules([folder]):
        if name.isidentifier() and len(prefix + name) <= MOST_TEXT:
            found.setdefault(prefix + name, None)
    if not depth or not os.path.isdir(folder):
        return
    for entry in sorted(os.listdir(folder)):
        inner, name = os.path.join(folder, entry), prefix + entry
        # `lib` right below /opt/python is where the versions lie.
        is_place = entry == "__pycache__" or (folder == "/opt/python" and entry == "lib")
        if entry.isidentifier() and not is_place and name not in found and os.path.isdir(inner):
            _below(inner, name + ".", found, pkgutil, depth - 1)


def measured(names, compiled):
    """`record` in a process of its own, which begins as the runtime does."""
    import subprocess

    clear()
    command = [sys.executable, "-S", __file__, "compiled" if compiled else "source"]
    process = subprocess.Popen(
        command + list(names),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        code = process.wait(IMPORT_SECONDS)
    except subprocess.TimeoutExpired:
        code = None
    finally:
        end(process)
    if os.path.exists(ANSWER):
        with open(ANSWER, "rb") as file:
            return json.loads(file.read(MOST_ANSWER))
    if code is None:
        return {"error": "the import took longer than %d seconds" % IMPORT_SECONDS}
    how = "signal %d" % -code if code < 0 else "exit code %d" % code
    return {"error": "the process ended during the import (%s)" % how}


def end(process):
    """Everything that the process began goes with it, but for what hides from it."""
    import signal

    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    process.wait()


def clear():
    """Each import finds the empty /tmp that a cold start finds."""
    import shutil

    for name in os.listdir("/tmp"):
        path = os.path.join("/tmp", name)
        if os.path.isdir(path) and not os.path.islink(path):
            shutil.rmtree(path, ignore_errors=True)
        else:
            os.unlink(path)


def compile_all(sources, workers):
    """Compile sources below /opt as the server does; seconds, and how many could be compiled."""
    import subprocess

    clear()
    os.mkdir(WORK)
    with open(os.path.join(WORK, "sources.json"), "w") as file:
        json.dump(sources, file)
    with open(COMPILER) as file:
        script = file.read()
    command = [sys.executable, "-I", "-S", "-B", "-W", "ignore", "-c", script]
    began = time.perf_counter()
    process = subprocess.Popen(
        command + ["/opt", WORK, "/opt", str(workers)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        process.wait(COMPILE_SECONDS)
    finally:
        seconds = time.perf_counter() - began
        end(process)
    made = [os.path.join(WORK, name) for name in os.listdir(WORK) if name.isdigit()]
    count = sum(1 for path in made if os.path.getsize(path))
    clear()
    return {"seconds": seconds, "compiled": count}


def begin():
    """What the runtime does before it loads a handler's module."""
    if RUNTIME not in sys.path:
        sys.path.append(RUNTIME)
    import bootstrap

    standard = [entry for entry in bootstrap.standard_path() if entry != HERE]
    sys.path[:] = [RUNTIME] + standard
    importlib.import_module("awslambdaric.bootstrap")
    sys.path[:] = bootstrap.search_path(standard, os.environ)
    bootstrap.add_site_builtins()
    bootstrap.customize()
    del sys.modules["bootstrap"]


def forget_bytecode():
    """Layers' modules are compiled as they are imported, as where there is no bytecode of them."""
    outer = sys.modules["_frozen_importlib_external"]
    real = outer.cache_from_source

    def none_of_layers(path, *rest, **more):
        if str(path).startswith("/opt/"):
            raise NotImplementedError
        return real(path, *rest, **more)

    outer.cache_from_source = none_of_layers


def child(kind, names):
    begin()
    if kind == "source":
        forget_bytecode()
    told = json.dumps(record(names))
    with open(ANSWER + ".part", "w") as file:
        file.write(told)
    os.rename(ANSWER + ".part", ANSWER)
    # Threads that the import has begun are not waited for.
    os._exit(0)


def handler(event, context):
    if "compile" in event:
        return compile_all(event["compile"], event["workers"])
    if "import" in event:
        return measured(event["import"], event["compiled"])
    if "packages" in event:
        return packages()
    return COLD_START


if __name__ == "__main__":
    child(sys.argv[1], sys.argv[2:])
COLD_START = None
if __name__ == "lamella_profile" and os.path.exists(TARGET):
    with open(TARGET) as named:
        COLD_START = cold_start(named.read())
