"""What is printed becomes log events, line by line, through a real pipe."""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lamella.invoke.frames import EVENT_BYTES
from lamella.invoke.output import Output
from lamella.logs.append import LogStreams


def events(
    tmp_path: Path, script: Callable[[Output], None], **options: Any
) -> tuple[list[str], bytes]:
    entries, tail = logged(tmp_path, script, **options)
    return [each["message"] for each in entries], tail


def logged(
    tmp_path: Path, script: Callable[[Output], None], **options: Any
) -> tuple[list[dict[str, Any]], bytes]:
    async def go() -> bytes:
        streams = LogStreams(tmp_path)
        stream = streams.open("0" * 12, "eu-west-1", "/aws/lambda/f", "2026/[1]ab")
        output = Output(stream, **options)
        script(output)
        tail = output.tail()
        output.close()
        streams.close()
        return tail

    tail = asyncio.run(go())
    (file,) = tmp_path.rglob("*.jsonl")
    return [json.loads(line) for line in file.read_text().splitlines()], tail


def test_each_line_is_an_event(tmp_path: Path) -> None:
    def script(output: Output) -> None:
        os.write(output.writer, b"one\ntwo\nthr")
        output.drain()
        os.write(output.writer, b"ee\n")
        output.drain()

    assert events(tmp_path, script)[0] == ["one\n", "two\n", "three\n"]


def test_a_line_of_the_platform_comes_after_what_was_printed_before(tmp_path: Path) -> None:
    def script(output: Output) -> None:
        os.write(output.writer, b"unfinished")
        output.drain()
        output.say("END\n")

    assert events(tmp_path, script) == (["unfinished", "END\n"], b"unfinished\nEND\n")


def test_what_is_unfinished_at_the_end_is_kept(tmp_path: Path) -> None:
    messages, _ = events(tmp_path, lambda output: void(os.write(output.writer, b"no newline")))
    assert messages == ["no newline"]


def test_bytes_that_are_not_text_are_replaced(tmp_path: Path) -> None:
    messages, _ = events(tmp_path, lambda output: void(os.write(output.writer, b"\xff\n")))
    assert messages == ["\N{REPLACEMENT CHARACTER}\n"]


def test_the_tail_is_four_kilobytes(tmp_path: Path) -> None:
    def script(output: Output) -> None:
        for number in range(2000):
            output.say(f"{number:04}\n")

    _, tail = events(tmp_path, script)
    assert len(tail) == 4096
    assert tail.endswith(b"1999\n")


def test_a_line_without_end_is_cut(tmp_path: Path) -> None:
    def script(output: Output) -> None:
        for _ in range(EVENT_BYTES // 32_768 + 1):
            os.write(output.writer, b"x" * 32_768)
            output.drain()

    messages, _ = events(tmp_path, script)
    assert [*map(len, messages)] == [EVENT_BYTES, 32_768]


def frame(message: bytes, moment: int, kind: int = 3) -> bytes:
    head = (0xA55A0000 + kind).to_bytes(4) + len(message).to_bytes(4) + moment.to_bytes(8)
    return head + message


def test_records_and_lines_keep_their_order_and_records_their_time(tmp_path: Path) -> None:
    early = 1_000_000_000_000_000

    def script(output: Output) -> None:
        os.write(output.frames, frame(b"first\nof two lines\n", early))
        os.write(output.writer, b"second\n")
        os.write(output.frames, frame(b"third", 2 * early))
        output.drain()

    entries, tail = logged(tmp_path, script, framed=True)
    assert [each["message"] for each in entries] == ["first\nof two lines\n", "second\n", "third"]
    assert tail == b"first\nof two lines\nsecond\nthird\n"
    first, second, third = (each["timestamp"] for each in entries)
    assert first == early // 1000
    # A time that is not now, or lies before what is logged already, is not believed.
    assert second == pytest.approx(time.time() * 1000, abs=600_000)
    assert second <= third <= time.time() * 1000


def test_a_process_that_makes_its_output_non_blocking_loses_no_record(tmp_path: Path) -> None:
    def script(output: Output) -> None:
        os.set_blocking(output.writer, False)
        assert os.get_blocking(output.frames)
        output.say("x")

    events(tmp_path, script, framed=True)


def test_what_is_not_kept_is_heard_all_the_same(tmp_path: Path) -> None:
    heard: list[str] = []

    def script(output: Output) -> None:
        output.heard = heard.append
        os.write(output.frames, frame(b"quiet", 1, 0x0A) + frame(b"loud", 1, 0x16))
        output.drain()

    messages, tail = events(tmp_path, script, framed=True, keeps=lambda printed: printed.level > 3)
    assert (messages, tail) == (["loud"], b"loud\n")
    assert heard == ["quiet", "loud"]


def test_what_an_ended_process_began_does_not_run_into_the_next_ones(tmp_path: Path) -> None:
    def script(output: Output) -> None:
        os.write(output.frames, frame(b"x" * 100, 1)[:20])
        output.end_process()
        os.write(output.writer, b"anew\n")
        output.drain()

    assert events(tmp_path, script, framed=True)[0] == ["xxxx", "anew\n"]


def void(_: object) -> None: ...
