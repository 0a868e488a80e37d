"""The command line of a Java function: what the JVM is told, and which jar runs.

Heap and collector are as on AWS: the heap follows the function's memory, one thread collects,
only the quick compiler compiles. What a function asks for in ``JAVA_TOOL_OPTIONS`` wins: an option
of ours that speaks of the same is left out, because the command line would win otherwise.

Source: https://docs.aws.amazon.com/lambda/latest/dg/java-customization.html
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from lamella.runtimes.java.find import major_of

JAR = "lamella.jar"
ARCHIVE = "lamella.jsa"
RUNTIME = "/var/runtime"
OPTIONS = ("JAVA_TOOL_OPTIONS", "JDK_JAVA_OPTIONS")
PROGRAM = "-jar"
"""What the client's jar follows, and no option of the JVM."""
LEARN = "-Dlamella.learn=true"
"""Has the client tell which classes it takes from layers."""
ARCHIVES_SINCE = 13
"""The first Java that keeps classes in an archive when it ends."""

HEAP_SHARE = 0.85
BESIDE_HEAP_MB = 64
"""What a JVM needs at least beside its heap: code, classes, stacks of threads."""

COMMON = (
    "-XX:+UseSerialGC",
    "-XX:TieredStopAtLevel=1",
    "-XX:-UsePerfData",
    "-Djava.net.preferIPv4Stack=true",
    "-Dfile.encoding=UTF-8",
)
"""What an archive of classes is made with and used with."""

_SAME = {
    "-Xmx": re.compile(r"-Xmx|MaxHeapSize|MaxRAM"),
    "-XX:+UseSerialGC": re.compile(r"-XX:[+-]Use\w+GC\b"),
    "-XX:TieredStopAtLevel=1": re.compile(r"Tiered|-Xint|-Xcomp"),
    "-XX:SharedArchiveFile": re.compile(r"-Xshare|SharedArchive|AOT|-javaagent|-agent"),
    "-Xshare": re.compile(r"-Xshare"),
    "-Djava.net.preferIPv4Stack=true": re.compile(r"preferIPv"),
}
"""What of a function's own options takes the place of ours; an agent changes what is archived."""


def command(memory_mb: int, version: str, environment: Mapping[str, str]) -> tuple[str, ...]:
    """What follows the program: ``memory_mb`` of the function, the Java's ``version``.

    The jar comes last, so that a wrapper can put options of the JVM before it.
    """
    own = " ".join(environment.get(name, "") for name in OPTIONS)
    kept = (option for option in _options(memory_mb, version) if not _is_told(option, own))
    return (*kept, PROGRAM, f"{RUNTIME}/{JAR}")


def _options(memory_mb: int, version: str) -> tuple[str, ...]:
    archive: tuple[str, ...] = ("-Xshare:auto",)
    if major_of(version) >= ARCHIVES_SINCE:
        # An archive that does not fit is no news for the function's log.
        archive = (f"-XX:SharedArchiveFile={RUNTIME}/{ARCHIVE}", "-Xshare:auto", "-Xlog:cds*=off")
    return (f"-Xmx{heap_mb(memory_mb)}m", *COMMON, *archive)


def heap_mb(memory_mb: int) -> int:
    """Most of the memory, and always enough beside it for the rest of a JVM."""
    return min(int(memory_mb * HEAP_SHARE), memory_mb - BESIDE_HEAP_MB)


def _is_told(option: str, own: str) -> bool:
    return any(option.startswith(ours) and theirs.search(own) for ours, theirs in _SAME.items())
