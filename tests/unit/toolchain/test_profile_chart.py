"""The flame chart is one file that loads nothing and in which nothing foreign runs."""

from __future__ import annotations

import base64
import hashlib
import re
from xml.etree import ElementTree

from lamella.toolchain.profile.chart import Flame, page
from lamella.toolchain.profile.trace import Import, Spent, Trace

HOSTILE = "</svg><script>alert(1)</script>\"'&"


def drawn() -> str:
    imports = (
        Import(HOSTILE, None, 0.0, 10.0, "/opt/python/x.py"),
        Import("inner", 0, 2.0, 4.0, None),
        Import("too.small", 0, 7.0, 0.001, ""),
    )
    spent = (
        Spent(HOSTILE, 5.999, 10.0, HOSTILE),
        Spent("inner", 4.0, 4.0, HOSTILE),
        Spent("too.small", 0.001, 0.001, "standard library"),
    )
    return page(HOSTILE, HOSTILE, [Flame(HOSTILE, Trace(12.5, imports), spent)])


def test_the_page_runs_its_own_script_alone() -> None:
    (script,) = re.findall(r"<script>(.*?)</script>", drawn(), re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"script-src &#x27;sha256-{digest}&#x27;" in drawn()
    assert "default-src &#x27;none&#x27;" in drawn()
    assert "alert(1)</script>" not in drawn()
    assert not re.search(r"(src|href)=", drawn())


def test_bars_stand_where_and_as_long_as_their_imports() -> None:
    (chart,) = re.findall(r'<svg class="flame".*?</svg></svg>', drawn(), re.DOTALL)
    bars = list(ElementTree.fromstring(chart))
    titles = [bar.findtext("title") or "" for bar in bars]
    assert titles[0] == f"{HOSTILE}: 12.5 ms"
    assert titles[1] == f"{HOSTILE}: 10.00 ms, itself 6.00 ms, {HOSTILE}"
    assert titles[2] == f"inner: 4.00 ms, itself 4.00 ms, {HOSTILE}, not found"
    assert len(bars) == 3
    places = [(bar.get("x"), bar.get("y"), bar.get("width")) for bar in bars]
    assert places == [
        ("0.0000%", "0", "100.0000%"),
        ("0.0000%", "18", "80.0000%"),
        ("16.0000%", "36", "32.0000%"),
    ]
