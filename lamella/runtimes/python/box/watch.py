"""A process in which modules are imported to see what they do: the body of a trial.

Each module is watched while its own code runs, so that whatever happens is laid at the door of
the innermost one; those that were importing it follow. What happens is told over a pipe, line by
line, to `trial`. The process ends with the first module that may not be preloaded.

Native code is watched by what it leaves alone: what it reads of the environment, or of the random
numbers of the kernel, is not seen here.
"""

import importlib
import json
import os
import sys
from importlib.machinery import ExtensionFileLoader

import dice
import leavings

FUNCTION = ("/var/task/", "/tmp/")
"""Folders that are another in each function."""
LAYERS = "/opt/python"
"""The folder of the layers' modules: what is in it is another where there are more layers."""
_SITE = "/lib/python%d.%d/site-packages" % sys.version_info[:2]
METADATA = ("*.dist-info", "*.egg-info")
"""What is looked for by a module that asks which packages are installed."""
_METADATA_CODE = ("importlib/metadata/__init__.py", "importlib_metadata/__init__.py")
_UNSTEADY = frozenset(
    (
        "_HANDLER",
        "_X_AMZN_TRACE_ID",
        "_LAMBDA_TELEMETRY_LOG_FD",
        "AWS_REGION",
        "AWS_DEFAULT_REGION",
        "AWS_ACCESS_KEY_ID",
        "AWS_SECRET_ACCESS_KEY",
        "AWS_SESSION_TOKEN",
        "AWS_LAMBDA_INITIALIZATION_TYPE",
        # These a zygote has, so that nothing starts threads in it, and a function has not.
        "OPENBLAS_NUM_THREADS",
        "GOTO_NUM_THREADS",
        "OMP_NUM_THREADS",
        "MKL_NUM_THREADS",
        "NUMEXPR_NUM_THREADS",
    )
)
_UNSTEADY_PREFIXES = ("AWS_LAMBDA_FUNCTION_", "AWS_LAMBDA_LOG_", "AWS_ENDPOINT_URL")
_NETWORK = frozenset(
    (
        "socket.connect",
        "socket.getaddrinfo",
        "socket.gethostbyname",
        "socket.gethostbyaddr",
        "socket.getnameinfo",
        "socket.sendto",
        "socket.sendmsg",
    )
)
_STARTS = frozenset(("subprocess.Popen", "os.system", "os.posix_spawn", "os.fork", "os.forkpty"))
_CHANGES = frozenset(("os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.link", "os.symlink"))
_LOOPBACK = ("127.", "::1")
_RENEWED = (
    "random",
    "secrets",
    "uuid",
    "tempfile",
    "multiprocessing.process",
    "numpy.random",
)
"""Modules whose random numbers `reseed` renews in every fork."""
_DRAWS = "draws random numbers, which all forks would share"
_TOLD = 200


def unsteady(name):
    """Whether a variable's value is another in each function, or in each start."""
    return name in _UNSTEADY or name.startswith(_UNSTEADY_PREFIXES)


LISTED = "/"
"""What `of_layers` says of the folder of the layers' modules itself."""


def of_layers(path):
    """What of the layers' folders for modules ``path`` belongs to: a slash and the name of a file or
    folder in them; `LISTED` for these folders, and those that they are in; None for all else."""
    if not isinstance(path, str) or not path.startswith("/"):
        return None
    path = os.path.normpath(path)
    for folder in (LAYERS + _SITE, LAYERS):
        if (folder + "/").startswith(path + "/"):
            return LISTED
        if path.startswith(folder + "/"):
            return "/" + path[len(folder) + 1 :].partition("/")[0]
    return None


class Frame:
    """A module whose code runs."""

    def __init__(self, name, state):
        self.name = name
        self.state = state
        self.read = set()
        self.noted = set()


