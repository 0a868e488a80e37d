"""CloudWatch Logs: groups, streams, events, and the tail of what functions print.

Source: https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_Operations.html
"""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import AsyncGenerator, Callable, Mapping
from pathlib import Path
from typing import Any

from lamella.api.caller import Caller
from lamella.api.services import Services
from lamella.errors import LogsInvalidParameter
from lamella.logs import read
from lamella.logs.groups import Group, Stream
from lamella.logs.pattern import Matcher, PatternRefused, parse
from lamella.logs.put import accepted
from lamella.logs.read import Entry
from lamella.logs.search import Search, search

Request = Mapping[str, Any]
Answer = dict[str, Any]
PAGE = 50
MOST_EVENTS = 10_000
TAIL_SECONDS = 1.0
TAIL_EVENTS = 500
SEQUENCE = "0" * 56


def create_log_group(services: Services, caller: Caller, request: Request) -> Answer:
    services.groups.create(caller.account, caller.region, request["logGroupName"], request)
    return {}


def delete_log_group(services: Services, caller: Caller, request: Request) -> Answer:
    services.groups.delete(_group(services, caller, request))
    return {}


def describe_log_groups(services: Services, caller: Caller, request: Request) -> Answer:
    found = _chosen(services.groups.all(caller.account, caller.region), request)
    shown, token = _page(found, request, lambda group: group.name)
    return {"logGroups": [_group_shown(services, each) for each in shown], "nextToken": token}


def put_retention_policy(services: Services, caller: Caller, request: Request) -> Answer:
    services.groups.keep_for(_group(services, caller, request), request["retentionInDays"])
    return {}


def delete_retention_policy(services: Services, caller: Caller, request: Request) -> Answer:
    services.groups.keep_for(_group(services, caller, request), None)
    return {}


def create_log_stream(services: Services, caller: Caller, request: Request) -> Answer:
    services.groups.create_stream(_group(services, caller, request), request["logStreamName"])
    return {}


def delete_log_stream(services: Services, caller: Caller, request: Request) -> Answer:
    services.groups.delete_stream(_group(services, caller, request), request["logStreamName"])
    return {}


def describe_log_streams(services: Services, caller: Caller, request: Request) -> Answer:
    group = _group(services, caller, request)
    place = _by_time if _orders_by_time(request) else _by_name
    found = [
        services.groups.described(name, path) for name, path in _streams(services, group, request)
    ]
    reverse = bool(request.get("descending"))
    shown, token = _page(sorted(found, key=place), request, place, reverse=reverse)
    return {"logStreams": [_stream_shown(group, each) for each in shown], "nextToken": token}


def put_log_events(services: Services, caller: Caller, request: Request) -> Answer:
    group = _group(services, caller, request)
    path = services.groups.stream(group, request["logStreamName"])
    events, rejected = accepted(request["logEvents"], int(time.time() * 1000), group.retention)
    if events:
        services.groups.write(path, events)
    return {"nextSequenceToken": SEQUENCE, "rejectedLogEventsInfo": rejected or None}


def get_log_events(services: Services, caller: Caller, request: Request) -> Answer:
    group = _group(services, caller, request)
    path = services.groups.stream(group, request["logStreamName"])
    found, at = _read(path, request)
    return {
        "events": [_event(entry) for entry in found],
        "nextForwardToken": f"f/{found[-1].end if found else at:056d}/s",
        "nextBackwardToken": f"b/{found[0].at if found else at:056d}/s",
    }


def filter_log_events(services: Services, caller: Caller, request: Request) -> Answer:
    group = _group(services, caller, request)
    found = search(_streams(services, group, request), _search(request))
    events = [
        {**_event(entry), "logStreamName": entry.stream, "eventId": entry.id}
        for entry in found.events
    ]
    return {"events": events, "searchedLogStreams": [], "nextToken": found.next or None}


async def start_live_tail(services: Services, caller: Caller, request: Request) -> Answer:
    """What is logged from now on, a portion each second, until the client leaves."""
    groups = [
        await asyncio.to_thread(_named, services, caller, identifier)
        for identifier in request["logGroupIdentifiers"]
    ]
    matches = _pattern(request.get("logEventFilterPattern", ""))
    return {"responseStream": _tail(services, groups, matches, request)}


def tag_resource(services: Services, caller: Caller, request: Request) -> Answer:
    services.groups.tag(_by_arn(services, caller, request), request["tags"])
    return {}


def untag_resource(services: Services, caller: Caller, request: Request) -> Answer:
    services.groups.untag(_by_arn(services, caller, request), request["tagKeys"])
    return {}


