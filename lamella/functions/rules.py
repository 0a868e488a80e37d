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
from lamella.layers.packages import Source, source
from lamella.model import limits

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

NO_LONGER_CREATED = frozenset(
    {
        *("nodejs", "nodejs4.3", "nodejs4.3-edge", "nodejs6.10", "nodejs8.10", "nodejs10.x"),
        *("nodejs12.x", "nodejs14.x", "python2.7", "python3.6", "python3.7", "ruby2.5", "ruby2.7"),
        *("dotnetcore1.0", "dotnetcore2.0", "dotnetcore2.1", "dotnetcore3.1", "go1.x", "java8"),
        "provided",
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


def check_runtime(runtime: str | None) -> None:
    if runtime in NO_LONGER_CREATED:
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
    measured = orjson.dumps(dict(variables))
    if len(measured) > limits.ENVIRONMENT_BYTES:
        raise InvalidParameterValue(
            f"{WHY_NOT_ENVIRONMENT}exceeded the 4KB limit. String measured: {measured.decode()}"
        )


def code_source(code: Mapping[str, Any]) -> Source:
    """Where AWS's FunctionCode says the zip is. Raises InvalidParameterValue."""
    if code.get("ImageUri"):
        raise InvalidParameterValue(NO_IMAGES)
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
