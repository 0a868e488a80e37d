"""Which archives of Java classes are asked for, and what is believed of what comes."""

from __future__ import annotations

import gzip
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from lamella.invoke.java_archives import NAMES, TEXT_BYTES, is_wanted, names_of, set_key
from lamella.model.function import Code, Function
from lamella.model.layer import LayerRef
from lamella.runtimes.interpreter import Family, Interpreter
from lamella.runtimes.java.command import command

LAYERS = tuple(
    LayerRef(arn=f"l{number}:1", digest=number * 64, code_size=1, unzipped_size=1)
    for number in ("1", "2")
)
FUNCTION = Function(
    account="000000000000",
    region="eu-west-1",
    name="f",
    version="$LATEST",
    runtime="java21",
    handler="example.F",
    role="r",
    code=Code(digest="0", size=0, unzipped_size=0),
    last_modified=datetime(2026, 1, 1, tzinfo=UTC),
    revision_id="1",
)
JAVA = Interpreter(
    runtime="java21",
    family=Family.JAVA,
    version="21.0.4",
    path=Path("/a/java"),
    compiler=Path("/b"),
)


def test_names_are_taken_as_they_come_and_nothing_else() -> None:
    told = ["a.B", "a.B$C", "über.Ä", "a.B", "", "a b", "[La.B;", "a/../b", "x" * 251]
    assert names_of(gzip.compress("\n".join(told).encode())) == ("a.B", "a.B$C", "über.Ä")


def test_what_is_no_list_of_names_is_none() -> None:
    for told in (b"", b"no gzip", gzip.compress(b"\xff\xfe\x00"), gzip.compress(b"a.B")[:-9]):
        assert names_of(told) in ((), ("a.B",))


def test_a_list_is_read_up_to_its_bounds() -> None:
    many = "\n".join(f"a.B{number}" for number in range(2 * NAMES))
    assert len(names_of(gzip.compress(many.encode()))) == NAMES
    bomb = gzip.compress(b"a" * (TEXT_BYTES * 20))
    assert names_of(bomb) == ()


def test_an_archive_is_of_an_account_a_java_and_the_layers_in_order() -> None:
    function = replace(FUNCTION, layers=LAYERS)
    keys = {
        set_key(function, JAVA),
        set_key(replace(function, name="other"), JAVA),
        set_key(replace(function, account="1" * 12), JAVA),
        set_key(replace(function, layers=LAYERS[::-1]), JAVA),
        set_key(replace(function, layers=LAYERS[:1]), JAVA),
        set_key(function, replace(JAVA, version="25")),
    }
    assert len(keys) == 5


def test_functions_that_run_something_of_their_own_are_not_asked() -> None:
    function = replace(FUNCTION, layers=LAYERS)
    argv = ("/var/lang/bin/java", *command(512, "21.0.4", {}))
    assert is_wanted(function, argv)
    assert not is_wanted(replace(function, layers=()), argv)
    wrapped = replace(function, environment={"AWS_LAMBDA_EXEC_WRAPPER": "/opt/wrap"})
    assert not is_wanted(wrapped, argv)
    own = {"JAVA_TOOL_OPTIONS": "-XX:SharedArchiveFile=/opt/own.jsa"}
    assert not is_wanted(function, ("/var/lang/bin/java", *command(512, "21.0.4", own)))
    assert not is_wanted(function, ("/var/lang/bin/java", *command(512, "11.0.1", {})))
