"""Rows: what a function sees around it: variables, folders, layers."""

from __future__ import annotations

import shutil
import uuid

from tests.behaviours.bench import Bench, until
from tests.behaviours.language import Source
from tests.behaviours.rows import row
from tests.e2e.server import zipped

PART = "What it sees"
LAYERS = "Layers"

COMMON = {
    "AWS_ACCESS_KEY_ID",
    "AWS_DEFAULT_REGION",
    "AWS_LAMBDA_FUNCTION_MEMORY_SIZE",
    "AWS_LAMBDA_FUNCTION_NAME",
    "AWS_LAMBDA_FUNCTION_VERSION",
    "AWS_LAMBDA_INITIALIZATION_TYPE",
    "AWS_LAMBDA_LOG_GROUP_NAME",
    "AWS_LAMBDA_LOG_STREAM_NAME",
    "AWS_LAMBDA_RUNTIME_API",
    "AWS_REGION",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "LAMBDA_RUNTIME_DIR",
    "LAMBDA_TASK_ROOT",
    "LANG",
    "LD_LIBRARY_PATH",
    "MINE",
    "PATH",
    "TZ",
    "_HANDLER",
}
TRACE = "_X_AMZN_TRACE_ID"
MANAGED = {"AWS_EXECUTION_ENV", TRACE}
OF_LANGUAGE = {
    "python": {"PYTHONPATH"},
    "nodejs": {"NODE_PATH"},
    "ruby": {"GEM_HOME", "GEM_PATH", "RUBYLIB"},
}
MAY = {"PWD", "SHLVL", "_", "_LAMBDA_TELEMETRY_LOG_FD"}
"""What AWS may have beside them: left by the shell that starts the runtime, or the log's pipe."""


@row(PART, "variables", "the variables of AWS's runtime, those of the function, and no others")
def variables(bench: Bench) -> None:
    name = bench.own({"MINE": "1", "TZ": ":Europe/Berlin"})
    seen = bench.result(name, "env")
    runtime = bench.column.runtime
    wanted = COMMON | OF_LANGUAGE.get(runtime.rstrip("0123456789.x"), set())
    if not runtime.startswith("provided"):
        # Java reads its trace from a property: a process cannot change its own environment there.
        wanted = wanted | (MANAGED - ({TRACE} if runtime.startswith("java") else set()))
        assert seen["AWS_EXECUTION_ENV"] == f"AWS_Lambda_{runtime}"
    assert set(seen) - MAY == wanted
    assert seen["MINE"] == "1"
    assert seen["TZ"] == ":Europe/Berlin"
    assert seen["AWS_REGION"] == seen["AWS_DEFAULT_REGION"] == "eu-west-1"
    assert seen["AWS_LAMBDA_FUNCTION_NAME"] == name
    assert seen["_HANDLER"] == bench.source.handler
    assert seen["PATH"] == "/var/lang/bin:/usr/local/bin:/usr/bin/:/bin:/opt/bin"


@row(PART, "credentials", "credentials for AWS's SDKs")
def credentials(bench: Bench) -> None:
    seen = bench.result(bench.shared, "env")
    for each in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        assert seen[each]


@row(PART, "read-only", "`/var/task`, `/opt` and `/var/runtime` cannot be written")
def read_only(bench: Bench) -> None:
    said = bench.sh(
        bench.shared,
        "for each in /var/task /opt /var/runtime; do "
        "if echo x > $each/new; then echo written; else echo refused; fi; done 2> /dev/null",
    )
    assert said.split() == ["refused"] * 3


@row(PART, "working directory", "it runs in `/var/task`")
def working_directory(bench: Bench) -> None:
    assert bench.sh(bench.shared, "pwd") == "/var/task"


@row(PART, "user", "it is not root")
def user(bench: Bench) -> None:
    assert int(bench.sh(bench.shared, "id -u")) > 0
    assert bench.sh(
        bench.shared, "mount -t tmpfs x /tmp && echo mounted || echo refused 2>&1"
    ).endswith("refused")


