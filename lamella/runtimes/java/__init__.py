"""The Java runtimes: a small client of our own to AWS's contract, in sources.

Nothing is compiled in what is distributed: a JDK of the host compiles the client when it is first
needed (`lamella.invoke.java_client`).
"""

from __future__ import annotations

from pathlib import Path

SOURCES = Path(__file__).parent / "box"
