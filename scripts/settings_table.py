"""Write the settings' table into ``docs/cli.md``, between its two marks.

Run it after a change of `lamella.config`: ``.venv/bin/python scripts/settings_table.py``.
"""

from __future__ import annotations

from pathlib import Path

from lamella import config

PAGE = Path(__file__).resolve().parent.parent / "docs" / "cli.md"
BEGIN = "<!-- settings: made from lamella/config.py by scripts/settings_table.py -->\n"
END = "<!-- end of settings -->\n"


def with_table(page: str) -> str:
    """``page`` with the table as the settings are now. ValueError if a mark is missing."""
    before, _, rest = page.partition(BEGIN)
    _, mark, after = rest.partition(END)
    if not mark:
        raise ValueError(f"{PAGE.name} lacks the marks of the settings")
    return f"{before}{BEGIN}\n{config.table()}\n{END}{after}"


if __name__ == "__main__":
    PAGE.write_text(with_table(PAGE.read_text()))
