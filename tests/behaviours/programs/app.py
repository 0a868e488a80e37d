import os
import signal
import subprocess
import sys
import threading
import time

init = os.environ.get("INIT")
if init in ("sleep", "once") and not os.path.exists("/tmp/begun"):
    open("/tmp/begun", "w").close()
    init = "raise" if init == "once" else time.sleep(60)
if init == "raise":
    raise ValueError("not ready")
if init == "exit":
    os._exit(3)
signal.signal(signal.SIGTERM, lambda *_: (print("told to end", flush=True), os._exit(0)))
count = 0


def context_of(context):
    left = context.get_remaining_time_in_millis()
    members = ("identity", "client_context", "log", "tenant_id")
    return {
        "missing": [name for name in members if not hasattr(context, name)],
        "id": context.aws_request_id,
        "name": context.function_name,
        "version": context.function_version,
        "arn": context.invoked_function_arn,
        "memory": str(context.memory_limit_in_mb),
        "group": context.log_group_name,
        "stream": context.log_stream_name,
        "left": left,
        "client": context.client_context and context.client_context.custom,
    }


def write_later():
    time.sleep(0.05)
    open("/tmp/later", "w").close()


def fail(message):
    raise ValueError(message)


def recurse(depth):
    return recurse(depth + 1) + 1


def handler(event, context):
    global count
    do, value = event["do"], event["value"]
    if do == "echo":
        return value
    if do == "size":
        return len(value)
    if do == "large":
        return "x" * value
    if do == "context":
        return context_of(context)
    if do == "raise":
        fail(value)
    if do == "chain":
        try:
            fail("the cause")
        except ValueError as error:
            raise RuntimeError(value) from error
    if do == "exit":
        os._exit(value)
    if do == "crash":
        os.kill(os.getpid(), signal.SIGKILL)
        time.sleep(10)
    if do == "memory":
        held = []
        while True:
            held.append(b"x" * 10_000_000)
    if do == "sleep":
        time.sleep(value)
    if do == "env":
        return dict(os.environ)
    if do == "sh":
        return subprocess.run(value, shell=True, stdout=-1, stderr=-2, text=True).stdout
    if do == "print":
        print("to the output", flush=True)
        print("to the error", file=sys.stderr, flush=True)
        print("two\nlines", flush=True)
    if do == "log":
        import logging

        logging.getLogger().warning("a record")
        logging.getLogger().debug("a hidden record")
    if do == "count":
        count += 1
        return count
    if do == "later":
        threading.Thread(target=write_later, daemon=True).start()
    if do == "trace":
        return os.environ["_X_AMZN_TRACE_ID"]
    if do == "layer":
        import own
        import shared

        return [shared.FROM, own.FROM]
    if do == "recurse":
        return recurse(0)
    if do == "nothing":
        return None
    if do == "unanswerable":
        return {1, 2}
    return None
