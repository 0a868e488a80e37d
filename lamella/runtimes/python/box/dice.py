"""Random numbers while modules are imported: what was drawn, and which generators were made.

A generator that seeded itself is seeded anew in every fork (`reseed`). What was drawn from one
already, or from the kernel, is in some variable of the module, where nobody can renew it.
"""

import gc
import os
import sys

from _weakref import ref

_MADE = "numpy.random.bit_generator"
_GLOBAL = "numpy.random.mtrand"
_SHARED = 2
SOURCES = ("random", _MADE)
"""Modules whose generators are watched, to be imported before any that makes one."""


class Dice:
    """Watches, from `watch` to `leave`, what is made; call `look` after each import.

    ``draws`` is called before random numbers are taken from the kernel, but for the seed of a
    generator. ``known`` are generators that seeded themselves before.
    """

    def __init__(self, draws=None, known=()):
        self._draws = draws
        self._known = known
        self._seeded = {}
        self._entropies = set()
        self._looked_at = 0
        self._global = {}
        self._undo = {}
        self._in_numpy = False

    def watch(self):
        if self._draws is not None:
            self._watch_kernel()
        self.look()

    def leave(self):
        for undo in self._undo.values():
            undo()

    def look(self):
        """Watch what was loaded since."""
        for name, watch in (
            ("random", self._watch_random),
            ("uuid", self._watch_uuid),
            (_MADE, self._watch_numpy),
        ):
            module = sys.modules.get(name)
            if module is not None and name not in self._undo:
                try:
                    watch(module)
                except AttributeError:  # another module of that name, or still being imported
                    continue
        if len(self._global) < _SHARED:
            for name, state in self._shared():
                self._global.setdefault(name, state)

    def is_drawn(self):
        """Whether anything was drawn, or seeded, of the generators that all modules share, or of
        one that seeded itself; a legacy generator of numpy counts, as its seed cannot be told."""
        for name, state in self._shared():
            if self._global[name] != state:
                return True
        for own, (made, state) in list(self._seeded.items()):
            alive = made()
            if alive is None:
                del self._seeded[own]
            elif sys.modules["random"].Random.getstate(alive) != state:
                return True
        # Everything there is has to be gone through: once for each number of seeds.
        looked_at, self._looked_at = self._looked_at, len(self._entropies)
        return looked_at != self._looked_at and len(self._legacy()) > 1

    def generators(self):
        """Those that seeded themselves and are still there."""
        found = [made() for made, _ in self._seeded.values()]
        found = [each for each in found if each is not None]
        seen = set(map(id, found))
        found += [each for each in self._known if id(each) not in seen]
        if self._entropies:
            kind = sys.modules[_MADE].BitGenerator
            for each in gc.get_objects():
                if isinstance(each, kind) and _entropy(each) in self._entropies:
                    found.append(each)
        return found

    def _watch_kernel(self):
        draw = os.urandom

        def urandom(count):
            if not self._in_numpy:
                self._draws()
            return draw(count)

        os.urandom = urandom
        if "random" in sys.modules:
            sys.modules["random"]._urandom = urandom

    def _watch_random(self, module):
        kind = module.Random
        seed = kind.seed
        for each in self._known:
            if isinstance(each, kind):
                self._seeded[id(each)] = (ref(each), kind.getstate(each))

        def watched(own, a=None, *more, **named):
            seed(own, a, *more, **named)
            self._seeded.pop(id(own), None)
            if a is None and own is not module._inst:
                self._seeded[id(own)] = (ref(own), kind.getstate(own))

        def undo():
            kind.seed = seed

        kind.seed = watched
        self._undo["random"] = undo

    def _watch_numpy(self, module):
        draw = module.randbits

        def randbits(count):
            self._in_numpy = True
            try:
                entropy = draw(count)
            finally:
                self._in_numpy = False
            self._entropies.add(entropy)
            return entropy

        def undo():
            module.randbits = draw

        module.randbits = randbits
        self._undo[_MADE] = undo

    def _watch_uuid(self, module):
        if self._draws is None:
            return
        make = module.uuid1

        def uuid1(*given, **named):
            self._draws()
            return make(*given, **named)

        def undo():
            module.uuid1 = make

        module.uuid1 = uuid1
        self._undo["uuid"] = undo

    def _shared(self):
        random, numpy = sys.modules.get("random"), sys.modules.get(_GLOBAL)
        if "random" in self._undo:
            yield "random", random._inst.getstate()
        if hasattr(numpy, "_rand"):
            state = numpy._rand.get_state(legacy=False)["state"]
            yield "numpy", [getattr(each, "tobytes", lambda e=each: e)() for each in state.values()]

    def _legacy(self):
        kind = getattr(sys.modules.get(_GLOBAL), "RandomState", None)
        if kind is None:
            return []
        return [each for each in gc.get_objects() if isinstance(each, kind)]


def _entropy(generator):
    seeds = getattr(generator, "seed_seq", None) or getattr(generator, "_seed_seq", None)
    entropy = getattr(seeds, "entropy", None)
    return entropy if isinstance(entropy, int) else None
