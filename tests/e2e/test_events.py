"""Asynchronous invocation: retries, destinations, dead letters, throttles, with real targets."""

from __future__ import annotations

import json
import re
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest

from tests.e2e.queues import OWNER, Queues, until
from tests.e2e.server import Cloud, Server, serving

HANDLER = """
import json

def handler(event, context):
    print("RAN", json.dumps([context.aws_request_id, event, context.invoked_function_arn]))
    if isinstance(event, dict) and event.get("fail"):
        raise ValueError("it \\x1b[31mfails")
    return {"done": event}
"""


@pytest.fixture(scope="module")
def server(sqs: Queues, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    options = ("--aws-endpoint", sqs.endpoint, "--event-retry-seconds", "0.3")
    with serving(tmp_path_factory.mktemp("events") / "data", *options) as server:
        yield server


@pytest.fixture(scope="module")
def cloud(server: Server) -> Cloud:
    return Cloud(server.endpoint)


def ran(server: Server, name: str) -> list[Any]:
    """What invocations of a function printed: request id, event, ARN."""
    found = []
    for path in sorted(server.data.joinpath("logs").rglob("*")):
        if path.is_file() and f"{name}/" in str(path):
            for line in path.read_text().splitlines():
                message = json.loads(line)["message"]
                if message.startswith("RAN "):
                    found.append(json.loads(message[4:]))
    return found


def send(cloud: Cloud, name: str, event: Any, **more: Any) -> str:
    answer = cloud.client.invoke(
        FunctionName=name, InvocationType="Event", Payload=json.dumps(event).encode(), **more
    )
    answer["Payload"].read()
    assert answer["StatusCode"] == 202
    return str(answer["ResponseMetadata"]["RequestId"])


def metrics(server: Server) -> dict[str, float]:
    with urllib.request.urlopen(f"{server.endpoint}/metrics") as answer:
        text = answer.read().decode()
    return {
        name: float(value)
        for name, value in re.findall(r"^(lamella_events\S*) (\S+)$", text, re.MULTILINE)
    }


def test_an_event_runs_with_its_request_id_and_is_counted(cloud: Cloud, server: Server) -> None:
    name = cloud.function(HANDLER)
    first = send(cloud, name, {"n": 1})
    until(lambda: ran(server, name))
    arn = f"arn:aws:lambda:eu-west-1:000000000000:function:{name}"
    assert ran(server, name) == [[first, {"n": 1}, arn]]

    def settled() -> bool:
        seen = metrics(server)
        assert seen["lamella_events_conservation_difference"] == 0
        return seen['lamella_events{state="waiting"}'] + seen['lamella_events{state="leased"}'] == 0

    until(settled)


def test_a_failing_event_is_tried_three_times_and_its_record_and_its_dead_letter_are_told(
    cloud: Cloud, server: Server, sqs: Queues
) -> None:
    told, told_arn = sqs.make("told")
    dead, dead_arn = sqs.make("dead-letters")
    name = cloud.function(HANDLER, DeadLetterConfig={"TargetArn": dead_arn})
    cloud.client.put_function_event_invoke_config(
        FunctionName=name, DestinationConfig={"OnFailure": {"Destination": told_arn}}
    )
    request_id = send(cloud, name, {"fail": True})
    until(lambda: sqs.left(told)[0] == 1 and sqs.left(dead)[0] == 1)
    until(lambda: [each[0] for each in ran(server, name)] == [request_id] * 3)
    (record,) = sqs.bodies(told)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", record.pop("timestamp"))
    answer = record.pop("responsePayload")
    assert (answer["errorType"], answer["errorMessage"]) == ("ValueError", "it \x1b[31mfails")
    assert record == {
        "version": "1.0",
        "requestContext": {
            "requestId": request_id,
            "functionArn": f"arn:aws:lambda:eu-west-1:000000000000:function:{name}:$LATEST",
            "condition": "RetriesExhausted",
            "approximateInvokeCount": 3,
        },
        "requestPayload": {"fail": True},
        "responseContext": {
            "statusCode": 200,
            "executedVersion": "$LATEST",
            "functionError": "Unhandled",
        },
    }
    letter = sqs.client.receive_message(QueueUrl=dead, MessageAttributeNames=["All"])["Messages"][0]
    assert json.loads(letter["Body"]) == {"fail": True}
    assert {name: each["StringValue"] for name, each in letter["MessageAttributes"].items()} == {
        "RequestID": request_id,
        "ErrorCode": "200",
        "ErrorMessage": "it \ufffd[31mfails",
    }


def test_success_is_told_to_a_function_with_the_alias_that_was_meant(
    cloud: Cloud, server: Server
) -> None:
    listener = cloud.function(HANDLER)
    name = cloud.function(HANDLER, Publish=True)
    cloud.client.create_alias(FunctionName=name, Name="live", FunctionVersion="1")
    arn = "arn:aws:lambda:eu-west-1:000000000000:function:"
    cloud.client.put_function_event_invoke_config(
        FunctionName=name,
        Qualifier="live",
        DestinationConfig={"OnSuccess": {"Destination": arn + listener}},
    )
    request_id = send(cloud, name, {"n": 1}, Qualifier="live")
    until(lambda: ran(server, listener))
    ((_, record, _),) = ran(server, listener)
    assert record["requestContext"]["requestId"] == request_id
    assert record["requestContext"]["functionArn"] == f"{arn}{name}:live"
    assert record["requestContext"]["condition"] == "Success"
    assert record["responseContext"] == {"statusCode": 200, "executedVersion": "1"}
    assert record["responsePayload"] == {"done": {"n": 1}}


def test_no_retry_where_none_is_wanted(cloud: Cloud, server: Server, sqs: Queues) -> None:
    told, told_arn = sqs.make("told-once")
    name = cloud.function(HANDLER)
    cloud.client.put_function_event_invoke_config(
        FunctionName=name,
        MaximumRetryAttempts=0,
        DestinationConfig={"OnFailure": {"Destination": told_arn}},
    )
    send(cloud, name, {"fail": True})
    until(lambda: sqs.left(told)[0] == 1)
    until(lambda: len(ran(server, name)) == 1)


def test_without_concurrency_an_event_goes_straight_to_the_failure_destination(
    cloud: Cloud, server: Server, sqs: Queues
) -> None:
    told, told_arn = sqs.make("told-of-none")
    name = cloud.function(HANDLER)
    cloud.client.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=0)
    cloud.client.put_function_event_invoke_config(
        FunctionName=name, DestinationConfig={"OnFailure": {"Destination": told_arn}}
    )
    send(cloud, name, {"n": 1})
    until(lambda: sqs.left(told)[0] == 1)
    (record,) = sqs.bodies(told)
    assert record["requestContext"]["condition"] == "ZeroReservedConcurrency"
    assert record["requestContext"]["approximateInvokeCount"] == 0
    assert "responsePayload" not in record
    assert ran(server, name) == []


