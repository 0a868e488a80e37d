"""Code signing configurations: created, read, changed, deleted, and given to functions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lamella.api import names
from lamella.api.caller import Caller
from lamella.api.describe import moment
from lamella.api.services import Services
from lamella.functions import signing
from lamella.functions.signing import CodeSigningConfig

Request = Mapping[str, Any]
MOST = 10_000


def create_code_signing_config(
    services: Services, caller: Caller, request: Request
) -> dict[str, Any]:
    config = CodeSigningConfig(
        account=caller.account,
        region=caller.region,
        id=signing.new_id(),
        last_modified=services.workshop.now(),
        **{"policy": signing.WARN, "description": None, **_fields(request)},
    )
    signing.create(services.workshop.records, config, request.get("Tags") or {})
    return {"CodeSigningConfig": _described(config)}


def get_code_signing_config(services: Services, caller: Caller, request: Request) -> dict[str, Any]:
    config = signing.get(services.workshop.records, *_named(caller, request))
    return {"CodeSigningConfig": _described(config)}


def update_code_signing_config(
    services: Services, caller: Caller, request: Request
) -> dict[str, Any]:
    changes = {**_fields(request), "last_modified": services.workshop.now()}
    config = signing.update(services.workshop.records, *_named(caller, request), changes)
    return {"CodeSigningConfig": _described(config)}


def delete_code_signing_config(
    services: Services, caller: Caller, request: Request
) -> dict[str, Any]:
    signing.delete(services.workshop.records, *_named(caller, request))
    return {}


def list_code_signing_configs(
    services: Services, caller: Caller, request: Request
) -> dict[str, Any]:
    page = signing.listed(
        services.workshop.records, caller.account, caller.region, **_paging(request)
    )
    configs = [_described(config) for config in page.rows]
    return {"CodeSigningConfigs": configs, "NextMarker": page.next}


def list_functions_by_code_signing_config(
    services: Services, caller: Caller, request: Request
) -> dict[str, Any]:
    page = signing.functions_of(
        services.workshop.records, *_named(caller, request), **_paging(request)
    )
    return {"FunctionArns": list(page.rows), "NextMarker": page.next}


def put_function_code_signing_config(
    services: Services, caller: Caller, request: Request
) -> dict[str, Any]:
    where = _function(caller, request, "PutFunctionCodeSigningConfig")
    config = request["CodeSigningConfigArn"]
    signing.put(services.workshop.records, *where, config)
    return {"CodeSigningConfigArn": config, "FunctionName": where[2]}


def get_function_code_signing_config(
    services: Services, caller: Caller, request: Request
) -> dict[str, Any]:
    """A function without a configuration gets an empty answer, as on AWS."""
    where = _function(caller, request, "GetFunctionCodeSigningConfig")
    config = signing.of_function(services.workshop.records, *where)
    return {} if config is None else {"CodeSigningConfigArn": config, "FunctionName": where[2]}


def delete_function_code_signing_config(
    services: Services, caller: Caller, request: Request
) -> dict[str, Any]:
    where = _function(caller, request, "DeleteFunctionCodeSigningConfig")
    signing.remove(services.workshop.records, *where)
    return {}


def _function(caller: Caller, request: Request, action: str) -> tuple[str, str, str]:
    ref = names.function(caller, request["FunctionName"], action=action)
    return caller.account, caller.region, ref.name


def _named(caller: Caller, request: Request) -> tuple[str, str, str]:
    return caller.account, caller.region, request["CodeSigningConfigArn"]


def _fields(request: Request) -> dict[str, Any]:
    """The fields of a configuration that a request sets."""
    found: dict[str, Any] = {}
    if "Description" in request:
        found["description"] = request["Description"]
    if "AllowedPublishers" in request:
        found["publishers"] = tuple(request["AllowedPublishers"]["SigningProfileVersionArns"])
    policies = request.get("CodeSigningPolicies") or {}
    if "UntrustedArtifactOnDeployment" in policies:
        found["policy"] = policies["UntrustedArtifactOnDeployment"]
    return found


def _described(config: CodeSigningConfig) -> dict[str, Any]:
    return {
        "CodeSigningConfigId": config.id,
        "CodeSigningConfigArn": config.arn,
        "Description": config.description,
        "AllowedPublishers": {"SigningProfileVersionArns": list(config.publishers)},
        "CodeSigningPolicies": {"UntrustedArtifactOnDeployment": config.policy},
        "LastModified": moment(config.last_modified),
    }


def _paging(request: Request) -> dict[str, Any]:
    return {"after": request.get("Marker") or None, "limit": request.get("MaxItems", MOST)}
