"""The module that AWS's awslambdaric expects under this name, in Python alone.

The original is a C extension, built for one interpreter. This one has its four functions with
the same arguments, results and errors, serves Python 3.8 and newer, and survives a fork: a child
opens a connection of its own.

An answer of ordinary size and the question for the next invocation leave in one write: awslambdaric
asks at once in any case, and the environment is free a round trip earlier. The acknowledgement of
the answer is then read in `next`.
"""

import os
import sys
import time

from _socket import AF_INET, IPPROTO_TCP, SOCK_STREAM, TCP_NODELAY, socket

_JOIN = 65536
_HEADERS = {
    b"lambda-runtime-aws-request-id": "Lambda-Runtime-Aws-Request-Id",
    b"lambda-runtime-trace-id": "Lambda-Runtime-Trace-Id",
    b"lambda-runtime-invoked-function-arn": "Lambda-Runtime-Invoked-Function-Arn",
    b"lambda-runtime-deadline-ms": "Lambda-Runtime-Deadline-Ms",
    b"lambda-runtime-client-context": "Lambda-Runtime-Client-Context",
    b"lambda-runtime-cognito-identity": "Lambda-Runtime-Cognito-Identity",
    b"lambda-runtime-aws-tenant-id": "Lambda-Runtime-Aws-Tenant-Id",
    b"lambda-runtime-invocation-id": "Lambda-Runtime-Invocation-Id",
    b"content-type": "Content-Type",
}

_client = None


class _Broken(Exception):
    """The connection ended, or what came over it is no HTTP."""


class _Client:
    def __init__(self, endpoint, user_agent):
        host, _, port = endpoint.rpartition(":")
        self.address = (host, int(port))
        self.common = "HTTP/1.1\r\nHost: %s\r\nUser-Agent: %s\r\n" % (endpoint, user_agent)
        self.ask = ("GET /2018-06-01/runtime/invocation/next " + self.common + "\r\n").encode()
        self.sock = None
        self.pid = 0
        self.forget()

    def forget(self):
        if self.sock is not None:
            self.sock.close()
        self.sock = None
        self.rest = b""
        self.asked = False
        self.owed = False

    def connect(self):
        self.forget()
        self.pid = os.getpid()
        sock = socket(AF_INET, SOCK_STREAM)
        sock.connect(self.address)
        sock.setsockopt(IPPROTO_TCP, TCP_NODELAY, 1)
        self.sock = sock

    def ready(self):
        if self.sock is None or self.pid != os.getpid():
            self.connect()

    def receive(self):
        """One answer: its status, the headers that are known, its body."""
        recv = self.sock.recv
        data = self.rest
        end = data.find(b"\r\n\r\n")
        while end < 0:
            more = recv(65536)
            if not more:
                raise _Broken("connection closed")
            data = data + more if data else more
            end = data.find(b"\r\n\r\n")
        lines = data[:end].split(b"\r\n")
        status = int(lines[0][9:12])
        headers = {}
        length = 0
        for line in lines:
            name, _, value = line.partition(b":")
            name = name.lower()
            known = _HEADERS.get(name)
            if known is not None:
                headers[known] = value.strip().decode("utf-8", "surrogateescape")
            elif name == b"content-length":
                length = int(value)
        start = end + 4
        stop = start + length
        if len(data) >= stop:
            self.rest = data[stop:]
            return status, headers, data[start:stop]
        self.rest = b""
        return status, headers, self.receive_body(data[start:], length)

    def receive_body(self, first, length):
        body = bytearray(length)
        have = len(first)
        body[:have] = first
        view = memoryview(body)
        while have < length:
            count = self.sock.recv_into(view[have:])
            if not count:
                raise _Broken("connection closed")
            have += count
        view.release()
        return bytes(body)

    def settle(self):
        """Read the acknowledgement of the answer that was sent together with `ask`."""
        self.owed = False
        status, _, body = self.receive()
        _check(status, body)

    def next(self):
        self.ready()
        if not self.asked:
            self.sock.sendall(self.ask)
        if self.owed:
            self.settle()
        self.asked = False
        status, headers, body = self.receive()
        if status != 200:
            _log("Failed to get next invocation. HTTP Response code: %d" % status)
            raise RuntimeError("Failed to get next")
        return body, headers

    def post(self, invoke_id, action, body, content_type, invocation_id):
        self.ready()
        head = "POST /2018-06-01/runtime/invocation/%s/%s %sContent-Type: %s\r\n" % (
            invoke_id,
            action,
            self.common,
            content_type,
        )
        if invocation_id is not None:
            head += "Lambda-Runtime-Invocation-Id: %s\r\n" % invocation_id
        head = ("%sContent-Length: %d\r\n\r\n" % (head, len(body))).encode()
        if len(body) <= _JOIN and not self.asked:
            self.owed = self.asked = True
            self.sock.sendall(head + body + self.ask)
            return
        self.sock.sendall(head)
        self.sock.sendall(body)
        status, _, answer = self.receive()
        _check(status, answer)


def _log(message):
    sys.stderr.write("[ERROR] [%d] LAMBDA_RUNTIME %s\n" % (time.time() * 1000, message))
    sys.stderr.flush()


def _check(status, body):
    if status // 100 != 2:
        _log(
            "Failed to post handler success response. Http response code: %d. %s"
            % (status, body.decode("utf-8", "replace"))
        )
        raise RuntimeError("Failed to post invocation response")


def initialize_client(user_agent):
    global _client
    endpoint = os.environ.get("AWS_LAMBDA_RUNTIME_API") or "127.0.0.1:9001"
    _client = _Client(endpoint, user_agent)


def next():
    try:
        body, headers = _client.next()
    except (_Broken, OSError, ValueError) as error:
        _client.forget()
        _log("Failed to get next invocation. %s" % error)
        raise RuntimeError("Failed to get next") from None
    deadline = headers.get("Lambda-Runtime-Deadline-Ms")
    headers["Lambda-Runtime-Deadline-Ms"] = int(deadline) if deadline else 0
    return body, headers


def post_invocation_result(invoke_id, result, content_type, invocation_id=None):
    try:
        _client.post(invoke_id, "response", result, content_type, invocation_id)
    except (_Broken, OSError, ValueError) as error:
        _client.forget()
        _log("Failed to post handler success response. %s" % error)
        raise RuntimeError("Failed to post invocation response") from None


def post_error(invoke_id, error_response, xray_fault, invocation_id=None):
    # The cause for X-Ray would go into a header of up to 1 MB; there is no X-Ray here to read it.
    body = error_response.encode("utf-8", "surrogatepass")
    try:
        _client.post(invoke_id, "error", body, "application/json", invocation_id)
    except (_Broken, OSError, ValueError) as error:
        _client.forget()
        _log("Failed to post handler failure response. %s" % error)
        raise RuntimeError("Failed to post invocation error") from None
