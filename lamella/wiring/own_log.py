"""The server's own log: what it says on standard error, as lines or as JSON."""

from __future__ import annotations

import logging
import sys
from datetime import UTC, datetime

import orjson


def set_up_logging(form: str) -> None:
    """The server's own log: lines on standard error, JSON with ``--log-format json``."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        JsonLines()
        if form == "json"
        else logging.Formatter("%(asctime)s %(levelname)s %(message)s", "%H:%M:%S")
    )
    logger = logging.getLogger("lamella")
    logger.handlers[:] = [handler]
    logger.setLevel(logging.INFO)
    logger.propagate = False
    uvicorn = logging.getLogger("uvicorn.error")
    uvicorn.addHandler(handler)
    uvicorn.addFilter(_is_news)
    uvicorn.setLevel(logging.WARNING)


def _is_news(record: logging.LogRecord) -> bool:
    """Whether it is not said of an answer that was cut off on purpose: a stream that failed."""
    return "without completing response" not in record.getMessage()


class JsonLines(logging.Formatter):
    """One JSON object a record: ``time``, ``level``, ``message``, ``error`` if there is one, and what
    the record has as ``told``."""

    def format(self, record: logging.LogRecord) -> str:
        entry = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "message": record.getMessage(),
            **getattr(record, "told", {}),
        }
        if record.exc_info:
            entry["error"] = self.formatException(record.exc_info)
        return orjson.dumps(entry).decode()
