"""Versions, lists and deletion of functions, through boto3 against a real server."""

from __future__ import annotations

import hashlib

import pytest
from botocore.exceptions import WaiterError

from tests.api.functions import (
    CODE,
    QUICK,
    active,
    arn,
    body,
    create,
    get,
    invalid,
    missing,
    refusal,
    sha256,
    updated,
)
from tests.e2e.server import Cloud, Server, zipped


class TestPublishVersion:
    def test_the_answer(self, cloud: Cloud) -> None:
        name = active(cloud, Description="of the function", Timeout=9)
        latest = get(cloud, name)
        answer = cloud.client.publish_version(
            FunctionName=name,
            CodeSha256=latest["CodeSha256"],
            RevisionId=latest["RevisionId"],
            Description="of the version",
        )
        assert answer["ResponseMetadata"]["HTTPStatusCode"] == 201
        shown = body(answer)
        assert (shown["Version"], shown["FunctionArn"]) == ("1", arn(name, "1"))
        assert (shown["State"], shown["LastUpdateStatus"]) == ("Active", "Successful")
        assert "StateReasonCode" not in shown
        assert get(cloud, name, Qualifier="1") == shown
        assert (shown["Description"], shown["Timeout"]) == ("of the version", 9)
        assert shown["LastModified"] == latest["LastModified"]
        assert shown["RevisionId"] != latest["RevisionId"]
        renewed = get(cloud, name)["RevisionId"]
        assert renewed not in (latest["RevisionId"], shown["RevisionId"])
        assert get(cloud, name) == {**latest, "RevisionId": renewed}
        cloud.client.get_waiter("published_version_active").wait(
            FunctionName=name, Qualifier="1", WaiterConfig=QUICK
        )

    def test_without_a_change_there_is_no_new_version(self, cloud: Cloud) -> None:
        name = active(cloud)
        for _ in range(2):
            assert cloud.client.publish_version(FunctionName=name)["Version"] == "1"
        cloud.client.update_function_configuration(FunctionName=name, Description="new")
        assert cloud.client.publish_version(FunctionName=name)["Version"] == "2"

    def test_what_is_refused(self, cloud: Cloud) -> None:
        name = active(cloud)
        publish = cloud.client.publish_version
        assert refusal(publish, FunctionName="none") == missing("none")
        assert refusal(publish, FunctionName=name, CodeSha256="x") == invalid(
            f"CodeSHA256 (x) is different from current CodeSHA256 in $LATEST ({sha256(CODE)}). "
            "Please try again with the CodeSHA256 in $LATEST."
        )
        assert refusal(publish, FunctionName=name, RevisionId="x")[:2] == (
            *(412, "PreconditionFailedException"),
        )


class TestLists:
    def test_functions_come_without_states(self, elsewhere: Cloud) -> None:
        listed = elsewhere.client.list_functions()
        assert "NextMarker" not in listed
        assert [each["FunctionName"] for each in listed["Functions"]] == ["a", "b", "c"]
        for each in listed["Functions"]:
            one = get(elsewhere, each["FunctionName"])
            assert each == {
                member: value
                for member, value in one.items()
                if not member.startswith(("State", "LastUpdate", "RuntimeVersion"))
            }

    def test_all_versions_come_with_their_qualifier(self, elsewhere: Cloud) -> None:
        listed = elsewhere.client.list_functions(FunctionVersion="ALL")["Functions"]
        assert [each["FunctionArn"].partition("function:")[2] for each in listed] == [
            *("a:$LATEST", "a:1", "b:$LATEST", "c:$LATEST"),
        ]

    def test_pages(self, elsewhere: Cloud) -> None:
        seen: list[str] = []
        for page in elsewhere.client.get_paginator("list_functions").paginate(
            FunctionVersion="ALL", PaginationConfig={"PageSize": 1}
        ):
            assert len(page["Functions"]) == 1
            seen += [f"{each['FunctionName']}:{each['Version']}" for each in page["Functions"]]
        assert seen == ["a:$LATEST", "a:1", "b:$LATEST", "c:$LATEST"]
        assert len(elsewhere.client.list_functions(MaxItems=10_000)["Functions"]) == 3
        assert refusal(elsewhere.client.list_functions, MaxItems=10_001)[1] == "ValidationException"
        assert refusal(elsewhere.client.list_functions, Marker="odd") == invalid("Invalid marker")
        assert len(elsewhere.client.list_functions(Marker="")["Functions"]) == 3

    def test_nothing_is_replicated_from_another_region(self, elsewhere: Cloud) -> None:
        every = elsewhere.client.list_functions(FunctionVersion="ALL", MasterRegion="ALL")
        assert len(every["Functions"]) == 4
        far = elsewhere.client.list_functions(FunctionVersion="ALL", MasterRegion="us-east-1")
        assert far["Functions"] == []
        assert refusal(elsewhere.client.list_functions, MasterRegion="us-east-1") == invalid(
            "FunctionVersion must be ALL when MasterRegion is given."
        )

    def test_fifty_functions_a_page_at_most(self, server: Server) -> None:
        cloud = Cloud(server.endpoint, region="sa-east-1")
        for number in range(51):
            create(cloud, f"f-{number:02}")
        page = cloud.client.list_functions(MaxItems=1000)
        assert len(page["Functions"]) == 50
        rest = cloud.client.list_functions(Marker=page["NextMarker"])["Functions"]
        assert [each["FunctionName"] for each in rest] == ["f-50"]

    def test_versions_begin_with_latest_and_end_with_the_newest(self, cloud: Cloud) -> None:
        name = active(cloud)
        for number in range(1, 12):
            cloud.client.update_function_configuration(FunctionName=name, Timeout=number)
            cloud.client.publish_version(FunctionName=name)
        expected = ["$LATEST", *(str(number) for number in range(1, 12))]
        listed = cloud.client.list_versions_by_function(FunctionName=arn(name))["Versions"]
        assert [each["Version"] for each in listed] == expected
        assert [each["FunctionArn"] for each in listed] == [arn(name, each) for each in expected]
        assert not any("State" in each for each in listed)
        pages = cloud.client.get_paginator("list_versions_by_function").paginate(
            FunctionName=name, PaginationConfig={"PageSize": 5}
        )
        assert [each["Version"] for page in pages for each in page["Versions"]] == expected
        assert refusal(cloud.client.list_versions_by_function, FunctionName="none") == missing(
            "none"
        )


