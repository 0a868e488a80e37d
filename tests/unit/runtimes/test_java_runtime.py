"""The Java client, as a real process over loopback: handlers, contexts, logs."""

from __future__ import annotations

import json
from typing import Any

from tests.unit.runtimes.conftest import ARN
from tests.unit.runtimes.jvm import Jvm

R1 = "00000000-0000-4000-8000-000000000001"


def test_methods_of_every_signature(jvm: Jvm) -> None:
    cases: list[tuple[str, bytes, Any]] = [
        ("text", b'"a"', "a!"),
        ("text", b"null", "nothing"),
        ("text", b"42", "42!"),
        ("sum", b"[1, 2, 3]", 6),
        ("sum", b"7", 7),
        ("doubled", b"4611686018427387903", 9223372036854775806),
        ("doubled", b'"21"', 42),
        ("halved", b"3", 1.5),
        ("exact", b"0.10000000000000000000001", 0.10000000000000000000001),
        ("not", b"true", False),
        ("lengths", b'["k\xc3\xa4se"]', ["käse", "4"]),
        ("keys", b'{"a": [1, 2], "b": [3]}', 6),
        ("letters", b'["B", "A", "B"]', ["B", "A"]),
        ("bytes", b'"aGk="', "hi"),
        ("nothing", b"{}", None),
        ("nothingEither", b'""', None),
        ("onlyContext", b"{}", "F"),
        ("withContext", b'"of"', "of $LATEST"),
        ("stream", b'{ "kept":1.50 }', [{"kept": 1.5}]),
        ("streamWithContext", b"{}", "128"),
        ("overloaded", b'""', "two"),
    ]
    for method, payload, expected in cases:
        got = jvm.answer(f"example.Methods::{method}", payload)
        assert got == expected, (method, payload)


def test_an_event_of_any_kind_is_given_back(jvm: Jvm) -> None:
    event = {"käse": ['🧀\n"\\/\u0001', 1.5, True, [], {}], "n": [-1, 2**40, 2**70, 1e300, None]}
    payload = json.dumps(event).encode()
    assert jvm.answer("example.Methods::echo", payload) == event


def test_a_stream_is_passed_through_as_it_is(jvm: Jvm) -> None:
    (reply,) = jvm.replies("example.Streamer", b'{ "kept":1.50 }')
    assert reply.payload == b'{ "kept":1.50 }'


def test_six_megabytes_in_and_out(jvm: Jvm) -> None:
    payload = json.dumps(["ä" * 1_000_000, "x" * 4_000_000], ensure_ascii=False).encode()
    assert json.loads(jvm.replies("example.Methods::echo", payload)[0].payload) == json.loads(
        payload
    )


def test_one_object_serves_all_invocations(jvm: Jvm) -> None:
    replies = jvm.replies("example.Methods::count", b"{}", b"{}", b"{}")
    assert [reply.payload for reply in replies] == [b"1", b"2", b"3"]


def test_a_request_handler_with_beans_within_beans(jvm: Jvm) -> None:
    person = {
        "name": "Ada",
        "home": {"city": "Zürich", "zip": "8001", "URL": "u", "unknown": {"a": 1}},
        "others": {"city": "Bern"},
    }
    assert jvm.answer("example.Greeter$Hello", json.dumps(person).encode()) == {
        "whom": {
            "name": "Ada",
            "home": {"city": "Zürich", "zip": 8001, "URL": "u"},
            "others": [{"city": "Bern", "zip": 0}],
        },
        "text": "Hello, Ada of Zürich",
        "kind": True,
    }


def test_members_of_many_types(jvm: Jvm) -> None:
    members = {
        "small": 200,
        "medium": -3,
        "single": 1.5,
        "letter": "ß",
        "none": None,
        "maybe": None,
        "set": "5",
        "date": 1_700_000_000_123,
        "id": "00000000-0000-4000-8000-000000000001",
        "table": [["a"], "b", []],
        "byNumber": {"10": "B", "9": "A", "8": "C"},
        "nodes": {"a": [{"name": "x", "next": {"name": "y"}}]},
        "anything": [{"a": 1.25}],
        "special": "NaN",
        "letters": "abc",
        "instant": 1700000000.5,
        "arrays": [[1], 2],
    }
    assert jvm.answer("example.Shapes::all", json.dumps(members).encode()) == {
        **{name: value for name, value in members.items() if name != "none"},
        "small": -56,
        "set": 5,
        "table": [["a"], ["b"], []],
        "byNumber": {"9": "A", "10": "B"},
        "arrays": [[1], [2]],
    }
    assert jvm.answer("example.Shapes::dates", b'"2026-01-02T03:04:05.006Z"') == 1767323045006
    assert jvm.answer("example.Shapes::overloadedSetter", b'{"value": 4}') == "4"


