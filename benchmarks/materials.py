"""What all sides run on: layers, their zips, AWS's runtime clients and its emulator.

Built once into ``.cache/bench`` by pip and npm, in pinned versions; a second run finds it there.
"""

from __future__ import annotations

import compileall
import hashlib
import os
import platform
import py_compile
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from importlib import metadata
from pathlib import Path

CACHE = Path(__file__).resolve().parent.parent / ".cache" / "bench"
EMULATOR = "aws-sam-cli==1.170.0"
NUMPY = ("numpy==2.3.5",)
DATEUTIL = ("python-dateutil==2.9.0.post0", "six==1.17.0")
PANDAS_NEEDS = (*DATEUTIL, "pytz==2025.2", "tzdata==2025.2")
PANDAS = (*NUMPY, "pandas==2.3.3", *PANDAS_NEEDS)
NODE_CLIENT = "aws-lambda-ric@4.0.2"
_MACHINES = {"x86_64": "x86_64", "aarch64": "arm64", "arm64": "arm64"}


@dataclass(frozen=True, slots=True)
class Layer:
    """One layer: its zip, and its ``python`` folder unpacked, with bytecode and without."""

    name: str
    zip: Path
    bare: Path
    compiled: Path


@dataclass(frozen=True, slots=True)
class Materials:
    """Everything a run needs. ``python`` is the interpreter all sides run functions on.

    ``published`` holds pandas and numpy with bytecode beside it. ``five`` is what is in
    ``pandas`` and ``boto3``, cut into five layers. ``node_client`` is AWS's client for Node.js, or
    says why there is none.
    """

    python: Path
    emulator: Path
    runtime_client: Path
    numpy: Layer
    pandas: Layer
    boto3: Layer
    five: tuple[Layer, ...]
    published: Path
    node: Path | None
    node_client: Path | str

    def node_runtime(self) -> str | None:
        """Lamella's name for the Node.js that the emulator runs as well."""
        if self.node is None:
            return None
        asked = subprocess.run([self.node, "--version"], check=True, capture_output=True, text=True)
        return f"nodejs{asked.stdout.lstrip('v').partition('.')[0]}.x"


def prepare() -> Materials:
    CACHE.mkdir(parents=True, exist_ok=True)
    numpy, pandas = _layer("numpy", NUMPY), _layer("pandas", PANDAS)
    client, core = installed("boto3", "s3transfer"), installed("botocore", "jmespath", "urllib3")
    node = shutil.which("node")
    return Materials(
        python=Path(sys.executable).resolve(),
        emulator=once("emulator", _emulator) / "aws-lambda-rie",
        runtime_client=once(f"runtime-client-{_tag()}", _runtime_client),
        numpy=numpy,
        pandas=pandas,
        boto3=_layer("boto3", (*client, *core, *DATEUTIL)),
        five=(
            numpy,
            _layer("pandas-alone", PANDAS[1:2]),
            _layer("pandas-needs", PANDAS_NEEDS),
            _layer("botocore", core),
            _layer("boto3-alone", client),
        ),
        published=pandas.compiled.parent.with_name("published.zip"),
        node=Path(node).resolve() if node else None,
        node_client=_node_client(),
    )


def installed(*names: str) -> tuple[str, ...]:
    """Pins of the versions that this checkout itself uses."""
    return tuple(f"{name}=={metadata.version(name)}" for name in names)


def versions() -> dict[str, str]:
    """The versions of what is measured, for the report."""
    pins = dict(pin.split("==") for pin in (*PANDAS, EMULATOR))
    return {
        "numpy": pins["numpy"],
        "pandas": pins["pandas"],
        "boto3": metadata.version("boto3"),
        "awslambdaric": metadata.version("awslambdaric"),
        "aws-lambda-ric": NODE_CLIENT.partition("@")[2],
        "emulator (in aws-sam-cli)": pins["aws-sam-cli"],
    }


def _tag() -> str:
    return f"py{sys.version_info.major}{sys.version_info.minor}"


