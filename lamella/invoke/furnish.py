"""What an environment of a function version is made of. Layers, runtimes and boxes meet here.

`Furnisher.prepare` makes sure that everything a version needs is on this node (unpacked trees,
bytecode, the runtime's folder); it blocks and belongs in a thread. `Furnisher.furnish` turns
what is there into the plan of a box, without touching much more than memory.
"""

from __future__ import annotations

import re
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType
from typing import Protocol

from lamella.invoke import report
from lamella.invoke.ahead import OPT, ahead
from lamella.invoke.callback import LIFE_SECONDS, Callback
from lamella.invoke.hiding import layer_names, top_names
from lamella.invoke.ways import Ways
from lamella.layers.bytecode import BytecodeTrees
from lamella.layers.mount import Stacks
from lamella.layers.trees import Trees
from lamella.model.function import Function
from lamella.model.limits import MEMORY_MB_PER_VCPU, OPEN_FILES, PROCESSES
from lamella.runtime_api.restore import CREDENTIALS, Restore
from lamella.runtimes import crew, provided, start
from lamella.runtimes.catalog import Catalog
from lamella.runtimes.forking import Plain, plain
from lamella.runtimes.interpreter import Family, Interpreter
from lamella.runtimes.python.tree import runtime_tree, tree_key
from lamella.sandbox.plan import BoxPlan, Limits

MEBIBYTE = 1_048_576
SLACK = 2_048 * MEBIBYTE
"""A thread sets aside eight megabytes for its stack and uses a hundredth of it."""
RUNTIME_API_PORT = 9001
LEAST_CPUS = 2.0
ON_DEMAND, PROVISIONED, SNAP_START = "on-demand", "provisioned-concurrency", "snap-start"
LOG_DESCRIPTOR = "6"
"""Where a runtime writes the frames of its log: the first descriptor that a box is given."""
TASK = "/var/task"
_LANGUAGE = re.compile(r"^(python|nodejs|ruby|java)")
RUNTIME = "/var/runtime"
ZYGOTE_BYTES = 1_024 * MEBIBYTE
FORKS = 16_384
"""Processes and threads of a zygote and all of its forks."""
OUTLIVED = '"$0" "$@"; exec 6>&- 7>&- 8>&-; exec sleep 2147483647'
"""A box lasts as long as its first command: a zygote's is a shell, so that forks outlive it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Furnished:
    """The plan of an environment's boxes, the stream they log to and the line INIT begins with.

    ``unstartable`` is AWS's reason when there is nothing to start (a custom runtime without a
    bootstrap); the plan has no command then. ``worn_at`` is when, in Unix time, the
    environment has served long enough. ``extensions`` are the names of those that layers
    bring, each with the ARN of the layer version, in the order of their start. ``on_imports`` is
    given what a runtime says it imported, where the plan asks for that. ``ahead`` is the plan of a
    box that the environment can begin in, if there can be one. ``restore`` is what SnapStart is to
    it.
    """

    plan: BoxPlan
    stream: str
    init_start: str
    worn_at: float
    unstartable: str | None = None
    provisioned: bool = False
    plain: Plain | None = None
    names: frozenset[str] = frozenset()
    extensions: Mapping[str, str] = field(default_factory=dict)
    on_imports: Callable[[bytes], None] | None = None
    ahead: BoxPlan | None = None
    restore: Restore | None = None

    def box(self, name: str) -> BoxPlan:
        return replace(self.plan, name=name)


class Caches(Protocol):
    """What was made ahead for the layers of functions; directories of the host."""

    def runtime(self, function: Function, interpreter: Interpreter) -> tuple[Path, ...]:
        """A Java function's ``/var/runtime``, topmost first."""
        ...

    def above(self, function: Function, interpreter: Interpreter) -> Mapping[str, Path]:
        """What belongs directly above layers, by digest."""
        ...


