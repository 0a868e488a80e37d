"""A server that was killed comes back with every function it acknowledged, and runs it."""

from __future__ import annotations

from pathlib import Path

import pytest
from botocore.exceptions import ClientError

from tests.e2e.server import PYTHON, ROLE, Cloud, serving, zipped

CODE = "import shared\n\ndef handler(event, context):\n    return [shared.VERSION, context.function_version]"
QUICK = {"Delay": 0.1, "MaxAttempts": 300}


def test_functions_are_there_and_run_after_a_kill(data: Path) -> None:
    with serving(data) as server:
        cloud = Cloud(server.endpoint)
        layer = cloud.layer(zipped({"python/shared.py": "VERSION = 1\n"}), "shared")
        cloud.function(CODE, name="fn", layers=[layer], Tags={"Team": "a"})
        cloud.client.publish_version(FunctionName="fn", Description="first")
        cloud.client.get_waiter("published_version_active").wait(
            FunctionName="fn", Qualifier="1", WaiterConfig=QUICK
        )
        assert cloud.result("fn") == [1, "$LATEST"]
        before = [
            cloud.client.get_function(FunctionName="fn", Qualifier=q) for q in ("$LATEST", "1")
        ]
        server.kill()
    with serving(data) as server:
        cloud = Cloud(server.endpoint)
        after = [
            cloud.client.get_function(FunctionName="fn", Qualifier=q) for q in ("$LATEST", "1")
        ]
        assert [each["Configuration"] for each in after] == [
            each["Configuration"] for each in before
        ]
        assert after[0]["Tags"] == {"Team": "a"}
        assert cloud.result("fn") == [1, "$LATEST"]
        assert cloud.invoke("fn", Qualifier="1").payload == [1, "1"]
        cloud.configure("fn", Timeout=9)
        assert cloud.client.publish_version(FunctionName="fn")["Version"] == "2"


def test_what_was_being_made_ready_is_made_ready_by_the_next_server(data: Path) -> None:
    with serving(data) as server:
        cloud = Cloud(server.endpoint)
        library = {f"python/module_{number}.py": "X = 1\n" * 500 for number in range(300)}
        layer = cloud.layer(zipped({**library, "python/shared.py": "VERSION = 2\n"}), "large")
        cloud.function(CODE, name="updated")
        for name in ("first", "second"):
            cloud.client.create_function(
                FunctionName=name,
                Runtime=PYTHON,
                Handler="app.handler",
                Role=ROLE,
                Code={"ZipFile": zipped({"app.py": CODE})},
                Layers=[layer],
                Timeout=20,
                Publish=name == "first",
            )
        cloud.client.update_function_configuration(FunctionName="updated", Layers=[layer])
        server.kill()
    with serving(data) as server:
        cloud = Cloud(server.endpoint)
        for name in ("first", "second", "updated"):
            for waiter in ("function_active_v2", "function_updated_v2"):
                cloud.client.get_waiter(waiter).wait(FunctionName=name, WaiterConfig=QUICK)
            assert cloud.result(name) == [2, "$LATEST"]
        assert cloud.invoke("first", Qualifier="1").payload == [2, "1"]


def test_what_was_deleted_stays_deleted(data: Path) -> None:
    with serving(data) as server:
        cloud = Cloud(server.endpoint)
        layer = cloud.layer(zipped({"python/shared.py": "VERSION = 1\n"}), "shared")
        cloud.function(CODE, name="fn", layers=[layer])
        cloud.client.delete_function(FunctionName="fn")
        cloud.client.delete_layer_version(LayerName="shared", VersionNumber=1)
        server.kill()
    with serving(data) as server:
        cloud = Cloud(server.endpoint)
        with pytest.raises(ClientError, match="Function not found"):
            cloud.client.get_function(FunctionName="fn")
        assert [each for each in data.glob("blobs/*/*") if each.is_file()] == []
