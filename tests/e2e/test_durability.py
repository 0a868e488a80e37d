"""What was acknowledged survives kill -9; nothing half-done is seen; the next start is clean."""

from __future__ import annotations

import base64
import hashlib
import os
import random
import threading
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import BotoCoreError, ClientError

from lamella.sandbox import cgroup
from lamella.wiring.host import instance
from tests.e2e.server import Cloud, Server, zipped


@dataclass
class Acknowledged:
    """What the server said it has; the latest update may or may not have been kept."""

    layers: dict[int, str] = field(default_factory=dict)
    marker: str = ""
    attempted: str = ""


def digest_of(content: bytes) -> str:
    return base64.b64encode(hashlib.sha256(content).digest()).decode()


def publish(cloud: Cloud, done: Acknowledged, number: int) -> None:
    content = zipped({"python/n.py": f"N = {number}\n", "pad.bin": os.urandom(20_000)})
    answer = cloud.client.publish_layer_version(LayerName="durable", Content={"ZipFile": content})
    if "Version" not in answer:
        return  # killed between the status line and the body: nobody was told anything
    assert answer["Version"] not in done.layers
    assert answer["Content"]["CodeSha256"] == digest_of(content)
    done.layers[answer["Version"]] = answer["Content"]["CodeSha256"]


def update(cloud: Cloud, done: Acknowledged, number: int) -> None:
    done.attempted = f"value-{number}"
    layers = [layer_arn(max(done.layers))] if done.layers else []
    cloud.client.update_function_configuration(
        FunctionName="durable",
        Environment={"Variables": {"MARK": done.attempted}},
        Layers=layers,
    )
    done.marker = done.attempted


def layer_arn(version: int) -> str:
    return f"arn:aws:lambda:eu-west-1:000000000000:layer:durable:{version}"


def check(cloud: Cloud, done: Acknowledged) -> None:
    listed: dict[int, str] = {}
    marker = None
    while True:
        more: dict[str, Any] = {"Marker": marker} if marker else {}
        page = cloud.client.list_layer_versions(LayerName="durable", **more)
        listed.update({each["Version"]: each["LayerVersionArn"] for each in page["LayerVersions"]})
        marker = page.get("NextMarker")
        if not marker:
            break
    assert set(done.layers) <= set(listed)
    for version in random.sample(sorted(listed), min(5, len(listed))):
        one = cloud.client.get_layer_version(LayerName="durable", VersionNumber=version)
        if version in done.layers:
            assert one["Content"]["CodeSha256"] == done.layers[version]
    for version in set(listed) - set(done.layers):
        # Kept but not acknowledged: it must be whole.
        one = cloud.client.get_layer_version(LayerName="durable", VersionNumber=version)
        done.layers[version] = one["Content"]["CodeSha256"]
    kept = cloud.client.get_function_configuration(FunctionName="durable")
    value = kept.get("Environment", {}).get("Variables", {}).get("MARK", "")
    assert value in (done.marker, done.attempted)
    done.marker = value


@pytest.mark.parametrize("changes", [12, pytest.param(200, marks=pytest.mark.slow)])
def test_what_was_acknowledged_survives_being_killed_at_any_moment(
    data: Path, changes: int
) -> None:
    """So many publishes, and as many updates."""
    seed = int(os.environ.get("LAMELLA_TEST_SEED", "20261121"))
    dice = random.Random(seed)
    done = Acknowledged()
    published = updated = starts = 0
    before = Path("/proc/self/mounts").read_text()
    while starts < 3 or published < changes or updated < changes:
        server = Server(data)
        starts += 1
        cloud = Cloud(server.endpoint)
        if starts == 1:
            cloud.function(
                "import os\n\ndef handler(e, c): return os.environ['MARK']", name="durable"
            )
        else:
            check(cloud, done)
        killer = threading.Timer(dice.uniform(0.05, 1.0), server.kill)
        killer.start()
        try:
            while published < changes or updated < changes:
                if dice.random() < 0.5 and published < changes:
                    publish(cloud, done, published)
                    published += 1
                elif updated < changes:
                    update(cloud, done, updated)
                    updated += 1
        except (BotoCoreError, ClientError) as error:
            assert not isinstance(error, ClientError), error.response
        killer.join()
    server = Server(data)
    try:
        cloud = Cloud(server.endpoint)
        check(cloud, done)
        assert cloud.result("durable") == done.marker
        content_is_whole(cloud, done)
    finally:
        assert server.stop() == 0
    assert Path("/proc/self/mounts").read_text() == before
    leftovers(data)


def content_is_whole(cloud: Cloud, done: Acknowledged) -> None:
    for version in list(done.layers)[:: max(1, len(done.layers) // 20)]:
        answer = cloud.client.get_layer_version(LayerName="durable", VersionNumber=version)
        with urllib.request.urlopen(answer["Content"]["Location"]) as response:
            assert digest_of(response.read()) == answer["Content"]["CodeSha256"]


def leftovers(data: Path) -> None:
    """No temporary file, no control group, no process of this data directory is left."""
    odd = [p for p in data.rglob("*") if "tmp" in p.name.lower() or p.name.startswith(".new")]
    assert [p for p in odd if not p.is_dir() or any(p.iterdir())] == []
    own = f"lamella-{instance(data)}"
    assert [p for folder in cgroup.find().folders.values() for p in folder.glob(own)] == []
    commands: list[Any] = [
        path for path in Path("/proc").glob("[0-9]*/cmdline") if names(path, str(data).encode())
    ]
    assert commands == []


def names(path: Path, text: bytes) -> bool:
    try:
        return text in path.read_bytes()
    except OSError:
        return False
