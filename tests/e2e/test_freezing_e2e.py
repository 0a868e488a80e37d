"""Between invocations an environment stands still; it goes on, or ends, as if it had not."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.frozen import (
    BEATING,
    FREEZER,
    IDLE,
    beating_extension,
    beats,
    environments,
    frozen,
    groups,
    processes,
    stand_still,
    until_more,
)
from tests.e2e.queues import until
from tests.e2e.server import Cloud, Server, serving

pytestmark = pytest.mark.skipif(
    FREEZER is None or os.geteuid() != 0, reason="needs root and control groups of version 2"
)

FREEZES = ("--freeze-after", "0.05", "--preload", "off")
"""What is made ahead would be taken for environments."""


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serving(tmp_path_factory.mktemp("freezing") / "data", *FREEZES) as server:
        yield server


@pytest.fixture(scope="module")
def freezing(own: Server) -> Cloud:
    return Cloud(own.endpoint)


def frozen_by(cloud: Cloud, server: Server, name: str) -> Path:
    """Invoke a new function; the group of its environment, which is frozen by then."""
    before = set(environments(server))
    cloud.result(name)
    until(lambda: set(frozen(server)) - before)
    (group,) = set(frozen(server)) - before
    return group


def logged(server: Server, text: str) -> bool:
    paths = (server.data / "logs").rglob("*.jsonl")
    return any(text in path.read_text() for path in paths)


def test_a_runtime_that_was_killed_while_frozen_is_begun_anew(own: Server, freezing: Cloud) -> None:
    name = freezing.function(IDLE)
    group = frozen_by(freezing, own, name)
    commands = {each: Path(f"/proc/{each}/cmdline").read_bytes() for each in processes(group)}
    for number, command in commands.items():
        if b"bootstrap.py" in command:
            with contextlib.suppress(ProcessLookupError):  # it ends with the one before
                os.kill(number, signal.SIGKILL)
    # An event that reaches it before it has died may have been seen, and is not told again.
    until(lambda: not processes(group))
    invoked = freezing.invoke(name)
    assert (invoked.payload, invoked.error) == ("here", None)
    first, *_ = invoked.log.splitlines()
    assert first.startswith("START RequestId: ")


@pytest.mark.parametrize("kind", ["function", "extension"])
def test_what_works_in_the_background_stands_still_and_goes_on(
    own: Server, freezing: Cloud, kind: str
) -> None:
    if kind == "function":
        name = freezing.function(BEATING)
    else:
        name = freezing.function(IDLE, layers=[beating_extension(freezing)])
    group = frozen_by(freezing, own, name)
    assert stand_still(processes(group))
    for _ in range(3):
        before = beats(processes(group))
        freezing.result(name)
        until_more(processes(group), before)
        until(lambda: group in frozen(own))
        assert stand_still(processes(group))


def test_many_that_are_frozen_answer_one_after_the_other(own: Server, freezing: Cloud) -> None:
    names = [freezing.function(IDLE) for _ in range(3)]
    found = [frozen_by(freezing, own, name) for name in names]
    for name, group in zip(names, found, strict=True):
        assert freezing.result(name) == "here"
        assert group in groups(own)  # the same environment


def test_what_is_provisioned_is_frozen_before_its_first_invocation(
    own: Server, freezing: Cloud
) -> None:
    code = "import os\ndef handler(event, context):\n    return os.environ['AWS_LAMBDA_INITIALIZATION_TYPE']\n"
    name = freezing.function(code)
    version = freezing.client.publish_version(FunctionName=name)["Version"]
    before = set(environments(own))
    freezing.client.put_provisioned_concurrency_config(
        FunctionName=name, Qualifier=version, ProvisionedConcurrentExecutions=1
    )
    until(lambda: set(frozen(own)) - before)
    (group,) = set(frozen(own)) - before
    invoked = freezing.invoke(name, Qualifier=version)
    assert invoked.payload == "provisioned-concurrency"
    until(lambda: group in frozen(own))  # it is kept


def test_an_update_ends_a_frozen_environment(own: Server, freezing: Cloud) -> None:
    name = freezing.function(IDLE, layers=[beating_extension(freezing)])
    group = frozen_by(freezing, own, name)
    freezing.configure(name, Timeout=19)
    until(lambda: not group.exists())
    until(lambda: logged(own, "told of spindown"))
    assert freezing.result(name) == "here"


def test_a_frozen_environment_that_is_killed_is_replaced(own: Server, freezing: Cloud) -> None:
    name = freezing.function(BEATING)
    group = frozen_by(freezing, own, name)
    (group / "cgroup.kill").write_text("1")
    until(lambda: not processes(group))
    freezing.invoke(name)  # may have been taken before the server knew
    assert isinstance(freezing.result(name), int)


def test_old_age_and_the_servers_end_end_what_is_frozen(data: Path) -> None:
    with serving(data, *FREEZES, "--idle-seconds", "1") as server:
        cloud = Cloud(server.endpoint)
        plain = cloud.function(IDLE)
        aged = frozen_by(cloud, server, plain)
        until(lambda: not aged.exists())
    with serving(data, *FREEZES) as server:
        cloud = Cloud(server.endpoint)
        frozen_by(cloud, server, plain)
        frozen_by(cloud, server, cloud.function(IDLE, layers=[beating_extension(cloud)]))
        assert server.stop() == 0
        assert groups(server) == []
    assert logged(server, "told of spindown")


def test_a_server_that_is_killed_leaves_nothing_that_is_frozen(data: Path) -> None:
    with serving(data, *FREEZES) as server:
        cloud = Cloud(server.endpoint)
        group = frozen_by(cloud, server, cloud.function(BEATING))
        numbers = processes(group)
        assert numbers
        server.kill()
        until(lambda: not groups(server))
        assert not any(Path("/proc", str(number)).exists() for number in numbers)


def test_where_freezing_is_off_environments_run_on(data: Path) -> None:
    with serving(data, "--freeze-after", "off") as server:
        cloud = Cloud(server.endpoint)
        cloud.run(BEATING)

        def beaten() -> int:
            return max(beats(processes(group)) for group in groups(server))

        until(lambda: beaten() > 0)
        before = beaten()
        until(lambda: beaten() > before + 50)
        assert frozen(server) == []