def list_tags_for_resource(services: Services, caller: Caller, request: Request) -> Answer:
    return {"tags": dict(_by_arn(services, caller, request).tags)}


def tag_log_group(services: Services, caller: Caller, request: Request) -> Answer:
    services.groups.tag(_group(services, caller, request), request["tags"])
    return {}


def untag_log_group(services: Services, caller: Caller, request: Request) -> Answer:
    services.groups.untag(_group(services, caller, request), request["tags"])
    return {}


def list_tags_log_group(services: Services, caller: Caller, request: Request) -> Answer:
    return {"tags": dict(_group(services, caller, request).tags)}


def _group(services: Services, caller: Caller, request: Request) -> Group:
    """The group that a request names, by name or by identifier."""
    name, identifier = request.get("logGroupName"), request.get("logGroupIdentifier")
    if (name is None) == (identifier is None):
        raise LogsInvalidParameter(
            "Exactly one of logGroupName and logGroupIdentifier must be given."
        )
    return _named(services, caller, name or identifier or "")


def _named(services: Services, caller: Caller, identifier: str) -> Group:
    name = identifier
    if identifier.startswith("arn:"):
        parts = identifier.split(":", 6)
        mine = len(parts) == 7 and parts[2:6] == [
            "logs",
            caller.region,
            caller.account,
            "log-group",
        ]
        if not mine:
            raise LogsInvalidParameter(f"{identifier} is no log group of this account and region.")
        name = parts[6].removesuffix(":*")
    return services.groups.get(caller.account, caller.region, name)


def _by_arn(services: Services, caller: Caller, request: Request) -> Group:
    arn = request["resourceArn"]
    if not arn.startswith("arn:"):
        raise LogsInvalidParameter(f"{arn} is not an ARN.")
    return _named(services, caller, arn)


def _chosen(groups: list[Group], request: Request) -> list[Group]:
    """The groups that DescribeLogGroups asks for."""
    prefix, part = request.get("logGroupNamePrefix"), request.get("logGroupNamePattern")
    if prefix is not None and part is not None:
        raise LogsInvalidParameter(
            "LogGroup name prefix and LogGroup name pattern are mutually exclusive parameters."
        )
    return [
        group
        for group in groups
        if group.name.startswith(prefix or "") and (part or "").lower() in group.name.lower()
    ]


def _streams(services: Services, group: Group, request: Request) -> list[tuple[str, Path]]:
    """The streams of a group that a request is about, by name and file."""
    names = request.get("logStreamNames")
    prefix = request.get("logStreamNamePrefix")
    if names and prefix:
        raise LogsInvalidParameter(
            "logStreamNames and logStreamNamePrefix are mutually exclusive parameters."
        )
    return [
        (name, path)
        for name, path in services.groups.streams(group)
        if (not names or name in names) and name.startswith(prefix or "")
    ]


def _orders_by_time(request: Request) -> bool:
    by_time = request.get("orderBy") == "LastEventTime"
    if by_time and request.get("logStreamNamePrefix"):
        raise LogsInvalidParameter("Cannot order by LastEventTime with a logStreamNamePrefix.")
    return by_time


def _by_name(stream: Stream) -> str:
    return stream.name


def _by_time(stream: Stream) -> str:
    return f"{stream.last or 0:020d} {stream.name}"


def _stream_shown(group: Group, stream: Stream) -> Answer:
    return {
        "logStreamName": stream.name,
        "creationTime": stream.created,
        "firstEventTimestamp": stream.first,
        "lastEventTimestamp": stream.last,
        "lastIngestionTime": stream.last,
        "uploadSequenceToken": SEQUENCE,
        "arn": f"{group.arn}:log-stream:{stream.name}",
        "storedBytes": 0,
    }


def _read(path: Path, request: Request) -> tuple[list[Entry], int]:
    """The events that GetLogEvents asks for, and the place it stays at if there are none."""
    name = request["logStreamName"]
    direction, place = _place(request.get("nextToken"))
    wanted, limit = _between(request), request.get("limit", MOST_EVENTS)
    if direction == "f" or (direction == "" and request.get("startFromHead", False)):
        return read.taken(read.forwards(path, name, place or 0), wanted, limit), place or 0
    found = read.taken(read.backwards(path, name, place), wanted, limit)
    return found[::-1], read.size(path) if place is None else place


