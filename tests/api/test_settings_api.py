"""Runtime management, recursion, scaling and the account's settings through boto3."""

from __future__ import annotations

import pytest

from lamella.functions.runtime_management import RuntimeManagement, check
from tests.api.functions import CODE, active, arn, body, create, invalid, missing, refusal
from tests.e2e.server import Cloud, Server

RUNTIME = f"arn:aws:lambda:eu-west-1::runtime:{'8' * 64}"


@pytest.fixture(scope="module")
def name(cloud: Cloud) -> str:
    return active(cloud, Publish=True)


def test_the_runtime_is_managed_automatically_at_first(cloud: Cloud, name: str) -> None:
    found = cloud.client.get_runtime_management_config(FunctionName=name)
    assert body(found) == {"UpdateRuntimeOn": "Auto", "FunctionArn": arn(name)}
    found = cloud.client.get_runtime_management_config(FunctionName=name, Qualifier="1")
    assert body(found) == {"UpdateRuntimeOn": "Auto", "FunctionArn": arn(name, "1")}


def test_runtime_management_is_kept_for_each_version(cloud: Cloud, name: str) -> None:
    manual = {
        "UpdateRuntimeOn": "Manual",
        "FunctionArn": arn(name, "1"),
        "RuntimeVersionArn": RUNTIME,
    }
    put = cloud.client.put_runtime_management_config(
        FunctionName=name, Qualifier="1", UpdateRuntimeOn="Manual", RuntimeVersionArn=RUNTIME
    )
    assert body(put) == manual
    found = cloud.client.get_runtime_management_config(FunctionName=name, Qualifier="1")
    assert body(found) == manual
    put = cloud.client.put_runtime_management_config(
        FunctionName=name, UpdateRuntimeOn="FunctionUpdate"
    )
    update = {"UpdateRuntimeOn": "FunctionUpdate", "FunctionArn": arn(name)}
    assert body(put) == update
    assert body(cloud.client.get_runtime_management_config(FunctionName=name)) == update


def test_only_manual_has_a_runtime_version(cloud: Cloud, name: str) -> None:
    put = cloud.client.put_runtime_management_config
    assert refusal(put, FunctionName=name, UpdateRuntimeOn="Manual") == invalid(
        "RuntimeVersionArn is required when UpdateRuntimeOn is set to Manual."
    )
    for mode in ("Auto", "FunctionUpdate"):
        refused = refusal(put, FunctionName=name, UpdateRuntimeOn=mode, RuntimeVersionArn=RUNTIME)
        assert refused == invalid(
            f"RuntimeVersionArn is not allowed when UpdateRuntimeOn is set to {mode}."
        )
    other = RUNTIME.replace("eu-west-1", "us-east-1")
    refused = refusal(put, FunctionName=name, UpdateRuntimeOn="Manual", RuntimeVersionArn=other)
    assert refused == invalid(
        f"The runtime version {other} is not in the region of the function, eu-west-1."
    )
    check(RuntimeManagement("Manual", RUNTIME), "eu-west-1")


def test_runtime_management_is_of_versions_that_are_there(cloud: Cloud, name: str) -> None:
    get, put = (
        cloud.client.get_runtime_management_config,
        cloud.client.put_runtime_management_config,
    )
    assert refusal(get, FunctionName="none") == missing("none")
    assert refusal(get, FunctionName=name, Qualifier="7") == missing(name, "7")
    assert refusal(put, FunctionName="none", UpdateRuntimeOn="Auto") == missing("none")
    alias = invalid(
        "Runtime management is configured for $LATEST or a published version, not for an alias."
    )
    assert refusal(get, FunctionName=name, Qualifier="live") == alias
    assert refusal(put, FunctionName=name, Qualifier="live", UpdateRuntimeOn="Auto") == alias


