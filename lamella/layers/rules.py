"""Which zips may be unpacked, and what is odd about those that may.

Every rule is a pure function over `Member`, one line of a zip's directory beside what the
local header says; `lamella.layers.archive` reads the bytes and asks these questions.
"""

from __future__ import annotations

import re
import stat
import struct
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from lamella.layers.links import MOUNTED, Budget, Lost, follow
from lamella.layers.manifest import Entry, Kind

MAX_ENTRIES = 100_000
"""A node_modules of 250 MB has half as many; each one costs an inode on every node."""
MAX_DEPTH = 256
MAX_PART_BYTES = 255
MAX_PATH_BYTES = 3_840
"""PATH_MAX (4,096) less what a host or a box puts in front of a path."""
MAX_TARGET_BYTES = 4_095
DEFLATE_RATIO = 1_032
"""The most that deflate can make of a byte: 258 bytes from two bits. 250 MB of zeros stay legal."""
STORED, DEFLATED = 0, 8
WHITEOUT = ".wh."
KNOWN_FOLDERS = ("python", "nodejs", "java", "ruby", "bin", "lib", "extensions")

_HASH_HEADERS = 3390
"""The first magic number whose header has flags (PEP 552, Python 3.7)."""
_METHODS = {
    1: "shrink",
    6: "implode",
    9: "deflate64",
    12: "bzip2",
    14: "LZMA",
    93: "zstd",
    95: "xz",
}
_KINDS = {
    stat.S_IFCHR: "a character device",
    stat.S_IFBLK: "a block device",
    stat.S_IFIFO: "a fifo",
    stat.S_IFSOCK: "a socket",
}
_ENCRYPTED = 0x0001 | 0x0040 | 0x2000
_PATCHED = 0x0020
_DESCRIPTOR = 0x0008
_UNSIGNED_32 = 0xFFFF_FFFF
_DRIVE = re.compile(r"[A-Za-z]:")


@dataclass(frozen=True, slots=True)
class Local:
    """What the header in front of an entry's bytes says of it; ``data`` is where they begin."""

    name: bytes
    flags: int
    method: int
    packed: int
    size: int
    data: int


@dataclass(frozen=True, slots=True)
class Member:
    """One line of the zip's directory. ``mode`` has the file type too; 0 where no Unix made it.

    ``raw`` is the name in the zip's bytes, ``name`` in text. ``local`` is None where no local
    header stands at ``start``.
    """

    name: str
    raw: bytes
    flags: int
    method: int
    size: int
    packed: int
    crc: int
    mode: int
    mtime: int
    start: int
    local: Local | None


class Peek(Protocol):
    """The first ``count`` bytes that an entry unpacks to; fewer if it is broken or shorter."""

    def __call__(self, entry: Entry, count: int) -> bytes: ...


def show(name: str) -> str:
    """A name as it may stand in a message: printable, and not long."""
    text = name.encode("unicode_escape").decode("ascii") if not name.isprintable() else name
    return text if len(text) <= 120 else f"{text[:80]}…{text[-30:]}"


def parts(name: str) -> tuple[str, ...]:
    """The parts of a name without empty ones and dots, which every unzip leaves out."""
    return tuple(part for part in name.split("/") if part not in ("", "."))


def kind_of(member: Member) -> Kind:
    if stat.S_ISLNK(member.mode):
        return Kind.SYMLINK
    return Kind.DIR if stat.S_ISDIR(member.mode) or member.name.endswith("/") else Kind.FILE


def faults_of(member: Member) -> Iterator[str]:
    """Every reason, as the end of a sentence about ``member``, why it alone may not be unpacked."""
    yield from _name_faults(member.name)
    kind = _KINDS.get(stat.S_IFMT(member.mode))
    if kind is not None:
        yield f"is {kind}"
    elif stat.S_IFMT(member.mode) not in (0, stat.S_IFREG, stat.S_IFDIR, stat.S_IFLNK):
        yield "has a file type that no system knows"
    if member.name.endswith("/") and stat.S_ISLNK(member.mode):
        yield "is a link with the name of a folder"
    yield from _packing_faults(member)
    yield from _local_faults(member)


