"""What a zygote is forked from: another that has the first of its layers already, its stem.

So the zygotes of an account's functions on one interpreter are a tree: the runtime, what layers
two sets begin with, a full set; what is higher up is imported, and held, once. Rules alone.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Protocol, TypeVar

MOST_DEPTH = 4
"""Zygotes below one another: a fork costs more the more of them it comes from."""

Layers = tuple[str, ...]
Brought = Sequence[frozenset[str] | None]
"""What each layer of a set brings (`lamella.invoke.hiding.layer_names`)."""


class Grown(Protocol):
    """One that stands, with the names that its modules were looked for by."""

    @property
    def layers(self) -> Layers: ...

    @property
    def hides(self) -> frozenset[str]: ...

    @property
    def depth(self) -> int: ...


G = TypeVar("G", bound=Grown)


def fits(above: Brought, hides: frozenset[str]) -> bool:
    """Whether layers ``above`` those of a process change nothing for what it has imported."""
    return all(names is not None and hides.isdisjoint(names) for names in above)


def is_below(stem: Layers, layers: Layers) -> bool:
    """Whether ``layers`` begin with all those of ``stem``, and are more."""
    return len(stem) < len(layers) and layers[: len(stem)] == stem


def best(layers: Layers, brought: Brought, standing: Iterable[G]) -> G | None:
    """Which of those that stand the zygote of ``layers`` is to be forked from: that with most of
    them."""
    fitting = [
        each
        for each in standing
        if is_below(each.layers, layers)
        and each.depth < MOST_DEPTH
        and fits(brought[len(each.layers) :], each.hides)
    ]
    return max(fitting, key=lambda each: len(each.layers), default=None)


def shared(layers: Layers, others: Iterable[Layers]) -> Layers | None:
    """The most layers, but not all, that another set begins with as well; none of them at least, if
    there is another set."""
    common = (_common(layers[:-1], other) for other in others if other != layers)
    return max(common, key=len, default=None) if layers else None


def _common(one: Layers, other: Layers) -> Layers:
    count = 0
    for mine, theirs in zip(one, other, strict=False):
        if mine != theirs:
            break
        count += 1
    return one[:count]


def remaining(names: Iterable[str], above: Brought) -> tuple[str, ...]:
    """Those of the modules ``names`` that do not come from layers ``above``, as far as can be told."""
    theirs: Collection[str] = frozenset().union(*(each or () for each in above))
    return tuple(each for each in names if each.partition(".")[0] not in theirs)