class Watch:
    """Imports modules and tells of each, on ``pipe``. ``log`` takes what they print; ``generators`` are
    those of random numbers that modules have which were imported before."""

    def __init__(self, pipe, log, refused, generators=()):
        self.pipe = pipe
        self.log = log
        self.refused = refused
        self.stack = []
        self.read = set()
        self.sought = set()
        self.noted = {}
        self.dice = dice.Dice(self._drawn, generators)
        self._quiet = False

    def run(self, names):
        """Import ``names`` one after another; returns only if none was refused."""
        self._put_in_place()
        for name in names:
            self.read, self.sought, self.noted = set(), set(), {}
            self.begin(name)
            fault = None
            try:
                # Not a statement: this way the finder below is asked first, whatever it is.
                importlib.import_module(name)
            except BaseException as error:  # noqa: BLE001 - anything may come out of a module
                fault = _said(error)
            self.end()
            if fault is None and name not in sys.modules:
                fault = "is not there after its import"
            if fault is None:
                read, sought = sorted(self.read), sorted(self.sought)
                self.tell("ok", name, read, sought, self.noted)
            else:
                self.tell("failed", name, fault)

    # What happens

    def begin(self, name):
        self.tell("begin", name)
        self.stack.append(Frame(name, self._state()))

    def end(self):
        frame = self.stack[-1]
        left = self._state().since(frame.state)
        if left is not None:
            self.refuse(left)
        self.dice.look()
        if self.dice.is_drawn():
            self.refuse(_DRAWS)
        if sys.meta_path[:1] != [self]:
            self._first()
        self.stack.pop()
        self.read |= frame.read
        if frame.noted:
            self.noted.setdefault(frame.name, []).extend(sorted(frame.noted))
        self.tell("end", frame.name)

    def refuse(self, reason):
        """The innermost module may not be preloaded: say so, and be gone before it goes on."""
        self._quiet = True
        self.tell("refuse", reason[:_TOLD])
        os._exit(0)

    def tell(self, *words):
        line = json.dumps(words).encode() + b"\n"
        while line:
            line = line[os.write(self.pipe, line) :]

    def _state(self):
        self._quiet, before = True, self._quiet
        try:
            return leavings.State(self.log)
        finally:
            self._quiet = before

    # Imports

    def _first(self):
        sys.meta_path[:] = [self] + [each for each in sys.meta_path if each is not self]

    def find_spec(self, name, path=None, target=None):
        """The finder that is asked first: what it finds, another finds for it."""
        self.sought.add(name.partition(".")[0][:_TOLD])
        if name in self.refused:
            self.refuse("imports %s, which is not preloaded" % name)
        for finder in list(sys.meta_path):
            find = getattr(finder, "find_spec", None)
            if finder is self or find is None:
                continue
            spec = find(name, path, target)
            if spec is not None:
                self._watch_loader(spec.loader)
                return spec
        return None

    def _watch_loader(self, loader):
        """Have the loader tell when a module's code begins and ends: native code runs when the
        module is created, too."""
        kind = type(loader)
        if loader is None or kind is type or not hasattr(kind, "exec_module"):
            return

        def create_module(spec):
            self.begin(spec.name)
            try:
                return kind.create_module(loader, spec)
            finally:
                self.end()

        def exec_module(module):
            self.begin(module.__spec__.name)
            try:
                return kind.exec_module(loader, module)
            finally:
                self.end()

        try:
            loader.exec_module = exec_module
            if isinstance(loader, ExtensionFileLoader):
                loader.create_module = create_module
        except (AttributeError, TypeError):
            return  # it belongs to whoever imports it

    # What else is watched

    def _put_in_place(self):
        self._first()
        os.dup2(self.log, 1)
        os.dup2(self.log, 2)
        self._watch_environment()
        self.dice.watch()
        self._watch_forks()
        self._watch_files()
        sys.addaudithook(self._heard)

    def _watch_environment(self):
        kind = type(os.environ)
        get, each = kind.__getitem__, kind.__iter__

        def getitem(environ, key):
            if self.stack and not self._quiet:
                self._asked(key)
            return get(environ, key)

        def iterate(environ):
            if self.stack and not self._quiet:
                self.refuse("reads every environment variable")
            return each(environ)

        kind.__getitem__ = getitem
        kind.__iter__ = iterate

    def _asked(self, key):
        name = os.fsdecode(key) if isinstance(key, (str, bytes)) else ""
        if unsteady(name):
            self.refuse("reads the environment variable %s" % name)
        self.stack[-1].read.add(name[:_TOLD])

    def _drawn(self):
        if self.stack and not self._quiet:
            name = self.stack[-1].name
            if not any(name == each or name.startswith(each + ".") for each in _RENEWED):
                self.refuse(_DRAWS)

    def _watch_forks(self):
        register = os.register_at_fork

        def register_at_fork(**handlers):
            if self.stack:
                self.stack[-1].noted.add("does something at each fork")
            return register(**handlers)

        os.register_at_fork = register_at_fork

    def _heard(self, event, given):
        """The interpreter is about to do something: see `sys.addaudithook`."""
        if self._quiet or not self.stack:
            return
        if event == "open":
            self._opened(sys._getframe(1), *given)
        elif event in _NETWORK:
            self.refuse("tries to reach the network (%s)" % event)
        elif event == "socket.bind":
            address = given[1]
            host = address[0] if isinstance(address, tuple) and address else address
            if not isinstance(host, str) or not host.startswith(_LOOPBACK):
                self.refuse("tries to reach the network (%s)" % event)
        elif event in _CHANGES:
            self.refuse("writes to files")
        elif event in _STARTS:
            self.stack[-1].noted.add("runs a program")
        elif event in ("os.listdir", "os.scandir"):
            self._looked(given[0], sys._getframe(1))

    def _opened(self, caller, path, mode, flags):
        if isinstance(path, int):
            return
        if flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT) and path != os.devnull:
            self.refuse("writes to files")
        if path not in sys.path:  # a folder, which might have been a zip
            self._looked(path, caller)

    def _looked(self, path, caller):
        if isinstance(path, bytes):
            path = os.fsdecode(path)
        code = caller.f_code.co_filename
        # The import system itself looks there, too: `find_spec` knows what for.
        if not isinstance(path, str) or code.startswith("<frozen "):
            return
        is_functions = (path + "/").startswith(FUNCTION)
        if code.endswith(_METADATA_CODE):
            self.sought.update(METADATA if is_functions else ())
        elif is_functions:
            self.refuse("reads the function's own files")
        else:
            self._looked_at_layers(path)

    def _looked_at_layers(self, path):
        name = of_layers(path)
        if name is not None:
            self.sought.add(name[:_TOLD])

    def _watch_files(self):
        """Who asks whether a file is there opens none."""
        for name in ("stat", "lstat", "access"):
            setattr(os, name, Asking(getattr(os, name), self._asked_for))

    def _asked_for(self, path):
        if self.stack and not self._quiet and isinstance(path, (str, os.PathLike)):
            path = os.fspath(path)
            if of_layers(path) != LISTED:
                self._looked_at_layers(path)


class Asking:
    """A function of `os` whose first argument is told. No function: no class makes a method of it."""

    def __init__(self, call, tell):
        self._call = call
        self._tell = tell

    def __call__(self, path, *given, **named):
        self._tell(path)
        return self._call(path, *given, **named)


def _said(error):
    try:
        text = "%s: %s" % (type(error).__name__, error)
    except Exception:  # noqa: BLE001 - an error of a module may fail to be told
        text = type(error).__name__
    return text[:_TOLD]
