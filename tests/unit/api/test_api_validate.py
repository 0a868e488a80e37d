"""Constraints of the model, in AWS's words, all faults of a request together."""

from __future__ import annotations

from typing import Any

import pytest

from lamella.api.contract import Contract
from lamella.api.validate import java_pattern
from lamella.errors import InvalidParameterValue, ValidationFailed

CONTRACT = Contract.of_lambda()
CREATE: dict[str, Any] = {
    "FunctionName": "f",
    "Role": "arn:aws:iam::000000000000:role/r",
    "Code": {"ZipFile": b"x"},
}
FUNCTION_NAME = (
    r"(arn:(aws[a-zA-Z-]*)?:lambda:)?((eusc-)?[a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]+-\d{1}:)?"
    r"(\d{12}:)?(function:)?([a-zA-Z0-9-_]+)(:(\$LATEST|[a-zA-Z0-9-_]+))?"
)


def fault(name: str, request: dict[str, Any]) -> str:
    with pytest.raises(ValidationFailed) as refused:
        CONTRACT.operations[name].validate(request)
    return refused.value.message


def test_a_request_without_a_fault_passes() -> None:
    CONTRACT.operations["CreateFunction"].validate(CREATE)


@pytest.mark.parametrize(
    ("member", "value", "message"),
    [
        (
            "FunctionName",
            "f!",
            "Value 'f!' at 'functionName' failed to satisfy constraint: "
            f"Member must satisfy regular expression pattern: {FUNCTION_NAME}",
        ),
        (
            "FunctionName",
            "f" * 65,
            f"Value '{'f' * 65}' at 'functionName' failed to satisfy constraint: "
            "Member must have length less than or equal to 64",
        ),
        (
            "Timeout",
            901,
            "Value '901' at 'timeout' failed to satisfy constraint: "
            "Member must have value less than or equal to 900",
        ),
        (
            "Timeout",
            0,
            "Value '0' at 'timeout' failed to satisfy constraint: "
            "Member must have value greater than or equal to 1",
        ),
        (
            "MemorySize",
            10_241,
            "Value '10241' at 'memorySize' failed to satisfy constraint: "
            "Member must have value less than or equal to 10240",
        ),
        (
            "EphemeralStorage",
            {"Size": 1},
            "Value '1' at 'ephemeralStorage.size' failed to satisfy constraint: "
            "Member must have value greater than or equal to 512",
        ),
        (
            "EphemeralStorage",
            {},
            "Value null at 'ephemeralStorage.size' failed to satisfy constraint: "
            "Member must not be null",
        ),
        (
            "PackageType",
            "Tar",
            "Value 'Tar' at 'packageType' failed to satisfy constraint: "
            "Member must satisfy enum value set: [Zip, Image]",
        ),
        (
            "Architectures",
            ["arm64", "i386"],
            "Value '[arm64, i386]' at 'architectures' failed to satisfy constraint: "
            "Member must have length less than or equal to 1; "
            "Value '[arm64, i386]' at 'architectures' failed to satisfy constraint: "
            "Member must satisfy constraint: [Member must satisfy enum value set: "
            "[x86_64, arm64], Member must not be null]",
        ),
        (
            "Environment",
            {"Variables": {"1A": "secret"}},
            "Value at 'environment.variables' failed to satisfy constraint: "
            "Map keys must satisfy constraint: [Member must satisfy regular expression pattern: "
            "[a-zA-Z]([a-zA-Z0-9_])+, Member must not be null]",
        ),
        (
            "FileSystemConfigs",
            [
                {
                    "Arn": "arn:aws:elasticfilesystem:us-east-1:000000000000:access-point/fsap-"
                    + "0" * 17
                }
            ],
            "Value null at 'fileSystemConfigs.1.member.localMountPath' "
            "failed to satisfy constraint: Member must not be null",
        ),
    ],
)
def test_each_kind_of_fault_has_its_sentence(member: str, value: Any, message: str) -> None:
    count = message.count("failed to satisfy")
    noun = "error" if count == 1 else "errors"
    expected = f"{count} validation {noun} detected: {message}"
    assert fault("CreateFunction", {**CREATE, member: value}) == expected


