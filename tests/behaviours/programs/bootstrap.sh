#!/bin/bash
# A custom runtime in the shell alone: the Runtime API over /dev/tcp.
api=2018-06-01/runtime
count=0

call() { # METHOD PATH [HEADERS]: the body comes from standard input; the answer's head goes to $head, its body to $body
  exec 5<>"/dev/tcp/${AWS_LAMBDA_RUNTIME_API/:/\/}" || exit 1
  cat > /tmp/.sent
  printf '%s /%s HTTP/1.1\r\nHost: %s\r\n%sContent-Length: %d\r\n\r\n' \
    "$1" "$2" "$AWS_LAMBDA_RUNTIME_API" "$3" "$(stat -c %s /tmp/.sent)" >&5
  cat /tmp/.sent >&5
  receive
}

receive() {
  local line length=0
  head='' body=''
  while IFS= read -r line <&5; do
    line=${line%$'\r'}
    [ -n "$line" ] || break
    head+=$line$'\n'
    case ${line,,} in content-length:*) length=${line##*: } ;; esac
  done
  [ -n "$head" ] || exit 1
  [ "$length" -eq 0 ] || body=$(head -c "$length" <&5)
  exec 5<&-
}

header() { # NAME: its value in $head
  sed -n "s/^$1: //Ip" <<<"$head"
}

quoted() { # standard input as a JSON string
  printf '"'
  sed -e 's/\\/\\\\/g' -e 's/"/\\"/g' | awk '{printf "%s\\n", $0}'
  printf '"'
}

answer() { call POST "$api/invocation/$id/response"; }

fail() { # TYPE MESSAGE: a JSON string
  printf '{"errorType":"%s","errorMessage":%s}' "$1" "$2" |
    call POST "$api/invocation/$id/error" "Lambda-Runtime-Function-Error-Type: $1"$'\r\n'
}

context() {
  local client
  client=$(header Lambda-Runtime-Client-Context)
  client=${client#'{"custom": '}
  client=${client%\}}
  printf '{"missing":[],"id":"%s","name":"%s","version":"%s","arn":"%s","memory":"%s","group":"%s","stream":"%s","left":%d,"client":%s}' \
    "$id" "$AWS_LAMBDA_FUNCTION_NAME" "$AWS_LAMBDA_FUNCTION_VERSION" "$(header Lambda-Runtime-Invoked-Function-Arn)" \
    "$AWS_LAMBDA_FUNCTION_MEMORY_SIZE" "$AWS_LAMBDA_LOG_GROUP_NAME" "$AWS_LAMBDA_LOG_STREAM_NAME" \
    $(($(header Lambda-Runtime-Deadline-Ms) - $(date +%s%3N))) "${client:-null}"
}

stream() {
  exec 5<>"/dev/tcp/${AWS_LAMBDA_RUNTIME_API/:/\/}"
  printf 'POST /%s/invocation/%s/response HTTP/1.1\r\nHost: x\r\nContent-Type: text/plain\r\n' "$api" "$id" >&5
  printf 'Lambda-Runtime-Function-Response-Mode: streaming\r\nTransfer-Encoding: chunked\r\n\r\n' >&5
  printf '4\r\none,\r\n4\r\ntwo,\r\n5\r\nthree\r\n0\r\n\r\n' >&5
  receive
}

variables() {
  tr '\0' '\n' < /proc/$$/environ | sed -e 's/\\/\\\\/g' -e 's/"/\\"/g' -e 's/^\([^=]*\)=\(.*\)$/"\1":"\2"/' | paste -sd, | sed -e 's/^/{/' -e 's/$/}/'
}

begun=$(ls /tmp/begun 2> /dev/null)
: > /tmp/begun
case $INIT$begun in
  sleep) sleep 60 ;;
  exit*) exit 3 ;;
  once | raise*)
    printf '{"errorType":"Custom.Init","errorMessage":"not ready"}' |
      call POST "$api/init/error" 'Lambda-Runtime-Function-Error-Type: Custom.Init'$'\r\n'
    exit 1 ;;
esac
[ -z "$WITHIN" ] || /opt/within true
trap 'echo told to end; exit 0' TERM

while true; do
  call GET "$api/invocation/next" < /dev/null
  id=$(header Lambda-Runtime-Aws-Request-Id)
  # The test writes its events in this very form.
  do=${body#'{"do": "'}
  value=${do#*'", "value": '}
  do=${do%%\"*}
  value=${value%\}}
  case $do in
    echo) printf '%s' "$value" | answer ;;
    size) printf '%d' $((${#value} - 2)) | answer ;;
    large) { printf '"'; head -c "$value" /dev/zero | tr '\0' x; printf '"'; } | answer ;;
    context) context | answer ;;
    raise) fail Custom.Error "$value" ;;
    exit) exit "$value" ;;
    crash) kill -KILL $$; sleep 10 ;;
    memory) held=$(tr '\0' x < /dev/zero) ;;
    sleep) sleep "$value"; printf null | answer ;;
    env) variables | answer ;;
    sh) value=${value#\"}; sh -c "$(printf '%b' "${value%\"}")" 2>&1 | quoted | answer ;;
    print) echo to the output; echo to the error >&2; printf 'two\nlines\n'; printf null | answer ;;
    count) count=$((count + 1)); printf %d $count | answer ;;
    later) { sleep 0.05; : > /tmp/later; } & printf null | answer ;;
    trace) printf '"%s"' "$(header Lambda-Runtime-Trace-Id)" | answer ;;
    layer) printf '["%s","%s"]' "$(cat /opt/shared.txt)" "$(own)" | answer ;;
    stream) stream ;;
    *) printf null | answer ;;
  esac
done
