"""CloudWatch Logs through boto3, on the same port as Lambda."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from tests.e2e.queues import until
from tests.e2e.server import Cloud, Server

PRINTER = """
def handler(event, context):
    print("hello", event)
"""
NO_GROUP = ("ResourceNotFoundException", "The specified log group does not exist.")
NO_STREAM = ("ResourceNotFoundException", "The specified log stream does not exist.")


@pytest.fixture(scope="module")
def logs(server: Server) -> Any:
    return client(server)


def client(server: Server, *, account: str = "test", region: str = "eu-west-1") -> Any:
    return boto3.client(
        "logs",
        endpoint_url=server.endpoint,
        region_name=region,
        aws_access_key_id=account,
        aws_secret_access_key="test",
        config=Config(retries={"max_attempts": 0}, inject_host_prefix=False),
    )


def refused(call: Callable[..., Any], **members: Any) -> tuple[str, str]:
    with pytest.raises(ClientError) as caught:
        call(**members)
    answer: Any = caught.value.response
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 400
    return answer["Error"]["Code"], answer["Error"]["Message"]


def now() -> int:
    return int(time.time() * 1000)


def test_a_group_is_made_described_tagged_and_deleted(logs: Any) -> None:
    arn = "arn:aws:logs:eu-west-1:000000000000:log-group:/own/one"
    logs.create_log_group(logGroupName="/own/one", tags={"a": "1"})
    (group,) = logs.describe_log_groups(logGroupNamePrefix="/own/one")["logGroups"]
    assert abs(group.pop("creationTime") - now()) < 60_000
    assert group == {
        "logGroupName": "/own/one",
        "metricFilterCount": 0,
        "arn": f"{arn}:*",
        "logGroupArn": arn,
        "storedBytes": 0,
        "logGroupClass": "STANDARD",
    }
    logs.put_retention_policy(logGroupName="/own/one", retentionInDays=14)
    (group,) = logs.describe_log_groups(logGroupNamePattern="OWN/one")["logGroups"]
    assert group["retentionInDays"] == 14
    logs.delete_retention_policy(logGroupName="/own/one")
    (group,) = logs.describe_log_groups(logGroupNamePrefix="/own/one")["logGroups"]
    assert "retentionInDays" not in group
    logs.tag_resource(resourceArn=arn, tags={"b": "2"})
    logs.tag_log_group(logGroupName="/own/one", tags={"c": "3"})
    assert logs.list_tags_for_resource(resourceArn=arn)["tags"] == {"a": "1", "b": "2", "c": "3"}
    logs.untag_resource(resourceArn=arn, tagKeys=["a"])
    logs.untag_log_group(logGroupName="/own/one", tags=["c"])
    assert logs.list_tags_log_group(logGroupName="/own/one")["tags"] == {"b": "2"}
    logs.delete_log_group(logGroupName="/own/one")
    assert refused(logs.delete_log_group, logGroupName="/own/one") == NO_GROUP


def test_what_is_there_and_what_is_not(logs: Any) -> None:
    logs.create_log_group(logGroupName="twice")
    exists = ("ResourceAlreadyExistsException", "The specified log group already exists")
    assert refused(logs.create_log_group, logGroupName="twice") == exists
    logs.create_log_stream(logGroupName="twice", logStreamName="s")
    again = refused(logs.create_log_stream, logGroupName="twice", logStreamName="s")
    assert again == ("ResourceAlreadyExistsException", "The specified log stream already exists")
    missing = {"logGroupName": "missing"}
    assert refused(logs.create_log_stream, logStreamName="s", **missing) == NO_GROUP
    assert refused(logs.describe_log_streams, **missing) == NO_GROUP
    assert refused(logs.filter_log_events, **missing) == NO_GROUP
    assert refused(logs.put_retention_policy, retentionInDays=1, **missing) == NO_GROUP
    absent = {"logGroupName": "twice", "logStreamName": "absent"}
    assert refused(logs.get_log_events, **absent) == NO_STREAM
    event = {"timestamp": now(), "message": "m"}
    assert refused(logs.put_log_events, logEvents=[event], **absent) == NO_STREAM
    assert refused(logs.delete_log_stream, **absent) == NO_STREAM
    code, message = refused(logs.put_retention_policy, logGroupName="twice", retentionInDays=2)
    assert code == "InvalidParameterException"
    assert "2 days" in message
    assert refused(logs.filter_log_events, logGroupName="twice", filterPattern="{ $.a = }") == (
        "InvalidParameterException",
        "Invalid filter pattern: it ends too early.",
    )
    assert (
        refused(logs.describe_log_groups, logGroupNamePrefix="a", logGroupNamePattern="b")[0]
        == "InvalidParameterException"
    )
    assert refused(
        logs.get_log_events, logGroupName="twice", logStreamName="s", nextToken="nonsense"
    ) == ("InvalidParameterException", "The specified nextToken is invalid.")


def test_events_are_put_and_read_in_both_directions(logs: Any) -> None:
    names = {"logGroupName": "read", "logStreamName": "a/b[1]"}
    logs.create_log_group(logGroupName="read")
    logs.create_log_stream(**names)
    start = now() - 10_000
    events = [{"timestamp": start + n, "message": f"m{n}"} for n in range(10)]
    answer = logs.put_log_events(logEvents=events, **names)
    assert answer["nextSequenceToken"]
    assert "rejectedLogEventsInfo" not in answer
    last = logs.get_log_events(limit=4, **names)
    assert [each["message"] for each in last["events"]] == ["m6", "m7", "m8", "m9"]
    assert last["events"][0]["timestamp"] == start + 6
    assert last["events"][0]["ingestionTime"] >= start
    before = logs.get_log_events(limit=4, nextToken=last["nextBackwardToken"], **names)
    assert [each["message"] for each in before["events"]] == ["m2", "m3", "m4", "m5"]
    ahead = logs.get_log_events(limit=3, startFromHead=True, **names)
    assert [each["message"] for each in ahead["events"]] == ["m0", "m1", "m2"]
    after = logs.get_log_events(nextToken=ahead["nextForwardToken"], **names)
    assert len(after["events"]) == 7
    done = logs.get_log_events(nextToken=after["nextForwardToken"], **names)
    assert done["events"] == []
    assert done["nextForwardToken"] == after["nextForwardToken"]
    between = logs.get_log_events(startTime=start + 2, endTime=start + 4, **names)
    assert [each["message"] for each in between["events"]] == ["m2", "m3"]
    (stream,) = logs.describe_log_streams(logGroupName="read")["logStreams"]
    assert stream["logStreamName"] == "a/b[1]"
    assert (stream["firstEventTimestamp"], stream["lastEventTimestamp"]) == (start, start + 9)
    assert stream["arn"].endswith(":log-group:read:log-stream:a/b[1]")
    future = [{"timestamp": now() + 3 * 3_600_000, "message": "x"}]
    rejected = logs.put_log_events(logEvents=future, **names)["rejectedLogEventsInfo"]
    assert rejected == {"tooNewLogEventStartIndex": 0}
    backwards = [{"timestamp": start + n, "message": "x"} for n in (1, 0)]
    assert refused(logs.put_log_events, logEvents=backwards, **names) == (
        "InvalidParameterException",
        "Log events in a single PutLogEvents request must be in chronological order.",
    )


def test_lists_page(server: Server) -> None:
    logs = client(server, region="us-east-2")
    for n in range(5):
        logs.create_log_group(logGroupName=f"g{n}")
        logs.create_log_stream(logGroupName="g0", logStreamName=f"s{n}")
        event = {"timestamp": now() - 1000 + n, "message": "m"}
        logs.put_log_events(logGroupName="g0", logStreamName=f"s{n}", logEvents=[event])
    groups = logs.get_paginator("describe_log_groups").paginate(PaginationConfig={"PageSize": 2})
    assert [g["logGroupName"] for page in groups for g in page["logGroups"]] == [
        f"g{n}" for n in range(5)
    ]
    pages = logs.get_paginator("describe_log_streams").paginate(
        logGroupName="g0",
        orderBy="LastEventTime",
        descending=True,
        PaginationConfig={"PageSize": 2},
    )
    assert [s["logStreamName"] for page in pages for s in page["logStreams"]] == [
        f"s{n}" for n in (4, 3, 2, 1, 0)
    ]
    found = logs.get_paginator("filter_log_events").paginate(
        logGroupName="g0", PaginationConfig={"PageSize": 2}
    )
    assert [e["logStreamName"] for page in found for e in page["events"]] == [
        f"s{n}" for n in range(5)
    ]
    assert client(server).describe_log_groups(logGroupNamePrefix="g")["logGroups"] == []
    other = client(server, account="111122223333", region="us-east-2")
    assert other.describe_log_groups()["logGroups"] == []


def test_what_a_function_prints_is_found(cloud: Cloud, logs: Any) -> None:
    name = cloud.function(PRINTER)
    cloud.result(name, {"n": 1})
    group = f"/aws/lambda/{name}"

    def lines(pattern: str = "") -> list[str]:
        try:
            found = logs.filter_log_events(logGroupName=group, filterPattern=pattern)
        except logs.exceptions.ResourceNotFoundException:
            return []
        return [each["message"] for each in found["events"]]

    until(lambda: any(line.startswith("REPORT") for line in lines()))
    assert lines("hello") == ["hello {'n': 1}"]
    assert [line.split(" ")[0] for line in lines()][:2] == ["INIT_START", "START"]
    (stream,) = logs.describe_log_streams(logGroupName=group)["logStreams"]
    assert "[$LATEST]" in stream["logStreamName"]
    cloud.client.delete_function(FunctionName=name)
    assert len(logs.describe_log_groups(logGroupNamePrefix=group)["logGroups"]) == 1
    logs.delete_log_group(logGroupName=group)
    assert refused(logs.filter_log_events, logGroupName=group) == NO_GROUP


def test_live_tail_shows_what_is_logged_from_now_on(logs: Any) -> None:
    arn = "arn:aws:logs:eu-west-1:000000000000:log-group:live"
    logs.create_log_group(logGroupName="live")
    logs.create_log_stream(logGroupName="live", logStreamName="s")
    answer = logs.start_live_tail(logGroupIdentifiers=[arn], logEventFilterPattern="wanted")
    stream = answer["responseStream"]
    events = iter(stream)
    assert next(events)["sessionStart"]["logGroupIdentifiers"] == [arn]
    for message in ("other", "wanted"):
        event = {"timestamp": now(), "message": message}
        logs.put_log_events(logGroupName="live", logStreamName="s", logEvents=[event])
    results: list[Any] = []
    while not results:
        results += next(events)["sessionUpdate"]["sessionResults"]
    stream.close()
    assert [each["message"] for each in results] == ["wanted"]
    assert results[0]["logStreamName"] == "s"
