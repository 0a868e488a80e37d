"""The Ruby client, as a real process over loopback."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from lamella.errors import RuntimeMissing
from lamella.model.invocation import Reply
from lamella.runtimes import ruby
from lamella.runtimes.catalog import Catalog
from lamella.runtimes.interpreter import Interpreter
from tests.unit.runtimes.conftest import ARN, Run

Task = Callable[[Mapping[str, str]], Path]
Source = str | Mapping[str, str]
R1 = "00000000-0000-4000-8000-000000000001"
ECHO = "def handler(event:, context:)\n  event\nend\n"


class Ruby:
    def __init__(self, run: Run, task: Task, interpreter: Interpreter) -> None:
        self._run = run
        self._task = task
        assert interpreter.path is not None
        self._command = [str(interpreter.path), *interpreter.options]
        self.version = tuple(int(number) for number in interpreter.version.split(".")[:2])

    def play(
        self, scenario: Any, source: Source, handler: str = "app.handler", **env: str
    ) -> tuple[str, Path]:
        """What the process wrote while ``scenario`` was played, and the function's folder."""
        folder = self._task({"app.rb": source} if isinstance(source, str) else source)
        variables = {"LAMBDA_TASK_ROOT": str(folder), "_HANDLER": handler, **env}
        argv = [*self._command, str(ruby.BOX / "bootstrap.rb")]
        return self._run(argv, variables, scenario), folder

    def replies(
        self, source: Source, *payloads: bytes, handler: str = "app.handler", **env: str
    ) -> list[Reply]:
        got: list[Reply] = []

        async def scenario(running: Any) -> None:
            for payload in payloads or (b"{}",):
                got.append(await running.invoke(payload))

        self.play(scenario, source, handler, **env)
        return got

    def answer(self, source: Source, payload: bytes = b"{}", **more: str) -> Any:
        (reply,) = self.replies(source, payload, **more)
        assert reply.error_type is None, reply
        return json.loads(reply.payload)

    def last_error(self, source: Source, handler: str = "app.handler") -> tuple[Any, int]:
        """The error that an invocation answers, and the code with which the runtime then ends."""
        got: list[Any] = []

        async def scenario(running: Any) -> None:
            got.append(json.loads((await running.invoke(b"{}")).payload))
            got.append(await running.exit_code())

        self.play(scenario, source, handler)
        return got[0], got[1]

    def init_error(self, source: Source, handler: str = "app.handler") -> tuple[Any, int]:
        got: list[Any] = []

        async def scenario(running: Any) -> None:
            reply = await running.init()
            got.append(json.loads(reply.payload))
            got.append(await running.exit_code())

        self.play(scenario, source, handler)
        return got[0], got[1]


@pytest.fixture
def rb(run: Run, task: Task, catalog: Catalog) -> Ruby:
    try:
        return Ruby(run, task, catalog.find("ruby3.3"))
    except RuntimeMissing as missing:
        pytest.skip(str(missing))


def test_a_method_at_the_top_of_a_file(rb: Ruby) -> None:
    event = {"käse": ["🧀", 1.5, None, True], "nested": {"a": 1}}
    assert rb.answer(ECHO, json.dumps(event).encode()) == event


@pytest.mark.parametrize(
    ("source", "handler"),
    [
        ("class App\n  def self.go(event:, context:) = event['n'] + 1\nend", "lib/code.App.go"),
        (
            "module A\n  module B\n    def self.go(event:, context:) = event['n'] + 1\n  end\nend",
            "lib/code.A::B.go",
        ),
    ],
)
def test_a_method_of_a_class_or_module(rb: Ruby, source: str, handler: str) -> None:
    if rb.version < (3, 0):
        source = source.replace(" = event['n'] + 1", "\nevent['n'] + 1\nend")
    assert rb.answer({"lib/code.rb": source}, b'{"n": 1}', handler=handler) == 2


def test_files_beside_the_handler_are_found(rb: Ruby) -> None:
    files = {
        "app.rb": "require 'other'\nrequire_relative 'lib/more'\n"
        "def handler(event:, context:) = [OTHER, MORE, $LOAD_PATH.first == ENV['LAMBDA_TASK_ROOT']]",
        "other.rb": "OTHER = 1",
        "lib/more.rb": "MORE = 2",
    }
    assert rb.answer(files) == [1, 2, True]


CONTEXT = """
def handler(event:, context:)
  left = context.get_remaining_time_in_millis
  {
    id: context.aws_request_id, arn: context.invoked_function_arn, name: context.function_name,
    version: context.function_version, memory: context.memory_limit_in_mb,
    group: context.log_group_name, stream: context.log_stream_name,
    deadline: context.deadline_ms > 1_700_000_000_000, identity: context.identity,
    client: context.client_context, left: left.is_a?(Integer) && left > 1000 && left <= 10_000,
    trace: ENV['_X_AMZN_TRACE_ID']
  }
end
"""


