"""The interpreters that a server works with: those of the host, and those pinned by hand."""

from __future__ import annotations

import logging
import os
from pathlib import Path

from lamella.runtimes import pins
from lamella.runtimes.catalog import Catalog

log = logging.getLogger("lamella")


def interpreters(data: Path) -> Catalog:
    """What this host has, with the pins of a data directory; warns of each that cannot be used.

    Blocks, for interpreters are asked for their versions. Raises HostError for pins that cannot
    be read.
    """
    catalog = Catalog.discover(os.environ, pins=pins.load(data))
    for reason in catalog.broken.values():
        log.warning("%s", reason)
    return catalog
