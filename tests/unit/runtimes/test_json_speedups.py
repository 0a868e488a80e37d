"""simplejson on the box's fast path gives what its own native part gives, errors included."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from lamella.runtimes.catalog import PYTHON_MINORS, Catalog
from lamella.runtimes.python.tree import runtime_tree

SCRIPT = r"""
import sys
sys.path.insert(0, sys.argv[1])
import collections, datetime, decimal, enum
import simplejson
from awslambdaric.lambda_runtime_marshaller import Encoder, LambdaMarshaller

Point = collections.namedtuple("Point", "x y")
class Text(str): pass
class Map(dict): pass
class Colour(enum.IntEnum): RED = 1
circle = []; circle.append(circle)
values = [
    None, True, 1, -1, 10**30, 1.5, 1e300, 0.1, -0.0, float("nan"), float("inf"), -float("inf"),
    "", "é☃\U0001f600 \u2028 \x7f \x00 \" \\ / \n", "\ud800", [], {}, (), [[]], {"a": {"b": [1, (2, 3)]}},
    {1: "int", 2.5: "float", None: "none", True: "bool", "s": 0}, {b"k": 1}, {(1, 2): 3}, [b"bytes"],
    Point(1, 2), [Point(1, Point(2, 3))], Text("t"), {Text("k"): Text("v")}, Map(a=1), [Colour.RED],
    decimal.Decimal("1.10"), [decimal.Decimal("NaN")], {1}, object, datetime.date(2026, 1, 1), circle,
    {"deep": [{"x": {1, 2}}]}, collections.OrderedDict(b=1, a=2), range(3), b"\xff",
]
documents = [
    "", " ", "{", "[", "[1,]", "nul", "null", " true ", "[1, 2.5, -3e2, \"x\"]", '{"a":1,}', '{"a" 1}',
    '"\x01"', '"\\ud800"', '"\\ud83d\\ude00"', '"\\x"', '"open', "NaN", "[NaN]", "Infinity", "-", "-1",
    "01", "1 2", '{"a":1,"a":2}', "1e400", "[" * 50 + "]" * 50, '{"k": [true, false, null]}', "\ufeff1",
    b'"\xc3\xa9"', b'"\xff"', "'a'", "[1 2]", '{1: 2}',
]
def attempt(call, *arguments, **more):
    try:
        return ascii(call(*arguments, **more))
    except Exception as error:
        return type(error).__name__ + ": " + ascii(str(error))
for value in values:
    print("encode", attempt(Encoder().encode, value))
    print("dumps", attempt(simplejson.dumps, value, ensure_ascii=False))
    print("options", attempt(simplejson.dumps, value, sort_keys=True, indent=1, use_decimal=True))
    print("strict", attempt(simplejson.dumps, value, allow_nan=False, skipkeys=True))
    print("ignore", attempt(simplejson.dumps, value, ignore_nan=True))
for document in documents:
    print("request", attempt(simplejson.loads, document))
    print("nan", attempt(simplejson.loads, document, allow_nan=True))
    print("pairs", attempt(simplejson.loads, document, object_pairs_hook=list))
    print("decimal", attempt(simplejson.loads, document, use_decimal=True))
    print("ints", attempt(simplejson.loads, document, parse_int=str))
"""


def outcome(interpreter: Path, tree: Path, script: Path) -> list[str]:
    done = subprocess.run(
        [interpreter, "-S", "-B", script, tree], capture_output=True, text=True, check=True
    )
    return done.stdout.splitlines()


@pytest.mark.parametrize(
    "minor", [minor for minor in PYTHON_MINORS if minor != sys.version_info.minor]
)
def test_what_it_reads_and_writes_is_the_same(minor: int, catalog: Catalog, tmp_path: Path) -> None:
    if minor not in catalog.pythons:
        pytest.skip(f"this host has no Python 3.{minor}")
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    own = sys.version_info.minor
    for each in (own, minor):
        runtime_tree(each, tmp_path / str(each))
    expected = outcome(Path(sys.executable), tmp_path / str(own), script)
    found = outcome(catalog.pythons[minor], tmp_path / str(minor), script)
    assert found == expected