def test_the_context(rb: Ruby) -> None:
    got: list[Any] = []

    async def scenario(running: Any) -> None:
        client = json.dumps({"custom": {"käse": "ja"}})
        got.append(json.loads((await running.invoke(b"{}", client_context=client)).payload))
        got.append(json.loads((await running.invoke(b"{}")).payload))

    rb.play(scenario, CONTEXT)
    assert got[0] == {
        "id": R1,
        "arn": ARN,
        "name": "F",
        "version": "$LATEST",
        "memory": "128",
        "group": "/aws/lambda/F",
        "stream": "2026/01/01/[$LATEST]0",
        "deadline": True,
        "identity": None,
        "client": {"custom": {"käse": "ja"}},
        "left": True,
        "trace": "Root=1-0-1",
    }
    assert (got[1]["client"], got[1]["trace"]) == (None, "Root=1-0-2")


def test_state_is_kept_over_a_hundred_invocations(rb: Ruby) -> None:
    source = "$count = 0\ndef handler(event:, context:)\n  $count += 1\nend"
    counts = [int(reply.payload) for reply in rb.replies(source, *[b"{}"] * 100)]
    assert counts == list(range(1, 101))


def test_six_megabytes_there_and_back(rb: Ruby) -> None:
    text = "ä" * (6 * 1024 * 1024 // 2 - 8)
    assert rb.answer(ECHO, json.dumps(text, ensure_ascii=False).encode()) == text


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("nil", b"null"),
        ("'käse'", '"käse"'.encode()),
        (":name", b'"name"'),
        ("[1, 2.5]", b"[1,2.5]"),
    ],
)
def test_results_are_json(rb: Ruby, body: str, expected: bytes) -> None:
    (reply,) = rb.replies(f"def handler(event:, context:)\n{body}\nend")
    assert (reply.error_type, reply.payload) == (None, expected)


def test_what_can_be_read_is_sent_as_it_is(rb: Ruby) -> None:
    source = "require 'stringio'\ndef handler(event:, context:)\n  StringIO.new(\"\\xff\\x00raw\".b)\nend"
    assert bytes(rb.replies(source)[0].payload) == b"\xff\x00raw"


def test_a_function_may_marshal_by_its_own_rules(rb: Ruby) -> None:
    source = """
require 'stringio'
module AwsLambda
  class Marshaller
    class << self
      def marshall_request(raw) = raw['Content-Type'] + raw.body
      def marshall_response(value) = [StringIO.new("<#{value}>"), 'text/xml']
    end
  end
end
def handler(event:, context:) = event
"""
    assert bytes(rb.replies(source, b"{}")[0].payload) == b"<application/json{}>"


def test_an_error_of_the_handler(rb: Ruby) -> None:
    source = (
        "class Own < StandardError; end\ndef handler(event:, context:)\n  raise Own, 'käse'\nend"
    )
    got: list[Any] = []

    async def scenario(running: Any) -> None:
        for _ in range(2):
            got.append(await running.invoke(b"{}"))

    output, folder = rb.play(scenario, source)
    first, second = (json.loads(reply.payload) for reply in got)
    assert first == second  # the runtime went on
    assert list(first) == ["errorMessage", "errorType", "stackTrace"]
    assert (first["errorMessage"], first["errorType"]) == ("käse", "Function<Own>")
    assert [line.rsplit(":", 1)[0] for line in first["stackTrace"]] == [f"{folder}/app.rb:3"]
    assert got[0].error_type == "Function<UserException>"
    assert output.count("Error raised from handler method\r{\r") == 2


def test_bytes_that_are_no_text_do_not_break_an_error(rb: Ruby) -> None:
    source = 'def handler(event:, context:)\n  raise "a\\xff".b\nend'
    (reply,) = rb.replies(source)
    assert json.loads(reply.payload)["errorMessage"] == "a\ufffd"


def test_a_result_that_is_no_json(rb: Ruby) -> None:
    (reply,) = rb.replies("def handler(event:, context:)\n  Float::NAN\nend")
    assert json.loads(reply.payload)["errorType"] == "Function<JSON::GeneratorError>"


@pytest.mark.parametrize(
    ("body", "kind", "words"),
    [
        ("nil.nothing", "NoMethodError", "undefined method `nothing' for nil"),
        ("nowhere", "NameError", "undefined local variable or method `nowhere'"),
        ("exit 3", "SystemExit", "exit"),
        ("require 'nothing_like_it'", "LoadError", "cannot load such file -- nothing_like_it"),
        ("raise Exception, 'end'", "Exception", "end"),
        ("def deep(n) = deep(n + 1) + 1\n  deep(0)", "SystemStackError", "stack level too deep"),
    ],
)
def test_what_ends_the_runtime(rb: Ruby, body: str, kind: str, words: str) -> None:
    error, code = rb.last_error(f"def handler(event:, context:)\n  {body}\nend")
    assert error["errorType"] == f"Function<{kind}>"
    assert error["errorMessage"].replace("'nothing'", "`nothing'").startswith(words)
    assert "\n" not in error["errorMessage"]
    assert code == 255


