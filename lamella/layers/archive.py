"""Zips: the only place that opens one.

`check` reads a zip's directory and decides over it without writing anything; `unpack` writes
what `check` has passed, and believes none of its sizes. The rules themselves stand in
`lamella.layers.rules`; where a tree lives, and when it goes, is left to `lamella.layers.trees`.
"""

from __future__ import annotations

import calendar
import contextlib
import mmap
import os
import struct
import threading
import zipfile
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from io import FileIO
from pathlib import Path
from typing import cast

from isal import isal_zlib

from lamella.errors import ArchiveRefused, NotAnArchive, UnzippedTooLarge
from lamella.layers import rules
from lamella.layers.manifest import Entry, Kind, Manifest
from lamella.layers.rules import DEFLATED, MAX_ENTRIES, Local, Member, show

_LOCAL = struct.Struct("<4s5H3I2H")
_LOCAL_MAGIC = b"PK\3\4"
_DIRECTORY_MAGIC = b"PK\1\2"
_UTF8 = 0x0800
_EXTENDED_TIME = 0x5455
_DOS_EPOCH = 315_532_800
_CHUNK = 256 * 1024
_NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
# The stub of isal declares its error as a value.
_DOES_NOT_INFLATE = cast(type[Exception], isal_zlib.error)
_WRITERS = 2
"""Threads that unpack: inflating and writing leave the interpreter's lock, naming files does not."""


def check(path: Path, *, quota: int, layer: bool = True) -> Manifest:
    """What the zip at ``path`` will unpack to.

    ``quota`` is bytes, unzipped. ``layer`` asks for the warnings that make sense for layers
    alone. Raises NotAnArchive, ArchiveRefused with every fault there is, or UnzippedTooLarge.
    """
    with _opened(path) as data:
        members, directory = _directory(path, data)
        entries, faults = _judge(members, directory, data)
        if faults:
            raise ArchiveRefused(faults)
        size = sum(entry.size for entry in entries)
        if size > quota:
            raise UnzippedTooLarge(quota)

        def peek(entry: Entry, count: int) -> bytes:
            return _first_bytes(data, entry, count)

        return Manifest(entries, size, tuple(rules.warnings_of(entries, peek, layer=layer)))


def unpack(path: Path, manifest: Manifest, into: Path) -> None:
    """Write what ``manifest``, the answer of `check`, says of the zip at ``path``.

    ``into`` must not exist. Raises ArchiveRefused where bytes are not what was declared;
    what was written until then is left to the caller to remove, whatever is raised.
    """
    into.mkdir(mode=0o755)
    root = os.open(into, _FOLDER)
    try:
        os.fchmod(root, 0o755)
        folders = [entry for entry in manifest.entries if entry.kind is Kind.DIR]
        for folder in folders:
            os.mkdir(folder.path, 0o755, dir_fd=root)
        with _opened(path) as data:
            faults = _write_files(data, manifest.entries, root)
        if faults:
            raise ArchiveRefused(faults)
        # Links come last: until here nothing below the root could lead a path elsewhere.
        for link in (entry for entry in manifest.entries if entry.kind is Kind.SYMLINK):
            os.symlink(link.target, link.path, dir_fd=root)
            os.utime(link.path, (link.mtime, link.mtime), dir_fd=root, follow_symlinks=False)
        for folder in reversed(folders):
            os.chmod(folder.path, folder.mode, dir_fd=root)
            os.utime(folder.path, (folder.mtime, folder.mtime), dir_fd=root)
    finally:
        os.close(root)


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[mmap.mmap]:
    with path.open("rb") as file:
        if os.fstat(file.fileno()).st_size == 0:
            raise NotAnArchive
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            yield data


class _TooManyEntries(Exception):
    pass


class _Counted(FileIO):
    """A zip that will not give away a directory of more entries than are allowed.

    zipfile reads the directory in one piece and makes an object for each entry before anyone
    can ask how many there are; 50 MB of directory would take it half a gigabyte.
    """

    def read(self, size: int | None = -1, /) -> bytes:
        data = super().read(-1 if size is None else size) or b""
        if data.count(_DIRECTORY_MAGIC) > MAX_ENTRIES:
            raise _TooManyEntries
        return data


