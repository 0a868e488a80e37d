"""How the app is served over HTTP: uvicorn on uvloop and httptools, chosen in the design."""

from __future__ import annotations

import uvicorn

from lamella.api.app import App

KEEP_ALIVE_SECONDS = 75
LAST_REQUESTS_SECONDS = 1


def config(app: App, host: str, port: int) -> uvicorn.Config:
    """uvicorn's settings: its own access log and ``Server`` header are off.

    At the end, requests under way get a second before they are cancelled.
    """
    return uvicorn.Config(
        app,
        host=host,
        port=port,
        loop="uvloop",
        http="httptools",
        ws="none",
        lifespan="on",
        access_log=False,
        log_config=None,
        server_header=False,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=LAST_REQUESTS_SECONDS,
    )
