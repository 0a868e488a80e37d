"""Streams' files are read forwards and backwards, whatever chunks they fall into."""

from __future__ import annotations

import json
import os
import time
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lamella.logs import read
from lamella.logs.groups import Groups
from lamella.logs.put import accepted
from lamella.logs.search import Search, search
from lamella.records.sqlite import open_records


def write(path: Path, messages: list[str], *, ending: str = "") -> None:
    lines = [json.dumps({"timestamp": n, "message": text}) for n, text in enumerate(messages)]
    path.write_text("".join(line + "\n" for line in lines) + ending)


@given(
    st.lists(st.text(max_size=60), max_size=30),
    st.sampled_from([1, 7, 64, 4096]),
    st.sampled_from(["", '{"timestamp": 1, "mess']),
)
def test_both_directions_give_the_same_events(
    tmp_path_factory: pytest.TempPathFactory, messages: list[str], chunk: int, ending: str
) -> None:
    path = tmp_path_factory.mktemp("stream") / "s.jsonl"
    write(path, messages, ending=ending)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(read, "CHUNK", chunk)
        ahead = list(read.forwards(path, "s"))
        back = list(read.backwards(path, "s"))
    assert [entry.message for entry in ahead] == messages
    assert ahead == back[::-1]
    for before, after in pairwise(ahead):
        assert before.end == after.at
        assert before.id < after.id
    if ahead:
        middle = ahead[len(ahead) // 2]
        assert next(read.forwards(path, "s", middle.at)) == middle
        assert next(read.backwards(path, "s", middle.end)) == middle


def test_a_file_that_is_not_there_has_no_events(tmp_path: Path) -> None:
    assert list(read.forwards(tmp_path / "no", "s")) == []
    assert list(read.backwards(tmp_path / "no", "s")) == []


def test_a_search_goes_on_where_it_ended(tmp_path: Path) -> None:
    streams = [(name, tmp_path / f"{name}.jsonl") for name in "abc"]
    for name, path in streams:
        write(path, [f"{name}{n}" for n in range(10)])
    seen: list[str] = []
    after = ""
    while True:
        found = search(streams, Search(matches=lambda text: True, after=after, limit=7))
        seen += [entry.message for entry in found.events]
        after = found.next
        if not after:
            break
    assert sorted(seen) == sorted(f"{name}{n}" for name in "abc" for n in range(10))
    assert [text[1] for text in seen] == sorted(text[1] for text in seen)
    some = search(streams, Search(matches=lambda text: "b" in text, start=2, end=5))
    assert [entry.message for entry in some.events] == ["b2", "b3", "b4"]


DAY = 86_400_000
NOW = 100 * DAY


def test_events_that_are_too_old_or_too_new_are_left_out() -> None:
    def events(*ages: float) -> list[dict[str, object]]:
        return [{"timestamp": int(NOW - age * DAY), "message": "m"} for age in ages]

    assert accepted(events(1, 0.5), NOW, None) == ([(99 * DAY, "m"), (int(99.5 * DAY), "m")], {})
    assert accepted(events(15, 14.5, 14.1), NOW, None) == ([], {"tooOldLogEventEndIndex": 3})
    assert accepted(events(2, 1.5), NOW, 1) == ([], {"expiredLogEventEndIndex": 2})
    kept, rejected = accepted(events(0.5, -0.2), NOW, None)
    assert (len(kept), rejected) == (1, {"tooNewLogEventStartIndex": 1})


def test_a_sweep_deletes_what_is_kept_no_longer(tmp_path: Path) -> None:
    records = open_records(tmp_path / "records.db")
    groups = Groups(records, tmp_path / "logs", lambda: int(time.time() * 1000))
    groups.create("0" * 12, "eu-west-1", "g", {})
    group = groups.get("0" * 12, "eu-west-1", "g")
    for name in ("old", "new"):
        groups.create_stream(group, name)
    week = time.time() - 7 * 86_400
    os.utime(groups.stream(group, "old"), (week, week))
    assert groups.sweep() == 0
    groups.keep_for(group, 5)
    assert groups.sweep() == 1
    assert [name for name, _ in groups.streams(group)] == ["new"]
    records.close()