class Furnisher:
    """Knows how to furnish every version on this node."""

    def __init__(
        self,
        catalog: Catalog,
        trees: Trees,
        stacks: Stacks,
        bytecode: BytecodeTrees,
        callback: Callback,
        caches: Caches,
        ways: Ways,
    ) -> None:
        self._catalog = catalog
        self._trees = trees
        self._stacks = stacks
        self._bytecode = bytecode
        self._callback = callback
        self._caches = caches
        self._ways = ways

    def prepare(self, function: Function) -> None:
        """Make what ``function`` needs on this node, and ask what `furnish` would have to ask. Raises
        RuntimeMissing, and what unpacking raises."""
        self._ways.plainly(function)
        interpreter = self._catalog.find(function.runtime or "")
        self._trees.ensure(function.code.digest)
        for layer in function.layers:
            self._trees.ensure(layer.digest)
        self._overlays(function, interpreter)

    def furnish(self, function: Function, name: str, *, provisioned: bool = False) -> Furnished:
        """The plan for environment ``name`` of a version that was prepared."""
        interpreter = self._catalog.find(function.runtime or "")
        bootstrap, unstartable = self._bootstrap(function, interpreter)
        launch = start.launch(function, interpreter, runtime=None, bootstrap=bootstrap)
        stream = stream_name(function.version, datetime.now(UTC))
        restore = self._callback.restore(function)
        plan = BoxPlan(
            name=name,
            argv=launch.argv,
            environment={
                **self._callback.endpoint,
                **launch.env,
                **own_variables(stream, SNAP_START if restore else _kind(provisioned)),
                **(container(restore) if restore else self._callback.credentials(function)),
            },
            limits=limits(function),
            overlays=self._overlays(function, interpreter),
            binds={target: source for source, target in launch.binds},
            symlinks={path: target for target, path in launch.symlinks},
            hides=launch.hides,
            directory=TASK,
            listen=(RUNTIME_API_PORT, *self._callback.ports),
            network=self._ways.of(function),
        )
        line = report.init_start(*runtime_version(function))
        extensions = self._extensions(function)
        plainly = self._ways.plainly(function)
        has_own = bool(unstartable or extensions) or plainly
        why = Plain.TAG if plainly else self._plain(function, interpreter, plan, extensions)
        return Furnished(
            plan=plan,
            stream=stream,
            init_start=line,
            worn_at=time.time() + LIFE_SECONDS,
            unstartable=unstartable,
            provisioned=provisioned,
            plain=why,
            names=frozenset() if why else top_names(self._trees.ensure(function.code.digest)),
            extensions=extensions,
            ahead=None if has_own else ahead(function, plan),
            restore=restore,
        )

    def _plain(
        self,
        function: Function,
        interpreter: Interpreter,
        plan: BoxPlan,
        extensions: Mapping[str, str],
    ) -> Plain | None:
        """Why an environment is not to be a fork of a zygote; None if it may be."""
        why = plain(function, interpreter)
        if why is None and extensions:
            return Plain.EXTENSIONS
        if why is None and plan.network is not None:
            return Plain.NETWORK
        return why

    def interpreter_of(self, function: Function) -> str:
        """What tells apart the interpreters that functions run on: runtime and version."""
        interpreter = self._catalog.find(function.runtime or "")
        return f"{interpreter.runtime} {interpreter.version}"

    def program_of(self, function: Function) -> Path | None:
        """The file of the interpreter that ``function`` runs on."""
        return self._catalog.find(function.runtime or "").path

    def furnish_nest(self, function: Function, name: str) -> BoxPlan:
        """The plan of a zygote for functions of the runtime and the layers of ``function``, of
        which it shows nothing."""
        interpreter = self._catalog.find(function.runtime or "")
        launch = start.launch(function, interpreter, runtime=None)
        return BoxPlan(
            name=name,
            argv=("/bin/sh", "-c", OUTLIVED, *start.zygote_command(interpreter)),
            environment={
                **start.shared_variables(function, interpreter),
                "AWS_LAMBDA_RUNTIME_API": f"127.0.0.1:{RUNTIME_API_PORT}",
            },
            limits=Limits(memory=ZYGOTE_BYTES, tmp=ZYGOTE_BYTES, weight=0.25, processes=FORKS),
            overlays={**self._overlays(function, interpreter), TASK: ()},
            binds={target: source for source, target in launch.binds},
            symlinks={path: target for target, path in launch.symlinks},
            hides=launch.hides,
        )

    def names_of_layers(self, function: Function) -> tuple[frozenset[str] | None, ...]:
        """What each layer of a Python function that was prepared brings, `layer_names`. Blocks."""
        minor = self._catalog.find(function.runtime or "").minor
        return tuple(
            layer_names(self._trees.ensure(layer.digest), minor) for layer in function.layers
        )

    def _bootstrap(self, function: Function, interpreter: Interpreter) -> tuple[str, str | None]:
        if interpreter.family is not Family.PROVIDED:
            return "", None
        layers = [self._trees.ensure(layer.digest) for layer in function.layers]
        try:
            return provided.find_bootstrap(self._trees.ensure(function.code.digest), layers), None
        except provided.InvalidEntrypoint as error:
            return "", error.message

    def _extensions(self, function: Function) -> Mapping[str, str]:
        """The layer version that each extension comes from: of several, the last listed."""
        if not function.layers:
            return MappingProxyType({})
        trees = [self._trees.ensure(layer.digest) for layer in function.layers]
        origins = {
            name: layer.arn
            for layer, tree in zip(function.layers, trees, strict=True)
            for name in crew.found([tree])
        }
        return {name: origins[name] for name in crew.found(trees)}

    def _overlays(
        self, function: Function, interpreter: Interpreter
    ) -> Mapping[str, tuple[Path, ...]]:
        """Box path -> host directories, topmost first."""
        layers = [layer.digest for layer in function.layers]
        code = function.code.digest
        if interpreter.family is not Family.PYTHON:
            above = self._caches.above(function, interpreter)
            shown = {OPT: self._stacks.lowerdirs(layers, above), TASK: (self._trees.ensure(code),)}
            is_java = interpreter.family is Family.JAVA
            return (
                {**shown, RUNTIME: self._caches.runtime(function, interpreter)}
                if is_java
                else shown
            )
        compiled = self._bytecode.of(interpreter)
        return {
            OPT: self._stacks.lowerdirs(
                layers,
                {each: compiled.tree(each, self._trees.ensure(each), OPT) for each in layers},
            ),
            TASK: self._stacks.lowerdirs(
                [code], {code: compiled.tree(code, self._trees.ensure(code), TASK)}
            ),
            RUNTIME: compiled.runtime(tree_key(interpreter.minor), runtime_tree),
        }