@row(PART, "tmp", "`/tmp` is kept between invocations, and across a reset")
def tmp(bench: Bench) -> None:
    name = bench.own()
    bench.sh(name, "echo kept > /tmp/file")
    assert bench.sh(name, "cat /tmp/file") == "kept"
    assert bench.invoke(name, "exit", 1).error == "Unhandled"
    assert bench.sh(name, "cat /tmp/file") == "kept"


@row(LAYERS, "libraries", "the language's libraries, from both of the layer's folders")
def libraries(bench: Bench) -> None:
    seen = bench.result(bench.function(Layers=[bench.layer]), "layer")
    assert seen == bench.language.from_layer(bench.column)


@row(LAYERS, "handler of a layer", "the handler itself comes from a layer")
def handler_of_a_layer(bench: Bench) -> None:
    source = Source({"nothing.txt": "x"}, bench.language.layer_handler)
    name = bench.function(source, Layers=[bench.layer])
    assert bench.result(name, "echo", 1) == "from the layer"


@row(LAYERS, "bin", "`bin` of a layer is on PATH")
def programs(bench: Bench) -> None:
    assert bench.sh(bench.function(Layers=[bench.layer]), "tool") == "the tool"


@row(LAYERS, "lib", "`lib` of a layer is where shared libraries are found")
def shared_libraries(bench: Bench) -> None:
    name = bench.function(Layers=[bench.layer])
    if shutil.which("gcc"):
        assert bench.sh(name, "linked") == "42"
    assert ":/opt/lib" in bench.sh(name, "echo $LD_LIBRARY_PATH")


@row(LAYERS, "wrapper", "a wrapper of a layer starts the runtime")
def wrapper(bench: Bench) -> None:
    name = bench.own({"AWS_LAMBDA_EXEC_WRAPPER": "/opt/wrap"}, Layers=[bench.layer])
    assert bench.result(name, "echo", 1) == 1
    until(lambda: any(f"wrapped {name}" in line for line in bench.log(name)))


@row(LAYERS, "wrapper missing", "a wrapper that is not there: exit status 127")
def wrapper_missing(bench: Bench) -> None:
    said = bench.invoke(bench.own({"AWS_LAMBDA_EXEC_WRAPPER": "/opt/gone"}), "echo", 1)
    assert said.payload["errorType"] == "Runtime.ExitError"
    assert said.payload["errorMessage"].endswith("exit status 127")


@row(LAYERS, "bootstrap of a layer", "a layer's `bootstrap` runs a function that has none")
def bootstrap_of_a_layer(bench: Bench) -> None:
    files = bench.source.files
    layer = bench.cloud.layer(
        zipped(files, modes={"bootstrap": 0o755}), f"bootstrap-{uuid.uuid4().hex}"
    )
    name = bench.function(Source({"data.txt": "x"}, "main"), Layers=[layer])
    assert bench.result(name, "echo", 1) == 1


@row(LAYERS, "modules", "ES modules: `import` of packages of layers, `.mjs`, top-level `await`")
def modules(bench: Bench) -> None:
    source = """
import { WHERE } from 'esm';
import deep from '@scope/pkg/deep';
import { FROM } from 'shared';
const late = await import('own');
export const handler = async () => [WHERE, deep, FROM, late.FROM];
"""
    name = bench.function(Source({"index.mjs": source}, "index.handler"), Layers=[bench.layer])
    own = f"node{bench.column.number}"
    assert bench.result(name, "echo") == ["beside it", "deep", "node_modules", own]


@row(LAYERS, "mixed modules", '`"type": "module"`, CommonJS and ES modules beside each other')
def mixed_modules(bench: Bench) -> None:
    files = {
        "package.json": '{"type": "module"}',
        "index.js": "import { createRequire } from 'node:module';\n"
        "import old from './old.cjs';\nimport { own } from './new.js';\n"
        "const require = createRequire(import.meta.url);\n"
        "export const handler = async () => [old.shared, own, require('shared').FROM];",
        "old.cjs": "exports.shared = require('shared').FROM;",
        "new.js": "import { FROM } from 'own';\nexport const own = FROM;",
    }
    name = bench.function(Source(files, "index.handler"), Layers=[bench.layer])
    own = f"node{bench.column.number}"
    assert bench.result(name, "echo") == ["node_modules", own, "node_modules"]