def _name_faults(name: str) -> Iterator[str]:
    if not name:
        yield "has no name"
    if "\0" in name:
        yield "has a NUL in its name"
    if "\\" in name:
        yield "has a backslash in its name"
    if name.startswith("/"):
        yield "is an absolute path"
    if _DRIVE.match(name):
        yield "starts with a drive letter"
    split = parts(name)
    if ".." in split:
        yield "has '..' in its path"
    # No name is a whiteout for the kernel's own overlayfs (devices are, and those are refused),
    # but container images and overlayfs in user space read these as deletions: the same layer
    # would show different files there.
    if any(part.startswith(WHITEOUT) for part in split):
        yield "has a name that overlay file systems read as a whiteout"
    if any(len(part.encode("utf-8", "surrogatepass")) > MAX_PART_BYTES for part in split):
        yield f"has a part of more than {MAX_PART_BYTES} bytes in its path"
    if len(name.encode("utf-8", "surrogatepass")) > MAX_PATH_BYTES:
        yield f"has a path of more than {MAX_PATH_BYTES:,} bytes"
    if len(split) > MAX_DEPTH:
        yield f"lies more than {MAX_DEPTH} folders deep"


def _packing_faults(member: Member) -> Iterator[str]:
    kind = kind_of(member)
    if member.flags & _ENCRYPTED:
        yield "is encrypted"
    if member.flags & _PATCHED:
        yield "is patch data"
    if member.method == STORED:
        if member.size != member.packed and not member.flags & _ENCRYPTED:
            yield f"is stored in {member.packed} bytes and claims to be {member.size}"
    elif member.method == DEFLATED:
        if member.size > (member.packed + 1) * DEFLATE_RATIO:
            yield f"claims {member.size} bytes out of {member.packed}, more than deflate can hold"
    else:
        name = _METHODS.get(member.method, "unknown")
        yield f"is packed by method {member.method} ({name}); only stored and deflate are read"
    if kind is Kind.DIR and member.size:
        yield "is a folder with contents of its own"
    if kind is Kind.SYMLINK and not 0 < member.size <= MAX_TARGET_BYTES:
        yield (
            "is a link without a target" if not member.size else "is a link with too long a target"
        )


def _local_faults(member: Member) -> Iterator[str]:
    local = member.local
    if local is None:
        yield "has no local header where the directory says"
        return
    if local.name != member.raw:
        yield f"is named {show(local.name.decode('utf-8', 'replace'))} in its local header"
    if local.method != member.method:
        yield f"is packed by method {local.method} in its local header"
    if (local.flags ^ member.flags) & _ENCRYPTED:
        yield "is encrypted in one of its two headers only"
    if not local.flags & _DESCRIPTOR:
        for mine, theirs in ((member.packed, local.packed), (member.size, local.size)):
            if theirs not in (mine, _UNSIGNED_32):
                yield f"has {mine} bytes in the directory and {theirs} in its local header"


def overlaps(members: Sequence[Member], directory: int) -> Iterator[tuple[int, str]]:
    """Entries that share bytes with another or with the directory, which begins at ``directory``.

    Yields the entry's index and the end of a sentence about it.
    """
    spans = sorted(
        (member.start, member.local.data + member.packed, index)
        for index, member in enumerate(members)
        if member.local is not None
    )
    reach, holder = 0, -1
    for start, end, index in spans:
        if start < reach:
            yield index, f"overlaps {show(members[holder].name)}"
        if end > directory:
            yield index, "runs into the directory of the zip"
        if end > reach:
            reach, holder = end, index


