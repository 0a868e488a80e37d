"""Ruby functions and layers, in boxes."""

from __future__ import annotations

import os
from typing import Any

import pytest

from lamella.errors import RuntimeMissing
from lamella.runtimes.catalog import Catalog
from lamella.runtimes.interpreter import Interpreter
from tests.e2e.server import Cloud, zipped

HANDLER = "lambda_function.lambda_handler"
RUNTIMES = ("ruby3.2", "ruby3.3", "ruby3.4")


@pytest.fixture(scope="module")
def interpreter() -> Interpreter:
    try:
        return Catalog.discover(os.environ).find("ruby3.3")
    except RuntimeMissing as missing:
        pytest.skip(str(missing))


def function(cloud: Cloud, source: str, runtime: str = "ruby3.3", **more: Any) -> str:
    return cloud.function(
        source, runtime=runtime, handler=HANDLER, file="lambda_function.rb", **more
    )


def gem(version: str, name: str, constant: str) -> dict[str, str]:
    """The files of an installed gem, as `gem install --install-dir` leaves them in a layer."""
    root = f"ruby/gems/{version}"
    return {
        f"{root}/specifications/{name}-1.2.3.gemspec": (
            "Gem::Specification.new do |s|\n"
            f"  s.name = '{name}'\n  s.version = '1.2.3'\n  s.summary = 'x'\n"
            "  s.authors = ['x']\n  s.files = []\n  s.require_paths = ['lib']\nend\n"
        ),
        f"{root}/gems/{name}-1.2.3/lib/{name}.rb": f"{constant} = 'of the gem'\n",
    }


SEEN = """
require 'json'
require 'set'
require 'time'
require 'digest'
require 'openssl'
require 'net/http'
require 'layered'
require 'from_opt_lib'

def lambda_handler(event:, context:)
  {
    layered: LAYERED, version: Gem.loaded_specs['layered'].version.to_s, lib: FROM_OPT_LIB,
    ruby: RUBY_VERSION, memory: context.memory_limit_in_mb, name: context.function_name,
    home: ENV['GEM_HOME'], gems: ENV['GEM_PATH'], lib_path: ENV['RUBYLIB'],
    execution: ENV['AWS_EXECUTION_ENV'], task: File.dirname(File.expand_path(__FILE__)),
    event: event, directory: Dir.pwd, digest: Digest::SHA256.hexdigest('a')[0, 4]
  }
end
"""


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_a_function_with_gems_of_a_layer(
    cloud: Cloud, interpreter: Interpreter, runtime: str
) -> None:
    version = f"{runtime.removeprefix('ruby')}.0"
    layer = cloud.layer(
        zipped(
            {
                **gem(version, "layered", "LAYERED"),
                "ruby/lib/from_opt_lib.rb": "FROM_OPT_LIB = 'of lib'\n",
            }
        )
    )
    name = function(cloud, SEEN, runtime, layers=[layer], MemorySize=256)
    found = Catalog.discover(os.environ).find(runtime)
    assert cloud.result(name, {"käse": [1.5, None]}) == {
        "layered": "of the gem",
        "version": "1.2.3",
        "lib": "of lib",
        "ruby": found.version,
        "memory": "256",
        "name": name,
        "home": "/var/runtime",
        "gems": f"/var/task/vendor/bundle/ruby/{version}:/opt/ruby/gems/{version}",
        "lib_path": "/var/task:/var/runtime/lib:/opt/ruby/lib",
        "execution": f"AWS_Lambda_{runtime}",
        "task": "/var/task",
        "event": {"käse": [1.5, None]},
        "directory": "/var/task",
        "digest": "ca97",
    }


def test_an_error_and_its_report(cloud: Cloud, interpreter: Interpreter) -> None:
    name = function(cloud, "def lambda_handler(event:, context:)\n  1 / event['by']\nend")
    invoked = cloud.invoke(name, {"by": 0})
    assert invoked.error == "Unhandled"
    assert list(invoked.payload) == ["errorMessage", "errorType", "stackTrace"]
    assert invoked.payload["errorMessage"] == "divided by 0"
    assert invoked.payload["errorType"] == "Function<ZeroDivisionError>"
    assert invoked.payload["stackTrace"][-1].startswith("/var/task/lambda_function.rb:2:in ")
    assert "Error raised from handler method" in invoked.log
    assert cloud.result(name, {"by": 1}) == 1


@pytest.mark.parametrize(
    ("source", "kind"),
    [
        ("require 'nothing_like_it'", "Init<LoadError>"),
        ("def lambda_handler(", "Init<SyntaxError>"),
    ],
)
def test_what_cannot_be_loaded(
    cloud: Cloud, interpreter: Interpreter, source: str, kind: str
) -> None:
    assert cloud.invoke(function(cloud, source)).payload["errorType"] == kind


def test_what_ends_the_runtime_ends_no_more_than_it(cloud: Cloud, interpreter: Interpreter) -> None:
    source = """
def lambda_handler(event:, context:)
  exit!(3) if event['leave']
  event['deep'] ? nil.gone : 'well'
end
"""
    name = function(cloud, source)
    assert cloud.invoke(name, {"deep": True}).payload["errorType"] == "Function<NoMethodError>"
    left = cloud.invoke(name, {"leave": True}).payload
    assert left["errorType"] == "Runtime.ExitError"
    assert left["errorMessage"].endswith("Runtime exited with error: exit status 3")
    assert cloud.result(name, {}) == "well"


def test_a_wrapper_from_a_layer_starts_ruby(cloud: Cloud, interpreter: Interpreter) -> None:
    wrapper = '#!/bin/sh\nexport WRAPPED="$1"\nexec "$@"\n'
    name = function(
        cloud,
        "def lambda_handler(event:, context:)\n  ENV['WRAPPED']\nend",
        layers=[cloud.layer(zipped({"wrap": wrapper}, modes={"wrap": 0o755}))],
        Environment={"Variables": {"AWS_LAMBDA_EXEC_WRAPPER": "/opt/wrap"}},
    )
    assert cloud.result(name) == interpreter.binary


def test_json_logs(cloud: Cloud, interpreter: Interpreter) -> None:
    source = """
require 'logger'
LOG = Logger.new($stdout)
def lambda_handler(event:, context:)
  LOG.info('hidden')
  LOG.warn('seen')
end
"""
    name = function(
        cloud, source, LoggingConfig={"LogFormat": "JSON", "ApplicationLogLevel": "WARN"}
    )
    log = cloud.invoke(name).log
    assert '"level":"WARN","message":"seen","requestId":"' in log
    assert "hidden" not in log