def limits(function: Function) -> Limits:
    """The limits of a version's boxes: at least two CPUs, a weight in proportion to memory."""
    share = function.memory_size / MEMORY_MB_PER_VCPU
    return Limits(
        memory=function.memory_size * MEBIBYTE,
        tmp=function.ephemeral_storage * MEBIBYTE,
        cpus=max(LEAST_CPUS, share),
        weight=share,
        processes=PROCESSES,
        files=OPEN_FILES,
        slack=SLACK,
    )


def own_variables(stream: str, kind: str) -> Mapping[str, str]:
    """The variables that belong to one environment, not to its function's configuration. ``kind``
    is the type of initialisation; what comes from a snapshot has no log of its own to name."""
    named = {} if kind == SNAP_START else {"AWS_LAMBDA_LOG_STREAM_NAME": stream}
    return MappingProxyType(
        {
            "AWS_LAMBDA_RUNTIME_API": f"127.0.0.1:{RUNTIME_API_PORT}",
            "AWS_LAMBDA_INITIALIZATION_TYPE": kind,
            **named,
            "_LAMBDA_TELEMETRY_LOG_FD": LOG_DESCRIPTOR,
        }
    )


def container(restore: Restore) -> Mapping[str, str]:
    """The variables by which AWS's SDKs find credentials that are not among the variables."""
    return {
        "AWS_CONTAINER_CREDENTIALS_FULL_URI": (
            f"http://127.0.0.1:{RUNTIME_API_PORT}{CREDENTIALS.decode()}"
        ),
        "AWS_CONTAINER_AUTHORIZATION_TOKEN": restore.token,
    }


def _kind(provisioned: bool) -> str:
    return PROVISIONED if provisioned else ON_DEMAND


def stream_name(version: str, now: datetime) -> str:
    return f"{now:%Y/%m/%d}/[{version}]{secrets.token_hex(16)}"


def runtime_version(function: Function) -> tuple[str, str]:
    """The version and ARN that INIT_START names."""
    runtime = function.runtime or ""
    name = _LANGUAGE.sub(r"\1:", runtime).replace(".x", "")
    return f"{name}.lamella", function.runtime_version_arn