def test_a_layer_that_is_no_layer_version_is_told_all_that_is_asked_of_one() -> None:
    pattern = (
        r"((arn:(aws[a-zA-Z-]*)?:lambda:(eusc-)?[a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]+-\d{1}:"
        r"\d{12}:layer:[a-zA-Z0-9-_]+:[0-9]+)|(arn:[a-zA-Z0-9-]+:lambda:::awslayer:[a-zA-Z0-9-_]+))"
    )
    layer = "arn:aws:lambda:us-east-1:000000000000:layer:l"
    assert fault("UpdateFunctionConfiguration", {"FunctionName": "f", "Layers": [layer]}) == (
        f"1 validation error detected: Value '[{layer}]' at 'layers' failed to satisfy "
        "constraint: Member must satisfy constraint: [Member must have length less than or equal "
        "to 2048, Member must have length greater than or equal to 1, Member must satisfy regular "
        f"expression pattern: {pattern}, Member must not be null]"
    )


def test_all_faults_of_a_request_are_reported_together() -> None:
    message = fault("CreateFunction", {"FunctionName": "f!", "Timeout": 0})
    assert message.startswith("4 validation errors detected: Value 'f!' at 'functionName'")
    assert "; Value null at 'role' failed to satisfy constraint: Member must not be null" in message
    assert "; Value null at 'code' failed" in message
    assert message.endswith("greater than or equal to 1")


def test_a_runtime_that_is_none_is_refused_by_the_service_after_everything_else() -> None:
    create = CONTRACT.operations["CreateFunction"]
    with pytest.raises(InvalidParameterValue) as refused:
        create.validate({**CREATE, "Runtime": "cobol"})
    message = refused.value.message
    assert message.startswith(
        "Value cobol at 'runtime' failed to satisfy constraint: Member must satisfy enum value set: ["
    )
    assert message.endswith("] or be a valid ARN")
    assert "timeout" in fault("CreateFunction", {**CREATE, "Runtime": "cobol", "Timeout": 0})


def test_runtimes_of_a_layer_are_judged_as_a_list() -> None:
    message = fault(
        "PublishLayerVersion",
        {"LayerName": "l", "Content": {}, "CompatibleRuntimes": ["cobol", "python3.11"]},
    )
    assert message.startswith(
        "1 validation error detected: Value '[cobol, python3.11]' at 'compatibleRuntimes' failed "
        "to satisfy constraint: Member must satisfy constraint: [Member must satisfy enum value set:"
    )


def test_a_name_by_arn_may_be_longer_than_a_bare_one() -> None:
    arn = f"arn:aws:lambda:us-east-1:000000000000:function:{'f' * 64}"
    CONTRACT.operations["CreateFunction"].validate({**CREATE, "FunctionName": arn})


def test_length_is_counted_as_java_counts_it() -> None:
    # 200 characters outside the basic plane are 400 of Java's
    message = fault(
        "PublishLayerVersion", {"LayerName": "l", "Content": {}, "Description": "\U0001d54f" * 200}
    )
    assert message.endswith("Member must have length less than or equal to 256")


def test_the_same_fault_is_found_again_when_its_verdict_is_remembered() -> None:
    first = fault("Invoke", {"FunctionName": "f!"})
    assert fault("Invoke", {"FunctionName": "f!"}) == first


def test_values_of_tags_may_be_any_letters() -> None:
    tags = java_pattern(r"([\p{L}\p{Z}\p{N}_.:/=+\-@]*)")
    assert tags.fullmatch("größe 大 ٣_x")
    assert not tags.fullmatch("a#b")
    assert not java_pattern(r"\d{12}").fullmatch("٣" * 12)


def test_a_class_of_characters_that_is_not_known_is_refused_at_load() -> None:
    with pytest.raises(ValueError, match="not known"):
        java_pattern(r"\p{Lu}")


def test_every_operation_can_be_checked() -> None:
    for operation in CONTRACT.operations.values():
        try:
            operation.validate({})
        except ValidationFailed as refused:
            assert "must not be null" in refused.message
