"""The documents are true: their commands exist, their runnable blocks run, their links lead somewhere."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import boto3
import pytest
from botocore import xform_name
from typer.main import get_command

from lamella.cli.main import app
from lamella.config import SETTINGS
from scripts import lifecycle_page
from scripts.settings_table import PAGE, with_table

ROOT = Path(__file__).resolve().parent.parent
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
FENCE = re.compile(r"^```(?P<info>[^\n]*)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"!?\[[^\]]*\]\((?P<target>[^)\s]+)\)")
SHELL = {"sh", "bash", "console", "shell"}


@dataclass(frozen=True)
class Block:
    """A fenced block of shell. ``run`` in its first line says that it works anywhere, alone."""

    page: Path
    line: int
    info: tuple[str, ...]
    text: str

    def __str__(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"

    def commands(self) -> Iterator[list[str]]:
        """Each simple command's words; assignments before it and prompts are left off."""
        joined = self.text.replace("\\\n", " ")
        for line in joined.splitlines():
            lexer = shlex.shlex(line.removeprefix("$ "), posix=True, punctuation_chars="|&;<>")
            lexer.whitespace_split = True
            words: list[str] = []
            for word in [*lexer, ";"]:
                if word in {"|", "&&", "||", ";", "&"}:
                    if words:
                        yield words
                    words = []
                elif words or not re.fullmatch(r"[A-Z_]+=.*", word):
                    words.append(word)


def blocks() -> list[Block]:
    found = []
    for page in PAGES:
        text = page.read_text()
        for match in FENCE.finditer(text):
            info = tuple(match["info"].split())
            if info and info[0] in SHELL:
                line = text.count("\n", 0, match.start()) + 1
                found.append(Block(page, line, info, match["text"]))
    return found


def commands(program: str) -> list[tuple[str, list[str]]]:
    """Where and how ``program`` is called in the documents."""
    return [
        (str(block), words[1:])
        for block in blocks()
        for words in block.commands()
        if Path(words[0]).name == program
    ]


def flags(words: list[str]) -> list[str]:
    return [word.partition("=")[0] for word in words if word.startswith("--")]


def test_the_documents_hold_commands_to_check() -> None:
    assert len(commands("lamella")) >= 5
    assert commands("aws")
    assert commands("make")


@pytest.mark.parametrize(("where", "words"), commands("lamella"))
def test_every_command_of_lamella_and_its_flags_exist(where: str, words: list[str]) -> None:
    command = get_command(app)
    known = {"--help", *command_flags(command)}
    for word in words:
        below = getattr(command, "commands", {}).get(word)
        if below is None:
            continue
        command = below
        known |= command_flags(command)
    assert not hasattr(command, "commands") or flags(words), f"{where}: {words} names no command"
    assert set(flags(words)) <= known, where


def command_flags(command: object) -> set[str]:
    given = getattr(command, "params", [])
    return {flag for each in given for flag in getattr(each, "opts", [])}


@pytest.mark.parametrize(("where", "words"), commands("make"))
def test_every_make_target_exists(where: str, words: list[str]) -> None:
    targets = re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    named = [word for word in words if "=" not in word and not word.startswith("-")]
    assert set(named) <= set(targets), where


@pytest.mark.parametrize(("where", "words"), commands("aws"))
def test_every_call_of_aws_lambda_is_one_of_its_operations(where: str, words: list[str]) -> None:
    model = boto3.client("lambda", "eu-west-1").meta.service_model
    named = {xform_name(name, "-"): model.operation_model(name) for name in model.operation_names}
    at = words.index("lambda")
    assert words[at + 1] in named or words[at + 1] == "wait", where
    if words[at + 1] in named:
        shape = named[words[at + 1]].input_shape
        members = {f"--{xform_name(member, '-')}" for member in shape.members}
        common = {"--endpoint-url", "--region", "--query", "--output", "--zip-file"}
        assert set(flags(words)) <= members | common, where


RUNNABLE = [block for block in blocks() if "run" in block.info]


@pytest.mark.parametrize("block", RUNNABLE, ids=str)
def test_a_block_marked_run_runs(block: Block, tmp_path: Path) -> None:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", block.text],
        cwd=tmp_path,
        env={**os.environ, "PATH": path},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_to_a_file(page: Path) -> None:
    targets = [match["target"] for match in LINK.finditer(FENCE.sub("", page.read_text()))]
    missing = [
        target
        for target in targets
        if not re.match(r"[a-z]+:|#", target)
        and not (page.parent / target.partition("#")[0]).exists()
    ]
    assert missing == []


def test_the_table_of_settings_is_as_the_settings_are() -> None:
    assert with_table(PAGE.read_text()) == PAGE.read_text()


def test_the_lives_are_drawn_as_their_tables_are() -> None:
    page = lifecycle_page.PAGE.read_text()
    assert lifecycle_page.with_lives(page) == page


def test_serve_has_a_flag_for_every_setting_and_no_other() -> None:
    serve = getattr(get_command(app), "commands")["serve"]  # noqa: B009
    assert command_flags(serve) - {"--help", "-h"} == {each.flag for each in SETTINGS}


def test_the_attempts_that_security_lists_are_tests() -> None:
    named = set(re.findall(r"`(test_[a-z0-9_]+)`", (ROOT / "SECURITY.md").read_text()))
    each_of_them = (
        "e2e/test_isolation.py",
        "e2e/test_zygotes_hostile.py",
        "sandbox/test_nests_hostile.py",
    )
    some_of_them = (
        "e2e/test_network.py",
        "e2e/test_zygotes.py",
        "e2e/test_zygotes_killed.py",
        "sandbox/test_nests.py",
        "sandbox/test_nests_of_nests.py",
    )
    every, some = (
        {
            test
            for name in names
            for test in re.findall(
                r"^def (test_[a-z0-9_]+)", (ROOT / "tests" / name).read_text(), re.MULTILINE
            )
        }
        for names in (each_of_them, some_of_them)
    )
    assert every <= named <= every | some
