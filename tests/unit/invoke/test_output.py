"""What is printed becomes log events, line by line, through a real pipe."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Callable
from pathlib import Path

from lamella.invoke.output import LINE_BYTES, Output
from lamella.logs.append import LogStreams


def events(tmp_path: Path, script: Callable[[Output], None]) -> tuple[list[str], bytes]:
    async def go() -> bytes:
        streams = LogStreams(tmp_path)
        output = Output(streams.open("0" * 12, "eu-west-1", "/aws/lambda/f", "2026/[1]ab"))
        script(output)
        tail = output.tail()
        output.close()
        streams.close()
        return tail

    tail = asyncio.run(go())
    (file,) = tmp_path.rglob("*.jsonl")
    return [json.loads(line)["message"] for line in file.read_text().splitlines()], tail


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

    assert events(tmp_path, script) == (["unfinished", "END\n"], b"unfinishedEND\n")


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
        for _ in range(LINE_BYTES // 32_768 + 1):
            os.write(output.writer, b"x" * 32_768)
            output.drain()

    messages, _ = events(tmp_path, script)
    assert sum(map(len, messages)) == LINE_BYTES + 32_768
    assert max(map(len, messages)) <= LINE_BYTES + 65_536


def void(_: object) -> None: ...
