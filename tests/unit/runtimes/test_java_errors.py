"""What goes wrong in Java functions, in AWS's shapes."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.runtimes.jvm import Jvm

FAILING = "example.Failing"


def test_an_exception_with_its_cause(jvm: Jvm) -> None:
    error = jvm.error(FAILING, b'"x"')
    cause = error.pop("cause")
    assert error == {
        "errorMessage": "käse\nx",
        "errorType": "java.lang.IllegalStateException",
        "stackTrace": [
            "example.Failing.handleRequest(Failing.java:16)",
            "example.Failing.handleRequest(Failing.java:10)",
        ],
    }
    trace = cause.pop("stackTrace")
    assert cause == {
        "errorMessage": 'For input string: "x"',
        "errorType": "java.lang.NumberFormatException",
    }
    assert "java.lang.Integer.parseInt(Integer.java:" in trace[-4]
    assert trace[-3:] == [
        "example.Failing.deep(Failing.java:21)",
        "example.Failing.handleRequest(Failing.java:14)",
        "example.Failing.handleRequest(Failing.java:10)",
    ]


def test_an_exception_is_logged_as_one_event(jvm: Jvm) -> None:
    printed = jvm.printed(FAILING, b'"x"')
    assert printed.count("\n") == 1
    lines = printed.rstrip("\n").split("\r")
    assert lines[:5] == [
        "käse",
        "x: java.lang.IllegalStateException",
        "java.lang.IllegalStateException: käse",
        "x",
        "\tat example.Failing.handleRequest(Failing.java:16)",
    ]
    assert 'Caused by: java.lang.NumberFormatException: For input string: "x"' in lines
    assert "lamella" not in printed


def test_exceptions_that_say_nothing(jvm: Jvm) -> None:
    silent = jvm.error(f"{FAILING}::silent")
    assert silent == {
        "errorMessage": "java.lang.UnsupportedOperationException",
        "errorType": "java.lang.UnsupportedOperationException",
        "stackTrace": ["example.Failing.silent(Failing.java:25)"],
    }
    rude = jvm.error(f"{FAILING}::rude")
    assert (rude["errorMessage"], rude["errorType"]) == ("example.Failing$1", "example.Failing$1")


def test_an_exception_does_not_end_the_runtime(jvm: Jvm) -> None:
    replies = jvm.replies(FAILING, b'"x"', b'"7"')
    assert [reply.error_type for reply in replies] == ["Runtime.UserException", None]
    assert replies[1].payload == b'"7"'


@pytest.mark.parametrize(
    ("handler", "message", "kind"),
    [
        ("example.Gone", "Class not found: example.Gone", "java.lang.ClassNotFoundException"),
        ("example.Gone::go", "Class not found: example.Gone", "java.lang.ClassNotFoundException"),
        (
            "example.Methods::gone",
            "No public method named gone with appropriate method signature found on class "
            "example.Methods",
            None,
        ),
        (
            "example.Methods::tooMany",
            "No public method named tooMany with appropriate method signature found on class "
            "example.Methods",
            None,
        ),
        (
            "example.Methods::hidden",
            "No public method named hidden with appropriate method signature found on class "
            "example.Methods",
            None,
        ),
        (
            "example.Methods",
            "Class does not implement an appropriate handler interface: example.Methods",
            None,
        ),
        ("example.Methods::", "Invalid handler: `example.Methods::'", None),
        ("::go", "Invalid handler: `::go'", None),
        (
            "example.Failing$Picky::go",
            "Class example.Failing$Picky has no public zero-argument constructor",
            "java.lang.Exception",
        ),
        (
            "example.Failing$Inner::go",
            "Class example.Failing$Inner cannot be instantiated because it is a non-static inner "
            "class",
            "java.lang.Exception",
        ),
        (
            "example.Failing$Raw",
            "Class example.Failing$Raw does not implement RequestHandler with concrete type "
            "parameters",
            None,
        ),
    ],
)
def test_handlers_that_cannot_be_used(
    jvm: Jvm, handler: str, message: str, kind: str | None
) -> None:
    expected = {"errorMessage": message, **({"errorType": kind} if kind else {})}
    assert jvm.error(handler) == expected


def test_a_class_that_fails_while_it_is_loaded(jvm: Jvm) -> None:
    assert jvm.init_error("example.Failing$Static::go") == (
        {
            "errorMessage": "Error loading class example.Failing$Static",
            "errorType": "java.lang.ExceptionInInitializerError",
        },
        1,
    )


def test_a_constructor_that_fails(jvm: Jvm) -> None:
    assert jvm.init_error("example.Failing$Constructor::go") == (
        {"errorMessage": "not today", "errorType": "java.lang.IllegalArgumentException"},
        1,
    )


def test_no_stack_is_left(jvm: Jvm) -> None:
    error, code = jvm.last_error(f"{FAILING}::overflow", b"1")
    assert (error["errorType"], code) == ("java.lang.StackOverflowError", 1)


def test_no_heap_is_left(jvm: Jvm) -> None:
    error, code = jvm.last_error(f"{FAILING}::hoard", b"{}")
    assert (error["errorType"], code) == ("java.lang.OutOfMemoryError", 1)
    assert error["errorMessage"] == "Java heap space"


def test_leaving(jvm: Jvm) -> None:
    got: list[int] = []

    async def scenario(running: Any) -> None:
        await running.init()
        invoked = running.api.invoke(running.event(b"3"))
        got.append(await running.exit_code())
        running.api.close()
        invoked.cancel()

    jvm.play(scenario, f"{FAILING}::leaves")
    assert got == [3]


@pytest.mark.parametrize(
    ("handler", "payload", "message"),
    [
        ("Methods::doubled", b'"x"', "Cannot read `long` from a string"),
        ("Methods::doubled", b"1e30", "Numeric value (1E+30) out of range of long"),
        ("Methods::sum", b'[{"a": 1}]', "Cannot read `int` from an object"),
        ("Methods::sum", b"[[1, 2]]", "Cannot read one value from an array of 2"),
        ("Methods::keys", b"true", "Cannot read `java.util.Map` from a boolean"),
        ("Methods::bytes", b"true", "Cannot read `byte` from a boolean"),
        ("Greeter$Hello", b'"text"', "Cannot read `example.Greeter$Person` from a string"),
        (
            "Shapes::all",
            b'{"nodes": {"a": [{"next": [{"next": 1}]}]}}',
            "Cannot read `example.Shapes$Node` from a number",
        ),
    ],
)
def test_events_of_the_wrong_type(jvm: Jvm, handler: str, payload: bytes, message: str) -> None:
    error = jvm.error(f"example.{handler}", payload)
    assert error["errorMessage"] == "An error occurred during JSON parsing"
    assert error["errorType"] == "java.lang.RuntimeException"
    assert error["cause"]["errorType"] == "java.io.UncheckedIOException"
    assert error["cause"]["cause"]["errorMessage"] == message


def test_json_that_is_none(jvm: Jvm) -> None:
    broken: list[tuple[bytes, str]] = [
        (b"", "a value at character 1"),
        (b'{"a" 1}', "':' at character 6"),
        (b'{"a": 1,}', "a member's name at character 9"),
        (b"[1 2]", "',' or ']' at character 4"),
        (b"{} {}", "the end at character 4"),
        (b'"a\nb"', "no control character at character 3"),
        (b'"a', "'\"' at character 3"),
        (rb'"\x41"', "an escape of JSON at character 3"),
        (rb'"\u00g0"', "a hexadecimal digit at character 6"),
        (b"01", "a number without leading zeros at character 3"),
        (b"1.", "a digit at character 3"),
        (b"-", "a value at character 2"),
        (b"nul", "a value at character 1"),
        (b"NaN", "a value at character 1"),
        ("\ufeff{}".encode(), "a value at character 1"),
    ]
    replies = jvm.replies("example.Methods::echo", *(payload for payload, _ in broken))
    for reply, (payload, expected) in zip(replies, broken, strict=True):
        assert f"JSON is expected to have {expected}".encode() in reply.payload.replace(
            b'\\"', b'"'
        ), (payload, reply)


def test_hostile_json_is_refused_and_the_next_event_served(jvm: Jvm) -> None:
    replies = jvm.replies(
        "example.Methods::echo",
        b"[" * 100_000,
        b"9" * 100_000,
        b"1e99999999999",
        b"[" * 1000 + b"]" * 1000,
        b"1",
    )
    assert b"JSON is nested deeper than 1000" in replies[0].payload
    assert b"JSON has a number of more than 1000 characters" in replies[1].payload
    assert b"exponent out of range" in replies[2].payload
    assert [reply.error_type for reply in replies[3:]] == [None, None]


def test_what_holds_itself_cannot_be_answered(jvm: Jvm) -> None:
    error = jvm.error(f"{FAILING}::cyclic", b"{}")
    assert error["errorMessage"] == "An error occurred during JSON serialization of response"
    assert error["cause"]["cause"]["errorMessage"].endswith("or holds itself")