def clashes(entries: Mapping[str, Entry]) -> Iterator[tuple[str, str]]:
    """Files and links that are also the folder of another entry: path, end of a sentence."""
    seen: set[str] = set()
    for path in entries:
        for parent in parents(path):
            above = entries.get(parent)
            if above is None or above.kind is Kind.DIR or parent in seen:
                continue
            seen.add(parent)
            what = "link" if above.kind is Kind.SYMLINK else "file"
            yield parent, f"is a {what} and also the folder of {show(path)}"


def parents(path: str) -> Iterator[str]:
    """The folders above ``path``, outermost first, without the root."""
    at = path.find("/")
    while at >= 0:
        yield path[:at]
        at = path.find("/", at + 1)


def link_faults(targets: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Links that cannot be followed inside the root: path, end of a sentence about it."""
    budget = Budget()
    for path, target in targets.items():
        if "\0" in target:
            yield path, "is a link with a NUL in its target"
            continue
        if target.startswith("/") and not target.startswith(MOUNTED):
            yield path, f"is a link to the absolute path {show(target)}; make it a relative one"
            continue
        if any(len(part.encode()) > MAX_PART_BYTES for part in target.split("/")):
            yield path, f"is a link with a name over {MAX_PART_BYTES} bytes in its target"
            continue
        led = follow(path, targets, budget)
        if isinstance(led, Lost):
            yield path, f"is a link to {show(target)} that {led}"


def permissions(mode: int, kind: Kind) -> int:
    """The bits to unpack with: set-uid, set-gid and sticky go, the owner can always read.

    Zips from Windows and from most libraries carry no mode; they get 0644 and 0755.
    """
    if kind is Kind.DIR:
        return 0o755 | mode & 0o777
    if kind is Kind.SYMLINK:
        return 0o777
    return mode & 0o777 | 0o400 if mode else 0o644


def warnings_of(entries: Sequence[Entry], peek: Peek, *, layer: bool) -> Iterator[str]:
    """Sentences about a zip that may be unpacked but will probably not do what is meant."""
    if layer and not any(entry.path.split("/", 1)[0] in KNOWN_FOLDERS for entry in entries):
        known = ", ".join(f"{name}/" for name in KNOWN_FOLDERS)
        yield f"Nothing lies in a folder that a runtime looks into ({known})."
    hidden = [e.path for e in entries if e.kind is Kind.FILE and not e.mode & 0o004]
    if hidden:
        yield _count(hidden, "is not readable by everyone, so a function cannot read it")
    stale = list(_stale(entries, peek))
    if stale:
        yield _count(
            stale, "is bytecode of another source than the one beside it; Python ignores it"
        )


def _count(paths: Sequence[str], what: str) -> str:
    more = f" (as are {len(paths) - 1} more)" if len(paths) > 1 else ""
    return f"{show(paths[0])}{more} {what}."


def _stale(entries: Iterable[Entry], peek: Peek) -> Iterator[str]:
    """Bytecode that is checked by time and does not fit the time and size of its source."""
    by_path = {entry.path: entry for entry in entries}
    for path, entry in by_path.items():
        source = by_path.get(source_of(path)) if path.endswith(".pyc") else None
        if source is None or entry.kind is not Kind.FILE:
            continue
        header = peek(entry, 16)
        if len(header) < 16 or header[2:4] != b"\r\n":
            continue
        magic, flags, mtime, size = struct.unpack("<H2xIII", header)
        # Magic numbers of Python 2 lie above all others; its bytecode is nobody's here.
        if not _HASH_HEADERS <= magic < 20_000 or flags:
            continue
        if (mtime, size) != (source.mtime & _UNSIGNED_32, source.size & _UNSIGNED_32):
            yield path


def source_of(path: str) -> str:
    """The source that a ``.pyc`` belongs to, by where it lies (PEP 3147)."""
    folder, _, name = path.rpartition("/")
    above, _, last = folder.rpartition("/")
    if last != "__pycache__":
        return path[:-1]
    stem = re.sub(r"(\.[a-z]+-\d+)(\.opt-\w+)?\.pyc$", "", name)
    return f"{above}/{stem}.py" if above else f"{stem}.py"
