"""What may be asked of a function: pure rules over requests and functions, worded as AWS words them.

The constraints of single members are the contract's; here are those that need to know more.

Sources: https://docs.aws.amazon.com/lambda/latest/api/API_CreateFunction.html,
https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from lamella.errors import InvalidParameterValue, PreconditionFailed
from lamella.functions.ended import has_ended
from lamella.layers.packages import Source, source
from lamella.model import limits
from lamella.model.function import Function

WHY_NOT_ENVIRONMENT = (
    "Lambda was unable to configure your environment variables because the environment variables "
    "you have provided "
)
STALE_REVISION = (
    "The Revision Id provided does not match the latest Revision Id. Call the "
    "GetFunction/GetAlias API to retrieve the latest Revision Id"
)
NO_IMAGES = (
    "PackageType Image is not supported: Lamella runs functions from zips without a container "
    "runtime. Put the image's handler code into a zip (PackageType Zip) and its /opt into layers."
)
NO_IMAGE_FOR_ZIP = "Please don't provide ImageUri when updating a function with packageType Zip."
NO_LEVEL_OF_TEXT = (
    'LogLevel is not supported when LogFormat is set to "Text". Remove LogLevel from your request '
    'or change the LogFormat to "JSON" and try again.'
)

NOT_SERVED = {
    "AcceleratorConfig": "environments have no accelerators",
    "CapacityProviderConfig": "functions run on the machine of this server",
    "DurableConfig": "durable executions are not built",
    "FileSystemConfigs": "environments have no network file systems; data that is only read can "
    "come in a layer, and /tmp can be written",
    "ImageConfig": "it is for functions with PackageType Image",
    "PublishTo": "versions are published under numbers alone, by Publish and PublishVersion",
    "RuntimeConfig": "a runtime of one's own is provided.al2023 with a bootstrap in a layer",
    "TenancyConfig": "environments are not kept apart by tenant",
}
"""Members that ask for what would be missing when the function runs, and why they are refused.

What a function can do without is stored instead: `lamella.functions.configure.KEPT`.
"""

SNAP_START = frozenset(
    {
        *("java11", "java17", "java21", "java25", "java11.al2023", "java17.al2023"),
        *("python3.12", "python3.13", "python3.14", "python3.15", "dotnet8", "dotnet10"),
    }
)
"""Source: https://docs.aws.amazon.com/lambda/latest/dg/snapstart.html#snapstart-runtimes"""

RESERVED_NAMES = frozenset(
    {
        "_HANDLER",
        "_X_AMZN_TRACE_ID",
        "AWS_ACCESS_KEY",
        "AWS_ACCESS_KEY_ID",
        "AWS_DEFAULT_REGION",
        "AWS_EXECUTION_ENV",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE",
        "AWS_LAMBDA_FUNCTION_NAME",
        "AWS_LAMBDA_FUNCTION_VERSION",
        "AWS_LAMBDA_INITIALIZATION_TYPE",
        "AWS_LAMBDA_LOG_GROUP_NAME",
        "AWS_LAMBDA_LOG_STREAM_NAME",
        "AWS_LAMBDA_RUNTIME_API",
        "AWS_REGION",
        "AWS_SECRET_ACCESS_KEY",
        "AWS_SECRET_KEY",
        "AWS_SESSION_TOKEN",
        "LAMBDA_RUNTIME_DIR",
        "LAMBDA_TASK_ROOT",
    }
)


def check_package(request: Mapping[str, Any]) -> None:
    """The members of CreateFunction that go with its package type."""
    if request.get("PackageType", "Zip") == "Image" or request["Code"].get("ImageUri"):
        raise InvalidParameterValue(NO_IMAGES)
    if not request.get("Runtime") or not request.get("Handler"):
        raise InvalidParameterValue(
            "Runtime and Handler are mandatory parameters for functions created with deployment "
            "packages."
        )


