"""Functions that try to keep the server busy, or from serving others."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.server import Cloud, Server, serving

NOBODY = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups")

STOPPING = """
import os, signal, threading

def stop_all():
    while True:
        try:
            os.kill(-1, signal.SIGSTOP)
        except ProcessLookupError:
            pass

threading.Thread(target=stop_all, daemon=True).start()
def handler(event, context):
    return "here"
"""
"""Stops whatever comes into its process namespace."""

DEEP = """
import time
LINE = '{"level":"INFO","a":' + '{"a":' * 300 + '1' + '}' * 301
print(LINE)
print("and more")
time.sleep(0.2)
def handler(event, context):
    print(LINE)
    print("and more")
    return "here"
"""
"""Prints objects that can be read but are too deep to be written as part of another."""


@pytest.fixture
def rootless() -> Iterator[Server]:
    """A server of a user with no rights, whose boxes are that user's too."""
    if os.geteuid() != 0 or shutil.which("setpriv") is None:
        pytest.skip("needs root and setpriv")
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o777)
        environ = {"HOME": folder}
        tried = [*NOBODY, sys.executable, "-c", "import lamella"]
        if subprocess.run(tried, env={**os.environ, **environ}, check=False).returncode:
            pytest.skip("nobody but root can read this checkout")
        options = ("--freeze-after", "0.02")
        with serving(Path(folder, "data"), *options, environ=environ, within=NOBODY) as server:
            yield server


def test_a_box_that_stops_who_would_freeze_it_keeps_nobody_else_waiting(rootless: Server) -> None:
    cloud = Cloud(rootless.endpoint)
    hostile = cloud.function(STOPPING)
    other = cloud.function("def handler(event, context):\n    return event\n")
    for number in range(12):
        assert cloud.result(hostile) == "here"
        cloud.configure(other, Description=str(number))  # which takes a new box
        assert cloud.result(other, number) == number


def test_objects_too_deep_for_a_record_are_logged_as_they_are(data: Path) -> None:
    with serving(data) as server:
        cloud = Cloud(server.endpoint)
        name = cloud.function(DEEP, LoggingConfig={"LogFormat": "JSON"})
        invoked = cloud.invoke(name)
        assert (invoked.payload, invoked.error) == ("here", None)
        assert server.stop() == 0
        (file,) = (server.data / "logs").rglob("*.jsonl")
        assert file.read_text().count("and more") == 2
        assert "Traceback" not in server.log()
