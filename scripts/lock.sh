#!/usr/bin/env bash
# Work requirements.lock out from pyproject.toml: every package of runtime and development, for
# every platform and Python from 3.11, with hashes. Arguments go to uv (--upgrade, for example).
set -euo pipefail
cd "$(dirname "$0")/.."
exec .venv/bin/uv pip compile pyproject.toml --group dev --universal --python-version 3.11 \
  --generate-hashes --no-emit-index-url --no-emit-find-links --no-header --no-annotate --quiet \
  --output-file requirements.lock "$@"
