"""IAM: roles and managed policies are kept and shown; what they allow decides nothing here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from typing import Any
from urllib.parse import quote

from lamella.accounts import managed, roles, tags
from lamella.accounts.identity import user_id
from lamella.accounts.managed import ManagedPolicy, Version
from lamella.accounts.roles import Role
from lamella.api.caller import Caller
from lamella.api.services import Services
from lamella.errors import NoSuchEntity, ValidationFailed

Request = Mapping[str, Any]
PAGE = 100
UNUSED = managed.Use(0, 0)
UNKNOWN = datetime.fromtimestamp(0, UTC)  # when a user was made is not kept


def create_role(services: Services, caller: Caller, request: Request) -> dict[str, Any]:
    boundary = request.get("PermissionsBoundary")
    services.managed.check_boundary(caller.account, boundary)
    name, trust = request["RoleName"], request["AssumeRolePolicyDocument"]
    more = {**_described(request, tags.OF_ROLE), "boundary": boundary}
    seconds = request.get("MaxSessionDuration") or roles.SESSION_SECONDS
    role = services.roles.create(caller.account, name, trust, max_session=seconds, **more)
    return {"Role": _role(role)}


def get_role(services: Services, caller: Caller, request: Request) -> dict[str, Any]:
    role = services.roles.get(caller.account, request["RoleName"])
    return {"Role": {**_role(role), "RoleLastUsed": {}}}


def list_roles(services: Services, caller: Caller, request: Request) -> dict[str, Any]:
    page = services.roles.listed(
        caller.account, request.get("PathPrefix") or "/", **_where(request)
    )
    return _page("Roles", [_listed_role(role) for role in page.rows], page.next)


def update_role(services: Services, caller: Caller, request: Request) -> dict[str, Any]:
    change = partial(
        roles.updated,
        description=request.get("Description"),
        max_session=request.get("MaxSessionDuration"),
    )
    services.roles.change(caller.account, request["RoleName"], change)
    return {}


def update_assume_role_policy(
    services: Services, caller: Caller, request: Request
) -> dict[str, Any]:
    change = partial(roles.with_trust, trust=request["PolicyDocument"])
    services.roles.change(caller.account, request["RoleName"], change)
    return {}


def delete_role(services: Services, caller: Caller, request: Request) -> dict[str, Any]:
    services.roles.delete(caller.account, request["RoleName"])
    return {}


def put_role_permissions_boundary(
    services: Services, caller: Caller, request: Request
) -> dict[str, Any]:
    boundary = request["PermissionsBoundary"]
    services.managed.check_boundary(caller.account, boundary)
    change = partial(replace, boundary=boundary)
    services.roles.change(caller.account, request["RoleName"], change)
    return {}


def delete_role_permissions_boundary(
    services: Services, caller: Caller, request: Request
) -> dict[str, Any]:
    services.roles.change(caller.account, request["RoleName"], partial(replace, boundary=None))
    return {}


def put_role_policy(services: Services, caller: Caller, request: Request) -> dict[str, Any]:
    change = partial(roles.with_policy, name=request["PolicyName"], text=request["PolicyDocument"])
    services.roles.change(caller.account, request["RoleName"], change)
    return {}


def get_role_policy(services: Services, caller: Caller, request: Request) -> dict[str, Any]:
    role = services.roles.get(caller.account, request["RoleName"])
    name = request["PolicyName"]
    text = _encoded(roles.policy(role, name))
    return {"RoleName": role.name, "PolicyName": name, "PolicyDocument": text}


def list_role_policies(services: Services, caller: Caller, request: Request) -> dict[str, Any]:
    role = services.roles.get(caller.account, request["RoleName"])
    return _cut("PolicyNames", {name: name for name in role.inline or ()}, request)


def delete_role_policy(services: Services, caller: Caller, request: Request) -> dict[str, Any]:
    change = partial(roles.without_policy, name=request["PolicyName"])
    services.roles.change(caller.account, request["RoleName"], change)
    return {}


def attach_role_policy(services: Services, caller: Caller, request: Request) -> dict[str, Any]:
    services.managed.attach(caller.account, request["RoleName"], request["PolicyArn"])
    return {}


def detach_role_policy(services: Services, caller: Caller, request: Request) -> dict[str, Any]:
    services.managed.detach(caller.account, request["RoleName"], request["PolicyArn"])
    return {}


def list_attached_role_policies(
    services: Services, caller: Caller, request: Request
) -> dict[str, Any]:
    role = services.roles.get(caller.account, request["RoleName"])
    prefix = request.get("PathPrefix") or "/"
    attached = {
        arn: _attached(arn) for arn in role.attached if managed.path(arn).startswith(prefix)
    }
    return _cut("AttachedPolicies", attached, request)


def tag_role(services: Services, caller: Caller, request: Request) -> dict[str, Any]:
    change = partial(roles.with_tags, new=_pairs(request))
    services.roles.change(caller.account, request["RoleName"], change)
    return {}


def untag_role(services: Services, caller: Caller, request: Request) -> dict[str, Any]:
    change = partial(roles.without_tags, keys=request["TagKeys"])
    services.roles.change(caller.account, request["RoleName"], change)
    return {}


def list_role_tags(services: Services, caller: Caller, request: Request) -> dict[str, Any]:
    role = services.roles.get(caller.account, request["RoleName"])
    return _cut("Tags", {tag["Key"]: tag for tag in _tags(role.tags)}, request)


def tag_policy(services: Services, caller: Caller, request: Request) -> dict[str, Any]:
    change = partial(managed.with_tags, new=_pairs(request))
    services.managed.change(caller.account, request["PolicyArn"], change)
    return {}


def untag_policy(services: Services, caller: Caller, request: Request) -> dict[str, Any]:
    change = partial(managed.without_tags, keys=request["TagKeys"])
    services.managed.change(caller.account, request["PolicyArn"], change)
    return {}


def list_policy_tags(services: Services, caller: Caller, request: Request) -> dict[str, Any]:
    policy = services.managed.get(caller.account, request["PolicyArn"])
    return _cut("Tags", {tag["Key"]: tag for tag in _tags(policy.tags)}, request)


def list_instance_profiles_for_role(
    services: Services, caller: Caller, request: Request
) -> dict[str, Any]:
    """There are no instances here, so the list is empty; Terraform asks before it deletes a role."""
    services.roles.get(caller.account, request["RoleName"])
    return _page("InstanceProfiles", [], None)


def get_user(services: Services, caller: Caller, request: Request) -> dict[str, Any]:
    """The caller; other users are not kept."""
    return {"User": _user(caller, request.get("UserName"))}


def create_policy(services: Services, caller: Caller, request: Request) -> dict[str, Any]:
    name, text = request["PolicyName"], request["PolicyDocument"]
    more = _described(request, tags.OF_POLICY)
    policy = services.managed.create(caller.account, name, text, **more)
    return {"Policy": {**_policy(policy, UNUSED), "Tags": _tags(policy.tags) or None}}


def get_policy(services: Services, caller: Caller, request: Request) -> dict[str, Any]:
    policy = services.managed.get(caller.account, request["PolicyArn"])
    use = services.managed.uses(caller.account).get(policy.arn, UNUSED)
    more = {"Description": policy.description, "Tags": _tags(policy.tags)}
    return {"Policy": {**_policy(policy, use), **more}}


def list_policies(services: Services, caller: Caller, request: Request) -> dict[str, Any]:
    uses = services.managed.uses(caller.account)
    page = services.managed.listed(caller.account, **_where(request))
    found = [(policy, uses.get(policy.arn, UNUSED)) for policy in page.rows]
    shown = [_policy(*each) for each in found if _wanted(*each, request)]
    return _page("Policies", shown, page.next)


def delete_policy(services: Services, caller: Caller, request: Request) -> dict[str, Any]:
    services.managed.delete(caller.account, request["PolicyArn"])
    return {}


def create_policy_version(services: Services, caller: Caller, request: Request) -> dict[str, Any]:
    policy = services.managed.add_version(
        caller.account,
        request["PolicyArn"],
        request["PolicyDocument"],
        default=request.get("SetAsDefault", False),
    )
    return {"PolicyVersion": _version(policy, policy.versions[-1])}


def get_policy_version(services: Services, caller: Caller, request: Request) -> dict[str, Any]:
    policy = services.managed.get(caller.account, request["PolicyArn"])
    version = managed.version(policy, request["VersionId"])
    return {"PolicyVersion": {**_version(policy, version), "Document": _encoded(version.text)}}


def list_policy_versions(services: Services, caller: Caller, request: Request) -> dict[str, Any]:
    policy = services.managed.get(caller.account, request["PolicyArn"])
    newest_first = {f"{2**31 - each.number:010}": each for each in policy.versions}
    shown = {key: _version(policy, each) for key, each in newest_first.items()}
    return _cut("Versions", shown, request)


def set_default_policy_version(
    services: Services, caller: Caller, request: Request
) -> dict[str, Any]:
    change = partial(managed.with_default, version_id=request["VersionId"])
    services.managed.change(caller.account, request["PolicyArn"], change)
    return {}


def delete_policy_version(services: Services, caller: Caller, request: Request) -> dict[str, Any]:
    change = partial(managed.without_version, version_id=request["VersionId"])
    services.managed.change(caller.account, request["PolicyArn"], change)
    return {}


def _described(request: Request, quota: str) -> dict[str, Any]:
    """What roles and policies have in common."""
    return {
        "path": request.get("Path") or "/",
        "description": request.get("Description"),
        "tags": tags.tagged({}, _pairs(request), quota),
    }


def _pairs(request: Request) -> list[tuple[str, str]]:
    return [(tag["Key"], tag["Value"]) for tag in request.get("Tags") or ()]


def _tags(tags: Mapping[str, str] | None) -> list[dict[str, str]]:
    return [{"Key": key, "Value": value} for key, value in sorted((tags or {}).items())]


def _encoded(document: str) -> str:
    """Documents go out percent-encoded, as RFC 3986 has it."""
    return quote(document, safe="")


def _role(role: Role) -> dict[str, Any]:
    bounded = {"PermissionsBoundaryType": "Policy", "PermissionsBoundaryArn": role.boundary}
    return {
        **_listed_role(role),
        "PermissionsBoundary": bounded if role.boundary else None,
        "Tags": _tags(role.tags) or None,
    }


def _listed_role(role: Role) -> dict[str, Any]:
    """A role as lists show it: without tags, boundary and last use."""
    return {
        "Path": role.path,
        "RoleName": role.name,
        "RoleId": role.id,
        "Arn": role.arn,
        "CreateDate": role.created,
        "AssumeRolePolicyDocument": _encoded(role.trust),
        "Description": role.description,
        "MaxSessionDuration": role.max_session,
    }


def _attached(arn: str) -> dict[str, str]:
    return {"PolicyName": managed.policy_name(arn), "PolicyArn": arn}


def _policy(policy: ManagedPolicy, use: managed.Use) -> dict[str, Any]:
    return {
        "PolicyName": policy.name,
        "PolicyId": policy.id,
        "Arn": policy.arn,
        "Path": policy.path,
        "DefaultVersionId": f"v{policy.default}",
        "AttachmentCount": use.attached,
        "PermissionsBoundaryUsageCount": use.bounding,
        "IsAttachable": True,
        "CreateDate": policy.created,
        "UpdateDate": policy.updated,
    }


def _wanted(policy: ManagedPolicy, use: managed.Use, request: Request) -> bool:
    """What ListPolicies was asked for; none of the policies here is AWS's."""
    usage = request.get("PolicyUsageFilter")
    counted = use.bounding if usage == "PermissionsBoundary" else use.attached
    in_use = bool(counted) if usage else bool(use.attached or use.bounding)
    return (
        request.get("Scope") != "AWS"
        and policy.path.startswith(request.get("PathPrefix") or "/")
        and (in_use or not (usage or request.get("OnlyAttached")))
    )


