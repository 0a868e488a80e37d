"""Which modules this process imported that any function with the same layers would import alike.

Loaded when the runtime itself is up and nothing of the function is: what is there then is what
every process of this runtime has, and is never told.
"""

import json
import os
import sys

from _socket import AF_INET, SOCK_STREAM, socket

MOST = 3000
CHARACTERS = 200
BYTES = 65536
SECONDS = 1.0
PATH = "/2018-06-01/lamella/imports"

_runtime = os.path.dirname(os.path.abspath(__file__))
_before = frozenset(sys.modules)
_places = ("/opt/", os.path.dirname(os.path.abspath(os.__file__)) + "/", _runtime + "/")


def seen():
    """Names of modules from ``/opt``, the standard library and ``/var/runtime``, in the order in
    which their imports ended: what a module imports comes before it.

    Nothing of a module is asked for but its dictionary: some load themselves at the first look.
    """
    lazy = getattr(sys.modules.get("importlib.util"), "_LazyModule", None)
    found = []
    for name, module in list(sys.modules.items()):
        if name in _before or type(name) is not str or len(name) > CHARACTERS:
            continue
        try:
            spec = object.__getattribute__(module, "__dict__").get("__spec__")
            if spec is None or type(module) is lazy or spec.name != name:
                continue
            origin = spec.origin
            if type(origin) is not str or not origin.startswith(_places):
                continue
        except Exception:  # noqa: BLE001 - anything may stand in sys.modules
            continue
        if name.replace(".", "_").isidentifier():  # the server looks more closely
            found.append(name)
    return found[-MOST:]


def tell(endpoint):
    """Send them to the Runtime API at ``endpoint`` (host:port); what it answers is nobody's
    business, and neither is that it cannot be reached."""
    try:
        names = seen()
        body = json.dumps(names).encode()
        while len(body) > BYTES:
            # What is imported last has imported the most.
            names = names[len(names) // 4 :]
            body = json.dumps(names).encode()
        host, _, port = endpoint.rpartition(":")
        line = socket(AF_INET, SOCK_STREAM)
        try:
            line.settimeout(SECONDS)
            line.connect((host, int(port)))
            head = "POST %s HTTP/1.1\r\nHost: %s\r\nContent-Length: %d\r\n\r\n"
            line.sendall((head % (PATH, endpoint, len(body))).encode() + body)
        finally:
            line.close()
    except Exception:  # noqa: BLE001 - the function comes first
        pass