def check_configuration(request: Mapping[str, Any]) -> None:
    """What can be said of a request without knowing the function."""
    check_served(request)
    check_runtime(request.get("Runtime"))
    check_environment((request.get("Environment") or {}).get("Variables"))
    if "\0" in (request.get("Handler") or ""):
        raise InvalidParameterValue("Handler contains a NUL character.")


def check_served(request: Mapping[str, Any]) -> None:
    """Refuse members that nothing here fulfils, all of them together; empty ones ask for nothing."""
    asked = [name for name in NOT_SERVED if request.get(name)]
    if asked:
        faults = (f"{name} is not supported: {NOT_SERVED[name]}." for name in asked)
        raise InvalidParameterValue(" ".join(faults))


def check_function(function: Function) -> None:
    """What can only be said of the whole function, as it is going to be."""
    if function.snap_start == "PublishedVersions" and function.runtime not in SNAP_START:
        raise InvalidParameterValue(
            f"{function.runtime} is not supported for SnapStart enabled functions."
        )
    most = limits.EPHEMERAL_STORAGE_MB_DEFAULT
    if function.snap_start == "PublishedVersions" and function.ephemeral_storage > most:
        raise InvalidParameterValue(
            f"Ephemeral storage of more than {most} MB is not supported for SnapStart enabled "
            "functions."
        )


def check_log_levels(config: Mapping[str, Any], log_format: str) -> None:
    """``config`` is a LoggingConfig; ``log_format`` what the function's is going to be."""
    levels = config.get("ApplicationLogLevel") or config.get("SystemLogLevel")
    if levels and log_format == "Text":
        raise InvalidParameterValue(NO_LEVEL_OF_TEXT)


def check_runtime(runtime: str | None) -> None:
    if has_ended(runtime):
        raise InvalidParameterValue(
            f"The runtime parameter of {runtime} is no longer supported for creating or updating "
            "AWS Lambda functions. We recommend you use a supported runtime while creating or "
            "updating functions."
        )


def check_environment(variables: Mapping[str, str] | None) -> None:
    """Reserved names and the 4 KB limit, measured as AWS does: the variables as JSON."""
    if not variables:
        return
    reserved = [name for name in variables if name in RESERVED_NAMES]
    if reserved:
        raise InvalidParameterValue(
            f"{WHY_NOT_ENVIRONMENT}contains reserved keys that are currently not supported for "
            f"modification. Reserved keys used in this request: {', '.join(reserved)}"
        )
    unusable = [name for name, value in variables.items() if "\0" in value]
    if unusable:
        raise InvalidParameterValue(
            f"{WHY_NOT_ENVIRONMENT}contains a NUL character, which no variable can hold. Variables: "
            f"{', '.join(unusable)}"
        )
    measured = orjson.dumps(dict(variables))
    if len(measured) > limits.ENVIRONMENT_BYTES:
        raise InvalidParameterValue(
            f"{WHY_NOT_ENVIRONMENT}exceeded the 4KB limit. String measured: {measured.decode()}"
        )


def new_code_source(request: Mapping[str, Any]) -> Source:
    """`code_source` of UpdateFunctionCode."""
    if request.get("ImageUri"):
        raise InvalidParameterValue(NO_IMAGE_FOR_ZIP)
    return code_source(request)


def code_source(code: Mapping[str, Any]) -> Source:
    """Where AWS's FunctionCode says the zip is. Raises InvalidParameterValue."""
    if code.get("S3ObjectStorageMode") == "REFERENCE":
        raise InvalidParameterValue(
            "S3ObjectStorageMode REFERENCE is not supported: zips are always copied."
        )
    return source(
        code.get("ZipFile"),
        code.get("S3Bucket"),
        code.get("S3Key"),
        code.get("S3ObjectVersion"),
        what="FunctionCode",
    )


def check_revision(given: str | None, current: str) -> None:
    if given is not None and given != current:
        raise PreconditionFailed(STALE_REVISION)
