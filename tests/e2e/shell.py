"""A custom runtime in a few lines of bash, for tests that need many environments quickly."""

from __future__ import annotations

from typing import Any

from tests.e2e.server import ROLE, Cloud, zipped

# Answers with the event; does what its first word says before.
BOOTSTRAP = r"""#!/bin/bash
export LC_ALL=C
exec 3<>"/dev/tcp/${AWS_LAMBDA_RUNTIME_API/://}"
head() {
  id= length=0
  while IFS= read -r line <&3 && line=${line%$'\r'} && [ -n "$line" ]; do
    case ${line,,} in
    lambda-runtime-aws-request-id:*) id=${line##*: } ;;
    content-length:*) length=${line##*: } ;;
    esac
  done
  [ "$length" = 0 ] && body= || IFS= read -r -N "$length" body <&3
}
while :; do
  printf 'GET /2018-06-01/runtime/invocation/next HTTP/1.1\r\nHost: x\r\n\r\n' >&3
  head
  event=$body
  case $event in
  '"sleep'*) sleep 0.2 ;;
  '"hang'*) trap '' TERM; while :; do sleep 1000; done ;;
  '"exit'*) exit 3 ;;
  '"crash'*) kill -SEGV $$ ;;
  '"print'*) echo "said by $id" ;;
  esac
  printf 'POST /2018-06-01/runtime/invocation/%s/response HTTP/1.1\r\nHost: x\r\n' "$id" >&3
  printf 'Content-Length: %d\r\n\r\n%s' "${#event}" "$event" >&3
  head
done
"""


def shell_function(cloud: Cloud, name: str | None = None, **more: Any) -> str:
    """Create a function that runs in bash, and wait until it is active; its name."""
    name = name or cloud.name("shell")
    cloud.client.create_function(
        FunctionName=name,
        Runtime="provided.al2023",
        Handler="any",
        Role=ROLE,
        Code={"ZipFile": zipped({"bootstrap": BOOTSTRAP}, modes={"bootstrap": 0o755})},
        **{"Timeout": 20, **more},
    )
    cloud.client.get_waiter("function_active_v2").wait(
        FunctionName=name, WaiterConfig={"Delay": 0.05, "MaxAttempts": 600}
    )
    return name
