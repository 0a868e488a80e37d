"""Tags through boto3, on each resource that has them."""

from __future__ import annotations

import http.client
from urllib.parse import quote, urlsplit

import pytest

from tests.api.functions import ACCOUNT, REGION, active, arn, get, invalid, missing, refusal
from tests.e2e.queues import until
from tests.e2e.server import Cloud

PROFILE = "arn:aws:signer:eu-west-1:000000000000:/signing-profiles/p/abcdefghij"
QUEUE = f"arn:aws:sqs:{REGION}:{ACCOUNT}:a-queue"
NOTHING_THERE = (404, "ResourceNotFoundException", "The resource you requested does not exist.")
NO_MAPPING = (
    f"arn:aws:lambda:{REGION}:{ACCOUNT}:event-source-mapping:01234567-89ab-cdef-0123-456789abcdef"
)


@pytest.fixture(scope="module")
def function(cloud: Cloud) -> str:
    return arn(active(cloud, Tags={"team": "core"}))


@pytest.fixture(scope="module")
def config(cloud: Cloud) -> str:
    answer = cloud.client.create_code_signing_config(
        AllowedPublishers={"SigningProfileVersionArns": [PROFILE]}, Tags={"team": "core"}
    )
    return str(answer["CodeSigningConfig"]["CodeSigningConfigArn"])


@pytest.fixture(scope="module")
def mapping(cloud: Cloud, function: str) -> str:
    answer = cloud.client.create_event_source_mapping(
        FunctionName=function, EventSourceArn=QUEUE, Tags={"team": "core"}
    )
    return str(answer["EventSourceMappingArn"])


@pytest.fixture(params=["function", "config", "mapping"])
def resource(request: pytest.FixtureRequest) -> str:
    return str(request.getfixturevalue(request.param))


def tags(cloud: Cloud, resource: str) -> dict[str, str]:
    return dict(cloud.client.list_tags(Resource=resource)["Tags"])


def test_a_change_of_tags_renews_the_revision(cloud: Cloud) -> None:
    name = active(cloud)
    seen = [get(cloud, name)]
    for change, sent in (("tag", {"Tags": {"a": "b"}}), ("untag", {"TagKeys": ["a"]})):
        getattr(cloud.client, f"{change}_resource")(Resource=arn(name), **sent)
        seen.append(get(cloud, name))
    assert len({each.pop("RevisionId") for each in seen}) == 3
    assert seen[0] == seen[1] == seen[2]


def test_tags_are_listed_added_and_removed(cloud: Cloud, resource: str) -> None:
    assert tags(cloud, resource) == {"team": "core"}
    added = cloud.client.tag_resource(Resource=resource, Tags={"team": "edge", "été": "", "x": "1"})
    assert added["ResponseMetadata"]["HTTPStatusCode"] == 204
    assert tags(cloud, resource) == {"team": "edge", "été": "", "x": "1"}
    removed = cloud.client.untag_resource(Resource=resource, TagKeys=["été", "x", "none"])
    assert removed["ResponseMetadata"]["HTTPStatusCode"] == 204
    assert tags(cloud, resource) == {"team": "edge"}
    cloud.client.untag_resource(Resource=resource, TagKeys=["team"])
    assert tags(cloud, resource) == {}
    cloud.client.tag_resource(Resource=resource, Tags={"team": "core"})


def test_there_are_fifty_tags_at_most(cloud: Cloud, resource: str) -> None:
    many = {f"key-{number}": "" for number in range(49)}
    cloud.client.tag_resource(Resource=resource, Tags=many)
    refused = refusal(cloud.client.tag_resource, Resource=resource, Tags={"one more": ""})
    assert refused == invalid("Number of tags exceeds resource tag limit.")
    cloud.client.untag_resource(Resource=resource, TagKeys=list(many))
    assert tags(cloud, resource) == {"team": "core"}


def test_keys_and_values_have_limits(cloud: Cloud, resource: str) -> None:
    for wrong in ({"k" * 129: ""}, {"k": "v" * 257}, {"*": ""}):
        status, code, message = refusal(cloud.client.tag_resource, Resource=resource, Tags=wrong)
        assert (status, code) == (400, "ValidationException")
        assert "at 'tags' failed to satisfy constraint: Map " in message
    refused = refusal(cloud.client.tag_resource, Resource=resource, Tags={"aws:x": "y"})
    assert refused == invalid("aws: prefixed tag key names are not allowed for external use.")
    refused = refusal(cloud.client.untag_resource, Resource=resource, TagKeys=["aws:x"])
    assert refused == invalid("aws: prefixed tag key names are not allowed for external use.")
    refused = refusal(cloud.client.tag_resource, Resource=resource, Tags={})
    assert refused == invalid("An error occurred and the request cannot be processed.")
    assert tags(cloud, resource) == {"team": "core"}


