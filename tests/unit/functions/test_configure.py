"""Requests become fields: what is named changes, what is not stays."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lamella.errors import InvalidParameterValue
from lamella.functions import configure
from tests.unit.functions.works import a_function

MEMBERS: dict[str, st.SearchStrategy[Any]] = {
    "Runtime": st.sampled_from(["python3.12", "nodejs22.x"]),
    "Handler": st.text(min_size=1, max_size=20),
    "Role": st.just("arn:aws:iam::000000000000:role/other"),
    "Description": st.text(max_size=20),
    "Timeout": st.integers(1, 900),
    "MemorySize": st.integers(128, 10_240),
    "EphemeralStorage": st.builds(lambda size: {"Size": size}, st.integers(512, 10_240)),
    "Environment": st.builds(
        lambda variables: {"Variables": variables}, st.dictionaries(st.text(), st.text())
    ),
    "TracingConfig": st.sampled_from([{}, {"Mode": "Active"}]),
    "SnapStart": st.sampled_from([{}, {"ApplyOn": "PublishedVersions"}]),
    "VpcConfig": st.just({"SubnetIds": ["subnet-1"]}),
}
FIELD_OF = {
    "Runtime": "runtime",
    "Handler": "handler",
    "Role": "role",
    "Description": "description",
    "Timeout": "timeout",
    "MemorySize": "memory_size",
    "EphemeralStorage": "ephemeral_storage",
    "Environment": "environment",
    "TracingConfig": "tracing_mode",
    "SnapStart": "snap_start",
    "VpcConfig": "settings",
}


@given(st.fixed_dictionaries({}, optional=MEMBERS))
def test_a_request_changes_what_it_names_and_nothing_else(request: dict[str, Any]) -> None:
    assert set(configure.fields(request, a_function())) == {FIELD_OF[member] for member in request}


@pytest.mark.parametrize(
    ("request_", "expected"),
    [
        ({"Runtime": "python3.12"}, {"runtime": "python3.12"}),
        ({"Handler": "a.b"}, {"handler": "a.b"}),
        ({"Role": "r"}, {"role": "r"}),
        ({"Description": ""}, {"description": ""}),
        ({"Timeout": 900}, {"timeout": 900}),
        ({"MemorySize": 10_240}, {"memory_size": 10_240}),
        ({"EphemeralStorage": {"Size": 10_240}}, {"ephemeral_storage": 10_240}),
        ({"Architectures": ["arm64"]}, {"architecture": "arm64"}),
        ({"TracingConfig": {"Mode": "Active"}}, {"tracing_mode": "Active"}),
        ({"TracingConfig": {}}, {"tracing_mode": "PassThrough"}),
        ({"SnapStart": {"ApplyOn": "PublishedVersions"}}, {"snap_start": "PublishedVersions"}),
        ({"SnapStart": {}}, {"snap_start": "None"}),
        ({"Environment": {"Variables": {"A": "1"}}}, {"environment": {"A": "1"}}),
    ],
)
def test_what_is_named_gets_its_value(request_: dict[str, Any], expected: dict[str, Any]) -> None:
    assert configure.fields(request_) == expected


def test_an_empty_request_changes_nothing() -> None:
    before = a_function(timeout=7, environment={"A": "1"}, settings={"KMSKeyArn": "k"})
    assert replace(before, **configure.fields({}, before)) == before


def test_variables_are_replaced_as_a_whole() -> None:
    before = a_function(environment={"A": "1", "B": "2"})
    assert configure.fields({"Environment": {"Variables": {"C": "3"}}}, before) == {
        "environment": {"C": "3"}
    }
    assert configure.fields({"Environment": {}}, before) == {"environment": {}}


class TestSettings:
    def test_one_is_added_to_those_there_are(self) -> None:
        before = a_function(settings={"KMSKeyArn": "k"})
        vpc = {"SubnetIds": ["s"]}
        assert configure.fields({"VpcConfig": vpc}, before)["settings"] == {
            "KMSKeyArn": "k",
            "VpcConfig": vpc,
        }

    @pytest.mark.parametrize(
        ("member", "value", "empty"),
        [
            ("KMSKeyArn", "k", ""),
            ("DeadLetterConfig", {"TargetArn": "q"}, {"TargetArn": ""}),
            ("DeadLetterConfig", {"TargetArn": "q"}, {}),
            ("VpcConfig", {"SubnetIds": ["s"]}, {}),
        ],
    )
    def test_an_empty_value_removes_it(self, member: str, value: Any, empty: Any) -> None:
        before = a_function(settings={member: value})
        assert configure.fields({member: empty}, before) == {"settings": {}}

    def test_the_key_of_the_code_goes_with_the_code(self) -> None:
        settings = {"SourceKMSKeyArn": "old", "KMSKeyArn": "k"}
        assert configure.key_of_code({}, settings) == {"KMSKeyArn": "k"}
        assert configure.key_of_code({"SourceKMSKeyArn": "new"}, settings) == {
            "SourceKMSKeyArn": "new",
            "KMSKeyArn": "k",
        }


class TestLogging:
    def test_json_has_levels_of_info(self) -> None:
        assert configure.fields({"LoggingConfig": {"LogFormat": "JSON"}}) == {
            "log_format": "JSON",
            "application_log_level": "INFO",
            "system_log_level": "INFO",
        }

    def test_a_level_alone_leaves_the_other(self) -> None:
        before = a_function(
            log_format="JSON", application_log_level="WARN", system_log_level="DEBUG"
        )
        found = configure.fields({"LoggingConfig": {"SystemLogLevel": "WARN"}}, before)
        assert found["application_log_level"] == "WARN"
        assert found["system_log_level"] == "WARN"

    def test_an_update_keeps_the_group_it_does_not_name(self) -> None:
        before = a_function(log_group="mine")
        found = configure.fields({"LoggingConfig": {"LogFormat": "JSON"}}, before)
        assert replace(before, **found).effective_log_group == "mine"
        assert replace(before, **found).log_format == "JSON"

    @pytest.mark.parametrize("member", ["ApplicationLogLevel", "SystemLogLevel"])
    @pytest.mark.parametrize("form", [{}, {"LogFormat": "Text"}])
    def test_levels_without_json_are_refused(self, member: str, form: dict[str, str]) -> None:
        with pytest.raises(InvalidParameterValue, match="LogLevel is not supported"):
            configure.fields({"LoggingConfig": {member: "INFO", **form}})

    def test_text_has_none(self) -> None:
        before = a_function(
            log_format="JSON", application_log_level="WARN", system_log_level="DEBUG"
        )
        assert configure.fields({"LoggingConfig": {"LogFormat": "Text"}}, before) == {
            "log_format": "Text",
            "application_log_level": None,
            "system_log_level": None,
        }

    def test_a_group_of_its_own(self) -> None:
        found = configure.fields({"LoggingConfig": {"LogGroup": "mine"}})
        assert replace(a_function(), **found).effective_log_group == "mine"
        assert a_function().effective_log_group == "/aws/lambda/fn"