def test_a_handler_that_is_not_there(rb: Ruby) -> None:
    error, code = rb.last_error("X = 1", "app.nope")
    assert error["errorType"] == "Function<NoMethodError>"
    assert "undefined method" in error["errorMessage"]
    assert "nope" in error["errorMessage"]
    assert "LambdaHandler" in error["errorMessage"]
    assert code == 255


def test_a_class_that_is_not_there(rb: Ruby) -> None:
    error, _ = rb.last_error("X = 1", "app.Nope.go")
    assert (error["errorType"], error["errorMessage"]) == (
        "Function<NameError>",
        "uninitialized constant Kernel::Nope",
    )


@pytest.mark.parametrize(
    ("source", "handler", "kind", "words"),
    [
        ("X = 1", "gone.handler", "LoadError", "cannot load such file -- gone"),
        ("require 'nothing_like_it'", "app.handler", "LoadError", "cannot load such file"),
        ("def handler(", "app.handler", "SyntaxError", ""),
        ("raise 'no'", "app.handler", "RuntimeError", "no"),
        ("exit 0", "app.handler", "SystemExit", "exit"),
        (
            "X = 1",
            "app",
            "ArgumentError",
            'Invalid handler ["app"], must be of form FILENAME.METHOD',
        ),
        ("X = 1", "a.b.c.d", "ArgumentError", 'Invalid handler ["a", "b", "c", "d"]'),
    ],
)
def test_what_cannot_be_loaded(rb: Ruby, source: str, handler: str, kind: str, words: str) -> None:
    error, code = rb.init_error(source, handler)
    assert error["errorType"] == f"Init<{kind}>"
    assert error["errorMessage"].startswith(words)
    assert not [line for line in error["stackTrace"] if str(ruby.BOX) in line]
    assert code == 252


def test_leaving_without_a_word(rb: Ruby) -> None:
    codes: list[int] = []

    async def scenario(running: Any) -> None:
        codes.append(await running.exit_code())

    rb.play(scenario, "exit!(7)")
    assert codes == [7]


def test_at_exit_blocks_run_when_the_runtime_is_ended(rb: Ruby) -> None:
    async def scenario(running: Any) -> None:
        await running.invoke(b"{}")
        running.process.terminate()
        assert await running.exit_code() == 0

    output, _ = rb.play(scenario, "at_exit { puts 'bye' }\n" + ECHO)
    assert output == "bye\n"


LOGGING = """
require 'logger'
$logger = Logger.new($stdout)
def handler(event:, context:)
  $stdout.puts 'pl\u00e4in'
  $stderr.puts 'wrong'
  print "no line feed\n"
  $logger.debug('small')
  $logger.info('m\u00e4n')
  begin
    raise 'bad'
  rescue => e
    $logger.error(e)
  end
end
"""


def _written(rb: Ruby, **env: str) -> list[str]:
    async def scenario(running: Any) -> None:
        await running.invoke(b"{}")

    return rb.play(scenario, LOGGING, **env)[0].splitlines()


def test_lines_as_text(rb: Ruby) -> None:
    lines = _written(rb)
    assert lines[:3] == ["pläin", "wrong", "no line feed"]
    assert lines[3].startswith("D, [")
    assert lines[3].endswith(f"] DEBUG {R1} -- : small")
    assert lines[4].endswith(f"]  INFO {R1} -- : män")
    assert f"] ERROR {R1} -- : bad (RuntimeError)" in lines[5]


def test_lines_as_json(rb: Ruby) -> None:
    lines = _written(rb, AWS_LAMBDA_LOG_FORMAT="JSON", AWS_LAMBDA_LOG_LEVEL="INFO")
    assert lines[:3] == ["pläin", "wrong", "no line feed"]
    told, failed = (json.loads(line) for line in lines[3:])
    assert told.pop("timestamp").endswith("Z")
    assert told == {"level": "INFO", "message": "män", "requestId": R1}
    assert (failed["errorType"], failed["errorMessage"]) == ("RuntimeError", "bad")
    assert failed["stackTrace"]


def test_a_failure_in_json_is_one_record(rb: Ruby) -> None:
    async def scenario(running: Any) -> None:
        await running.invoke(b"{}")

    source = "def handler(event:, context:)\n  raise 'bad'\nend"
    output, _ = rb.play(scenario, source, AWS_LAMBDA_LOG_FORMAT="JSON")
    record = json.loads(output)
    assert (record["level"], record["requestId"]) == ("ERROR", R1)
    assert (record["errorType"], record["errorMessage"]) == ("Function<RuntimeError>", "bad")


def test_no_file_of_the_client_is_left_unreadable() -> None:
    assert all(os.access(path, os.R_OK) for path in ruby.BOX.iterdir())
