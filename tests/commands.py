"""``lamella WORDS`` within the process of a test: what it prints, and how it ends, without its start."""

from __future__ import annotations

import os
import subprocess
import traceback
from collections.abc import Mapping
from unittest import mock

from typer.testing import CliRunner

from lamella.cli.main import app


def command(*words: str, environ: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    """What the command does where ``environ`` is all of its environment.

    A process of its own would spend most of a second of two processors on its start; the tests of
    what only a process does (its signals, its exit, what it loads) start one.
    """
    with mock.patch.dict(os.environ, environ, clear=True):
        done = CliRunner().invoke(app, words)
    stderr = done.stderr
    if done.exc_info is not None and not isinstance(done.exception, SystemExit | None):
        stderr += "".join(traceback.format_exception(*done.exc_info))
    return subprocess.CompletedProcess(words, done.exit_code, done.stdout, stderr)
