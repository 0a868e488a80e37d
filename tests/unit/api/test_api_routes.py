"""Requests find their operation by method, path and fixed query parts."""

from __future__ import annotations

import pytest

from lamella.api.contract import Contract
from lamella.api.parse import parse_query
from lamella.api.routes import template

CONTRACT = Contract.of_lambda()
ARN = "arn:aws:lambda:eu-west-1:000000000000:layer:shared"


def found(method: str, path: str, query: str = "") -> tuple[str, list[str]] | None:
    match = CONTRACT.match(method, path.encode(), parse_query(query.encode()))
    return match and (match[0].name, match[1])


def test_a_name_in_the_path_is_a_label() -> None:
    assert found("POST", "/2015-03-31/functions/f/invocations") == ("Invoke", ["f"])


@pytest.mark.parametrize("written", [ARN, ARN.replace(":", "%3A"), ARN.replace(":", "%3a")])
def test_an_arn_in_the_path_may_be_encoded_or_not(written: str) -> None:
    path = f"/2018-10-31/layers/{written}/versions/3/policy"
    assert found("GET", path) == ("GetLayerVersionPolicy", [ARN, "3"])


def test_an_encoded_slash_belongs_to_the_label() -> None:
    path = "/2025-12-01/durable-executions/arn%3Aa%2Fb/state"
    assert found("GET", path) == ("GetDurableExecutionState", ["arn:a/b"])


def test_fixed_query_parts_choose_between_operations_of_one_path() -> None:
    path = "/2018-10-31/layers"
    assert found("GET", path) == ("ListLayers", [])
    assert found("GET", path, f"find=LayerVersion&Arn={ARN}:1") == ("GetLayerVersionByArn", [])
    assert found("GET", path, "find=Other") == ("ListLayers", [])


def test_one_trailing_slash_is_forgiven() -> None:
    assert found("GET", "/2015-03-31/functions/") == ("ListFunctions", [])
    assert found("GET", "/2015-03-31/functions//") != ("ListFunctions", [])


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/"),
        ("GET", "/2015-03-31"),
        ("GET", "/2014-03-31/functions"),
        ("PATCH", "/2015-03-31/functions"),
        ("GET", "/2015-03-31/functions/f/invocations"),
        ("GET", "/2015-03-31/functions/f/invocations/more"),
    ],
)
def test_another_path_or_method_is_no_operation(method: str, path: str) -> None:
    assert found(method, path) is None


def test_bytes_that_are_no_text_do_not_stop_the_router() -> None:
    assert found("GET", "/2015-03-31/functions/%ff%00") == (
        "GetFunction",
        ["\ufffd\x00"],
    )


def test_every_operation_is_reached_by_its_own_template() -> None:
    for name, operation in CONTRACT.operations.items():
        path, _, query = operation.request_uri.partition("?")
        match = found(operation.method, path.replace("{", "").replace("}", ""), query)
        assert match == (name, list(operation.labels))


def test_a_form_of_label_that_is_not_known_is_refused_at_load() -> None:
    with pytest.raises(ValueError, match="not known"):
        template("/things/{Rest+}")