def _search(request: Request) -> Search:
    end = request.get("endTime")
    return Search(
        matches=_pattern(request.get("filterPattern", "")),
        start=request.get("startTime"),
        end=None if end is None else end + 1,
        after=request.get("nextToken", ""),
        limit=request.get("limit", MOST_EVENTS),
    )


def _group_shown(services: Services, group: Group) -> Answer:
    return {
        "logGroupName": group.name,
        "creationTime": group.created,
        "retentionInDays": group.retention,
        "metricFilterCount": 0,
        "arn": f"{group.arn}:*",
        "logGroupArn": group.arn,
        "storedBytes": sum(read.size(path) for _, path in services.groups.streams(group)),
        "kmsKeyId": group.members.get("kmsKeyId"),
        "logGroupClass": group.members.get("logGroupClass", "STANDARD"),
    }


def _page(
    rows: list[Any], request: Request, place: Callable[[Any], str], *, reverse: bool = False
) -> tuple[list[Any], str | None]:
    """The rows behind the token, which is the place of the last one shown; rows are in order."""
    token = request.get("nextToken")
    ordered = rows[::-1] if reverse else rows
    if token is not None:
        ordered = [
            row for row in ordered if (place(row) < token if reverse else place(row) > token)
        ]
    limit = request.get("limit", PAGE)
    more = len(ordered) > limit
    return ordered[:limit], place(ordered[limit - 1]) if more else None


def _place(token: str | None) -> tuple[str, int | None]:
    """Direction and byte of a token of GetLogEvents."""
    if token is None:
        return "", None
    direction, _, rest = token.partition("/")
    digits = rest.removesuffix("/s")
    if direction not in ("f", "b") or not (digits.isascii() and digits.isdigit()):
        raise LogsInvalidParameter("The specified nextToken is invalid.")
    if len(digits) > 56 or int(digits) > 1 << 62:
        raise LogsInvalidParameter("The specified nextToken is invalid.")
    return direction, int(digits)


def _between(request: Request) -> Callable[[Entry], bool]:
    """Whether an event lies in the time asked for; the end is not in it."""
    start, end = request.get("startTime"), request.get("endTime")
    return lambda entry: (
        (start is None or entry.timestamp >= start) and (end is None or entry.timestamp < end)
    )


def _pattern(text: str) -> Matcher:
    try:
        return parse(text)
    except PatternRefused as fault:
        raise LogsInvalidParameter(f"Invalid filter pattern: {fault}.") from None


def _event(entry: Entry) -> Answer:
    return {
        "timestamp": entry.timestamp,
        "message": entry.message.rstrip("\n"),
        "ingestionTime": entry.ingested,
    }


async def _tail(
    services: Services, groups: list[Group], matches: Matcher, request: Request
) -> AsyncGenerator[Mapping[str, Mapping[str, Any]], None]:
    start = {
        "requestId": str(uuid.uuid4()),
        "sessionId": str(uuid.uuid4()),
        "logGroupIdentifiers": list(request["logGroupIdentifiers"]),
        "logStreamNames": request.get("logStreamNames"),
        "logStreamNamePrefixes": request.get("logStreamNamePrefixes"),
        "logEventFilterPattern": request.get("logEventFilterPattern"),
    }
    yield {"sessionStart": {name: value for name, value in start.items() if value is not None}}
    since = int(time.time() * 1000)
    seen = dict.fromkeys((group.name for group in groups), "")
    while True:
        await asyncio.sleep(TAIL_SECONDS)
        results: list[Answer] = []
        for group in groups:
            wanted = Search(matches=matches, start=since, after=seen[group.name], limit=TAIL_EVENTS)
            found = await asyncio.to_thread(_look, services, group, wanted, request)
            if found:
                seen[group.name] = found[-1].id
            results += [_tailed(group, entry) for entry in found]
        yield {
            "sessionUpdate": {
                "sessionMetadata": {"sampled": len(results) >= TAIL_EVENTS},
                "sessionResults": results[:TAIL_EVENTS],
            }
        }


def _look(services: Services, group: Group, wanted: Search, request: Request) -> list[Entry]:
    names = request.get("logStreamNames")
    prefixes = tuple(request.get("logStreamNamePrefixes") or ("",))
    streams = [
        (name, path)
        for name, path in services.groups.streams(group)
        if (not names or name in names) and name.startswith(prefixes)
    ]
    return search(streams, wanted).events


def _tailed(group: Group, entry: Entry) -> Answer:
    return {
        **_event(entry),
        "logGroupIdentifier": f"{group.account}:{group.name}",
        "logStreamName": entry.stream,
    }
