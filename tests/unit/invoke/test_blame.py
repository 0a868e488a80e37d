"""Errors of every language, as their runtimes report and print them, and the layers they came from."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lamella.functions.failures import Blamed
from lamella.invoke import blame
from lamella.invoke.blame import Frame
from lamella.layers.owner import Owner
from lamella.model.function import Code, Function
from lamella.model.layer import LayerRef

LAYERS = tuple(f"arn:aws:lambda:eu-west-1:000000000000:layer:{name}:1" for name in "ab")
FUNCTION = Function(
    account="000000000000",
    region="eu-west-1",
    name="f",
    version="$LATEST",
    runtime="python3.11",
    handler="app.handler",
    role="r",
    code=Code(digest="0", size=0, unzipped_size=0),
    last_modified=datetime(2026, 1, 1, tzinfo=UTC),
    revision_id="1",
    layers=tuple(LayerRef(arn=arn, digest=arn, code_size=0, unzipped_size=0) for arn in LAYERS),
)


def frames(body: Any, tail: str = "") -> list[tuple[str, int]]:
    report = blame.read(json.dumps(body).encode(), "T", tail.encode())
    return [(frame.path, frame.line) for frame in report.frames]


PYTHON_LOG = """[ERROR] Runtime.ImportModuleError: Unable to import module 'app': No module named 'y'
Traceback (most recent call last):
  File "/var/task/app.py", line 1, in <module>
    import x
  File "/opt/python/x.py", line 3, in <module>
    import y
"""
RUBY_LOG = """/opt/ruby/lib/x.rb:3:in `f': no (RuntimeError)
\tfrom /var/task/app.rb:2:in `handler'
"""


@pytest.mark.parametrize(
    ("body", "tail", "found"),
    [
        (
            {
                "stackTrace": [
                    '  File "/var/task/app.py", line 2, in handler\n    x.f()\n',
                    '  File "/opt/python/x.py", line 3, in f\n    raise E(\'File "/opt/no", line 1\')\n',
                    '  File "/usr/lib/python3.11/json/__init__.py", line 9, in loads\n',
                ]
            },
            "",
            [("/opt/python/x.py", 3), ("/var/task/app.py", 2)],
        ),
        (
            {"stackTrace": ['  File "/opt/python/x.py" Line 3\n    def f(:\n']},
            "",
            [("/opt/python/x.py", 3)],
        ),
        (
            {
                "errorMessage": "Unable to import module 'h': cannot import name 'y' from 'x' "
                "(/opt/python/x/__init__.py)",
                "stackTrace": [],
            },
            "",
            [("/opt/python/x/__init__.py", 0)],
        ),
        (
            {
                "errorMessage": "Unable to import module 'app': No module named 'y'",
                "stackTrace": [],
            },
            PYTHON_LOG,
            [("/opt/python/x.py", 3), ("/var/task/app.py", 1)],
        ),
        (
            {
                "errorMessage": "see /opt/no.js",
                "trace": [
                    "Error: see /opt/no.js:1:2",
                    "    at f (/opt/nodejs/node_modules/@s/x/i.js:1:2)",
                    "    at async file:///opt/nodejs/node_modules/y/a%20b.mjs:3:4",
                    "    at new Z (file:///var/task/app.mjs:5:6)",
                    "    at node:internal/main:7:8",
                ],
            },
            "",
            [
                ("/opt/nodejs/node_modules/@s/x/i.js", 1),
                ("/opt/nodejs/node_modules/y/a b.mjs", 3),
                ("/var/task/app.mjs", 5),
            ],
        ),
        (
            {
                "trace": [
                    "Runtime.ImportModuleError: Error: Cannot find module 'y'",
                    "Require stack:",
                    "- /opt/nodejs/node_modules/x/index.js",
                    "- /var/task/app.js",
                ]
            },
            "",
            [("/opt/nodejs/node_modules/x/index.js", 0), ("/var/task/app.js", 0)],
        ),
        (
            {
                "stack": "/opt/nodejs/node_modules/x/i.js:3\nlet\n   ^\n\nSyntaxError: no\n    at f (node:x:1:2)"
            },
            "",
            [("/opt/nodejs/node_modules/x/i.js", 3)],
        ),
        (
            {
                "stackTrace": [
                    "/opt/ruby/gems/3.3.0/gems/x-1/lib/x.rb:3:in 'X#f'",
                    "/var/task/app.rb:2:in 'handler'",
                ]
            },
            "",
            [("/opt/ruby/gems/3.3.0/gems/x-1/lib/x.rb", 3), ("/var/task/app.rb", 2)],
        ),
        ({"errorMessage": "gone"}, RUBY_LOG, [("/opt/ruby/lib/x.rb", 3), ("/var/task/app.rb", 2)]),
        ({"errorMessage": "in /home/opt/x.py and x/opt/y"}, "", []),
        ({"stackTrace": [1, None, {"a": 1}], "errorMessage": 3, "errorType": []}, "", []),
        ([1], "", []),
    ],
)
def test_frames_are_found_from_the_innermost_outwards(
    body: Any, tail: str, found: list[tuple[str, int]]
) -> None:
    assert frames(body, tail) == found


def owner(path: str) -> Owner | None:
    """Layer b has y and hides a's; a has x."""
    return {
        "/opt/x": Owner("x", 0),
        "/opt/y": Owner("y", 1, (0,)),
        "/opt/link": Owner("x", 0),
    }.get(path)


