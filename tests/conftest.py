"""Settings of all tests.

Generated tests take the same examples each time; ``LAMELLA_FUZZ=1`` lets them look further.
Servers that the tests start keep their compiled modules, whatever the caller's environment says:
without them each would compile all of the source anew.
"""

from __future__ import annotations

import os

from hypothesis import settings

settings.register_profile("same", derandomize=True, deadline=None)
settings.register_profile("fuzz", deadline=None)
settings.load_profile("fuzz" if os.environ.get("LAMELLA_FUZZ") else "same")

os.environ["PYTHONDONTWRITEBYTECODE"] = ""
