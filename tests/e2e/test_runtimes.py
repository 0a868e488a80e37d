"""Every interpreter of this host, in a box."""

from __future__ import annotations

import os

import pytest

from lamella.runtimes.catalog import Catalog
from tests.e2e.server import Cloud, zipped

PYTHONS = sorted(Catalog.discover(os.environ).pythons)

PYTHON_CODE = """
import ctypes, decimal, hashlib, json, ssl, sqlite3, sys, zlib
import lib

def handler(event, context):
    try:
        import boto3
        sdk = boto3.client("s3", region_name="eu-west-1").meta.service_model.service_name
    except ImportError:
        sdk = None
    return {
        "version": list(sys.version_info[:2]), "executable": sys.executable, "sdk": sdk,
        "lib": lib.WHERE, "event": event, "path": sys.path[:4],
    }
"""


@pytest.mark.parametrize("minor", PYTHONS)
def test_a_python_of_this_host(cloud: Cloud, minor: int) -> None:
    runtime = f"python3.{minor}"
    layer = cloud.layer(
        zipped(
            {
                "python/lib.py": "WHERE = 'python'",
                f"python/lib/{runtime}/site-packages/lib.py": "WHERE = 'site-packages'",
            }
        )
    )
    name = cloud.function(PYTHON_CODE, runtime=runtime, layers=[layer], MemorySize=512)
    seen = cloud.result(name, {"käse": [1.5, None]})
    assert seen == {
        "version": [3, minor],
        "executable": f"/var/lang/bin/{runtime}",
        "sdk": "s3" if minor >= 10 else None,
        "lib": "site-packages",
        "event": {"käse": [1.5, None]},
        "path": [
            "/var/task",
            f"/opt/python/lib/{runtime}/site-packages",
            "/opt/python",
            "/var/runtime",
        ],
    }
    broken = cloud.function("import nothing_like_it", runtime=runtime)
    assert cloud.invoke(broken).payload["errorType"] == "Runtime.ImportModuleError"


def test_packages_of_the_host_are_not_seen_by_a_python_that_a_function_starts(cloud: Cloud) -> None:
    code = """
import subprocess, sys

def handler(event, context):
    import os
    environ = {"PATH": os.environ["PATH"]}
    script = "import sys, os; print([p for p in sys.path if 'packages' in p and os.listdir(p)])"
    return subprocess.run([sys.executable, "-c", script], env=environ, capture_output=True, text=True).stdout
"""
    assert cloud.run(code).strip() == "[]"


WRAPPER = """#!/bin/sh
export WRAPPED="$1"
exec "$@"
"""


def test_a_wrapper_from_a_layer_starts_the_runtime(cloud: Cloud) -> None:
    layer = cloud.layer(zipped({"wrap": WRAPPER}, modes={"wrap": 0o755}))
    name = cloud.function(
        "import os\n\ndef handler(event, context):\n    return os.environ['WRAPPED']",
        layers=[layer],
        Environment={"Variables": {"AWS_LAMBDA_EXEC_WRAPPER": "/opt/wrap"}},
    )
    assert cloud.result(name) == "/var/lang/bin/python3.11"


def test_a_wrapper_that_is_not_there(cloud: Cloud) -> None:
    name = cloud.function(
        "def handler(event, context): pass",
        Environment={"Variables": {"AWS_LAMBDA_EXEC_WRAPPER": "/opt/gone"}},
    )
    invoked = cloud.invoke(name)
    assert invoked.payload["errorType"] == "Runtime.ExitError"
    assert invoked.payload["errorMessage"].endswith("exit status 127")
