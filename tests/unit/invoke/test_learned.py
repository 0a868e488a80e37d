"""What initialisations import is learned by set, checked, bounded, and kept."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import replace
from pathlib import Path

import orjson
import pytest

from lamella.invoke import learned
from lamella.invoke.learned import Learned, merged, names_of, of_function, set_of
from lamella.model.document import Kind
from lamella.model.function import Function
from lamella.model.layer import LayerRef
from lamella.records.base import Records
from lamella.records.sqlite import open_records
from tests.ports.rows import a_function

NOW = 1_000_000.0
FN = a_function(
    layers=(
        LayerRef(arn="arn:aws:lambda:r:1:layer:l:1", digest="d" * 64, code_size=1, unzipped_size=1),
    )
)


@pytest.fixture
def records(tmp_path: Path) -> Iterator[Records]:
    records = open_records(tmp_path / "records.db")
    yield records
    records.close()


class Clock:
    now = NOW

    def __call__(self) -> float:
        return self.now


Scenario = Callable[[Learned], Awaitable[None]]


def play(records: Records, scenario: Scenario, clock: Clock | None = None) -> None:
    """One life of a server."""

    async def main() -> None:
        known = Learned(records, now=clock or Clock())
        known.load()
        await scenario(known)
        await known.close()

    asyncio.run(main())


async def init(known: Learned, *names: str, function: Function = FN) -> None:
    before = known.verdicts().get(set_of(function))
    known.learn(function, orjson.dumps(names))
    async with asyncio.timeout(5):
        while known.verdicts().get(set_of(function)) == before:
            await asyncio.sleep(0.01)


def test_what_was_imported_is_known_in_order_and_after_a_restart(records: Records) -> None:
    async def first(known: Learned) -> None:
        assert known.modules(FN) == ()
        await init(known, "pandas", "numpy")
        await init(known, "numpy", "boto3")
        assert known.modules(FN) == ("pandas", "numpy", "boto3")

    async def second(known: Learned) -> None:
        assert known.modules(FN) == ("pandas", "numpy", "boto3")

    play(records, first)
    play(records, second)


def test_what_was_heard_last_is_kept_at_the_end(records: Records) -> None:
    async def first(known: Learned) -> None:
        known.learn(FN, b'["late"]')

    async def second(known: Learned) -> None:
        assert known.modules(FN) == ("late",)

    play(records, first)
    play(records, second)


def test_functions_with_the_same_layers_share_what_is_known_and_no_others(
    records: Records,
) -> None:
    others = (
        replace(FN, runtime="python3.12"),
        replace(FN, account="111111111111"),
        replace(FN, layers=()),
    )

    async def scenario(known: Learned) -> None:
        await init(known, "numpy")
        assert known.modules(replace(FN, name="other", region="eu-west-3")) == ("numpy",)
        assert [known.modules(other) for other in others] == [(), (), ()]

    play(records, scenario)


def test_a_set_takes_over_what_another_imported_until_more_is_known_of_it(
    records: Records,
) -> None:
    async def scenario(known: Learned) -> None:
        known.inherit(FN, ("numpy", "boto3"))
        assert known.modules(FN) == ("numpy", "boto3")
        assert known.wants(FN)
        await init(known, "pandas")
        known.inherit(FN, ("other",))
        assert known.modules(FN) == ("numpy", "boto3", "pandas")

    play(records, scenario)


def test_the_first_initialisations_are_asked_and_then_one_a_day(records: Records) -> None:
    clock = Clock()

    async def scenario(known: Learned) -> None:
        for _ in range(learned.FIRST):
            assert known.wants(FN)
            await init(known, "numpy")
        assert not known.wants(FN)
        clock.now += learned.RARELY_SECONDS + 1
        assert known.wants(FN)
        await init(known, "numpy")
        assert not known.wants(FN)

    play(records, scenario, clock)


def test_another_code_with_the_same_layers_is_asked_as_well(records: Records) -> None:
    other = replace(FN, code=replace(FN.code, digest="e" * 64))

    async def scenario(known: Learned) -> None:
        for _ in range(learned.FIRST):
            await init(known, "numpy")
        assert known.wants(other)
        await init(known, "pandas", function=other)
        assert known.modules(FN) == ("numpy", "pandas")
        assert not known.wants(FN)

    play(records, scenario)


def test_the_codes_that_a_set_remembers_are_bounded(
    records: Records, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(learned, "CODES", 2)

    async def scenario(known: Learned) -> None:
        for digit in "abc":
            await init(known, function=replace(FN, code=replace(FN.code, digest=digit * 64)))
        assert list(known.verdicts()[set_of(FN)].inits) == [
            f"{FN.region}:{FN.name}:{digit * 16}" for digit in "bc"
        ]

    play(records, scenario)


@pytest.mark.parametrize(
    "change",
    [
        {"runtime": "nodejs20.x"},
        {"runtime": "provided.al2023"},
        {"environment": {"AWS_LAMBDA_EXEC_WRAPPER": "/opt/wrap"}},
    ],
)
def test_other_languages_and_wrapped_runtimes_are_not_asked(
    records: Records, change: dict[str, object]
) -> None:
    function = replace(FN, **change)  # type: ignore[arg-type]

    async def scenario(known: Learned) -> None:
        assert not known.wants(function)

    play(records, scenario)


@pytest.mark.parametrize("told", [b"", b"{", b"{}", b"5", b'"numpy"', b"null", b"[[]]", b"\xff"])
def test_what_is_no_list_of_names_teaches_nothing(told: bytes) -> None:
    assert names_of(told) == ()


def test_names_that_are_none_are_left_out() -> None:
    told = ["numpy", "a..b", "", "../x", "x y", 5, None, "x" * 201, "os.path", "numpy", "a\nb"]
    assert names_of(orjson.dumps(told)) == ("numpy", "os.path")


def test_what_is_known_of_a_set_is_bounded() -> None:
    most = tuple(f"m{number}" for number in range(learned.NAMES))
    assert merged(most[:-1], ("m0", "new", "newer")) == (*most[:-1], "new")
    assert len(names_of(orjson.dumps([f"n{number}" for number in range(5_000)]))) == learned.NAMES


def test_the_sets_of_an_account_are_bounded(
    records: Records, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(learned, "SETS", 2)
    clock = Clock()
    runtimes = ("python3.9", "python3.10", "python3.11")

    async def scenario(known: Learned) -> None:
        await init(known, "elsewhere", function=replace(FN, account="111111111111"))
        for runtime in runtimes:
            clock.now += 1
            await init(known, "numpy", function=replace(FN, runtime=runtime))
        assert known.modules(replace(FN, runtime="python3.9")) == ()
        assert known.modules(FN) == ("numpy",)
        assert known.modules(replace(FN, account="111111111111")) == ("elsewhere",)

    play(records, scenario, clock)
    assert len(records.all_documents(Kind.LEARNED)) == 3


def test_what_a_function_taught_is_found_by_its_name(records: Records) -> None:
    async def scenario(known: Learned) -> None:
        await init(known, "numpy")
        await init(known, "yaml", function=replace(FN, name="other", layers=()))

    play(records, scenario)
    ((which, lesson),) = of_function(records, FN.name)
    assert (which, lesson.modules) == (set_of(FN), ("numpy",))
    assert of_function(records, FN.name, FN.account, FN.region)
    assert not of_function(records, FN.name, "111111111111")
    assert not of_function(records, FN.name, None, "us-east-1")
    assert not of_function(records, "nobody")


REPORT = {
    "imported": ["numpy"],
    "refused": {"bad": "leaves a thread behind"},
    "read": ["LEVEL"],
    "hides": ["numpy", "json"],
    "noted": {"numpy": ["does something at each fork"]},
    "fault": None,
}


def test_a_verdict_is_kept_beside_the_modules(records: Records) -> None:
    async def first(known: Learned) -> None:
        await init(known, "numpy", "bad")
        known.verdict(FN, REPORT)

    async def second(known: Learned) -> None:
        verdict = known.verdict_of(FN)
        assert verdict is not None
        assert (verdict.time, verdict.imported, verdict.fault) == (NOW, ("numpy",), None)
        assert verdict.refused == {"bad": "leaves a thread behind"}
        assert (verdict.read, verdict.hides) == (("LEVEL",), ("numpy", "json"))
        assert verdict.noted == {"numpy": ("does something at each fork",)}
        assert known.modules(FN) == ("numpy", "bad")
        assert known.verdicts()[set_of(FN)].verdict == verdict

    play(records, first)
    play(records, second)


@pytest.mark.parametrize(
    "report",
    [
        None,
        [],
        {"imported": 5, "refused": [], "read": {}, "hides": None, "noted": 1, "fault": 3},
        {"imported": [5, {}], "refused": {"a b": "x", "c": 5}, "noted": {"../": []}},
    ],
)
def test_a_report_that_is_odd_says_nothing(records: Records, report: object) -> None:
    async def scenario(known: Learned) -> None:
        verdict = known.verdict(FN, report)
        assert (verdict.imported, verdict.refused, verdict.read) == ((), {}, ())
        assert verdict.noted == {}

    play(records, scenario)


def test_a_reason_from_a_box_may_be_shown(records: Records) -> None:
    async def scenario(known: Learned) -> None:
        verdict = known.verdict(FN, {"refused": {"a": "x\x1b[2J\n" + "y" * 500}})
        assert verdict.refused["a"] == "x [2J " + "y" * 194

    play(records, scenario)
