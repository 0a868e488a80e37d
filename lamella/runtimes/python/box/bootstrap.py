"""Starts AWS's runtime client for the function: ``python3.X -S /var/runtime/bootstrap.py``.

``-S`` keeps the host's own packages (site-packages, dist-packages, ``.pth`` files) out of the
search path; what a function would miss of the site module is made up for here.
"""

import builtins
import os
import sys

RUNTIME = os.path.dirname(os.path.abspath(__file__))
TASK = os.environ.get("LAMBDA_TASK_ROOT", "/var/task")
OPT = "/opt/python"


def search_path(standard, environ):
    """AWS's order: the function, the layers, what PYTHONPATH names, the runtime, the language."""
    version = "python%d.%d" % sys.version_info[:2]
    wanted = [TASK, "%s/lib/%s/site-packages" % (OPT, version), OPT]
    wanted += [entry for entry in environ.get("PYTHONPATH", "").split(os.pathsep) if entry]
    wanted.append(RUNTIME)
    wanted += standard
    return list(dict.fromkeys(wanted))


def standard_path():
    """What the interpreter itself put there, without the script's folder and PYTHONPATH."""
    given = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    return [entry for entry in sys.path if entry != RUNTIME and entry not in given]


def add_site_builtins():
    import _sitebuiltins

    builtins.exit = _sitebuiltins.Quitter("exit", "Ctrl-D (i.e. EOF)")
    builtins.quit = _sitebuiltins.Quitter("quit", "Ctrl-D (i.e. EOF)")
    builtins.help = _sitebuiltins._Helper()


def customize():
    """A sitecustomize module in PYTHONPATH runs, as it does without ``-S``: tracers start so."""
    for entry in os.environ.get("PYTHONPATH", "").split(os.pathsep):
        if entry and entry != RUNTIME and os.path.exists(os.path.join(entry, "sitecustomize.py")):
            import sitecustomize  # noqa: F401

            return


def forget_coercion():
    """Python chose a locale for itself, where the host lacks that of LANG: nobody else's business."""
    if "LC_CTYPE" in os.environ:
        with open("/proc/self/environ", "rb") as given:
            if b"LC_CTYPE=" not in given.read():
                del os.environ["LC_CTYPE"]


def asked_to(option):
    """Whether the command ends with an option of the runtime's own: to tell the modules that are
    imported (--learn), to become a snapshot (--snapshot). The function finds no trace of it."""
    if sys.argv[1:] != [option]:
        return False
    del sys.argv[1:]
    if getattr(sys, "orig_argv", [""])[-1] == option:
        del sys.orig_argv[-1]
    return True


def tell_of_imports(client):
    """Have what the handler's module imported told before the first `next`."""
    path, theirs = sys.path[:], sys.modules.pop("imports", None)
    # A function, or a layer, may have a module of that name.
    sys.path[:] = [RUNTIME]
    import imports

    sys.path[:] = path
    del sys.modules["imports"]
    if theirs is not None:
        sys.modules["imports"] = theirs
    wait, endpoint = client.wait_next_invocation, os.environ["AWS_LAMBDA_RUNTIME_API"]

    def tell_and_wait():
        del client.wait_next_invocation
        imports.tell(endpoint)
        return wait()

    client.wait_next_invocation = tell_and_wait


def prepare(standard):
    """Load AWS's runtime client and set the search path; what is the same for every function."""
    forget_coercion()
    # The runtime's own modules first: a function that packs a library of the same name must not
    # take its runtime client apart.
    sys.path[:] = [RUNTIME, *standard]
    from awslambdaric import bootstrap
    from awslambdaric.lambda_runtime_client import LambdaRuntimeClient

    # AWS polls in a thread from 3.12 on, because its native client holds off signals while it
    # waits; this one does not, so the thread would only cost time.
    line = LambdaRuntimeClient(os.environ["AWS_LAMBDA_RUNTIME_API"], False)
    sys.path[:] = search_path(standard, os.environ)
    add_site_builtins()
    return bootstrap, line


def own(name, standard):
    """A module of the runtime's own, whatever a function or a layer calls theirs. They find neither it
    nor what only it has imported: of that they get their own, or import it anew."""
    there, path = frozenset(sys.modules), sys.path[:]
    sys.path[:] = [RUNTIME, *standard]
    module = __import__(name)
    sys.path[:] = path
    for each in sys.modules.keys() - there:
        del sys.modules[each]
    return module


def main():
    learns, is_snapshot = asked_to("--learn"), asked_to("--snapshot")
    standard = standard_path()
    client, line = prepare(standard)
    if learns:
        tell_of_imports(line)
    if is_snapshot:
        own("snapshot", standard).prepare(line)
    customize()
    client.run(os.environ["_HANDLER"], line)


if __name__ == "__main__":
    if sys.argv[1:] == ["--zygote"]:
        path = standard_path()
        given = prepare(path)
        own("zygote", path).main(*given)
    else:
        main()