def test_throttled_events_wait_and_run_in_the_end(cloud: Cloud, server: Server) -> None:
    slow = "import time\n" + HANDLER.replace("    print", "    time.sleep(0.05)\n    print")
    name = cloud.function(slow)
    cloud.client.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=1)
    sent = {send(cloud, name, {"n": n}) for n in range(20)}
    until(lambda: {each[0] for each in ran(server, name)} == sent)
    assert len(ran(server, name)) == 20


def test_a_chain_of_destinations_that_never_ends_is_stopped(
    cloud: Cloud, server: Server, sqs: Queues
) -> None:
    told, told_arn = sqs.make("told-of-the-loop")
    small = HANDLER.replace('return {"done": event}', "return None")
    small = small.replace("context.aws_request_id, event,", "context.aws_request_id,")
    ping, pong = cloud.function(small), cloud.function(small)
    arn = "arn:aws:lambda:eu-west-1:000000000000:function:"
    for one, other in ((ping, pong), (pong, ping)):
        cloud.client.put_function_event_invoke_config(
            FunctionName=one,
            DestinationConfig={
                "OnSuccess": {"Destination": arn + other},
                "OnFailure": {"Destination": told_arn},
            },
        )
    send(cloud, ping, {"n": 1})
    until(lambda: sqs.left(told)[0] == 1)
    (record,) = sqs.bodies(told)
    assert record["requestContext"]["condition"] == "RecursiveInvocation"
    until(lambda: len(ran(server, ping)) + len(ran(server, pong)) == 32)


