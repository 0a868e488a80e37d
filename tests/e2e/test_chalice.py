"""The real Chalice against a real server: an app with an automatic layer is deployed, changed, deleted.

Chalice caps the version of pip, so it gets an environment of its own, kept in this checkout's cache.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.api.cloud import client, refusal
from tests.e2e.server import Cloud, Server, serving

pytestmark = pytest.mark.slow

VERSION = "1.34.0"
CACHE = Path(__file__).resolve().parents[2] / ".cache" / f"chalice-{VERSION}-{sys.version_info[1]}"
FUNCTION = "shop-dev-greet"
LAYER = "shop-dev-managed-layer"
APP = """
import tiny
from chalice import Chalice

app = Chalice(app_name="shop")

@app.lambda_function()
def greet(event, context):
    return {"text": tiny.greet(event["name"]) + "!", "from": tiny.__file__, "in": __file__}
"""


@pytest.fixture(scope="module")
def chalice() -> Path:
    """The command; the tests are skipped where it cannot be installed."""
    command = CACHE / "bin" / "chalice"
    made = CACHE / "made"
    if not made.exists():
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(CACHE)], check=True)
        pip = [str(CACHE / "bin" / "pip"), "--disable-pip-version-check", "--quiet"]
        installed = subprocess.run(
            [*pip, "install", f"chalice=={VERSION}"], capture_output=True, text=True, check=False
        )
        if installed.returncode:
            pytest.skip(f"Chalice cannot be installed here: {installed.stderr.strip()[-300:]}")
        made.touch()
    return command


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serving(tmp_path_factory.mktemp("chalice") / "data") as server:
        yield server


def wheel(folder: Path, version: str, greeting: str) -> None:
    """A package of one function, made here, so that no index is asked for it."""
    info = f"tiny-{version}.dist-info"
    files = {
        "tiny.py": f"def greet(name):\n    return f'{greeting}, {{name}}'\n",
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: tiny\nVersion: {version}\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    listed = "".join(f"{name},,\n" for name in [*files, f"{info}/RECORD"])
    with zipfile.ZipFile(folder / f"tiny-{version}-py3-none-any.whl", "w") as archive:
        for name, text in {**files, f"{info}/RECORD": listed}.items():
            archive.writestr(name, text)


class Project:
    """A Chalice project in a folder, and its commands."""

    def __init__(self, folder: Path, command: Path, server: Server) -> None:
        self.folder = folder
        self._command = command
        self._environ = {
            "PATH": os.environ["PATH"],
            "HOME": str(folder),
            "AWS_ENDPOINT_URL": server.endpoint,
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_DEFAULT_REGION": "eu-west-1",
            "PIP_NO_INDEX": "1",
            "PIP_FIND_LINKS": str(folder / "wheels"),
        }
        (folder / "wheels").mkdir()
        (folder / ".chalice").mkdir()
        config = {
            "version": "2.0",
            "app_name": "shop",
            "automatic_layer": True,
            "stages": {"dev": {}},
        }
        (folder / ".chalice" / "config.json").write_text(json.dumps(config))

    def write(self, source: str, version: str, greeting: str) -> None:
        wheel(self.folder / "wheels", version, greeting)
        # Chalice imports the app where it runs, so its requirements must be there too.
        self._environ["PYTHONPATH"] = str(
            self.folder / "wheels" / f"tiny-{version}-py3-none-any.whl"
        )
        (self.folder / "requirements.txt").write_text(f"tiny=={version}\n")
        (self.folder / "app.py").write_text(source)

    def run(self, *arguments: str) -> str:
        """What the command said; it must go well."""
        done = subprocess.run(
            [str(self._command), *arguments],
            cwd=self.folder,
            env=self._environ,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout


def test_an_app_with_a_layer_is_deployed_changed_and_deleted(
    chalice: Path, server: Server, tmp_path: Path
) -> None:
    cloud, iam = Cloud(server.endpoint), client(server.endpoint, "iam")
    project = Project(tmp_path, chalice, server)

    project.write(APP, "1.0", "Hello")
    said = project.run("deploy")
    assert "Creating IAM role: shop-dev" in said
    assert f"Creating lambda function: {FUNCTION}" in said
    assert cloud.result(FUNCTION, {"name": "Ada"}) == {
        "text": "Hello, Ada!",
        "from": "/opt/python/lib/python3.11/site-packages/tiny.py",
        "in": "/var/task/app.py",
    }
    first = configuration(cloud)
    role = iam.get_role(RoleName="shop-dev")["Role"]
    assert first["Role"] == role["Arn"]
    assert iam.list_role_policies(RoleName="shop-dev")["PolicyNames"] == ["shop-dev"]

    project.write(APP.replace('"!"', '"?"'), "2.0", "Good day")
    said = project.run("deploy")
    assert f"Updating lambda function: {FUNCTION}" in said
    assert cloud.result(FUNCTION, {"name": "Ada"})["text"] == "Good day, Ada?"
    second = configuration(cloud)
    assert second["Layers"][0]["Arn"] != first["Layers"][0]["Arn"]
    assert second["Role"] == first["Role"]

    project.run("delete")
    assert refusal(cloud.client.get_function, FunctionName=FUNCTION)[1] == 404
    assert refusal(iam.get_role, RoleName="shop-dev")[0] == "NoSuchEntity"
    assert cloud.client.list_layer_versions(LayerName=LAYER)["LayerVersions"] == []


def configuration(cloud: Cloud) -> dict[str, Any]:
    found: dict[str, Any] = cloud.client.get_function(FunctionName=FUNCTION)["Configuration"]
    return found
