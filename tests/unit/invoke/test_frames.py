"""Bytes of a runtime become lines and records, whatever they are and however they are cut."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lamella.invoke.frames import EVENT_BYTES, EVENTS, Cutter, Printed

MOMENT = 1_732_000_000_123_456


def frame(message: bytes, kind: int = 3, moment: int = MOMENT) -> bytes:
    head = (0xA55A0000 + kind).to_bytes(4) + len(message).to_bytes(4) + moment.to_bytes(8)
    return head + message


def cut(*portions: bytes, framed: bool = True) -> list[Printed]:
    cutter = Cutter(framed=framed)
    found = [each for portion in portions for each in cutter.cut(portion)]
    return found + cutter.rest()


def words(*portions: bytes, framed: bool = True) -> list[bytes]:
    return [each.data for each in cut(*portions, framed=framed)]


def test_a_record_of_several_lines_is_one_event_with_its_own_time() -> None:
    assert cut(b"plain\n" + frame(b"a\nb\n") + b"more\n") == [
        Printed(b"plain\n"),
        Printed(b"a\nb\n", 0, MOMENT),
        Printed(b"more\n"),
    ]


@pytest.mark.parametrize(
    ("kind", "level"), [(0x02, 0), (0x03, 0), (0x06, 1), (0x0B, 2), (0x0F, 3), (0x12, 4), (0x1B, 6)]
)
def test_the_type_names_the_level(kind: int, level: int) -> None:
    assert cut(frame(b"x", kind)) == [Printed(b"x", level, MOMENT)]


def test_a_frame_of_the_first_clients_has_no_time() -> None:
    assert cut(b"\xa5\x5a\x00\x01\x00\x00\x00\x02hirest\n") == [Printed(b"hi"), Printed(b"rest\n")]


def test_a_frame_within_a_line_does_not_break_the_line() -> None:
    assert words(b"begun " + frame(b"record") + b"and ended\n") == [b"record", b"begun and ended\n"]


def test_an_empty_record_is_an_event() -> None:
    assert words(frame(b"") + frame(b"x")) == [b"", b"x"]


def test_every_way_to_cut_gives_the_same_events() -> None:
    data = "è\n".encode() + frame("zwölf\nzeilen\n".encode(), 0x12) + b"\xa5\x5a\nx" + frame(b"y")
    expected = cut(data)
    for at in range(len(data)):
        assert cut(data[:at], data[at:]) == expected
    assert cut(*(data[at : at + 1] for at in range(len(data)))) == expected


@pytest.mark.parametrize(
    "data",
    [
        b"\xa5\x5a\x00\x03\xff\xff\xff\xffabcdefghijk\n",
        b"\xa5\x5a\x00\x04\x00\x00\x00\x01abcdefghijk\n",
        b"\xa5\x5b\x00\x03\x00\x00\x00\x01abcdefghijk\n",
        b"\xa5\x5a\x00\x03\x00\x00",
        b"\xa5",
    ],
)
def test_what_is_no_frame_is_text(data: bytes) -> None:
    assert words(data) == [data]


def test_half_a_frame_at_the_end_is_kept() -> None:
    assert words(frame(b"whole record")[:-7]) == [b"whole"]


def test_a_line_of_the_platform_does_not_end_a_frame() -> None:
    cutter = Cutter(framed=True)
    whole = frame(b"one record\n")
    assert cutter.cut(b"text" + whole[:20]) == []
    assert cutter.line() == [Printed(b"text")]
    assert cutter.cut(whole[20:]) == [Printed(b"one record\n", 0, MOMENT)]


def test_extensions_write_no_frames() -> None:
    data = frame(b"x\n")
    assert words(data, framed=False) == [data]


def test_a_record_that_is_too_long_is_cut_between_characters() -> None:
    message = ("é" * EVENT_BYTES).encode()
    for found in (words(frame(message)), words(message + b"\n")):
        assert max(map(len, found)) <= EVENT_BYTES
        assert b"".join(found).rstrip() == message
        assert all(each.decode() for each in found)


def test_a_flood_makes_a_bounded_number_of_events() -> None:
    for flood in (b"x\n" * 32_768, frame(b"") * 4_096, frame(b"x") * 3_855):
        cutter = Cutter(framed=True)
        found = cutter.cut(flood)
        assert len(found) <= EVENTS + 1
        assert cutter.crowded
        assert max(len(each.data) for each in found) <= EVENT_BYTES


SNIPPETS = st.one_of(
    st.binary(max_size=40),
    st.sampled_from([b"\xa5", b"\xa5\x5a\x00", b"\xa5\x5a\x00\x03\x00", b"\n"]),
    st.builds(frame, st.binary(max_size=30), st.integers(0, 32)),
)


@given(st.lists(SNIPPETS, max_size=12), st.integers(1, 50))
def test_any_bytes(snippets: list[bytes], step: int) -> None:
    data = b"".join(snippets)
    expected = cut(data)
    assert cut(*(data[at : at + step] for at in range(0, len(data), step))) == expected
    assert sum(len(each.data) for each in expected) <= len(data)


@given(st.lists(st.binary(max_size=30), max_size=10))
def test_records_of_any_bytes_come_as_they_were(messages: list[bytes]) -> None:
    assert words(b"".join(map(frame, messages))) == messages
