"""The command line: which commands there are.

Each command lives in a module of its own and imports what is heavy when it runs, so that
``lamella --help`` stays quick. Plain text for help: no markup library is loaded to show it.
"""

from __future__ import annotations

import platform
from typing import Annotated

import typer

import lamella
from lamella.cli import demo, doctor, function, keys, layer, orgs, output, pool, runtimes, serve

app = typer.Typer(
    name="lamella",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
app.command("serve")(serve.serve)
app.command("demo")(demo.demo)
app.command("doctor")(doctor.doctor)
app.command("pool")(pool.pool)
app.add_typer(layer.app, name="layer")
app.add_typer(function.app, name="function")
app.add_typer(keys.app, name="keys")
app.add_typer(orgs.app, name="orgs")
app.add_typer(runtimes.app, name="runtimes")


def _print_version(wanted: bool) -> None:
    if wanted:
        print(lamella.__version__)
        raise typer.Exit


_Version = Annotated[
    bool,
    typer.Option(
        "--version", help="Print the version and stop.", is_eager=True, callback=_print_version
    ),
]


@app.callback()
def root(version: _Version = False) -> None:
    """AWS Lambda functions and layers on machines you own.

    \b
    Begin with:
      lamella doctor            what this host can do
      lamella demo              the whole story in ten seconds
      lamella serve             a server on 127.0.0.1:4566
      aws --endpoint-url http://127.0.0.1:4566 lambda list-functions
    """


@app.command("version")
def version(as_json: output.Json = False) -> None:
    """Say which Lamella and which Python this is.

    \b
    Example:
      lamella version --json
    """
    facts = {"lamella": lamella.__version__, "python": platform.python_version()}
    if as_json:
        output.as_json(facts)
        return
    print(f"lamella {facts['lamella']} (Python {facts['python']})")


def main() -> None:
    app()