def _directory(path: Path, data: mmap.mmap) -> tuple[list[Member], int]:
    """The zip's directory, and where in the file it begins."""
    try:
        with _Counted(path) as file, zipfile.ZipFile(file) as archive:
            members = [_member(info, data) for info in archive.infolist()]
            return members, archive.start_dir
    except _TooManyEntries:
        raise ArchiveRefused([f"the zip has more than {MAX_ENTRIES:,} entries"]) from None
    except UnicodeDecodeError:
        raise ArchiveRefused(["an entry's name is marked as UTF-8 and is not"]) from None
    except NotImplementedError as error:
        raise ArchiveRefused([f"the zip cannot be read: {error}"]) from None
    # What zipfile lets through of broken directories, besides its own error.
    except (zipfile.BadZipFile, struct.error, ValueError, OverflowError, EOFError, IndexError):
        raise NotAnArchive from None


def _member(info: zipfile.ZipInfo, data: mmap.mmap) -> Member:
    marked = info.flag_bits & _UTF8
    raw = info.orig_filename.encode("utf-8" if marked else "cp437")
    mode = info.external_attr >> 16
    # Tools on macOS and on Linux without a locale write UTF-8 and forget to say so.
    name = info.orig_filename
    if not marked:
        with contextlib.suppress(UnicodeDecodeError):
            name = raw.decode("utf-8")
    if info.external_attr & 0x10 and not mode and not name.endswith("/"):
        name += "/"
    return Member(
        name=name,
        raw=raw,
        flags=info.flag_bits,
        method=info.compress_type,
        size=info.file_size,
        packed=info.compress_size,
        crc=info.CRC,
        mode=mode,
        mtime=_mtime(info),
        start=info.header_offset,
        local=_local(data, info.header_offset),
    )


def _mtime(info: zipfile.ZipInfo) -> int:
    """Seconds since 1970: exact where the zip says so, else its DOS time taken as UTC."""
    extra, at = info.extra, 0
    while at + 4 <= len(extra):
        kind, length = struct.unpack_from("<HH", extra, at)
        if kind == _EXTENDED_TIME and length >= 5 and at + 9 <= len(extra) and extra[at + 4] & 1:
            seconds: int = struct.unpack_from("<i", extra, at + 5)[0]
            return max(0, seconds)
        at += 4 + length
    try:
        return calendar.timegm((*info.date_time, 0, 0, 0))
    except ValueError:
        return _DOS_EPOCH


def _local(data: mmap.mmap, start: int) -> Local | None:
    if start < 0 or start + _LOCAL.size > len(data):
        return None
    magic, _, flags, method, _, _, _, packed, size, name, extra = _LOCAL.unpack_from(data, start)
    if magic != _LOCAL_MAGIC:
        return None
    at = start + _LOCAL.size
    return Local(data[at : at + name], flags, method, packed, size, at + name + extra)


def _judge(
    members: list[Member], directory: int, data: mmap.mmap
) -> tuple[tuple[Entry, ...], list[str]]:
    """The entries that will be unpacked, in order of path, and every fault, in order of entry."""
    faults: dict[int, list[str]] = {}
    order: dict[str, int] = {}
    entries: dict[str, Entry] = {}
    for index, member in enumerate(members):
        faults[index] = list(rules.faults_of(member))
        path = "/".join(rules.parts(member.name))
        if not path:
            continue
        entry = _entry(path, member)
        before = entries.get(path)
        if before is not None and (before.kind is Kind.DIR) != (entry.kind is Kind.DIR):
            faults[index].append("is there as a folder too")
        # The last of several wins, as with unzip.
        entries[path], order[path] = entry, index
    for index, fault in rules.overlaps(members, directory):
        faults[index].append(fault)
    for path, fault in rules.clashes(entries):
        faults[order[path]].append(fault)
    for path, entry in entries.items():
        if entry.kind is Kind.SYMLINK and not faults[order[path]]:
            target, broken = _target(data, entry)
            faults[order[path]] += [broken] if broken else []
            entries[path] = replace(entry, target=target)
    targets = {path: entry.target for path, entry in entries.items() if entry.target}
    for path, fault in rules.link_faults(targets):
        faults[order[path]].append(fault)
    named = [f"{show(members[i].name) or 'an entry'} {each}" for i in faults for each in faults[i]]
    return tuple(sorted(_with_folders(entries), key=lambda entry: entry.path)), named


