"""A shelf: the environments of one function version as it is configured now, and who waits."""

from __future__ import annotations

import asyncio
from collections import deque

from lamella.invoke.admission import Gate
from lamella.invoke.environment import Environment
from lamella.invoke.kept import Kept
from lamella.invoke.recursion import mark
from lamella.model.function import Function


class Shelf:
    """The environments of one function version under one configuration.

    ``idle`` and ``ready`` do nothing now; the latter are provisioned.
    """

    def __init__(self, function: Function, gate: Gate) -> None:
        self.function = function
        self.gate = gate
        self.mark = mark(function.function_arn)
        self.idle: list[Environment] = []
        self.ready: list[Environment] = []
        self.kept: Kept[Environment] = Kept()
        self.busy: set[Environment] = set()
        self.waiting: deque[asyncio.Future[Environment]] = deque()
        self.starting = 0
        self.retired = False

    @property
    def size(self) -> int:
        there = len(self.idle) + len(self.ready) + len(self.busy)
        return there + self.starting + self.kept.starting