def _version(policy: ManagedPolicy, version: Version) -> dict[str, Any]:
    return {
        "VersionId": f"v{version.number}",
        "IsDefaultVersion": version.number == policy.default,
        "CreateDate": version.created,
    }


def _user(caller: Caller, name: str | None) -> dict[str, Any]:
    """https://docs.aws.amazon.com/IAM/latest/APIReference/API_GetUser.html"""
    arn, account = caller.principal_arn, caller.account
    kind, _, own = arn.rpartition(":")[2].partition("/")
    if name is not None and (kind != "user" or name != own):
        raise NoSuchEntity(f"The user with name {name} cannot be found.")
    if kind == "assumed-role":
        raise ValidationFailed("Must specify userName when calling with non-User credentials")
    shown = {"UserId": user_id(account, arn), "Arn": arn, "CreateDate": UNKNOWN}
    return {**shown, "Path": "/", "UserName": own} if kind == "user" else shown


def _where(request: Request) -> dict[str, Any]:
    return {"after": request.get("Marker"), "limit": request.get("MaxItems") or PAGE}


def _page(member: str, shown: Sequence[Any], following: str | None) -> dict[str, Any]:
    return {member: shown, "IsTruncated": following is not None, "Marker": following}


def _cut(member: str, items: Mapping[str, Any], request: Request) -> dict[str, Any]:
    """One page of what is there as a whole, by key; a page's last key is its marker."""
    where = _where(request)
    keys = sorted(key for key in items if where["after"] is None or key > where["after"])
    page = keys[: where["limit"]]
    following = page[-1] if len(keys) > len(page) else None
    return _page(member, [items[key] for key in page], following)
