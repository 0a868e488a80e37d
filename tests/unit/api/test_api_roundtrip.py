"""What botocore sends, the contract reads back equal; what the contract writes, botocore reads."""

from __future__ import annotations

from datetime import UTC, datetime
from io import BytesIO
from typing import Any
from urllib.parse import urlsplit

import pytest
from botocore.awsrequest import HeadersDict, create_request_object, prepare_request_dict
from botocore.loaders import Loader
from botocore.model import ServiceModel
from botocore.parsers import create_parser
from botocore.serialize import create_serializer
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lamella.api.contract import Contract
from lamella.api.parse import parse_query

MODEL = ServiceModel(Loader().load_service_model("lambda", "service-2"), "lambda")
CONTRACT = Contract.of_lambda()
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
HEADER = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=1, max_size=20)
MOMENTS = st.integers(0, 2_000_000_000).map(lambda seconds: datetime.fromtimestamp(seconds, UTC))
SCALARS: dict[str, st.SearchStrategy[Any]] = {
    "string": TEXT,
    "blob": st.binary(max_size=20),
    "boolean": st.booleans(),
    "integer": st.integers(-(2**31), 2**31 - 1),
    "long": st.integers(-(2**53), 2**53),
    "float": st.integers(-1000, 1000).map(lambda n: n / 4),
    "double": st.integers(-1000, 1000).map(lambda n: n / 4),
    "timestamp": MOMENTS,
}
QUICK = settings(
    max_examples=8, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck)
)


def values(shape: Any, depth: int = 0) -> st.SearchStrategy[Any]:
    location = shape.serialization.get("location")
    if shape.type_name == "structure":
        return structures(shape, depth)
    if shape.type_name == "list":
        return st.lists(values(shape.member, depth + 1), min_size=1, max_size=3)
    if shape.type_name == "map":
        return st.dictionaries(TEXT, values(shape.value, depth + 1), max_size=3)
    if location == "header" and shape.type_name == "string":
        return HEADER
    if location == "uri" and shape.type_name == "string":
        return TEXT.filter(bool)
    return SCALARS[shape.type_name]


def structures(shape: Any, depth: int = 0) -> st.SearchStrategy[dict[str, Any]]:
    members = {
        name: values(inner, depth + 1)
        for name, inner in shape.members.items()
        if depth < 6 and not inner.serialization.get("eventstream")
    }
    in_path = {
        name: members.pop(name)
        for name, inner in shape.members.items()
        if inner.serialization.get("location") == "uri"
    }
    return st.fixed_dictionaries(in_path, optional=members)


def sent_by_botocore(
    operation: Any, params: dict[str, Any]
) -> tuple[str, bytes, bytes, Any, bytes]:
    request = create_serializer("rest-json", include_validation=False).serialize_to_request(
        params, operation
    )
    prepare_request_dict(request, endpoint_url="http://127.0.0.1:4566")
    prepared = create_request_object(request).prepare()
    parts = urlsplit(prepared.url)
    headers = {name.lower().encode(): value for name, value in prepared.headers.items()}
    headers = {n: v if isinstance(v, bytes) else v.encode() for n, v in headers.items()}
    body = prepared.body or b""
    content = body.read() if hasattr(body, "read") else body
    path = parts.path.encode()
    return prepared.method, path, parts.query.encode(), headers, content


def without_empty_payload(operation: Any, params: dict[str, Any]) -> dict[str, Any]:
    payload = operation.input_shape.serialization.get("payload")
    return {name: value for name, value in params.items() if name != payload or value}


@pytest.mark.parametrize("name", MODEL.operation_names)
def test_what_botocore_sends_is_read_back_equal(name: str) -> None:
    operation = MODEL.operation_model(name)

    @QUICK
    @given(structures(operation.input_shape))
    def reads_back(params: dict[str, Any]) -> None:
        method, path, raw_query, headers, body = sent_by_botocore(operation, params)
        query = parse_query(raw_query)
        found = CONTRACT.match(method, path, query)
        assert found is not None
        ours, labels = found
        assert ours.name == name
        read = ours.parse(labels, query, headers, body)
        assert without_empty_payload(operation, read) == without_empty_payload(operation, params)

    reads_back()


WRITTEN = [
    name
    for name in MODEL.operation_names
    if MODEL.operation_model(name).output_shape is not None
    and not MODEL.operation_model(name).has_event_stream_output
]


@pytest.mark.parametrize("name", WRITTEN)
def test_what_is_written_is_read_back_by_botocore(name: str) -> None:
    operation = MODEL.operation_model(name)
    shape = operation.output_shape
    payload = shape.serialization.get("payload")
    status = next(
        (n for n, m in shape.members.items() if m.serialization.get("location") == "statusCode"),
        None,
    )

    @QUICK
    @given(structures(shape))
    def reads_back(result: dict[str, Any]) -> None:
        if status:
            result[status] = 202
        response = CONTRACT.operations[name].serialise(result)
        headers = HeadersDict({n.decode(): v.decode() for n, v in response.headers})
        # as its client does it: a payload that is a blob is handed on as a stream
        streamed = operation.has_streaming_output
        body = BytesIO(response.body) if streamed else response.body
        read = create_parser("rest-json").parse(
            {"status_code": response.status, "headers": headers, "body": body}, shape
        )
        if streamed:
            read[payload] = read[payload].read()
        del read["ResponseMetadata"]
        if payload:
            result.setdefault(payload, b"")
        assert read == result

    reads_back()
