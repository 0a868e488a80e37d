"""Which modules the initialisations of a layer set import: learned, and kept over restarts.

A set is an account, a runtime and the digests of the layers in order. The first few
initialisations of each function's code are asked what they imported, later ones rarely. What comes
was written in a box, by whatever runs there, so it is only ever names, checked and counted. What
became of them in a zygote, module by module, is kept beside them: its verdict.

Everything is in memory; the records are written behind, in a thread, for all that happened
meanwhile together.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from typing import Any, Final

import orjson
from sqlalchemy.exc import SQLAlchemyError

from lamella.invoke.furnish import Furnished
from lamella.model.document import GLOBAL, DocumentKey, Kind
from lamella.model.function import Function
from lamella.records.base import Records
from lamella.runtimes.start import WRAPPER

FIRST: Final = 3
"""So many initialisations of a function's code are asked, and of a set one in `RARELY_SECONDS`."""
RARELY_SECONDS: Final = 86_400.0
NAMES: Final = 3_000
CHARACTERS: Final = 200
CODES: Final = 200
"""Codes of functions that a set remembers to have asked."""
SETS: Final = 200
"""Sets kept of an account, those that were asked last."""
GATHER_SECONDS: Final = 0.2
WAITING: Final = 20
"""What is heard of a set in that time; more of the same moment teaches little."""
ASK: Final = "--learn"

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class LayerSet:
    """Functions that import alike: digests of layers, in the order in which they are attached."""

    account: str
    runtime: str
    layers: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What became of a set's modules in a zygote, as ``preload`` of the box tells it.

    ``refused`` and ``noted`` are by name; ``read`` are variables that were looked at, ``hides``
    first parts of names that were looked for; ``fault`` is why the zygote could not be used.
    ``time`` is Unix seconds.
    """

    time: float
    imported: tuple[str, ...] = ()
    refused: Mapping[str, str] = field(default_factory=dict)
    read: tuple[str, ...] = ()
    hides: tuple[str, ...] = ()
    noted: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    fault: str | None = None


@dataclass(frozen=True, slots=True)
class Lesson:
    """What is known of a set: how many initialisations of each function's code told something
    (by region, name and the beginning of the code's digest), and when the last one did."""

    inits: Mapping[str, int] = field(default_factory=dict)
    last: float = 0.0
    modules: tuple[str, ...] = ()
    verdict: Verdict | None = None


@dataclass(frozen=True, slots=True)
class Told:
    """What an initialisation of a function's code (`Lesson.inits`) told."""

    code: str
    names: bytes


def everything(records: Records) -> dict[LayerSet, Lesson]:
    """What is kept of every set."""
    return {
        LayerSet(
            document.at.account, document.value["runtime"], tuple(document.value["layers"])
        ): _from_document(document.value)
        for document in records.all_documents(Kind.LEARNED)
    }


def of_function(
    records: Records, name: str, account: str | None = None, region: str | None = None
) -> list[tuple[LayerSet, Lesson]]:
    """What is kept of the sets that functions of that name have taught, the newest first; of every
    account and region or of one."""
    found = [
        (which, lesson)
        for which, lesson in everything(records).items()
        if account in (None, which.account)
        and any(
            name == of[1] and region in (None, of[0])
            for of in (code.split(":") for code in lesson.inits)
        )
    ]
    return sorted(found, key=lambda each: -each[1].last)


def set_of(function: Function) -> LayerSet:
    layers = tuple(layer.digest for layer in function.layers)
    return LayerSet(function.account, function.runtime or "", layers)


class Learned:
    """What is known of every set. Used on the event loop, but for `load`."""

    def __init__(self, records: Records, *, now: Callable[[], float] = time.time) -> None:
        self._records = records
        self._now = now
        self._known: dict[LayerSet, Lesson] = {}
        self._heard: dict[LayerSet, list[Told]] = {}
        self._changed: set[LayerSet] = set()
        self._work: asyncio.Task[None] | None = None
        self._is_closed = False

    def load(self) -> None:
        """At start-up: take in what an earlier server learned. Blocks."""
        self._known.update(everything(self._records))

    def wants(self, function: Function) -> bool:
        """Whether an initialisation of ``function`` is to be asked."""
        if not (function.runtime or "").startswith("python"):
            return False
        if (function.environment or {}).get(WRAPPER):
            return False  # a wrapper sees the command line, and may import what it likes
        known = self._known.get(set_of(function), Lesson())
        is_new = known.inits.get(_code(function), 0) < FIRST
        return is_new or self._now() - known.last > RARELY_SECONDS

    def ask(self, function: Function, furnished: Furnished) -> Furnished:
        """``furnished`` so that the runtime tells what it imports, if that is to be asked."""
        if self._is_closed or furnished.unstartable is not None or not self.wants(function):
            return furnished
        plan = replace(furnished.plan, argv=(*furnished.plan.argv, ASK))
        return replace(furnished, plan=plan, on_imports=partial(self.learn, function))

    def learn(self, function: Function, told: bytes) -> None:
        """Take in what an initialisation of ``function`` imported: a JSON list of names."""
        if not self._is_closed:
            heard = self._heard.setdefault(set_of(function), [])
            if len(heard) < WAITING:
                heard.append(Told(_code(function), told))
            self._work_on()

    def knows(self, function: Function) -> bool:
        """Whether any initialisation of functions with this set has told what it imported."""
        return bool(self._known.get(set_of(function), Lesson()).inits)

    def modules(self, function: Function) -> tuple[str, ...]:
        """What initialisations of functions with this set imported, in the order of import."""
        return self._known.get(set_of(function), Lesson()).modules

    def inherit(self, function: Function, names: tuple[str, ...]) -> None:
        """Take it that functions with the set of ``function`` import ``names``, if nothing is known
        of them: a set that takes another's place. Its initialisations are asked all the same."""
        which = set_of(function)
        known = self._known.get(which, Lesson())
        if not known.modules:
            self._known[which] = replace(known, modules=names)

    def verdict(self, function: Function, report: object) -> Verdict:
        """Keep what `preload` of the box told of the set of ``function``; what is kept of it."""
        which = set_of(function)
        verdict = checked_verdict(report, self._now())
        self._known[which] = replace(self._known.get(which, Lesson()), verdict=verdict)
        self._changed.add(which)
        self._work_on()
        return verdict

    def verdict_of(self, function: Function) -> Verdict | None:
        return self._known.get(set_of(function), Lesson()).verdict

    def verdicts(self) -> Mapping[LayerSet, Lesson]:
        """Everything that is known, by set."""
        return dict(self._known)

    async def close(self) -> None:
        """Keep what was heard, and take in nothing more."""
        self._is_closed = True
        if self._work is not None:
            self._work.cancel()
            await asyncio.wait((self._work,))
        await self._take()

    def _work_on(self) -> None:
        if self._work is None and not self._is_closed:
            self._work = asyncio.get_running_loop().create_task(self._gather())

    async def _gather(self) -> None:
        try:
            while self._heard or self._changed:
                await asyncio.sleep(GATHER_SECONDS)
                await asyncio.shield(self._take())
        finally:
            self._work = None

    async def _take(self) -> None:
        heard, self._heard = self._heard, {}
        names = await asyncio.to_thread(_names_by_set, heard)
        for which, lists in names.items():
            self._add(which, lists)
        changed, self._changed = self._changed, set()
        gone = self._too_many({which.account for which in changed})
        kept = {which: self._known.get(which) for which in (changed | gone)}
        try:
            await asyncio.to_thread(self._keep, kept)
        except SQLAlchemyError:
            log.exception("what %d layer sets import could not be kept", len(kept))

    def _add(self, which: LayerSet, lists: Iterable[tuple[str, tuple[str, ...]]]) -> None:
        before = self._known.get(which, Lesson())
        modules, inits = before.modules, dict(before.inits)
        for code, names in lists:
            modules = merged(modules, names)
            inits[code] = inits.pop(code, 0) + 1
        inits = dict(list(inits.items())[-CODES:])
        after = replace(before, inits=inits, last=self._now(), modules=modules)
        self._known[which] = after
        self._changed.add(which)

    def _too_many(self, accounts: Iterable[str]) -> set[LayerSet]:
        """Forget, of each account, the sets that were asked longest ago; those."""
        gone: set[LayerSet] = set()
        for account in accounts:
            of_account = [which for which in self._known if which.account == account]
            of_account.sort(key=lambda which: self._known[which].last)
            gone.update(of_account[: -SETS or None])
        for which in gone:
            del self._known[which]
        return gone

    def _keep(self, lessons: Mapping[LayerSet, Lesson | None]) -> None:
        for which, lesson in lessons.items():
            self._records.change_document(_key(which), partial(_replaced, which, lesson))


def _replaced(
    which: LayerSet, lesson: Lesson | None, before: Mapping[str, Any] | None
) -> dict[str, Any] | None:
    return None if lesson is None else _to_document(which, lesson)


def _names_by_set(
    heard: Mapping[LayerSet, Iterable[Told]],
) -> dict[LayerSet, list[tuple[str, tuple[str, ...]]]]:
    return {
        which: [(told.code, names_of(told.names)) for told in each] for which, each in heard.items()
    }


def names_of(told: bytes) -> tuple[str, ...]:
    """The names of modules that a box told, without what is none."""
    try:
        names = orjson.loads(told)
    except orjson.JSONDecodeError:
        return ()
    return _checked_names(names)


def merged(known: tuple[str, ...], names: Iterable[str]) -> tuple[str, ...]:
    """``known`` and behind it what is new in ``names``, up to `NAMES`."""
    return tuple(dict.fromkeys((*known, *names)))[:NAMES]


def checked_verdict(report: object, now: float) -> Verdict:
    """What of ``report``, which was written in a box, has the form that it should have."""
    if not isinstance(report, Mapping):
        return Verdict(time=now, fault="there is no report of the zygote")
    refused, noted = report.get("refused"), report.get("noted")
    fault = report.get("fault")
    return Verdict(
        time=now,
        imported=_checked_names(report.get("imported")),
        refused={
            name: _sentence(reason) for name, reason in _items(refused) if isinstance(reason, str)
        },
        read=_strings(report.get("read")),
        hides=_strings(report.get("hides")),
        noted={name: _strings(said) for name, said in _items(noted)},
        fault=_sentence(fault) if isinstance(fault, str) else None,
    )


def _items(value: object) -> Iterable[tuple[str, object]]:
    pairs = list(value.items())[:NAMES] if isinstance(value, Mapping) else []
    return [(name, what) for name, what in pairs if _is_name(name)]


def _checked_names(value: object) -> tuple[str, ...]:
    names = value[:NAMES] if isinstance(value, list) else []
    return tuple(dict.fromkeys(name for name in names if _is_name(name)))


def _is_name(name: object) -> bool:
    if not isinstance(name, str) or len(name) > CHARACTERS:
        return False
    return all(part.isidentifier() for part in name.split("."))


def _strings(value: object) -> tuple[str, ...]:
    given = value[:NAMES] if isinstance(value, list) else []
    return tuple(_sentence(each) for each in given if isinstance(each, str))


def _sentence(text: str) -> str:
    """A text from a box that may be shown: one line, not long."""
    return "".join(each if each.isprintable() else " " for each in text[:CHARACTERS])


def _code(function: Function) -> str:
    return f"{function.region}:{function.name}:{function.code.digest[:16]}"


def _key(which: LayerSet) -> DocumentKey:
    digest = hashlib.sha256("\n".join(which.layers).encode()).hexdigest()
    return DocumentKey(Kind.LEARNED, which.account, GLOBAL, which.runtime, digest)


def _to_document(which: LayerSet, lesson: Lesson) -> dict[str, Any]:
    return {**asdict(lesson), "runtime": which.runtime, "layers": list(which.layers)}


def _from_document(value: Mapping[str, Any]) -> Lesson:
    verdict = value["verdict"]
    return Lesson(
        inits=value["inits"],
        last=value["last"],
        modules=tuple(value["modules"]),
        verdict=None if verdict is None else _verdict_from(verdict),
    )


def _verdict_from(value: Mapping[str, Any]) -> Verdict:
    return Verdict(
        time=value["time"],
        imported=tuple(value["imported"]),
        refused=value["refused"],
        read=tuple(value["read"]),
        hides=tuple(value["hides"]),
        noted={name: tuple(said) for name, said in value["noted"].items()},
        fault=value["fault"],
    )
