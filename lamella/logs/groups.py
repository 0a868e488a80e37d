"""Log groups and their streams: made, listed, kept for a time, deleted.

A group is there when it was created or a function has logged to it; its settings are a document,
its streams are files below ``account/region/group`` (`lamella.logs.append` owns the names).
Everything here blocks.

Source: https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/Welcome.html
"""

from __future__ import annotations

import contextlib
import os
import shutil
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import orjson

from lamella.errors import LogsInvalidParameter, LogsResourceExists, LogsResourceNotFound
from lamella.logs import read
from lamella.logs.append import file_name
from lamella.model.document import DocumentKey, Kind
from lamella.records.base import Records

NO_GROUP = "The specified log group does not exist."
NO_STREAM = "The specified log stream does not exist."
SUFFIX = ".jsonl"
DAY_SECONDS = 86_400
MOST_TAGS = 50
PAGE = 1_000
RETENTION_DAYS = (
    *(1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731),
    *(1096, 1827, 2192, 2557, 2922, 3288, 3653),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """A log group. ``created`` is Unix milliseconds, ``retention`` days (None: for ever)."""

    account: str
    region: str
    name: str
    created: int
    retention: int | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
    members: Mapping[str, Any] = field(default_factory=dict)

    @property
    def arn(self) -> str:
        return f"arn:aws:logs:{self.region}:{self.account}:log-group:{self.name}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Stream:
    """A log stream and the file that holds it; moments are Unix milliseconds."""

    name: str
    path: Path
    created: int
    first: int | None
    last: int | None


class Groups:
    """The groups of a server, below ``root``; ``now`` is Unix time in milliseconds."""

    def __init__(self, records: Records, root: Path, now: Callable[[], int]) -> None:
        self._records = records
        self._root = root
        self._now = now
        self._writing = threading.Lock()

    def create(self, account: str, region: str, name: str, members: Mapping[str, Any]) -> None:
        """Raises LogsResourceExists, also where a function has made the group by logging."""
        tags = dict(members.get("tags") or {})

        def build(before: Mapping[str, Any] | None) -> Mapping[str, Any]:
            if before is not None or self._folder(account, region, name).is_dir():
                raise LogsResourceExists("The specified log group already exists")
            kept = {m: members[m] for m in ("kmsKeyId", "logGroupClass") if m in members}
            return {"created": self._now(), "tags": tags, "members": kept}

        self._records.change_document(_key(account, region, name), build)

    def find(self, account: str, region: str, name: str) -> Group | None:
        found = self._records.document(_key(account, region, name))
        folder = self._folder(account, region, name)
        if found is None and not folder.is_dir():
            return None
        if found is None:
            found = {"created": int(folder.stat().st_ctime * 1000)}
        return Group(
            account=account,
            region=region,
            name=name,
            created=found["created"],
            retention=found.get("retention"),
            tags=found.get("tags") or {},
            members=found.get("members") or {},
        )

    def get(self, account: str, region: str, name: str) -> Group:
        """Raises LogsResourceNotFound."""
        found = self.find(account, region, name)
        if found is None:
            raise LogsResourceNotFound(NO_GROUP)
        return found

    def all(self, account: str, region: str) -> list[Group]:
        """By name."""
        names = {row.at.name for row in self._documents(account, region)}
        known = {file_name(name) for name in names}
        home = self._root / account / region
        if home.is_dir():
            folders = (folder for folder in home.iterdir() if folder.is_dir())
            names |= {unquote(folder.name) for folder in folders if folder.name not in known}
        found = (self.find(account, region, name) for name in sorted(names))
        return [group for group in found if group is not None]

    def delete(self, group: Group) -> None:
        """With all of its streams."""
        self._records.change_document(
            _key(group.account, group.region, group.name), lambda before: None
        )
        shutil.rmtree(self._folder(group.account, group.region, group.name), ignore_errors=True)

    def keep_for(self, group: Group, days: int | None) -> None:
        """Raises LogsInvalidParameter for a number of days that AWS does not offer."""
        if days is not None and days not in RETENTION_DAYS:
            raise LogsInvalidParameter(
                f"Invalid retention value: {days} days. Valid values are: "
                f"{', '.join(map(str, RETENTION_DAYS))}."
            )
        self._change(group, lambda kept: {**kept, "retention": days})

    def tag(self, group: Group, tags: Mapping[str, str]) -> None:
        def tagged(kept: Mapping[str, Any]) -> Mapping[str, Any]:
            after = {**(kept.get("tags") or {}), **tags}
            if len(after) > MOST_TAGS:
                raise LogsInvalidParameter(f"A log group may have {MOST_TAGS} tags.")
            return {**kept, "tags": after}

        self._change(group, tagged)

    def untag(self, group: Group, names: list[str]) -> None:
        def untagged(kept: Mapping[str, Any]) -> Mapping[str, Any]:
            tags = kept.get("tags") or {}
            return {**kept, "tags": {k: v for k, v in tags.items() if k not in names}}

        self._change(group, untagged)

    # streams

    def create_stream(self, group: Group, name: str) -> None:
        """Raises LogsResourceExists."""
        path = self._path(group, name)
        with self._writing:
            if path.exists():
                raise LogsResourceExists("The specified log stream already exists")
            self._append(path, [{"stream": name, "created": self._now()}])

    def stream(self, group: Group, name: str) -> Path:
        """The file of a stream. Raises LogsResourceNotFound."""
        path = self._path(group, name)
        if not path.is_file():
            raise LogsResourceNotFound(NO_STREAM)
        return path

    def delete_stream(self, group: Group, name: str) -> None:
        self.stream(group, name).unlink(missing_ok=True)

    def streams(self, group: Group) -> Iterator[tuple[str, Path]]:
        """Names and files, by name."""
        folder = self._folder(group.account, group.region, group.name)
        if not folder.is_dir():
            return
        named = ((_stream_name(path), path) for path in folder.glob(f"*{SUFFIX}"))
        yield from sorted(named)

    def described(self, name: str, path: Path) -> Stream:
        first, last = read.first(path, name), read.last(path, name)
        header = _header(path)
        return Stream(
            name=name,
            path=path,
            created=header.get("created") or (first.timestamp if first else self._now()),
            first=first.timestamp if first else None,
            last=last.timestamp if last else None,
        )

    def write(self, path: Path, events: list[tuple[int, str]]) -> None:
        """Add events to a stream's file; they are on the disk when this returns."""
        now = self._now()
        with self._writing:
            self._append(
                path,
                [
                    {"timestamp": when, "message": message, "ingested": now}
                    for when, message in events
                ],
            )

    def sweep(self) -> int:
        """Delete streams whose last event is older than their group keeps; how many there were."""
        gone = 0
        for row in self._records.all_documents(Kind.LOG_GROUP):
            days = row.value.get("retention")
            if days is None:
                continue
            oldest = self._now() / 1000 - days * DAY_SECONDS
            folder = self._folder(row.at.account, row.at.region, row.at.name)
            for path in folder.glob(f"*{SUFFIX}") if folder.is_dir() else ():
                with contextlib.suppress(FileNotFoundError):
                    if path.stat().st_mtime < oldest:
                        path.unlink()
                        gone += 1
        return gone

    def _append(self, path: Path, lines: list[dict[str, Any]]) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        data = b"".join(orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE) for line in lines)
        is_new = not path.exists()
        with path.open("ab") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        if is_new:
            for folder in (path.parent, path.parent.parent):
                descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
                try:
                    os.fsync(descriptor)
                finally:
                    os.close(descriptor)

    def _change(
        self, group: Group, change: Callable[[Mapping[str, Any]], Mapping[str, Any]]
    ) -> None:
        def apply(before: Mapping[str, Any] | None) -> Mapping[str, Any]:
            return change(before if before is not None else {"created": group.created})

        self._records.change_document(_key(group.account, group.region, group.name), apply)

    def _documents(self, account: str, region: str) -> Iterator[Any]:
        after: str | None = None
        while True:
            page = self._records.documents(Kind.LOG_GROUP, account, region, after=after, limit=PAGE)
            yield from page.rows
            after = page.next
            if after is None:
                return

    def _folder(self, account: str, region: str, name: str) -> Path:
        return self._root.joinpath(account, region, file_name(name))

    def _path(self, group: Group, stream: str) -> Path:
        folder = self._folder(group.account, group.region, group.name)
        return folder / f"{file_name(stream)}{SUFFIX}"


def _key(account: str, region: str, name: str) -> DocumentKey:
    return DocumentKey(Kind.LOG_GROUP, account, region, name)


def _header(path: Path) -> dict[str, Any]:
    """What a stream that a client created says of itself in its first line."""
    try:
        with path.open("rb") as file:
            line = file.readline(read.LINE_BYTES)
        held = orjson.loads(line) if line else {}
    except (FileNotFoundError, orjson.JSONDecodeError):
        return {}
    return held if isinstance(held, dict) and "stream" in held else {}


def _stream_name(path: Path) -> str:
    name = path.name.removesuffix(SUFFIX)
    # An escaped name that was too long for a file stands in the file itself.
    return str(_header(path).get("stream") or unquote(name)) if len(name) > 200 else unquote(name)
