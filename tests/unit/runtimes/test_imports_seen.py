"""Which imports a process tells of."""

from __future__ import annotations

from pathlib import Path

from tests.unit.runtimes.preloading import packages, run

SEEN = """
import imports
imports._places += (layer + "/",)
"""


def test_modules_are_told_after_what_they_import(tmp_path: Path) -> None:
    layer = packages(
        tmp_path, {"top": "import below", "below": "", "kit.__init__": "", "kit.a": ""}
    )
    script = SEEN + "import top, kit.a, colorsys; print(json.dumps(imports.seen()))"
    assert run(layer, script) == ["below", "top", "kit", "kit.a", "colorsys"]


def test_what_was_there_before_and_the_functions_own_are_not_told(tmp_path: Path) -> None:
    layer = packages(tmp_path / "layer", {"early": "", "late": ""})
    own = packages(tmp_path / "task", {"handler": "import late"})
    script = f"""
import early
{SEEN}
sys.path.insert(0, {str(own)!r})
import handler
print(json.dumps(imports.seen()))
"""
    assert run(layer, script) == ["late"]


def test_whatever_stands_in_sys_modules_is_left_alone(tmp_path: Path) -> None:
    script = (
        SEEN
        + """
import types
class Loading:
    def __getattr__(self, name):
        raise SystemExit("asked for " + name)
odd = types.ModuleType("odd")
odd.__spec__ = Loading()
sys.modules.update({"loading": Loading(), "none": None, 5: odd, "odd": types.ModuleType("odd"),
                    "alias": os, "a" * 300: os, "kein name": os})
print(json.dumps(imports.seen()))
"""
    )
    assert run(tmp_path, script) == []


def test_a_module_that_loads_itself_when_it_is_looked_at_is_not_loaded(tmp_path: Path) -> None:
    layer = packages(tmp_path, {"slow": "raise SystemExit('loaded')"})
    script = (
        SEEN
        + """
import importlib.util
spec = importlib.util.find_spec("slow")
spec.loader = importlib.util.LazyLoader(spec.loader)
module = importlib.util.module_from_spec(spec)
sys.modules["slow"] = module
spec.loader.exec_module(module)
print(json.dumps("slow" in imports.seen()))
"""
    )
    assert run(layer, script) is False


def test_nobody_who_listens_is_no_fault(tmp_path: Path) -> None:
    assert run(tmp_path, SEEN + "print(json.dumps(imports.tell('127.0.0.1:1')))") is None
