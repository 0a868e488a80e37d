"""Work that may take minutes, done in threads that no account has all of to itself.

What waits is begun in the order it came, but for this: an account has at most its share of the
threads, and who has fewer of them goes first.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field


@dataclass(eq=False)
class Turn:
    """A piece of an account's work, and what is done when it is."""

    account: str
    work: Callable[[], None]
    done: Future[None] = field(default_factory=Future)


class Turns:
    """``threads`` threads, of which an account has ``share`` at most."""

    def __init__(self, threads: int, share: int, name: str) -> None:
        self._share = share
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix=name)
        self._guard = threading.Lock()
        self._waiting: list[Turn] = []
        self._running: Counter[str] = Counter()

    def submit(self, account: str, work: Callable[[], None]) -> Future[None]:
        """Have ``work``, which raises nothing, done when it is its turn.

        Raises RuntimeError after `close`.
        """
        turn = Turn(account, work)
        with self._guard:
            # Whoever comes to it in a thread takes the turn that is next, which may be another's.
            self._threads.submit(self._work)
            self._waiting.append(turn)
        return turn.done

    def _work(self) -> None:
        """Do what is next until nothing is: what an account's share has kept waiting goes on in the
        thread in which another piece of its work has ended."""
        while (turn := self._next()) is not None:
            try:
                if turn.done.set_running_or_notify_cancel():
                    turn.work()
                    turn.done.set_result(None)
            finally:
                with self._guard:
                    self._running[turn.account] -= 1
                    if not self._running[turn.account]:
                        del self._running[turn.account]

    def _next(self) -> Turn | None:
        with self._guard:
            free = [each for each in self._waiting if self._running[each.account] < self._share]
            if not free:
                return None
            turn = min(free, key=lambda each: self._running[each.account])
            self._waiting.remove(turn)
            self._running[turn.account] += 1
            return turn

    def close(self) -> None:
        """Begin nothing more, and wait for what is under way; the rest is cancelled."""
        with self._guard:
            left, self._waiting = self._waiting, []
        for turn in left:
            turn.done.cancel()
            turn.done.set_running_or_notify_cancel()  # who waits for it hears of it by this
        self._threads.shutdown(wait=True, cancel_futures=True)
