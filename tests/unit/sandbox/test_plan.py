"""A plan becomes bubblewrap's options; nothing is run here."""

from __future__ import annotations

from pathlib import Path

import pytest

from lamella.errors import SandboxFailed
from lamella.sandbox.plan import BoxPlan, Limits, options, system_links

LIMITS = Limits(memory=128, tmp=512)
SYSTEM = (("bin", "usr/bin"), ("lib64", None))


def made(plan: BoxPlan) -> list[str]:
    return options(
        plan, locate=lambda path: f"/seen{path}", etc="/seen/etc", tmp="/seen/tmp", system=SYSTEM
    )


def plan(**changes: object) -> BoxPlan:
    values: dict[str, object] = {
        "name": "b",
        "argv": ("/bin/true",),
        "environment": {"A": "1"},
        "limits": LIMITS,
    }
    return BoxPlan(**{**values, **changes})  # type: ignore[arg-type]


def pairs(options: list[str], name: str, count: int) -> list[tuple[str, ...]]:
    return [tuple(options[i + 1 : i + 1 + count]) for i, word in enumerate(options) if word == name]


def test_every_namespace_is_new_and_the_box_dies_with_its_keeper() -> None:
    out = made(plan())
    assert "--unshare-all" in out
    assert "--die-with-parent" in out
    assert "--share-net" not in out


def test_the_topmost_directory_is_given_last_as_bubblewrap_wants_it() -> None:
    out = made(plan(overlays={"/opt": (Path("/top"), Path("/middle"), Path("/bottom"))}))
    assert pairs(out, "--overlay-src", 1) == [("/seen/bottom",), ("/seen/middle",), ("/seen/top",)]
    assert pairs(out, "--ro-overlay", 1) == [("/opt",)]


def test_one_directory_needs_no_overlay_and_none_is_an_empty_folder() -> None:
    out = made(plan(overlays={"/opt": (), "/var/task": (Path("/code"),)}))
    assert ("/opt",) in pairs(out, "--dir", 1)
    assert ("/seen/code", "/var/task") in pairs(out, "--ro-bind", 2)
    assert "--overlay-src" not in out


def test_system_folders_are_links_or_read_only_mounts_as_on_the_host() -> None:
    out = made(plan())
    assert ("usr/bin", "/bin") in pairs(out, "--symlink", 2)
    assert ("/lib64", "/lib64") in pairs(out, "--ro-bind", 2)


def test_the_root_is_made_read_only_after_everything_is_mounted() -> None:
    out = made(plan(overlays={"/opt": (Path("/a"),)}, symlinks={"/var/lang/bin/x": "/usr/bin/x"}))
    assert out.index("/") > max(out.index("/opt"), out.index("/var/lang/bin/x"))
    assert pairs(out, "--remount-ro", 1) == [("/dev",), ("/",)]


def test_only_tmp_and_what_the_plan_says_can_be_written() -> None:
    assert pairs(made(plan()), "--bind", 2) == [("/seen/tmp", "/tmp")]
    writable = plan(writable={"/out": Path("/there")})
    assert ("/seen/there", "/out") in pairs(made(writable), "--bind", 2)


def test_the_environment_is_the_plans_and_nothing_else() -> None:
    out = made(plan())
    assert "--clearenv" in out
    assert pairs(out, "--setenv", 2) == [("A", "1")]


def test_the_hosts_system_folders_are_found(tmp_path: Path) -> None:
    (tmp_path / "lib64").mkdir()
    (tmp_path / "bin").symlink_to("usr/bin")
    (tmp_path / "usr" / "bin").mkdir(parents=True)
    assert system_links(tmp_path) == (("bin", "usr/bin"), ("lib64", None))


@pytest.mark.parametrize(
    "changes",
    [
        {"environment": {"A": "x\0--bind\0/\0/tmp"}},
        {"argv": ("/bin/true", "\0")},
        {"directory": "/\0--share-net"},
    ],
)
def test_a_nul_cannot_begin_an_option(changes: dict[str, object]) -> None:
    with pytest.raises(SandboxFailed, match="NUL"):
        made(plan(**changes))