def _entry(path: str, member: Member) -> Entry:
    kind = rules.kind_of(member)
    return Entry(
        path=path,
        kind=kind,
        mode=rules.permissions(member.mode, kind),
        size=member.size,
        mtime=member.mtime,
        offset=member.local.data if member.local else 0,
        packed=member.packed,
        method=member.method,
        crc=member.crc,
    )


def _with_folders(entries: dict[str, Entry]) -> Iterable[Entry]:
    """The entries and the folders that they need and the zip does not list."""
    missing = {parent for path in entries for parent in rules.parents(path)} - entries.keys()
    folders = (Entry(path, Kind.DIR, 0o755, mtime=_DOS_EPOCH) for path in missing)
    return (*entries.values(), *folders)


def _target(data: mmap.mmap, link: Entry) -> tuple[str, str | None]:
    """Where a link points, or what is wrong with its bytes."""
    raw, fault = bytearray(), None
    try:
        for chunk in _inflated(data, link):
            raw += chunk
    except _Broken as error:
        fault = str(error)
    try:
        return raw.decode("utf-8"), fault
    except UnicodeDecodeError:
        return "", fault or "is a link whose target is not UTF-8"


def _first_bytes(data: mmap.mmap, entry: Entry, count: int) -> bytes:
    packed = data[entry.offset : entry.offset + min(entry.packed, count + 64)]
    if entry.method != DEFLATED:
        return packed[:count]
    try:
        first: bytes = isal_zlib.decompressobj(-15).decompress(packed, count)
    except _DOES_NOT_INFLATE:
        return b""
    return first


class _Broken(Exception):
    """Bytes that are not what the directory says; the message is the end of a sentence."""


def _inflated(data: mmap.mmap, entry: Entry) -> Iterator[bytes]:
    """The entry's bytes, in pieces; never more than its size. Raises _Broken, also at the end."""
    left, crc, end = entry.size, 0, entry.offset + entry.packed
    inflater = isal_zlib.decompressobj(-15) if entry.method == DEFLATED else None
    for at in range(entry.offset, end, _CHUNK):
        chunk = data[at : min(at + _CHUNK, end)]
        if inflater is not None:
            try:
                chunk = inflater.decompress(chunk, left + 1)
            except _DOES_NOT_INFLATE:
                raise _Broken("holds bytes that do not inflate") from None
        left -= len(chunk)
        if left < 0:
            raise _Broken("unpacks to more bytes than it declares")
        crc = isal_zlib.crc32(chunk, crc)
        yield chunk
    if left or (inflater is not None and not inflater.eof):
        raise _Broken("unpacks to fewer bytes than it declares")
    if inflater is not None and inflater.unused_data:
        raise _Broken("has bytes behind the end of its data")
    if crc != entry.crc:
        raise _Broken("does not have the CRC it declares")


def _write_files(data: mmap.mmap, entries: Iterable[Entry], root: int) -> list[str]:
    """Write every file below the descriptor ``root``; return the faults, in order of entry."""
    files = sorted(
        (entry for entry in entries if entry.kind is Kind.FILE), key=lambda entry: entry.offset
    )
    faults: list[tuple[int, str]] = []
    queue, lock = iter(files), threading.Lock()

    def work() -> None:
        while True:
            with lock:
                entry = next(queue, None)
            if entry is None:
                return
            try:
                _write_file(data, entry, root)
            except _Broken as error:
                faults.append((entry.offset, f"{show(entry.path)} {error}"))

    with ThreadPoolExecutor(_WRITERS) as pool:
        for writer in [pool.submit(work) for _ in range(_WRITERS)]:
            writer.result()
    return [fault for _, fault in sorted(faults)]


def _write_file(data: mmap.mmap, entry: Entry, root: int) -> None:
    file = os.open(entry.path, _NEW_FILE, 0o600, dir_fd=root)
    try:
        for chunk in _inflated(data, entry):
            _write_all(file, chunk)
        os.fchmod(file, entry.mode)
        os.utime(file, (entry.mtime, entry.mtime))
    finally:
        os.close(file)


def _write_all(file: int, chunk: bytes) -> None:
    written = os.write(file, chunk)
    while written < len(chunk):
        written += os.write(file, memoryview(chunk)[written:])
