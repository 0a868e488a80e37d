#!/usr/bin/env bash
# Make .venv: an interpreter that works, the locked packages, and this package, editable.
#
# Runs as any user. Does nothing when .venv already holds what requirements.lock says.
# PYTHON=/path/to/python3.12 chooses the interpreter.
set -euo pipefail
cd "$(dirname "$0")/.."

venv="$PWD/.venv"
stamp="$venv/.made-from"
wanted="$(cat requirements.lock pyproject.toml scripts/setup.sh | sha256sum | cut -d' ' -f1) ${PYTHON:-}"

say() { printf '%s\n' "$*" >&2; }

# The real path of an interpreter that is new enough, or nothing. Asking the interpreter for its
# own path steps past shims and wrappers, which are slow and may belong to another user.
real_python() {
  "$1" -I -c '
import os, sys
if sys.version_info >= (3, 11) and os.access(sys.executable, os.X_OK):
    print(os.path.realpath(sys.executable))' 2>/dev/null || true
}

can_make_venvs() { "$1" -I -c 'import ensurepip, venv' 2>/dev/null; }

candidates() {
  if [ -n "${PYTHON:-}" ]; then
    printf '%s\n' "$PYTHON"
    return
  fi
  local minor name
  for minor in 11 12 13 14; do printf '%s\n' "/usr/bin/python3.$minor" "/usr/local/bin/python3.$minor"; done
  for name in python3.11 python3.12 python3.13 python3.14 python3; do type -aP "$name" || true; done
}

find_python() {
  local candidate python without=""
  while read -r candidate; do
    python=$(real_python "$candidate")
    [ -n "$python" ] || continue
    if can_make_venvs "$python"; then
      printf '%s\n' "$python"
      return
    fi
    without=${without:-$python}
  done < <(candidates)
  [ -n "$without" ] || { say "No Python 3.11 or newer was found. Install one, or name it: PYTHON=/path/to/python3 make setup"; return 1; }
  add_venv_module "$without" && printf '%s\n' "$without"
}

# Debian ships the venv module as a package of its own.
add_venv_module() {
  local package
  package="$(basename "$(readlink -f "$1")")-venv"
  if [ "$(id -u)" -eq 0 ] && command -v apt-get >/dev/null; then
    say "$1 has no venv module; installing $package"
    { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -qqy "$package"; } >&2 || true
  fi
  can_make_venvs "$1" && return
  say "$1 cannot make virtual environments. Install its venv module (Debian and Ubuntu: apt install $package), then run make setup again."
  return 1
}

# Whether .venv has a living interpreter and was made here, not copied from another folder.
works() { "$venv/bin/python" -I -c 'import pip' 2>/dev/null && grep -qF "$venv/bin/" "$venv/bin/pip"; }

if [ "$(cat "$stamp" 2>/dev/null)" = "$wanted" ] && works; then
  exit 0
fi
if ! works; then
  python=$(find_python)
  say "Making .venv with $python"
  rm -rf "$venv"
  "$python" -I -m venv "$venv"
fi
rm -f "$stamp"
say "Installing the locked packages"
pip=("$venv/bin/python" -I -m pip --disable-pip-version-check --quiet)
"${pip[@]}" install --require-hashes --requirement requirements.lock
"${pip[@]}" install --no-build-isolation --no-deps --editable .
printf '%s\n' "$wanted" >"$stamp"
