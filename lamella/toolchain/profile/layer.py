"""The price of a layer: unpacking, compiling, and the imports of what it brings.

Which layer it is, and how the price is shown, is left to the commands.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from lamella.layers import archive, bytecode
from lamella.layers.folders import discard
from lamella.layers.manifest import Kind, Manifest
from lamella.model import limits
from lamella.toolchain.profile.laboratory import Laboratory
from lamella.toolchain.profile.trace import Spent, Trace, Whose, middle, owners, plain, spent

BENCH, BELOW = "bench", "below"

MOST_PACKAGES = 300

Say = Callable[[str], None]
"""Told what is measured next."""


@dataclass(frozen=True, slots=True)
class Layer:
    """A layer to be measured: the name it is shown by, its zip, and what the zip holds."""

    name: str
    content: bytes
    manifest: Manifest


@dataclass(frozen=True, slots=True)
class Package:
    """An import of one package, or of all: the median in milliseconds, each run's, and the run in
    the middle, whole. ``error`` says why it failed; the rest counts for nothing then."""

    name: str
    took: float
    runs: tuple[float, ...]
    trace: Trace
    spent: tuple[Spent, ...]

    @property
    def error(self) -> str | None:
        return self.trace.error


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerPrice:
    """What one layer costs; times in milliseconds.

    ``unpack`` and ``compile`` are paid once a node (and Python), the imports at cold starts.
    ``sources`` are compiled, ``broken`` of them cannot be. ``omitted`` packages are too many to be
    measured. ``together`` is every package that can
    be imported in one process, ``source`` the same without bytecode of layers.
    """

    layer: Layer
    runtime: str
    unpack: float
    compile: float = 0.0
    sources: int = 0
    broken: int = 0
    packages: tuple[Package, ...] = ()
    omitted: int = 0
    together: Package = Package("all", 0.0, (), Trace(), ())
    source: float = 0.0


def opened(name: str, content: bytes) -> Layer:
    """The layer of a zip. Raises what `lamella.layers.archive.check` raises."""
    with tempfile.NamedTemporaryFile(prefix="lamella-profile-") as file:
        file.write(content)
        file.flush()
        return Layer(
            plain(name), content, archive.check(Path(file.name), quota=limits.UNZIPPED_BYTES)
        )


def price(
    laboratory: Laboratory,
    layer: Layer,
    beneath: Sequence[Layer],
    *,
    runtime: str,
    runs: int,
    say: Say,
) -> LayerPrice:
    """Measure ``layer`` above the layers ``beneath``, each import ``runs`` times in turns.

    On Node.js there is nothing to compile. Raises WentWrong and NotMeasured.
    """
    say("unpack")
    unpack, sources = _unpacked(layer, runtime, runs)
    say("make a function with the layer")
    arns = [laboratory.publish(each.content) for each in beneath]
    laboratory.bench(BENCH, runtime, [*arns, laboratory.publish(layer.content)])
    names = _packages(laboratory, runtime, arns)
    say(f"compile {len(sources)} sources")
    seconds, made = laboratory.compiled(BENCH, sources) if sources else (0.0, 0)
    whose = owners({each.name: each.manifest for each in (*beneath, layer)})
    packages = _measured(laboratory, names[:MOST_PACKAGES], whose, runs, say)
    good = [each.name for each in packages if each.error is None]
    together, source = [], []
    for run in range(runs if good else 0):
        say(f"all imports in one process, {run + 1} of {runs}")
        together.append(laboratory.imports(BENCH, good))
        if sources:
            source.append(laboratory.imports(BENCH, good, compiled=False))
    return LayerPrice(
        layer=layer,
        runtime=runtime,
        unpack=unpack,
        compile=seconds,
        sources=len(sources),
        broken=len(sources) - made,
        packages=packages,
        omitted=len(names[MOST_PACKAGES:]),
        together=_package("all", together or [Trace()], whose),
        source=median([each.took for each in source or [Trace()]]),
    )


def unpacked(layer: Layer, runtime: str, runs: int) -> LayerPrice:
    """The price of unpacking alone, where imports cannot be measured: no server is needed."""
    unpack, _ = _unpacked(layer, runtime, runs)
    return LayerPrice(layer=layer, runtime=runtime, unpack=unpack)


def _packages(laboratory: Laboratory, runtime: str, beneath: Sequence[str]) -> tuple[str, ...]:
    names = laboratory.packages(BENCH)
    if not beneath:
        return names
    laboratory.bench(BELOW, runtime, beneath)
    others = set(laboratory.packages(BELOW))
    return tuple(each for each in names if each not in others)


def _measured(
    laboratory: Laboratory, names: Sequence[str], whose: Whose, runs: int, say: Say
) -> tuple[Package, ...]:
    """Each package in a process of its own. One that fails is not tried again."""
    traces: dict[str, list[Trace]] = {name: [] for name in names}
    for run in range(runs):
        for name, known in traces.items():
            if not known or known[-1].error is None:
                say(f"import {name}, {run + 1} of {runs}")
                known.append(laboratory.imports(BENCH, [name]))
    found = [_package(name, known, whose) for name, known in traces.items()]
    return tuple(sorted(found, key=lambda each: (each.error is not None, -each.took, each.name)))


def _package(name: str, traces: Sequence[Trace], whose: Whose) -> Package:
    chosen = traces[middle(traces)]
    took = tuple(each.took for each in traces)
    return Package(name, median(took), took, chosen, spent(chosen, whose))


def _unpacked(layer: Layer, runtime: str, runs: int) -> tuple[float, list[str]]:
    """The median of unpacking, and the sources that the server would compile."""
    took: list[float] = []
    for _ in range(runs):
        with tempfile.TemporaryDirectory(prefix="lamella-profile-") as folder:
            zip_file, tree = Path(folder, "layer.zip"), Path(folder, "files")
            zip_file.write_bytes(layer.content)
            began = time.perf_counter()
            manifest = archive.check(zip_file, quota=limits.UNZIPPED_BYTES)
            archive.unpack(zip_file, manifest, tree)
            took.append((time.perf_counter() - began) * 1000)
            sources = _sources(tree, runtime)
            discard(tree)
    return median(took), sources


def _sources(tree: Path, runtime: str) -> list[str]:
    if not runtime.startswith("python"):
        return []
    tag = "cpython-" + runtime.removeprefix("python").replace(".", "")
    return bytecode.sources(tree, "python", tag)


def contents(manifest: Manifest) -> Mapping[str, int]:
    """Files and bytes of an unpacked layer."""
    files = sum(1 for each in manifest.entries if each.kind is Kind.FILE)
    return {"files": files, "unzippedSize": manifest.unzipped_size}