def test_loops_are_stopped_unless_they_are_allowed(cloud: Cloud, name: str) -> None:
    get, put = (
        cloud.client.get_function_recursion_config,
        cloud.client.put_function_recursion_config,
    )
    assert body(get(FunctionName=name)) == {"RecursiveLoop": "Terminate"}
    assert body(put(FunctionName=arn(name), RecursiveLoop="Allow")) == {"RecursiveLoop": "Allow"}
    assert body(get(FunctionName=arn(name))) == {"RecursiveLoop": "Allow"}
    assert body(put(FunctionName=name, RecursiveLoop="Terminate")) == {"RecursiveLoop": "Terminate"}
    assert refusal(get, FunctionName="none") == missing("none")
    assert refusal(put, FunctionName="none", RecursiveLoop="Allow") == missing("none")
    status, code, message = refusal(put, FunctionName=name, RecursiveLoop="Perhaps")
    assert (status, code) == (400, "ValidationException")
    assert "Member must satisfy enum value set: [Allow, Terminate]" in message


def test_scaling_is_kept_for_each_version(cloud: Cloud, name: str) -> None:
    get, put = (
        cloud.client.get_function_scaling_config,
        cloud.client.put_function_scaling_config,
    )
    assert body(get(FunctionName=name, Qualifier="1")) == {"FunctionArn": arn(name, "1")}
    wanted = {"MinExecutionEnvironments": 2, "MaxExecutionEnvironments": 5}
    answer = put(FunctionName=name, Qualifier="1", FunctionScalingConfig=wanted)
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 202
    assert set(body(answer)) == {"FunctionState"}
    assert body(get(FunctionName=name, Qualifier="1")) == {
        "FunctionArn": arn(name, "1"),
        "AppliedFunctionScalingConfig": wanted,
        "RequestedFunctionScalingConfig": wanted,
    }
    put(FunctionName=name, Qualifier="1")
    assert body(get(FunctionName=name, Qualifier="1")) == {"FunctionArn": arn(name, "1")}


def test_scaling_is_checked(cloud: Cloud, name: str) -> None:
    get, put = (
        cloud.client.get_function_scaling_config,
        cloud.client.put_function_scaling_config,
    )
    wrong = {"MinExecutionEnvironments": 6, "MaxExecutionEnvironments": 5}
    refused = refusal(put, FunctionName=name, Qualifier="1", FunctionScalingConfig=wrong)
    assert refused == invalid(
        "MinExecutionEnvironments must be less than or equal to MaxExecutionEnvironments."
    )
    assert refusal(get, FunctionName="none", Qualifier="1") == missing("none", "1")
    assert refusal(get, FunctionName=name, Qualifier="9") == missing(name, "9")
    published = "$LATEST.PUBLISHED"
    assert refusal(put, FunctionName=name, Qualifier=published) == missing(name, published)
    status, code, _ = refusal(put, FunctionName=name, Qualifier="live")
    assert (status, code) == (400, "ValidationException")


def test_the_account_has_quotas_and_uses_them(server: Server) -> None:
    cloud = Cloud(server.endpoint, region="eu-north-1")
    empty = body(cloud.client.get_account_settings())
    assert empty == {
        "AccountLimit": {
            "TotalCodeSize": 80_530_636_800,
            "CodeSizeUnzipped": 262_144_000,
            "CodeSizeZipped": 52_428_800,
            "ConcurrentExecutions": 1_000,
            "UnreservedConcurrentExecutions": 1_000,
        },
        "AccountUsage": {"TotalCodeSize": 0, "FunctionCount": 0},
    }
    create(cloud, "one")
    create(cloud, "two", Publish=True)
    layer = cloud.layer(CODE)
    used = cloud.client.get_account_settings()["AccountUsage"]
    assert used == {"TotalCodeSize": 4 * len(CODE), "FunctionCount": 2}
    cloud.client.delete_function(FunctionName="two")
    number = int(layer.rpartition(":")[2])
    cloud.client.delete_layer_version(LayerName=layer.rpartition(":")[0], VersionNumber=number)
    used = cloud.client.get_account_settings()["AccountUsage"]
    assert used == {"TotalCodeSize": len(CODE), "FunctionCount": 1}


@pytest.mark.parametrize(
    ("members", "message"),
    [
        (
            {"TenantId": "one"},
            "The invoked function is not enabled with tenancy configuration.",
        ),
        ({"DurableExecutionName": "one"}, "The invoked function is not a durable function."),
    ],
)
def test_invocations_that_no_function_here_can_have_are_refused(
    cloud: Cloud, name: str, members: dict[str, str], message: str
) -> None:
    assert refusal(cloud.client.invoke, FunctionName=name, **members) == invalid(message)
