"""The nine operations on layers: from a request's members to `lamella.layers` and back."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from lamella.api import names
from lamella.api.caller import Caller
from lamella.api.services import Services
from lamella.layers import packages
from lamella.layers.publish import PAGE, Asker, Filter, NewVersion, owned_by
from lamella.model.layer import LayerStatement, LayerVersion

Request = Mapping[str, Any]


def publish_layer_version(services: Services, caller: Caller, request: Request) -> dict[str, Any]:
    layer = names.layer(caller, request["LayerName"])
    version = services.publishing.publish(_asker(caller), layer, _new_version(request))
    return _with_content(services, caller, version)


def get_layer_version(services: Services, caller: Caller, request: Request) -> dict[str, Any]:
    layer = names.layer(caller, request["LayerName"])
    version = services.publishing.get(_asker(caller), layer, request["VersionNumber"])
    return _with_content(services, caller, version)


def get_layer_version_by_arn(
    services: Services, caller: Caller, request: Request
) -> dict[str, Any]:
    version = services.publishing.by_arn(_asker(caller), names.layer(caller, request["Arn"]))
    return _with_content(services, caller, version)


def list_layers(services: Services, caller: Caller, request: Request) -> dict[str, Any]:
    page = services.publishing.layers(caller.account, caller.region, _filter(request))
    return _page("Layers", [_layer(version) for version in page.rows], page.next)


def list_layer_versions(services: Services, caller: Caller, request: Request) -> dict[str, Any]:
    layer = names.layer(caller, request["LayerName"])
    page = services.publishing.versions(_asker(caller), layer, _filter(request))
    return _page("LayerVersions", [_listed(version) for version in page.rows], page.next)


def delete_layer_version(services: Services, caller: Caller, request: Request) -> dict[str, Any]:
    layer = names.layer(caller, request["LayerName"])
    services.publishing.delete(_asker(caller), layer, request["VersionNumber"])
    return {}


def get_layer_version_policy(
    services: Services, caller: Caller, request: Request
) -> dict[str, Any]:
    version = _own_version(caller, request, "lambda:GetLayerVersionPolicy")
    shown = services.policies.get(*version)
    return {"Policy": shown.text, "RevisionId": shown.revision_id}


def add_layer_version_permission(
    services: Services, caller: Caller, request: Request
) -> dict[str, Any]:
    version = _own_version(caller, request, "lambda:AddLayerVersionPermission")
    shown = services.policies.add(*version, _statement(request), request.get("RevisionId"))
    return {"Statement": shown.text, "RevisionId": shown.revision_id}


def remove_layer_version_permission(
    services: Services, caller: Caller, request: Request
) -> dict[str, Any]:
    version = _own_version(caller, request, "lambda:RemoveLayerVersionPermission")
    services.policies.remove(*version, request["StatementId"], request.get("RevisionId"))
    return {}


def _asker(caller: Caller) -> Asker:
    return Asker(caller.account, caller.principal_arn)


def _own_version(caller: Caller, request: Request, action: str) -> tuple[str, str, str, int]:
    layer = names.layer(caller, request["LayerName"])
    owned_by(_asker(caller), layer, action)
    return layer.account, layer.region, layer.name, request["VersionNumber"]


def _new_version(request: Request) -> NewVersion:
    content = request["Content"]
    return NewVersion(
        content=packages.source(
            content.get("ZipFile"),
            content.get("S3Bucket"),
            content.get("S3Key"),
            content.get("S3ObjectVersion"),
            what="LayerVersionContentInput",
        ),
        description=request.get("Description") or "",
        license_info=request.get("LicenseInfo"),
        compatible_runtimes=tuple(request.get("CompatibleRuntimes") or ()),
        compatible_architectures=tuple(request.get("CompatibleArchitectures") or ()),
    )


def _statement(request: Request) -> LayerStatement:
    return LayerStatement(
        sid=request["StatementId"],
        action=request["Action"],
        principal=request["Principal"],
        organization_id=request.get("OrganizationId"),
    )


def _filter(request: Request) -> Filter:
    return Filter(
        runtime=request.get("CompatibleRuntime"),
        architecture=request.get("CompatibleArchitecture"),
        after=request.get("Marker") or None,
        limit=request.get("MaxItems") or PAGE,
    )


def _listed(version: LayerVersion) -> dict[str, Any]:
    """A version as lists show it: LicenseInfo is left out when it is unset."""
    shown: dict[str, Any] = {
        "LayerVersionArn": version.arn,
        "Version": version.version,
        "Description": version.description,
        "CreatedDate": _date(version.created),
        "CompatibleRuntimes": list(version.compatible_runtimes),
        "CompatibleArchitectures": list(version.compatible_architectures),
    }
    if version.license_info is not None:
        shown["LicenseInfo"] = version.license_info
    return shown


def _layer(version: LayerVersion) -> dict[str, Any]:
    return {
        "LayerName": version.name,
        "LayerArn": version.layer_arn,
        "LatestMatchingVersion": _listed(version),
    }


def _with_content(services: Services, caller: Caller, version: LayerVersion) -> dict[str, Any]:
    content = {
        "Location": services.links.url(caller.endpoint, version.digest),
        "CodeSha256": packages.code_sha256(version.digest),
        "CodeSize": version.code_size,
    }
    return {**_listed(version), "LayerArn": version.layer_arn, "Content": content}


def _page(member: str, rows: list[dict[str, Any]], after: str | None) -> dict[str, Any]:
    return {member: rows} if after is None else {member: rows, "NextMarker": after}


def _date(moment: datetime) -> str:
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03d}+0000"
