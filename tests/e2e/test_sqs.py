"""A queue feeds a function: a real SQS server, a real function, messages that are never lost."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.e2e.queues import Queues, until
from tests.e2e.server import Cloud, serving

READER = """
import json, sys

def handler(event, context):
    failed = []
    for record in event["Records"]:
        body = json.loads(record["body"])
        if body.get("raise"):
            raise RuntimeError("no")
        if body.get("fail"):
            failed.append({"itemIdentifier": record["messageId"]})
        print("GOT", json.dumps([body["n"], len(event["Records"]), record["attributes"]["ApproximateReceiveCount"]]))
    print("KEYS", json.dumps(sorted(event["Records"][0])))
    return {"batchItemFailures": failed}
"""


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("sources") / "data"


@pytest.fixture(scope="module")
def cloud(sqs: Queues, data: Path) -> Iterator[Cloud]:
    with serving(data, "--aws-endpoint", sqs.endpoint) as server:
        yield Cloud(server.endpoint)


def lines(data: Path, function: str, word: str = "GOT") -> list[Any]:
    """What invocations of a function printed after a word, from its log files."""
    return [
        json.loads(json.loads(line)["message"].split(f"{word} ", 1)[1])
        for path in sorted(data.joinpath("logs").rglob("*"))
        if path.is_file() and function in str(path)
        for line in path.read_text().splitlines()
        if f"{word} " in line
    ]


def join(cloud: Cloud, arn: str, function: str, **more: Any) -> str:
    made = cloud.client.create_event_source_mapping(
        EventSourceArn=arn, FunctionName=function, **more
    )
    return str(made["UUID"])


def test_messages_arrive_in_batches_and_are_deleted(cloud: Cloud, sqs: Queues, data: Path) -> None:
    url, arn = sqs.make("plain")
    name = cloud.function(READER)
    for start in range(0, 30, 10):
        sqs.client.send_message_batch(
            QueueUrl=url,
            Entries=[
                {"Id": str(n), "MessageBody": json.dumps({"n": n})}
                for n in range(start, start + 10)
            ],
        )
    join(cloud, arn, name)
    until(lambda: sqs.left(url) == (0, 0))
    # Readers who ask moto in the same moment may both be given a message, as SQS may do too.
    until(lambda: {n for n, _, _ in lines(data, name)} == set(range(30)))
    assert max(size for _, size, _ in lines(data, name)) > 1
    assert lines(data, name, "KEYS")[0] == [
        "attributes",
        "awsRegion",
        "body",
        "eventSource",
        "eventSourceARN",
        "md5OfBody",
        "messageAttributes",
        "messageId",
        "receiptHandle",
    ]


def test_failed_messages_come_back_and_end_in_the_queue_for_dead_letters(
    cloud: Cloud, sqs: Queues, data: Path
) -> None:
    dead, dead_arn = sqs.make("dead")
    policy = json.dumps({"deadLetterTargetArn": dead_arn, "maxReceiveCount": 2})
    url, arn = sqs.make("partial", VisibilityTimeout="2", RedrivePolicy=policy)
    whole_url, whole_arn = sqs.make("whole", VisibilityTimeout="2", RedrivePolicy=policy)
    name = cloud.function(READER, Timeout=2)
    for body in ({"n": 1}, {"n": 2, "fail": True}, {"n": 3}):
        sqs.client.send_message(QueueUrl=url, MessageBody=json.dumps(body))
    sqs.client.send_message(QueueUrl=whole_url, MessageBody='{"n": 4, "raise": true}')
    join(cloud, arn, name, FunctionResponseTypes=["ReportBatchItemFailures"])
    uuid = join(cloud, whole_arn, name)
    until(
        lambda: (
            cloud.client.get_event_source_mapping(UUID=uuid).get("LastProcessingResult")
            == "PROBLEM: Function call failed"
        )
    )
    until(lambda: sqs.left(dead)[0] == 2, 60)
    assert sorted(each["n"] for each in sqs.bodies(dead)) == [2, 4]
    until(lambda: sqs.left(url) == sqs.left(whole_url) == (0, 0))
    assert sorted(n for n, _, _ in lines(data, name)) == [1, 2, 2, 3]


def test_only_what_the_filters_select_reaches_the_function(
    cloud: Cloud, sqs: Queues, data: Path
) -> None:
    url, arn = sqs.make("filtered")
    name = cloud.function(READER)
    join(
        cloud,
        arn,
        name,
        FilterCriteria={"Filters": [{"Pattern": '{"body": {"n": [{"numeric": [">", 5]}]}}'}]},
    )
    for n in (1, 6, 2, 7):
        sqs.client.send_message(QueueUrl=url, MessageBody=json.dumps({"n": n}))
    sqs.client.send_message(QueueUrl=url, MessageBody="not JSON")
    until(lambda: sorted(n for n, _, _ in lines(data, name)) == [6, 7])
    until(lambda: sqs.left(url) == (0, 0))


def test_a_window_gathers_messages_and_a_disabled_mapping_reads_none(
    cloud: Cloud, sqs: Queues, data: Path
) -> None:
    url, arn = sqs.make("window")
    name = cloud.function(READER)
    uuid = join(cloud, arn, name, BatchSize=25, MaximumBatchingWindowInSeconds=2, Enabled=False)
    for start in (0, 10):
        sqs.client.send_message_batch(
            QueueUrl=url,
            Entries=[
                {"Id": str(n), "MessageBody": json.dumps({"n": n})}
                for n in range(start, start + 10)
            ],
        )
    until(lambda: cloud.client.get_event_source_mapping(UUID=uuid)["State"] == "Disabled")
    assert sqs.left(url) == (20, 0)
    cloud.client.update_event_source_mapping(UUID=uuid, Enabled=True)
    until(lambda: sqs.left(url) == (0, 0))
    until(lambda: len(lines(data, name)) == 20)
    assert {size for _, size, _ in lines(data, name)} == {20}
    cloud.client.update_event_source_mapping(UUID=uuid, Enabled=False)
    until(lambda: cloud.client.get_event_source_mapping(UUID=uuid)["State"] == "Disabled")
    sqs.client.send_message(QueueUrl=url, MessageBody='{"n": 99}')
    cloud.client.delete_event_source_mapping(UUID=uuid)
    assert sqs.left(url) == (1, 0)


def test_a_fifo_queue_keeps_its_order(cloud: Cloud, sqs: Queues, data: Path) -> None:
    url, arn = sqs.make("ordered.fifo", FifoQueue="true", ContentBasedDeduplication="true")
    name = cloud.function(READER)
    for n in range(25):
        sqs.client.send_message(
            QueueUrl=url, MessageBody=json.dumps({"n": n}), MessageGroupId="only"
        )
    join(cloud, arn, name, BatchSize=4)
    until(lambda: len(lines(data, name)) == 25)
    assert [n for n, _, _ in lines(data, name)] == list(range(25))


def test_a_queue_that_is_not_there_or_forgets_too_soon_is_refused(
    cloud: Cloud, sqs: Queues
) -> None:
    _, arn = sqs.make("short", VisibilityTimeout="5")
    name = cloud.function(READER, Timeout=30)
    with pytest.raises(
        ClientError, match="Queue visibility timeout: 5 seconds is less than Function timeout: 30"
    ):
        join(cloud, arn, name)
    with pytest.raises(ClientError, match=r"SQS Error Code: AWS.*NonExistentQueue"):
        join(cloud, arn.replace("short", "missing"), name)


def test_reading_goes_on_after_the_server_was_killed(sqs: Queues, tmp_path: Path) -> None:
    url, arn = sqs.make("survives", VisibilityTimeout="2")
    with serving(tmp_path / "data", "--aws-endpoint", sqs.endpoint) as server:
        name = Cloud(server.endpoint).function(READER, Timeout=2)
        join(Cloud(server.endpoint), arn, name)
        sqs.client.send_message(QueueUrl=url, MessageBody='{"n": 1}')
        until(lambda: len(lines(tmp_path / "data", name)) == 1)
        server.kill()
    sqs.client.send_message(QueueUrl=url, MessageBody='{"n": 2}')
    with serving(tmp_path / "data", "--aws-endpoint", sqs.endpoint):
        until(lambda: 2 in [n for n, _, _ in lines(tmp_path / "data", name)])
        until(lambda: sqs.left(url) == (0, 0))