def test_get_function_shows_the_tags(cloud: Cloud, function: str) -> None:
    assert cloud.client.get_function(FunctionName=function)["Tags"] == {"team": "core"}
    cloud.client.untag_resource(Resource=function, TagKeys=["team"])
    assert "Tags" not in cloud.client.get_function(FunctionName=function)
    cloud.client.tag_resource(Resource=function, Tags={"team": "core"})


def test_versions_and_aliases_have_no_tags(cloud: Cloud, function: str) -> None:
    message = (
        "Tags on function aliases and versions are not supported. Please specify a function ARN."
    )
    for qualifier in ("$LATEST", "1", "live"):
        resource = f"{function}:{qualifier}"
        assert refusal(cloud.client.list_tags, Resource=resource) == invalid(message)
        refused = refusal(cloud.client.tag_resource, Resource=resource, Tags={"a": "b"})
        assert refused == invalid(message)
        refused = refusal(cloud.client.untag_resource, Resource=resource, TagKeys=["a"])
        assert refused == invalid(message)


@pytest.mark.parametrize(
    ("resource", "expected"),
    [
        (arn("none"), missing("none")),
        (NO_MAPPING, NOTHING_THERE),
        (f"arn:aws:lambda:{REGION}:{ACCOUNT}:capacity-provider:p", NOTHING_THERE),
    ],
)
def test_what_is_not_there_has_no_tags(
    cloud: Cloud, resource: str, expected: tuple[int, str, str]
) -> None:
    assert refusal(cloud.client.list_tags, Resource=resource) == expected
    assert refusal(cloud.client.tag_resource, Resource=resource, Tags={"a": "b"}) == expected
    assert refusal(cloud.client.untag_resource, Resource=resource, TagKeys=["a"]) == expected


def test_tags_of_no_resource_are_a_fault_of_the_request(cloud: Cloud) -> None:
    status, code, message = refusal(cloud.client.list_tags, Resource="arn:aws:s3:::bucket")
    assert (status, code) == (400, "ValidationException")
    assert "at 'resource' failed to satisfy constraint" in message


def test_removing_names_at_least_one_key(cloud: Cloud, function: str) -> None:
    connection = http.client.HTTPConnection(urlsplit(cloud.endpoint).netloc, timeout=20)
    try:
        connection.request("DELETE", f"/2017-03-31/tags/{quote(function, safe='')}")
        answer = connection.getresponse()
        assert (answer.status, answer.headers["x-amzn-errortype"]) == (400, "ValidationException")
        assert b"Value null at 'tagKeys' failed to satisfy constraint" in answer.read()
    finally:
        connection.close()


def test_tags_go_with_what_they_are_on(cloud: Cloud, config: str) -> None:
    name = active(cloud, Tags={"a": "b"})
    cloud.client.delete_function(FunctionName=name)
    assert refusal(cloud.client.list_tags, Resource=arn(name)) == missing(name)
    assert tags(cloud, arn(active(cloud, name))) == {}


def test_a_mapping_that_is_deleted_takes_its_tags_along(cloud: Cloud) -> None:
    mapping = cloud.client.create_event_source_mapping(
        FunctionName=active(cloud), EventSourceArn=QUEUE, Tags={"a": "b"}
    )
    cloud.client.delete_event_source_mapping(UUID=mapping["UUID"])

    def is_gone() -> bool:
        try:
            cloud.client.list_tags(Resource=mapping["EventSourceMappingArn"])
        except cloud.client.exceptions.ResourceNotFoundException:
            return True
        return False

    until(is_gone)


def test_a_function_is_created_with_no_more_than_it_may_have(cloud: Cloud) -> None:
    name = cloud.name()
    for wrong, message in (
        ({f"k{number}": "" for number in range(51)}, "Number of tags exceeds resource tag limit."),
        ({"aws:k": ""}, "aws: prefixed tag key names are not allowed for external use."),
    ):
        refused = refusal(active, cloud=cloud, name=name, Tags=wrong)
        assert refused == invalid(message)
    assert refusal(cloud.client.get_function, FunctionName=name) == missing(name)
