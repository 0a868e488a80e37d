"""Alembic, run from inside: no ini file, the caller's engine."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy.engine import Engine


def config() -> Config:
    """Alembic's configuration, with the scripts of this package."""
    made = Config()
    # a percent sign in the path would be read as an interpolation
    made.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    return made


def head() -> str | None:
    """The newest revision among the scripts."""
    return ScriptDirectory.from_config(config()).get_current_head()


def run(engine: Engine, revision: str) -> None:
    """Upgrade to ``revision`` in one transaction. RuntimeError if the database is newer."""
    made = config()
    with engine.begin() as connection:
        made.attributes["connection"] = connection
        try:
            command.upgrade(made, revision)
        except CommandError as error:
            raise RuntimeError(
                f"the database was written by another version of Lamella: {error}"
            ) from error
