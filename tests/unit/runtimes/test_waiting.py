"""Which interpreters can have begun before the function was known, and how they are told."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from lamella.model.function import Function
from lamella.runtimes import waiting
from tests.unit.runtimes.test_start import FUNCTION

NODE = replace(FUNCTION, runtime="nodejs20.x")
RUBY = replace(FUNCTION, runtime="ruby3.3")
ODD = {"PLAIN": "value", "QUOTED": 'it\'s "$HOME" `x` \\', "LINES": "one\n\ntwo\n", "EMPTY": ""}


def filled(folder: Path, *names: str) -> tuple[Path, ...]:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return (folder,)


@pytest.mark.parametrize("function", [NODE, RUBY])
def test_an_interpreter_can_have_begun(function: Function, tmp_path: Path) -> None:
    named = replace(function, environment={"TABLE": "t", "PATHS": "p", "HOMEPAGE": "h"})
    task = filled(tmp_path / "task", "app.js", "lib/code.js")
    assert waiting.may_start(named, (), task)
    assert waiting.may_start(function, filled(tmp_path / "opt", "bin/tool", "lib/data"), task)


@pytest.mark.parametrize("runtime", ["java21", "provided.al2023", "python3.11", None])
def test_other_runtimes_begin_when_their_function_is_there(runtime: str | None) -> None:
    assert not waiting.may_start(replace(FUNCTION, runtime=runtime), (), ())


@pytest.mark.parametrize(
    "name",
    [
        "NODE_OPTIONS",
        "NODE_PATH",
        "PATH",
        "LD_PRELOAD",
        "TZ",
        "LANG",
        "LC_ALL",
        "RUBYOPT",
        "UV_THREADPOOL_SIZE",
        "GEM_PATH",
        "SSL_CERT_FILE",
        "AWS_LAMBDA_EXEC_WRAPPER",
    ],
)
def test_variables_that_the_interpreter_reads_are_there_when_it_begins(name: str) -> None:
    for function in (NODE, RUBY):
        assert not waiting.may_start(replace(function, environment={name: "x"}), (), ())


@pytest.mark.parametrize("name", ["lib/libssl.so", "lib/libz.so.1"])
def test_libraries_that_it_would_be_linked_with_are_too(name: str, tmp_path: Path) -> None:
    folder = filled(tmp_path, name)
    for function in (NODE, RUBY):
        assert not waiting.may_start(function, folder, ())
        assert not waiting.may_start(function, (), folder)


@pytest.mark.parametrize("name", ["vendor/bundle/gem", "json.rb", "logger/x.rb", "socket.so"])
def test_a_ruby_with_gems_or_files_in_place_of_its_own_begins_with_them(
    name: str, tmp_path: Path
) -> None:
    assert not waiting.may_start(RUBY, (), filled(tmp_path, name))
    assert waiting.may_start(NODE, (), (tmp_path,))


def test_a_ruby_with_a_layers_gems_begins_with_them(tmp_path: Path) -> None:
    assert not waiting.may_start(RUBY, filled(tmp_path, "ruby/gems/3.3.0/x"), ())


def test_it_begins_with_nothing_of_the_function() -> None:
    given = {"PATH": "/bin", "_HANDLER": "a.b", "MINE": "x", "TZ": ":UTC"}
    begun = waiting.begins_with({**given, "AWS_LAMBDA_RUNTIME_API": "127.0.0.1:9001"})
    assert begun == {"_LAMELLA_WAITS": "127.0.0.1:9001", "PATH": "/bin", "TZ": ":UTC"}


def test_all_variables_are_told() -> None:
    said = waiting.told(ODD, "/var/task").decode().split("\0")
    assert dict(each.split("=", 1) for each in said) == {**ODD, "PWD": "/var/task"}


SHOW = """
pwd; echo "$1"; tr '\\0' '|' < /proc/$$/environ; echo
for each in 6 7 8; do if test -e /proc/$$/fd/$each; then echo $each; fi; done
"""


def test_the_shell_becomes_the_command_with_its_variables_and_nothing_else(tmp_path: Path) -> None:
    order = waiting.script(("/bin/sh", "-c", SHOW, "x", "a 'b"), ODD, str(tmp_path))
    done = subprocess.run(
        ["/bin/sh", "-c", 'exec /bin/sh -c "$0" 7<&0 8>/dev/null 0</dev/null', waiting.SHELL[2]],
        input=order,
        capture_output=True,
        check=True,
    )
    folder, word, told = done.stdout.decode().split("\n", 2)
    assert (folder, word) == (str(tmp_path), "a 'b")
    environment, descriptors = told.split("|\n")
    assert descriptors == ""
    assert dict(each.split("=", 1) for each in environment.split("|")) == {
        **ODD,
        "PWD": str(tmp_path),
    }
