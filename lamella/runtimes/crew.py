"""The command of a box in which extensions run beside the runtime: a few lines of shell.

It starts the extensions at once and the runtime when it is told to, and says who has ended, and
how. Descriptor 6 is the runtime's log, 7 brings orders, 8 takes what it has to say, 9 is the
extensions' output.
A box without extensions runs its runtime and nothing else.

Source: https://docs.aws.amazon.com/lambda/latest/dg/runtimes-extensions-api.html#runtimes-extensions-api-lifecycle
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

FOLDER = "extensions"
RUN, TERMINATE, KILL = b"run\n", b"term\n", b"kill\n"
RUNTIME = "r"

_ENDED = re.compile(rb"(r|[0-9]{1,2}) ([0-9]{1,3})")

# An extension does not see what is the runtime's alone.
_HIDDEN = (
    "_HANDLER AWS_EXECUTION_ENV LAMBDA_TASK_ROOT LAMBDA_RUNTIME_DIR "
    "AWS_LAMBDA_LOG_GROUP_NAME AWS_LAMBDA_LOG_STREAM_NAME _LAMBDA_TELEMETRY_LOG_FD"
)
_SCRIPT = f"""
count=$1; shift
number=0
while [ "$number" -lt "$count" ]; do
  (
    ( unset {_HIDDEN}; cd /; exec "/opt/{FOLDER}/$1" >&9 2>&9 6>&- 7<&- 8>&- 9>&- )
    echo "$number $?" >&8
  ) 7<&- &
  number=$((number + 1)); shift
done
runner=
while read -r order <&7; do
  case $order in
  run)
    (
      "$@" 7<&- 8>&- 9>&- &
      child=$!
      exec >/dev/null 2>&1
      trap 'kill -TERM "$child"' TERM
      trap 'kill -KILL "$child"' USR1
      wait "$child"; status=$?
      while kill -0 "$child" 2>/dev/null; do wait "$child"; status=$?; done
      echo "{RUNTIME} $status" >&8
    ) 7<&- 9>&- &
    runner=$! ;;
  term) [ -z "$runner" ] || kill -TERM "$runner" 2>/dev/null ;;
  kill) [ -z "$runner" ] || kill -USR1 "$runner" 2>/dev/null ;;
  esac
done
"""


def command(extensions: Sequence[str], runtime: Sequence[str]) -> tuple[str, ...]:
    """The command line for ``extensions``, by file name, and the runtime's own."""
    return ("/bin/sh", "-c", _SCRIPT, "crew", str(len(extensions)), *extensions, *runtime)


def ended(line: bytes, extensions: Sequence[str]) -> tuple[str | None, int] | None:
    """Who a line says has ended (None: the runtime) and the code, negative for a signal.

    None for a line that says nothing of the kind: whatever runs in the box may have written it.
    """
    said = _ENDED.fullmatch(line)
    if said is None or (status := int(said[2])) > 255:
        return None
    code = 128 - status if status > 128 else status
    who = said[1].decode()
    if who == RUNTIME:
        return None, code
    return (extensions[int(who)], code) if int(who) < len(extensions) else None


def found(layers: Sequence[Path]) -> tuple[str, ...]:
    """The names of the extensions that layers bring: executable files right in ``extensions``.

    ``layers`` are unpacked trees in the order listed; a file of a later one hides an earlier's.
    """
    names: dict[str, bool] = {}
    for layer in layers:
        folder = layer / FOLDER
        if folder.is_symlink() or not folder.is_dir():
            continue
        for entry in folder.iterdir():
            names[entry.name] = _is_program(entry)
    return tuple(sorted(name for name, is_program in names.items() if is_program))


def _is_program(entry: Path) -> bool:
    if entry.is_symlink():
        # Where it leads is a question of the box's own root, not of the host's.
        return True
    return entry.is_file() and bool(entry.stat().st_mode & 0o111)
