"""Threads that accounts share: none has them all, and nothing is forgotten."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import Future, wait
from contextlib import closing
from functools import partial

import pytest

from lamella.functions.turns import Turns

SECONDS = 20.0


class Doing:
    """Work that begins when its turn comes and ends when it is let go."""

    def __init__(self) -> None:
        self.turns = Turns(4, 2, "test")
        self.begun: list[str] = []
        self.most: Counter[str] = Counter()
        self._running: Counter[str] = Counter()
        self._changed = threading.Condition()
        self._may_end: set[str] = set()

    def submit(self, *names: str) -> list[Future[None]]:
        """Work by name; the first letter is the account."""
        return [self.turns.submit(name[0], partial(self._work, name)) for name in names]

    def _work(self, name: str) -> None:
        with self._changed:
            self.begun.append(name)
            self._running[name[0]] += 1
            self.most |= self._running
            self._changed.notify_all()
            assert self._changed.wait_for(lambda: name in self._may_end, SECONDS)
            self._running[name[0]] -= 1

    def end(self, *names: str) -> None:
        with self._changed:
            self._may_end.update(names)
            self._changed.notify_all()

    def until(self, what: Callable[[list[str]], bool]) -> None:
        with self._changed:
            assert self._changed.wait_for(lambda: what(self.begun), SECONDS), self.begun


@pytest.fixture
def doing() -> Iterator[Doing]:
    doing = Doing()
    with closing(doing.turns):
        yield doing


def test_an_account_has_its_share_and_others_find_a_thread(doing: Doing) -> None:
    mine = [f"a{number}" for number in range(6)]
    work = doing.submit(*mine, "b0")
    doing.until(lambda begun: set(begun) == {"a0", "a1", "b0"})
    doing.end("a1")
    doing.until(lambda begun: "a2" in begun)
    doing.end(*mine, "b0")
    assert not wait(work, SECONDS).not_done
    assert [each for each in doing.begun if each[0] == "a"] == mine, "in order"
    assert doing.most == {"a": 2, "b": 1}


def test_who_has_fewer_threads_goes_first(doing: Doing) -> None:
    first = ["a0", "a1", "b0", "b1"]
    work = doing.submit(*first)
    doing.until(lambda begun: len(begun) == 4)
    work += doing.submit("a2", "b2", "c0")
    doing.end("b0")
    doing.until(lambda begun: len(begun) == 5)
    assert doing.begun[4] == "c0", "a2 came before it, and its account has two"
    doing.end("b1")
    doing.until(lambda begun: len(begun) == 6)
    assert doing.begun[5] == "b2"
    doing.end("a0", "a1", "a2", "b2", "c0")
    assert not wait(work, SECONDS).not_done


def test_much_work_of_many_is_all_done() -> None:
    done: list[int] = []
    with closing(Turns(4, 2, "test")) as turns:
        work = [turns.submit(str(each % 7), partial(done.append, each)) for each in range(500)]
        assert not wait(work, SECONDS).not_done
    assert sorted(done) == list(range(500))
    assert not turns._running


def test_what_waits_at_the_end_is_cancelled(doing: Doing) -> None:
    work = doing.submit("a0", "a1", "a2", "a3")
    doing.until(lambda begun: len(begun) == 2)
    closing_down = threading.Thread(target=doing.turns.close)
    closing_down.start()
    assert set(wait(work[2:], SECONDS).done) == set(work[2:])
    assert all(each.cancelled() for each in work[2:])
    doing.end("a0", "a1")
    closing_down.join(SECONDS)
    assert all(each.done() and not each.cancelled() for each in work[:2])
    assert sorted(doing.begun) == ["a0", "a1"]
    with pytest.raises(RuntimeError):
        doing.submit("a4")