def test_a_record(jvm: Jvm) -> None:
    event = {"name": "x", "points": [{"x": 1, "y": 2}], "more": 1}
    assert jvm.with_records("records.Drawn::same", json.dumps(event).encode()) == {
        "name": "x",
        "points": [{"x": 1, "y": 2}],
    }


def test_an_event_of_the_events_library(jvm: Jvm) -> None:
    message = {"body": "b", "eventSourceARN": "arn", "sent": 1_700_000_000}
    event = json.dumps({"Records": [message]}).encode()
    assert jvm.answer("example.Told::queue", event) == "b arn 1700000000000"


def test_the_context(jvm: Jvm) -> None:
    got: list[Any] = []

    async def scenario(running: Any) -> None:
        got.append(json.loads((await running.invoke(b"{}")).payload))
        client = '{"client":{"app_title":"t"},"custom":{"käse":"1"},"env":{"a":null,"b":2}}'
        reply = await running.invoke(
            b"{}",
            client_context=client,
            cognito_identity='{"cognitoIdentityId":"i","cognitoIdentityPoolId":"p"}',
        )
        got.append(json.loads(reply.payload))

    jvm.play(scenario, "example.Told::context")
    plain = {
        "id": R1,
        "arn": ARN,
        "name": "F",
        "version": "$LATEST",
        "memory": 128,
        "group": "/aws/lambda/F",
        "stream": "2026/01/01/[$LATEST]0",
        "left": True,
        "trace": "Root=1-0-1",
        "tenant": "null",
        "same": True,
    }
    assert got[0] == plain
    assert got[1] == {
        **plain,
        "id": R1[:-1] + "2",
        "trace": "Root=1-0-2",
        "identity": "i p",
        "app": "t",
        "custom": {"käse": "1"},
        "env": {"b": "2"},
    }


def test_what_is_printed_and_logged(jvm: Jvm) -> None:
    printed = jvm.printed("example.Told::says", b'""').splitlines(keepends=True)
    assert "".join(printed).split("\n") == [
        "printed ä🧀",
        "printed too",
        "plain\rof two lines",
        "bytes",
        "[DEBUG] hidden",
        '[WARN] a "warning"',
        "of the runtime",
        "",
    ]


def test_json_logs_have_a_level(jvm: Jvm) -> None:
    lines = jvm.printed(
        "example.Told::says", b'""', AWS_LAMBDA_LOG_FORMAT="JSON", AWS_LAMBDA_LOG_LEVEL="INFO"
    ).split("\n")
    assert lines[:2] == ["printed ä🧀", "printed too"]
    assert lines[3] == "bytes"
    records = [json.loads(line) for line in lines[2:] if line.startswith("{")]
    assert all(record.pop("timestamp").endswith("Z") for record in records)
    assert records == [
        {"message": "plain\nof two lines", "level": "UNDEFINED", "AWSRequestId": R1},
        {"message": 'a "warning"', "level": "WARN", "AWSRequestId": R1},
        {"message": "of the runtime\n", "level": "UNDEFINED", "AWSRequestId": R1},
    ]


def test_log4j_knows_the_request(jvm: Jvm) -> None:
    replies = jvm.replies("example.Told::log4j", b'""', b'""')
    assert [json.loads(reply.payload) for reply in replies] == [None, R1[:-1] + "2"]


def test_a_serializer_of_a_functions_own(jvm: Jvm) -> None:
    handler = "example.Methods::text"
    task = jvm.with_services(["example.Shouting"])
    assert jvm.answer(handler, b"no json", task) == "NO JSON AS JAVA.LANG.STRING!"


def test_two_serializers_are_too_many(jvm: Jvm) -> None:
    task = jvm.with_services(["example.Shouting", "example.Shouting$Second"])
    (reply,) = jvm.replies("example.Methods::text", b'""', task=task)
    assert b"Too many serializers provided inside the META-INF/services folder" in reply.payload


def test_an_interrupted_thread_serves_on(jvm: Jvm) -> None:
    replies = jvm.replies("example.Failing::interrupts", b"{}", b"{}")
    assert [reply.payload for reply in replies] == [b"null", b"null"]


def test_told_to_end_it_ends_by_the_signal(jvm: Jvm) -> None:
    got: list[int] = []

    async def scenario(running: Any) -> None:
        await running.init()
        running.process.terminate()
        got.append(await running.exit_code())

    jvm.play(scenario, "example.Methods::echo")
    assert got == [143]


def test_the_order_of_the_class_path(jvm: Jvm) -> None:
    places = {"opt/java/lib/a.jar", "opt/java/lib/b.jar", "task/lib/c.jar", "task/lib/d.jar"}
    assert jvm.class_path(places | {"task/lib/e.zip"}) == [
        "task",
        "task/lib/c.jar",
        "task/lib/d.jar",
        "opt/java/lib/a.jar",
        "opt/java/lib/b.jar",
    ]