def test_topics_and_buses_are_told(cloud: Cloud, sqs: Queues) -> None:
    boto = {
        "endpoint_url": sqs.endpoint,
        "region_name": "eu-west-1",
        "aws_access_key_id": "test",
        "aws_secret_access_key": "test",
    }
    import boto3

    topic_queue, topic_queue_arn = sqs.make("of-the-topic")
    sns: Any = boto3.client("sns", **boto)
    topic = sns.create_topic(Name="told")["TopicArn"]
    sns.subscribe(
        TopicArn=topic,
        Protocol="sqs",
        Endpoint=topic_queue_arn,
        Attributes={"RawMessageDelivery": "true"},
    )
    bus_queue, bus_queue_arn = sqs.make("of-the-bus")
    events: Any = boto3.client("events", **boto)
    events.create_event_bus(Name="told")
    events.put_rule(Name="all", EventBusName="told", EventPattern='{"source": ["lambda"]}')
    events.put_targets(Rule="all", EventBusName="told", Targets=[{"Id": "q", "Arn": bus_queue_arn}])
    name = cloud.function(HANDLER)
    bus = f"arn:aws:events:eu-west-1:{OWNER}:event-bus/told"
    cloud.client.put_function_event_invoke_config(
        FunctionName=name,
        MaximumRetryAttempts=0,
        DestinationConfig={"OnSuccess": {"Destination": bus}, "OnFailure": {"Destination": topic}},
    )
    send(cloud, name, {"fail": True})
    send(cloud, name, {"n": 1})
    until(lambda: sqs.left(topic_queue)[0] == 1 and sqs.left(bus_queue)[0] == 1)
    assert sqs.bodies(topic_queue)[0]["requestContext"]["condition"] == "RetriesExhausted"
    (told,) = sqs.bodies(bus_queue)
    assert told["source"] == "lambda"
    assert told["detail-type"] == "Lambda Function Invocation Result - Success"
    assert told["detail"]["requestPayload"] == {"n": 1}


def test_a_target_that_is_not_there_is_tried_again_until_it_is(
    cloud: Cloud, sqs: Queues, server: Server
) -> None:
    name = cloud.function(HANDLER)
    cloud.client.put_function_event_invoke_config(
        FunctionName=name,
        DestinationConfig={
            "OnSuccess": {"Destination": f"arn:aws:sqs:eu-west-1:{OWNER}:made-later"}
        },
    )
    request_id = send(cloud, name, {"n": 1})
    until(lambda: "was not taken, and is sent again" in server.log())
    url, _ = sqs.make("made-later")
    until(lambda: sqs.left(url)[0] == 1)
    assert sqs.bodies(url)[0]["requestContext"]["requestId"] == request_id
    until(lambda: len(ran(server, name)) == 1)


def test_events_of_a_function_that_is_gone_are_dropped(cloud: Cloud, server: Server) -> None:
    name = cloud.function(HANDLER)
    cloud.client.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=1)
    before = metrics(server).get('lamella_events_settled_total{how="dropped"}', 0)
    send(cloud, name, {"fail": True})
    cloud.client.delete_function(FunctionName=name)
    until(lambda: metrics(server)['lamella_events_settled_total{how="dropped"}'] == before + 1)
