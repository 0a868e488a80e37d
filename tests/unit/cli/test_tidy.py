"""A command that is told to end, at any moment."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

WORK = """
import pathlib, tempfile
from lamella.cli import tidy
with tidy.end():
    print("ready", flush=True)
    while True:
        with tempfile.TemporaryDirectory() as folder:
            for each in range(8):
                pathlib.Path(folder, str(each)).write_text("x")
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_nothing_is_left_whenever_a_signal_comes(tmp_path: Path, number: signal.Signals) -> None:
    for delay in range(8):
        with subprocess.Popen(
            [sys.executable, "-c", WORK],
            env={**os.environ, "TMPDIR": str(tmp_path)},
            stdout=subprocess.PIPE,
        ) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == b"ready\n"
            time.sleep(delay * 0.0013)
            process.send_signal(number)
            assert process.wait(30) == 128 + number
        assert list(tmp_path.iterdir()) == []


def test_a_second_signal_does_not_cut_the_cleaning_short(tmp_path: Path) -> None:
    code = (
        "import os, signal, tempfile\n"
        "from lamella.cli import tidy\n"
        "with tidy.end():\n"
        "    tempfile.mkdtemp()\n"
        "    try:\n"
        "        os.kill(os.getpid(), signal.SIGTERM)\n"
        "    finally:\n"
        "        os.kill(os.getpid(), signal.SIGHUP)\n"
        "        print('cleaned')\n"
    )
    ended = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "TMPDIR": str(tmp_path)},
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    assert (ended.returncode, ended.stdout) == (128 + signal.SIGTERM, "cleaned\n")
    assert list(tmp_path.iterdir()) == []


def test_a_command_that_ends_by_itself_leaves_the_signals_as_they_were(tmp_path: Path) -> None:
    ended = subprocess.run(
        [
            sys.executable,
            "-c",
            "import signal, tempfile\n"
            "from lamella.cli import tidy\n"
            "with tidy.end():\n"
            "    within = tempfile.mkdtemp()\n"
            "print(within.count('/lamella-'), tempfile.gettempdir())\n"
            "print(signal.getsignal(signal.SIGTERM) is signal.SIG_DFL)\n",
        ],
        env={**os.environ, "TMPDIR": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert ended.stdout.splitlines() == [f"1 {tmp_path}", "True"]
    assert list(tmp_path.iterdir()) == []
