"""How a function's runtime is started: command line, variables, and what the box must show.

A pure function over a function and an interpreter. The values that only an environment knows (the
Runtime API's address, the log stream, credentials, the kind of initialisation) are added to
`Launch.env` by the environment, which also refuses nothing: reserved names are refused when a
function is created.

Source: https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from lamella.model.function import Function
from lamella.runtimes import nodejs, ruby
from lamella.runtimes.interpreter import Family, Interpreter
from lamella.runtimes.java.command import command as java_command
from lamella.runtimes.ruby.find import api_version

TASK = "/var/task"
RUNTIME = "/var/runtime"
WRAPPER = "AWS_LAMBDA_EXEC_WRAPPER"
ZYGOTE = "--zygote"

_COMMON = {
    "PATH": "/var/lang/bin:/usr/local/bin:/usr/bin/:/bin:/opt/bin",
    "LD_LIBRARY_PATH": "/var/lang/lib:/lib64:/usr/lib64:/var/runtime:/var/runtime/lib:"
    "/var/task:/var/task/lib:/opt/lib",
    "LANG": "en_US.UTF-8",
    "TZ": ":UTC",
}


_SHARED = (
    "LAMBDA_TASK_ROOT",
    "LAMBDA_RUNTIME_DIR",
    "AWS_REGION",
    "AWS_DEFAULT_REGION",
    "AWS_EXECUTION_ENV",
)
_BOXES = {Family.NODEJS: nodejs.BOX, Family.RUBY: ruby.BOX}
_FIRST = {
    Family.PYTHON: "bootstrap.py",
    Family.NODEJS: "bootstrap.cjs",
    Family.RUBY: "bootstrap.rb",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Launch:
    """A runtime's process. ``binds`` are (host, box) read-only, ``symlinks`` (target, box path),
    ``hides`` folders that the box shows empty; the working directory is ``/var/task``."""

    argv: tuple[str, ...]
    env: Mapping[str, str]
    binds: tuple[tuple[Path, str], ...] = ()
    symlinks: tuple[tuple[str, str], ...] = ()
    hides: tuple[str, ...] = ()


def launch(
    function: Function, interpreter: Interpreter, *, runtime: Path | None, bootstrap: str = ""
) -> Launch:
    """The launch of ``function`` by ``interpreter``.

    ``runtime`` is the directory on the host that becomes ``/var/runtime``: a tree of
    `lamella.runtimes.python.tree` for Python, None for the others. ``bootstrap`` is the path in
    the box of a custom runtime's program (`lamella.runtimes.provided`).
    """
    runtime = _BOXES.get(interpreter.family, runtime)
    binds = interpreter.binds if runtime is None else (*interpreter.binds, (runtime, RUNTIME))
    return Launch(
        argv=_argv(function, interpreter, bootstrap),
        env=variables(function, interpreter),
        binds=binds,
        symlinks=(*interpreter.symlinks, *_links(interpreter)),
        hides=interpreter.hides,
    )


def _links(interpreter: Interpreter) -> tuple[tuple[str, str], ...]:
    return nodejs.links(interpreter.runtime) if interpreter.family is Family.NODEJS else ()


def _argv(function: Function, interpreter: Interpreter, bootstrap: str) -> tuple[str, ...]:
    if interpreter.binary is None:
        return (bootstrap,)
    user = function.environment or {}
    options = interpreter.options
    if interpreter.family is Family.NODEJS:
        given = user.get("NODE_OPTIONS", "")
        memory = function.memory_size
        options += nodejs.options(interpreter.runtime, interpreter.version, memory, given)
    command = (interpreter.binary, *options, *_program(function, interpreter))
    wrapper = user.get(WRAPPER)
    if not wrapper:
        return command
    # By way of a shell, as AWS does: a wrapper that is not there is exit status 127, one that
    # may not be executed 126, and a script without an interpreter line runs.
    return ("/bin/sh", "-c", 'exec "$0" "$@"', wrapper, *command)


def zygote_command(interpreter: Interpreter) -> tuple[str, ...]:
    """The command of a process that is to be forked for functions."""
    assert interpreter.binary is not None
    first = f"{RUNTIME}/{_FIRST[interpreter.family]}"
    return (interpreter.binary, *interpreter.options, first, ZYGOTE)


def _program(function: Function, interpreter: Interpreter) -> tuple[str, ...]:
    if interpreter.family is Family.JAVA:
        user = function.environment or {}
        return java_command(function.memory_size, interpreter.version, user)
    return (f"{RUNTIME}/{_FIRST[interpreter.family]}",)


def variables(function: Function, interpreter: Interpreter) -> dict[str, str]:
    """Every variable that follows from the function; its own win over those AWS lets it set."""
    return {
        **_COMMON,
        **_language(interpreter),
        **(function.environment or {}),
        **_reserved(function, interpreter),
    }


def shared_variables(function: Function, interpreter: Interpreter) -> dict[str, str]:
    """Those of them that are the same for every function of this runtime in its region."""
    own = _reserved(function, interpreter)
    return {
        **_COMMON,
        **_language(interpreter),
        **{name: own[name] for name in _SHARED if name in own},
    }


def _language(interpreter: Interpreter) -> dict[str, str]:
    if interpreter.family is Family.PYTHON:
        return {"PYTHONPATH": RUNTIME}
    if interpreter.family is Family.NODEJS:
        return {"NODE_PATH": nodejs.search_path(interpreter.runtime)}
    if interpreter.family is Family.RUBY:
        return _ruby(interpreter)
    return {}


def _ruby(interpreter: Interpreter) -> dict[str, str]:
    """Gems are found under the runtime's own version, whichever Ruby runs it, as layers have it."""
    version = api_version(interpreter.runtime.removeprefix("ruby"))
    return {
        "GEM_HOME": RUNTIME,
        "GEM_PATH": f"{TASK}/vendor/bundle/ruby/{version}:/opt/ruby/gems/{version}",
        "RUBYLIB": f"{TASK}:{RUNTIME}/lib:/opt/ruby/lib",
    }


def _reserved(function: Function, interpreter: Interpreter) -> dict[str, str]:
    values = {
        "LAMBDA_TASK_ROOT": TASK,
        "LAMBDA_RUNTIME_DIR": RUNTIME,
        "_HANDLER": function.handler or "",
        "AWS_REGION": function.region,
        "AWS_DEFAULT_REGION": function.region,
        "AWS_LAMBDA_FUNCTION_NAME": function.name,
        "AWS_LAMBDA_FUNCTION_VERSION": function.version,
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(function.memory_size),
    }
    if not function.has_snapshot:  # as AWS has it
        values["AWS_LAMBDA_LOG_GROUP_NAME"] = function.effective_log_group
    if interpreter.family is not Family.PROVIDED:
        values["AWS_EXECUTION_ENV"] = f"AWS_Lambda_{interpreter.runtime}"
    if function.log_format == "JSON":
        values["AWS_LAMBDA_LOG_FORMAT"] = "JSON"
        values["AWS_LAMBDA_LOG_LEVEL"] = function.application_log_level or "INFO"
    return values