def _hash(pins: tuple[str, ...]) -> str:
    """Eight letters that say which versions a folder holds."""
    return hashlib.sha256("\n".join(pins).encode()).hexdigest()[:8]


def once(name: str, build: Callable[[Path], None]) -> Path:
    """The folder ``name`` of the cache, built in a neighbour and renamed when it is whole."""
    folder = CACHE / name
    if not folder.exists():
        print(f"building {name} (once)", flush=True)
        part = CACHE / f"{name}.part"
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir()
        build(part)
        part.rename(folder)
    return folder


def _pip(*words: str) -> None:
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "-qq", *words]
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL)


def _emulator(folder: Path) -> None:
    """Take the emulator's one file out of the wheel that carries it; nothing is installed."""
    machine = _MACHINES.get(platform.machine())
    if machine is None:
        raise SystemExit(f"AWS ships no emulator for {platform.machine()}.")
    _pip("download", "--no-deps", "--only-binary=:all:", "--dest", str(folder), EMULATOR)
    (wheel,) = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        data = archive.read(f"samcli/local/rapid/aws-lambda-rie-{machine}")
    program = folder / "aws-lambda-rie"
    program.write_bytes(data)
    program.chmod(0o755)
    wheel.unlink()


def _runtime_client(folder: Path) -> None:
    pin = f"awslambdaric=={metadata.version('awslambdaric')}"
    _pip("install", "--target", str(folder), pin)


def _node_client() -> Path | str:
    """The folder of AWS's client for Node.js, which npm builds from source, or why there is none."""
    missing = [name for name in ("node", "npm", "cmake", "make", "g++") if not shutil.which(name)]
    if missing:
        return f"not measured: AWS's client for Node.js takes {', '.join(missing)} to build"
    try:
        folder = once("node-client", partial(npm, [NODE_CLIENT]))
    except subprocess.CalledProcessError:
        return "not measured: AWS's client for Node.js does not build here"
    return folder / "node_modules" / "aws-lambda-ric"


def npm(pins: Sequence[str], folder: Path) -> None:
    """Install packages from npm into ``folder``."""
    options = ("--no-audit", "--no-fund", "--silent", "--prefix", str(folder))
    command = ["npm", "install", *options, *pins]
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)


def _layer(name: str, pins: tuple[str, ...]) -> Layer:
    def build(folder: Path) -> None:
        bare = folder / "bare" / "python"
        _pip("install", "--target", str(bare), "--no-deps", "--no-compile", *pins)
        shutil.rmtree(bare / "bin", ignore_errors=True)
        shutil.copytree(folder / "bare", folder / "compiled")
        mode = py_compile.PycInvalidationMode.UNCHECKED_HASH
        compileall.compile_dir(folder / "compiled", quiet=2, workers=2, invalidation_mode=mode)
        _zip(folder / "bare", folder / "layer.zip")
        _zip(folder / "compiled", folder / "published.zip")

    folder = once(f"{name}-{_tag()}-{_hash(pins)}", build)
    return Layer(
        name,
        folder / "layer.zip",
        folder / "bare" / "python",
        folder / "compiled" / "python",
    )


def _zip(source: Path, target: Path) -> None:
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as archive:
        for path in sorted(source.rglob("*")):
            if path.is_file():
                info = zipfile.ZipInfo(str(path.relative_to(source)), (2026, 1, 1, 0, 0, 0))
                info.external_attr = (0o100755 if os.access(path, os.X_OK) else 0o100644) << 16
                info.compress_type = zipfile.ZIP_DEFLATED
                archive.writestr(info, path.read_bytes())


def variant(source: Path, number: int, folder: Path) -> Path:
    """The zip with a comment of its own: the same files under another digest."""
    path = folder / f"{source.stem}-{number}.zip"
    shutil.copyfile(source, path)
    with zipfile.ZipFile(path, "a") as archive:
        archive.comment = f"number {number}".encode()
    return path
