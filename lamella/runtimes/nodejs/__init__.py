"""The Node.js runtimes: a small client of our own to AWS's contract."""

from __future__ import annotations

from pathlib import Path

# The directory that a Node.js function sees as ``/var/runtime``.
BOX = Path(__file__).parent / "box"
COMPILE = Path(__file__).parent / "compile.cjs"
"""Compiles a layer's modules for Node.js of this version and newer."""
CACHES_SINCE = (22, 1)
CACHE = "nodejs/.compile-cache"
"""Where in ``/opt`` the client looks for what was compiled."""

_OPT = "/opt/nodejs"


def major(runtime: str) -> int:
    """20 of ``nodejs20.x``."""
    return int(runtime.removeprefix("nodejs").removesuffix(".x"))


def search_path(runtime: str) -> str:
    """What ``NODE_PATH`` says: the layers, this runtime's folder of them first."""
    return (
        f"{_OPT}/node{major(runtime)}/node_modules:{_OPT}/node_modules:"
        "/var/runtime/node_modules:/var/runtime:/var/task"
    )


def links(runtime: str) -> tuple[tuple[str, str], ...]:
    """(target, path in the box) by which ``import`` finds what layers hold, as on AWS.

    Node.js looks through NODE_PATH for CommonJS alone. Packages that ES modules import are looked
    for in every folder ``node_modules`` from the importing file upwards: beyond ``/var/task`` that
    is ``/var`` and ``/``, in the order of the layers' two folders.

    Source: https://aws.amazon.com/blogs/compute/node-js-18-x-runtime-now-available-in-aws-lambda
    """
    return (
        (f"{_OPT}/node{major(runtime)}/node_modules", "/var/node_modules"),
        (f"{_OPT}/node_modules", "/node_modules"),
    )


def options(runtime: str, version: str, memory: int, given: str) -> tuple[str, ...]:
    """The options that AWS starts Node.js with, as far as ``version`` knows them.

    ``memory`` is the function's, in MB: a tenth of it is left to what is not on the heap.
    ``given`` is the function's own NODE_OPTIONS, which may ask for the opposite.

    Source: https://docs.aws.amazon.com/lambda/latest/dg/lambda-nodejs.html
    """
    chosen = []
    if not any(name in given.replace("_", "-") for name in ("max-semi-space", "max-old-space")):
        young = memory // 10
        chosen += [f"--max-semi-space-size={young // 2}", f"--max-old-space-size={memory - young}"]
    known = tuple(int(number) for number in version.split(".")[:2])
    if major(runtime) in (20, 22) and known >= (20, 17):
        chosen += _disabled("require-module", given)
    if major(runtime) == 22 and known >= (20, 19):
        chosen += _disabled("detect-module", given)
    return tuple(chosen)


def _disabled(feature: str, given: str) -> list[str]:
    if f"--experimental-{feature}" in given.split():
        return []
    return [f"--no-experimental-{feature}"]