class TestDelete:
    def test_a_function_goes_with_its_versions(self, cloud: Cloud) -> None:
        name = active(cloud, Publish=True)
        answer = cloud.client.delete_function(FunctionName=name)
        assert answer["ResponseMetadata"]["HTTPStatusCode"] == 204
        for qualifier in (None, "1"):
            more = {} if qualifier is None else {"Qualifier": qualifier}
            assert refusal(get, cloud=cloud, name=name, **more) == missing(name, qualifier)
        delete = cloud.client.delete_function
        assert refusal(delete, FunctionName=name) == missing(name)

    def test_a_version_goes_alone(self, cloud: Cloud) -> None:
        name = active(cloud, Publish=True)
        assert cloud.invoke(name, Qualifier="1").payload == 1
        delete = cloud.client.delete_function
        for _ in range(2):
            answer = delete(FunctionName=name, Qualifier="1")
            assert answer["ResponseMetadata"]["HTTPStatusCode"] == 204
        assert refusal(cloud.client.invoke, FunctionName=f"{name}:1") == missing(name, "1")
        assert cloud.result(name) == 1

    def test_what_is_refused(self, cloud: Cloud) -> None:
        name = active(cloud)
        delete = cloud.client.delete_function
        assert refusal(delete, FunctionName=name, Qualifier="$LATEST") == invalid(
            "$LATEST version cannot be deleted without deleting the function."
        )
        assert refusal(delete, FunctionName=f"{name}:live") == invalid(
            "Deletion of aliases is not currently supported."
        )
        assert cloud.result(name) == 1

    def test_bytes_that_nothing_uses_leave_the_disk(self, cloud: Cloud, server: Server) -> None:
        def kept(content: bytes) -> bool:
            digest = hashlib.sha256(content).hexdigest()
            return any(server.data.glob(f"blobs/**/*{digest}*"))

        one, two = (zipped({"app.py": f"handler = lambda e, c: '{n} {id(self)}'"}) for n in (1, 2))
        name = active(cloud, Code={"ZipFile": one})
        assert kept(one)
        cloud.client.update_function_code(FunctionName=name, ZipFile=two)
        updated(cloud, name)
        assert kept(two)
        assert not kept(one)
        cloud.client.delete_function(FunctionName=name)
        assert not kept(two)


def test_waiters_tell_of_what_is_not_there(cloud: Cloud) -> None:
    with pytest.raises(WaiterError, match="ResourceNotFoundException"):
        cloud.client.get_waiter("function_active_v2").wait(FunctionName="none", WaiterConfig=QUICK)


def test_all_waiters_of_functions_end(cloud: Cloud) -> None:
    name = active(cloud, Publish=True)
    for waiter in ("function_exists", "function_active", "function_updated", "function_updated_v2"):
        cloud.client.get_waiter(waiter).wait(FunctionName=name, WaiterConfig=QUICK)
