#!/bin/bash
# An internal extension: it registers beside the runtime, which it then starts.
call() { # METHOD PATH HEADER BODY
  exec 5<>"/dev/tcp/${AWS_LAMBDA_RUNTIME_API/:/\/}"
  printf '%s /2020-01-01/extension/%s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n%s\r\nContent-Length: %d\r\n\r\n%s' \
    "$1" "$2" "$3" "${#4}" "$4" >&5
  cat <&5
  exec 5<&-
}

said=$(call POST register 'Lambda-Extension-Name: within' '{"events":["INVOKE"]}')
me=$(tr -d '\r' <<<"$said" | sed -n 's/^Lambda-Extension-Identifier: //Ip')
while true; do call GET event/next "Lambda-Extension-Identifier: $me" '' >> /tmp/within; echo >> /tmp/within; done &
exec "$@"