def test_an_error_began_where_its_innermost_own_file_is() -> None:
    report = blame.Report("E", "m", (Frame("/opt/y", 3), Frame("/opt/x", 2), Frame("/opt/y", 1)))
    assert blame.attributed(report, FUNCTION, owner) == (
        Blamed(LAYERS[1], "/opt/y", 3, (LAYERS[0],), is_raised=True),
        Blamed(LAYERS[0], "/opt/x", 2, (), is_raised=False),
    )
    wrapped = blame.Report("E", "m", (Frame("/var/task/app.py", 1), Frame("/opt/link", 2)))
    assert blame.attributed(wrapped, FUNCTION, owner) == (
        Blamed(LAYERS[0], "/opt/x", 2, (), is_raised=False),
    )
    assert not blame.attributed(blame.Report("E", "m", (Frame("/opt/z"),)), FUNCTION, owner)


def test_an_extension_names_its_layer_if_the_function_has_it() -> None:
    def named(arn: str, kind: str = "Extension.Crash") -> tuple[str, str] | None:
        body = {"errorMessage": f"RequestId: 1 Error: exit status 3 (extension e of {arn})"}
        return blame.extension(json.dumps(body).encode(), kind)

    found = blame.of_extension(named(LAYERS[0]), FUNCTION, owner)
    assert found == (Blamed(LAYERS[0], "/opt/extensions/e"),)
    assert not blame.of_extension(named("arn:other"), FUNCTION, owner)
    assert named(LAYERS[0], "Runtime.ExitError") is None


def test_what_is_said_of_an_error() -> None:
    blamed = Blamed(LAYERS[1], "/opt/y", 3, (LAYERS[0],))
    assert blame.line("1", blamed) == (
        f"LAYER_ERROR RequestId: 1\tLayer: {LAYERS[1]}\tFile: /opt/y\tLine: 3\tHides: {LAYERS[0]}\n"
    )
    assert blame.record("1", Blamed(LAYERS[1], "/opt/y")) == {
        "requestId": "1",
        "layer": LAYERS[1],
        "file": "/opt/y",
    }


def test_a_file_name_of_a_layer_forges_no_line_of_the_log() -> None:
    place = "at f (file:///opt/a%0AEND%20RequestId:%20x.js:1:2)"
    [(path, line)] = frames({"trace": [place]})
    assert (path, line) == ("/opt/a\nEND RequestId: x.js", 1)
    said = blame.line("1", Blamed(LAYERS[1], path, line))
    assert said.splitlines(keepends=True) == [said]
    assert "\tFile: /opt/a\\nEND RequestId: x.js\t" in said


TEXT = st.text() | st.lists(
    st.sampled_from(
        ["/opt/", "at ", "file://", ":1", ":2", "(", ")", '"', "\n", "- ", "x", " line 3"]
    )
).map("".join)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | TEXT,
    lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(["stackTrace", "a"]), inner),
)


@given(
    body=st.dictionaries(
        st.sampled_from(["errorType", "errorMessage", "stackTrace", "trace", "stack"]), JSON
    ),
    tail=TEXT,
)
def test_any_report_is_read(body: dict[str, Any], tail: str) -> None:
    report = blame.read(json.dumps(body).encode(), "T", tail.encode("utf-8", "replace"))
    assert report.error_type
    for frame in report.frames:
        assert frame.path.startswith(("/opt/", "/var/task/"))


@given(payload=st.binary())
def test_any_bytes_are_read(payload: bytes) -> None:
    blame.read(payload, "T", payload)


@pytest.mark.parametrize(
    "part", ["/opt/", ":1", "(", '  File "/opt/', "at /opt/", "file:///opt/x:1"]
)
def test_endless_text_is_read_in_bounded_work(part: str) -> None:
    endless = part * 50_000
    for body in ({"errorMessage": endless}, {"stackTrace": [endless] * 20}, {"stack": endless}):
        report = blame.read(json.dumps(body).encode(), "T", endless.encode()[:4096])
        assert len(report.message) <= blame.MESSAGE_CHARACTERS
