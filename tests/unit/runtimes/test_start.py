"""Command lines and variables of a launch."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from lamella.model.function import Code, Function
from lamella.runtimes import nodejs, ruby
from lamella.runtimes.catalog import Catalog
from lamella.runtimes.start import launch

CATALOG = Catalog(
    pythons={11: Path("/usr/bin/python3.11")},
    nodes={20: ("20.1.0", Path("/usr/bin/node"))},
    rubies={(3, 1): ("3.1.2", Path("/usr/bin/ruby3.1"))},
)
FUNCTION = Function(
    account="000000000000",
    region="eu-west-1",
    name="F",
    version="$LATEST",
    runtime="python3.11",
    handler="app.handler",
    role="arn:aws:iam::000000000000:role/r",
    code=Code(digest="0" * 64, size=1, unzipped_size=1),
    last_modified=datetime(2026, 1, 1, tzinfo=UTC),
    revision_id="r",
)
PYTHON = CATALOG.find("python3.11")


def test_a_python_launch() -> None:
    made = launch(FUNCTION, PYTHON, runtime=Path("/trees/python3.11"))
    assert made.argv == ("/var/lang/bin/python3.11", "-S", "/var/runtime/bootstrap.py")
    assert made.binds == ((Path("/trees/python3.11"), "/var/runtime"),)
    assert made.symlinks == PYTHON.symlinks
    assert made.env == {
        "PATH": "/var/lang/bin:/usr/local/bin:/usr/bin/:/bin:/opt/bin",
        "LD_LIBRARY_PATH": "/var/lang/lib:/lib64:/usr/lib64:/var/runtime:/var/runtime/lib:"
        "/var/task:/var/task/lib:/opt/lib",
        "LANG": "en_US.UTF-8",
        "TZ": ":UTC",
        "PYTHONPATH": "/var/runtime",
        "LAMBDA_TASK_ROOT": "/var/task",
        "LAMBDA_RUNTIME_DIR": "/var/runtime",
        "_HANDLER": "app.handler",
        "AWS_REGION": "eu-west-1",
        "AWS_DEFAULT_REGION": "eu-west-1",
        "AWS_LAMBDA_FUNCTION_NAME": "F",
        "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "128",
        "AWS_LAMBDA_LOG_GROUP_NAME": "/aws/lambda/F",
        "AWS_EXECUTION_ENV": "AWS_Lambda_python3.11",
    }


def test_a_node_launch() -> None:
    made = launch(FUNCTION, CATALOG.find("nodejs22.x"), runtime=None)
    assert made.argv == (
        "/var/lang/bin/node",
        "--max-semi-space-size=6",
        "--max-old-space-size=116",
        "/var/runtime/bootstrap.cjs",
    )
    assert made.binds == ((nodejs.BOX, "/var/runtime"),)
    assert made.symlinks[1:] == (
        ("/opt/nodejs/node22/node_modules", "/var/node_modules"),
        ("/opt/nodejs/node_modules", "/node_modules"),
    )
    assert made.env["AWS_EXECUTION_ENV"] == "AWS_Lambda_nodejs22.x"
    assert made.env["NODE_PATH"] == (
        "/opt/nodejs/node22/node_modules:/opt/nodejs/node_modules:"
        "/var/runtime/node_modules:/var/runtime:/var/task"
    )


def test_node_is_started_with_awss_options() -> None:
    require, detect = "--no-experimental-require-module", "--no-experimental-detect-module"
    for runtime, version, given, wanted in (
        ("nodejs18.x", "20.20.2", "", ()),
        ("nodejs20.x", "20.20.2", "", (require,)),
        ("nodejs20.x", "20.16.0", "", ()),
        ("nodejs22.x", "22.22.0", "", (require, detect)),
        ("nodejs22.x", "22.22.0", "--experimental-require-module", (detect,)),
        ("nodejs24.x", "24.0.0", "", ()),
    ):
        made = nodejs.options(runtime, version, 1024, given)
        assert made == ("--max-semi-space-size=51", "--max-old-space-size=922", *wanted)
    assert nodejs.options("nodejs24.x", "24.0.0", 1024, "--max_old_space_size=99") == ()


def test_a_ruby_launch() -> None:
    made = launch(FUNCTION, CATALOG.find("ruby3.4"), runtime=None)
    assert made.argv[0] == "/var/lang/bin/ruby"
    assert made.argv[-1] == "/var/runtime/bootstrap.rb"
    assert made.binds == ((ruby.BOX, "/var/runtime"),)
    assert made.symlinks == (("/usr/bin/ruby3.1", "/var/lang/bin/ruby"),)
    assert made.env["AWS_EXECUTION_ENV"] == "AWS_Lambda_ruby3.4"
    assert made.env["GEM_HOME"] == "/var/runtime"
    assert made.env["GEM_PATH"] == "/var/task/vendor/bundle/ruby/3.4.0:/opt/ruby/gems/3.4.0"
    assert made.env["RUBYLIB"] == "/var/task:/var/runtime/lib:/opt/ruby/lib"


def test_a_custom_runtime() -> None:
    provided = CATALOG.find("provided.al2023")
    made = launch(FUNCTION, provided, runtime=None, bootstrap="/opt/bootstrap")
    assert made.argv == ("/opt/bootstrap",)
    assert made.binds == ()
    assert "AWS_EXECUTION_ENV" not in made.env


def test_the_functions_variables_win_where_they_may() -> None:
    function = replace(
        FUNCTION, environment={"TZ": "Asia/Tokyo", "PYTHONPATH": "/x", "A": "b", "_HANDLER": "no"}
    )
    env = launch(function, PYTHON, runtime=None).env
    assert (env["TZ"], env["PYTHONPATH"], env["A"]) == ("Asia/Tokyo", "/x", "b")
    assert env["_HANDLER"] == "app.handler"


def test_a_wrapper_gets_the_command_line() -> None:
    function = replace(FUNCTION, environment={"AWS_LAMBDA_EXEC_WRAPPER": "/opt/wrap"})
    assert launch(function, PYTHON, runtime=None).argv == (
        "/bin/sh",
        "-c",
        'exec "$0" "$@"',
        "/opt/wrap",
        "/var/lang/bin/python3.11",
        "-S",
        "/var/runtime/bootstrap.py",
    )
    provided = CATALOG.find("provided.al2")
    assert launch(function, provided, runtime=None, bootstrap="/b").argv == ("/b",)


def test_json_logs() -> None:
    function = replace(FUNCTION, log_format="JSON", application_log_level="WARN", log_group="/own")
    env = launch(function, PYTHON, runtime=None).env
    assert env["AWS_LAMBDA_LOG_FORMAT"] == "JSON"
    assert env["AWS_LAMBDA_LOG_LEVEL"] == "WARN"
    assert env["AWS_LAMBDA_LOG_GROUP_NAME"] == "/own"
