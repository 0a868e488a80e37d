"""The Ruby runtimes: a small client of our own to AWS's contract."""

from __future__ import annotations

from pathlib import Path

# The directory that a Ruby function sees as ``/var/runtime``.
BOX = Path(__file__).parent / "box"
