"""The command line as a person or a program meets it."""

from __future__ import annotations

import json
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import lamella
from tests.commands import command


def run(*words: str, **environ: str) -> subprocess.CompletedProcess[str]:
    environ = {"PATH": "/usr/bin:/bin", "HOME": "/nonexistent", **environ}
    return command(*words, environ=environ)


def begun(*words: str) -> subprocess.CompletedProcess[str]:
    """A command as a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", "lamella", *words],
        env={"PATH": "/usr/bin:/bin", "HOME": "/nonexistent"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.fixture
def layer(tmp_path: Path) -> Path:
    path = tmp_path / "layer.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(_file("python/shared.py"), "VERSION = 1\n")
    return path


def _file(name: str) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name)
    info.external_attr = 0o100644 << 16
    return info


def test_help_lists_the_commands_without_loading_what_they_need() -> None:
    loads = "import sys\nfrom lamella.cli.main import app\nprint(sorted(sys.modules))"
    done = subprocess.run([sys.executable, "-c", loads], capture_output=True, text=True, check=True)
    for heavy in ("boto3", "uvicorn", "uvloop", "sqlalchemy", "rich", "lamella.wiring"):
        assert f"'{heavy}'" not in done.stdout
    said = begun("--help").stdout
    for each in ("serve", "demo", "doctor", "layer", "keys", "orgs", "version"):
        assert f"\n  {each} " in said


@pytest.mark.parametrize(
    "words",
    [
        ("serve",),
        ("demo",),
        ("doctor",),
        ("layer", "inspect"),
        ("keys", "create"),
        ("keys", "list"),
        ("keys", "revoke"),
        ("orgs", "create"),
        ("orgs", "add"),
        ("orgs", "remove"),
        ("orgs", "list"),
        ("version",),
    ],
)
def test_each_help_teaches_with_an_example(words: tuple[str, ...]) -> None:
    done = run(*words, "--help")
    assert done.returncode == 0
    assert "Example" in done.stdout
    assert f"lamella {' '.join(words)}" in done.stdout.partition("Example")[2]


def test_the_version_is_told_to_people_and_to_programs() -> None:
    assert run("--version").stdout == f"{lamella.__version__}\n"
    assert run("version").stdout.startswith(f"lamella {lamella.__version__} (Python 3.")
    assert json.loads(run("version", "--json").stdout)["lamella"] == lamella.__version__


def test_serve_refuses_settings_with_every_fault_and_starts_nothing() -> None:
    done = run("serve", "--auth", "iam", "--port", "x", LAMELLA_LOG_FORMAT="xml")
    assert done.returncode == 2
    assert done.stdout == ""
    for fault in ("--port 'x'", "LAMELLA_LOG_FORMAT 'xml'", "--auth 'iam'"):
        assert fault in done.stderr


def test_serve_says_when_its_folder_cannot_be_used(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    done = begun("serve", "--port", "0", "--data", str(tmp_path / "file" / "data"))
    assert done.returncode == 1
    assert "--data" in done.stderr
    assert "Traceback" not in done.stderr


def test_inspect_describes_a_good_layer(layer: Path) -> None:
    done = run("layer", "inspect", str(layer))
    assert done.returncode == 0
    assert "accepted" in done.stdout
    assert "python/" in done.stdout
    report = json.loads(run("layer", "inspect", str(layer), "--json").stdout)
    assert report["faults"] == []
    assert report["unzipped_size"] == 12
    assert report["folders"] == {"python/": 1}


def test_inspect_names_every_fault_at_once_and_fails(tmp_path: Path) -> None:
    path = tmp_path / "bad.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(_file("../escape"), "x")
        archive.writestr(_file("/absolute"), "x")
    done = run("layer", "inspect", str(path))
    assert done.returncode == 1
    assert done.stdout.count("fault: ") == 2
    report = json.loads(run("layer", "inspect", str(path), "--json").stdout)
    assert len(report["faults"]) == 2


def test_inspect_warns_of_a_layer_that_no_runtime_looks_into(tmp_path: Path) -> None:
    path = tmp_path / "odd.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(_file("shared.py"), "VERSION = 1\n")
    done = run("layer", "inspect", str(path))
    assert done.returncode == 0
    assert "warning: " in done.stdout


def test_inspect_of_what_is_no_zip_or_not_there_says_so(tmp_path: Path) -> None:
    (tmp_path / "text.zip").write_text("not a zip")
    refused = run("layer", "inspect", str(tmp_path / "text.zip"))
    assert (refused.returncode, refused.stderr) == (1, "")
    assert "Could not unzip" in refused.stdout
    missing = run("layer", "inspect", str(tmp_path / "none.zip"))
    assert missing.returncode == 2
    assert "cannot be read" in missing.stderr


def test_doctor_lists_checks_and_runtimes_for_programs_and_people() -> None:
    report = json.loads(run("doctor", "--json").stdout)
    assert {"kernel", "bubblewrap", "free space"} <= {each["name"] for each in report["host"]}
    assert "provided.al2023" in {each["runtime"] for each in report["runtimes"]}
    plain = run("doctor").stdout
    assert "# Host" in plain
    assert "# Runtimes" in plain
