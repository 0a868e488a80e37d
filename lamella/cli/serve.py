"""``lamella serve``: read the settings, build the server, run it until it is told to stop.

The flags are made from `lamella.config`; what they mean is for `lamella.wiring`.
"""

from __future__ import annotations

import asyncio
import gc
import inspect
import os
import sys
from typing import Annotated, Optional

import typer

from lamella.cli import output
from lamella.config import SETTINGS, Setting, SettingsRefused, load, warnings


def serve(**flags: str | bool | None) -> None:
    """Serve the Lambda API until Ctrl-C.

    Prints one line with the endpoint when it is ready; logs go to the standard error. A flag
    wins over its environment variable.

    \b
    Examples:
      lamella serve
      lamella serve --port 0 --ephemeral
      LAMELLA_DATA=/srv/lamella lamella serve --log-format json
    """
    try:
        settings = load(flags, os.environ)
    except SettingsRefused as refused:
        output.fail(str(refused), output.MISUSED)
    for warning in warnings(settings):
        print(f"Warning: {warning}", file=sys.stderr)

    gc.disable()  # until `_ready`
    import uvloop

    from lamella.errors import HostError
    from lamella.wiring import build

    try:
        uvloop.run(build(settings).run(_ready))
    except (KeyboardInterrupt, asyncio.CancelledError):
        return
    except HostError as error:
        output.fail(str(error))
    except OSError as error:
        place = f"{settings.host}:{settings.port}"
        output.fail(f"The server cannot start on {place}: {error}. Try --port 0 or --data DIR.")
    finally:
        gc.freeze()


def _ready(endpoint: str) -> None:
    # What the start has made stays to the end: to look through it now and then, and once more at
    # the exit, would take a third of a second of a start and its stop.
    gc.freeze()
    gc.enable()
    print(f"Lamella is ready at {endpoint}", flush=True)


def _option(setting: Setting) -> inspect.Parameter:
    shown = setting.shown.replace("`", "")
    note = f"[{setting.variable}; default: {shown}]"
    kind = Optional[bool] if setting.is_switch else Optional[str]  # noqa: UP045
    option = typer.Option(
        setting.flag,
        help=f"{setting.sentence} {note}",
        metavar=None if setting.is_switch else setting.metavar,
        show_default=False,
    )
    return inspect.Parameter(
        setting.name,
        inspect.Parameter.KEYWORD_ONLY,
        default=None,
        annotation=Annotated[kind, option],
    )


_PARAMETERS = [_option(each) for each in SETTINGS]
serve.__signature__ = inspect.Signature(_PARAMETERS)  # type: ignore[attr-defined]
serve.__annotations__ = {each.name: each.annotation for each in _PARAMETERS}
