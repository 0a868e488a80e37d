"""The operations on functions, through a real boto3 client and a real server."""

from __future__ import annotations

import base64
import hashlib
import re
import threading
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError, WaiterError

from tests.e2e.server import ROLE, Cloud, Server, serving, zipped

ACCOUNT, REGION = "000000000000", "eu-west-1"
CODE = zipped({"app.py": "def handler(event, context):\n    return 1\n"})
CODE_2 = zipped({"app.py": "def handler(event, context):\n    return 2\n"})
QUICK = {"Delay": 0.1, "MaxAttempts": 300}
NOT_LATEST = "Current operation does not support versions other than $LATEST."


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serving(tmp_path_factory.mktemp("functions") / "data") as server:
        yield server


@pytest.fixture(scope="module")
def cloud(server: Server) -> Cloud:
    return Cloud(server.endpoint)


def sha256(content: bytes) -> str:
    return base64.b64encode(hashlib.sha256(content).digest()).decode()


def arn(name: str, qualifier: str | None = None) -> str:
    base = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{name}"
    return base if qualifier is None else f"{base}:{qualifier}"


def create(cloud: Cloud, name: str | None = None, **members: Any) -> dict[str, Any]:
    answer = cloud.client.create_function(
        **{
            "FunctionName": name or cloud.name(),
            "Runtime": "python3.11",
            "Handler": "app.handler",
            "Role": ROLE,
            "Code": {"ZipFile": CODE},
            **members,
        }
    )
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 201
    return body(answer)


def active(cloud: Cloud, name: str | None = None, **members: Any) -> str:
    created = create(cloud, name, **members)
    cloud.client.get_waiter("function_active_v2").wait(
        FunctionName=created["FunctionName"], WaiterConfig=QUICK
    )
    return str(created["FunctionName"])


def updated(cloud: Cloud, name: str) -> dict[str, Any]:
    cloud.client.get_waiter("function_updated_v2").wait(FunctionName=name, WaiterConfig=QUICK)
    return get(cloud, name)


def get(cloud: Cloud, name: str, **more: Any) -> dict[str, Any]:
    return body(cloud.client.get_function_configuration(FunctionName=name, **more))


def body(answer: Any) -> dict[str, Any]:
    return {name: value for name, value in answer.items() if name != "ResponseMetadata"}


def refusal(call: Any, **sent: Any) -> tuple[int, str, str]:
    with pytest.raises(ClientError) as refused:
        call(**sent)
    answer = refused.value.response
    error = answer["Error"]
    assert answer["ResponseMetadata"]["HTTPHeaders"]["x-amzn-errortype"] == error["Code"]
    return answer["ResponseMetadata"]["HTTPStatusCode"], error["Code"], error["Message"]


def invalid(message: str) -> tuple[int, str, str]:
    return 400, "InvalidParameterValueException", message


def missing(name: str, qualifier: str | None = None) -> tuple[int, str, str]:
    return 404, "ResourceNotFoundException", f"Function not found: {arn(name, qualifier)}"


class TestCreate:
    def test_the_answer_has_every_default(self, cloud: Cloud) -> None:
        created = create(cloud, "defaults")
        revision, modified = created.pop("RevisionId"), created.pop("LastModified")
        runtime = created.pop("RuntimeVersionConfig")["RuntimeVersionArn"]
        assert created == {
            "FunctionName": "defaults",
            "FunctionArn": arn("defaults"),
            "Runtime": "python3.11",
            "Role": ROLE,
            "Handler": "app.handler",
            "CodeSize": len(CODE),
            "Description": "",
            "Timeout": 3,
            "MemorySize": 128,
            "CodeSha256": sha256(CODE),
            "Version": "$LATEST",
            "TracingConfig": {"Mode": "PassThrough"},
            "State": "Pending",
            "StateReason": "The function is being created.",
            "StateReasonCode": "Creating",
            "PackageType": "Zip",
            "Architectures": ["x86_64"],
            "EphemeralStorage": {"Size": 512},
            "SnapStart": {"ApplyOn": "None", "OptimizationStatus": "Off"},
            "LoggingConfig": {"LogFormat": "Text", "LogGroup": "/aws/lambda/defaults"},
        }
        assert re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", revision)
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+0000", modified)
        assert re.fullmatch(rf"arn:aws:lambda:{REGION}::runtime:[0-9a-f]{{64}}", runtime)

        cloud.client.get_waiter("function_active_v2").wait(
            FunctionName="defaults", WaiterConfig=QUICK
        )
        ready = get(cloud, "defaults")
        assert ready.pop("RevisionId") != revision
        assert ready.pop("LastModified") == modified
        assert ready.pop("RuntimeVersionConfig") == {"RuntimeVersionArn": runtime}
        pending = ("State", "StateReason", "StateReasonCode")
        assert ready == {
            **{member: value for member, value in created.items() if member not in pending},
            "State": "Active",
            "LastUpdateStatus": "Successful",
        }

    def test_every_setting_comes_back(self, cloud: Cloud) -> None:
        layer = cloud.layer(zipped({"python/shared.py": "X = 1\n"}))
        given: dict[str, Any] = {
            "Description": "what it is",
            "Timeout": 900,
            "MemorySize": 10_240,
            "Environment": {"Variables": {"KEY": "välue"}},
            "EphemeralStorage": {"Size": 10_240},
            "Architectures": ["arm64"],
            "TracingConfig": {"Mode": "Active"},
            "DeadLetterConfig": {"TargetArn": "arn:aws:sqs:eu-west-1:000000000000:dead"},
            "KMSKeyArn": "arn:aws:kms:eu-west-1:000000000000:key/1",
            "LoggingConfig": {
                "LogFormat": "JSON",
                "ApplicationLogLevel": "DEBUG",
                "SystemLogLevel": "WARN",
                "LogGroup": "/my/own",
            },
        }
        created = create(
            cloud,
            **given,
            Runtime="python3.12",
            Layers=[layer],
            SnapStart={"ApplyOn": "PublishedVersions"},
            VpcConfig={"SubnetIds": ["subnet-1"], "SecurityGroupIds": ["sg-1"]},
            Tags={"Team": "a b", "Empty": ""},
        )
        whole = body(cloud.client.get_function(FunctionName=created["FunctionName"]))
        for shown in (created, whole["Configuration"]):
            assert {member: shown[member] for member in given} == given
            assert [each["Arn"] for each in shown["Layers"]] == [layer]
            assert shown["SnapStart"] == {
                "ApplyOn": "PublishedVersions",
                "OptimizationStatus": "Off",
            }
            assert shown["VpcConfig"] == {
                "SubnetIds": ["subnet-1"],
                "SecurityGroupIds": ["sg-1"],
                "VpcId": "",
                "Ipv6AllowedForDualStack": False,
            }
        assert whole["Tags"] == {"Team": "a b", "Empty": ""}

    def test_logs_in_json_have_default_levels(self, cloud: Cloud) -> None:
        created = create(cloud, LoggingConfig={"LogFormat": "JSON"})
        assert created["LoggingConfig"] == {
            "LogFormat": "JSON",
            "ApplicationLogLevel": "INFO",
            "SystemLogLevel": "INFO",
            "LogGroup": f"/aws/lambda/{created['FunctionName']}",
        }

    def test_variables_may_be_none_at_all(self, cloud: Cloud) -> None:
        created = create(cloud, Environment={"Variables": {}})
        assert created["Environment"] == {"Variables": {}}

    def test_the_name_may_be_an_arn(self, cloud: Cloud) -> None:
        assert create(cloud, arn("by-arn"))["FunctionName"] == "by-arn"
        assert create(cloud, f"{ACCOUNT}:function:by-part")["FunctionName"] == "by-part"
        assert create(cloud, "by-latest:$LATEST")["FunctionArn"] == arn("by-latest")

    def test_publishing_on_creation(self, cloud: Cloud) -> None:
        created = create(cloud, "published", Publish=True)
        assert created["Version"] == "1"
        assert created["FunctionArn"] == arn("published")
        assert created["State"] == "Pending"
        assert "LastUpdateStatus" not in created
        cloud.client.get_waiter("published_version_active").wait(
            FunctionName="published", Qualifier="1", WaiterConfig=QUICK
        )
        version = get(cloud, "published", Qualifier="1")
        assert (version["State"], version["LastUpdateStatus"]) == ("Active", "Successful")
        assert version["FunctionArn"] == arn("published", "1")
        invoked = cloud.invoke("published", Qualifier="1")
        assert (invoked.payload, invoked.raw["ExecutedVersion"]) == (1, "1")

    def test_a_name_is_taken_once(self, cloud: Cloud) -> None:
        create(cloud, "taken")
        assert refusal(create, cloud=cloud, name="taken") == (
            *(409, "ResourceConflictException"),
            "Function already exist: taken",
        )

    @pytest.mark.parametrize(
        ("members", "message"),
        [
            ({"FunctionName": "refused:1"}, NOT_LATEST),
            (
                {"Runtime": "python3.7"},
                "The runtime parameter of python3.7 is no longer supported for creating or "
                "updating AWS Lambda functions. We recommend you use a supported runtime while "
                "creating or updating functions.",
            ),
            ({"Code": {}}, "Please provide a source for function code."),
            ({"Code": {"ZipFile": b""}}, "Uploaded file must be a non-empty zip"),
            (
                {"Code": {"ZipFile": b"no zip"}},
                "Could not unzip uploaded file. Please check your file, then try to upload again.",
            ),
            (
                {"Environment": {"Variables": {"AWS_REGION": "x"}}},
                "Lambda was unable to configure your environment variables because the environment "
                "variables you have provided contains reserved keys that are currently not "
                "supported for modification. Reserved keys used in this request: AWS_REGION",
            ),
            (
                {"SnapStart": {"ApplyOn": "PublishedVersions"}, "Runtime": "nodejs22.x"},
                "nodejs22.x is not supported for SnapStart enabled functions.",
            ),
            (
                {"LoggingConfig": {"LogFormat": "Text", "SystemLogLevel": "INFO"}},
                'LogLevel is not supported when LogFormat is set to "Text". Remove LogLevel from '
                'your request or change the LogFormat to "JSON" and try again.',
            ),
            (
                {"Layers": [f"arn:aws:lambda:{REGION}:{ACCOUNT}:layer:none:1"]},
                f"Layer version arn:aws:lambda:{REGION}:{ACCOUNT}:layer:none:1 does not exist.",
            ),
            (
                {"TenancyConfig": {"TenantIsolationMode": "PER_TENANT"}},
                "TenancyConfig is not supported: environments are not kept apart by tenant.",
            ),
        ],
    )
    def test_what_is_refused(self, cloud: Cloud, members: dict[str, Any], message: str) -> None:
        members = {"FunctionName": "refused", **members}
        name = members.pop("FunctionName")
        assert refusal(create, cloud=cloud, name=name, **members) == invalid(message)
        assert refusal(get, cloud=cloud, name="refused") == missing("refused")

    def test_a_runtime_and_a_handler_are_mandatory(self, cloud: Cloud) -> None:
        assert refusal(
            cloud.client.create_function,
            FunctionName="refused",
            Role=ROLE,
            Code={"ZipFile": CODE},
        ) == invalid(
            "Runtime and Handler are mandatory parameters for functions created with deployment "
            "packages."
        )

    def test_faults_of_the_request_come_together(self, cloud: Cloud) -> None:
        status, code, message = refusal(
            create, cloud=cloud, name="refused", MemorySize=10_241, Timeout=901
        )
        assert (status, code) == (400, "ValidationException")
        assert message.startswith("2 validation errors detected: ")

    def test_functions_of_others_are_out_of_reach(self, cloud: Cloud) -> None:
        other = f"arn:aws:lambda:{REGION}:111111111111:function:theirs"
        assert refusal(get, cloud=cloud, name=other)[:2] == (403, "AccessDeniedException")
        far = f"arn:aws:lambda:us-east-1:{ACCOUNT}:function:far"
        assert refusal(get, cloud=cloud, name=far) == (
            *(404, "ResourceNotFoundException"),
            f"Functions from 'us-east-1' are not reachable in this region ('{REGION}')",
        )


class TestGet:
    def test_code_can_be_downloaded(self, cloud: Cloud) -> None:
        name = active(cloud)
        code = cloud.client.get_function(FunctionName=name)["Code"]
        assert code["RepositoryType"] == "S3"
        assert set(code) == {"RepositoryType", "Location"}
        with urllib.request.urlopen(code["Location"], timeout=20) as download:
            assert download.read() == CODE

    def test_without_tags_there_is_no_member(self, cloud: Cloud) -> None:
        shown = body(cloud.client.get_function(FunctionName=active(cloud)))
        assert set(shown) == {"Configuration", "Code"}

    def test_the_key_of_the_code_comes_back_with_it(self, cloud: Cloud) -> None:
        key = "arn:aws:kms:eu-west-1:000000000000:key/1"
        name = active(cloud, Code={"ZipFile": CODE, "SourceKMSKeyArn": key})
        shown = cloud.client.get_function(FunctionName=name)
        assert shown["Code"]["SourceKMSKeyArn"] == key
        assert "SourceKMSKeyArn" not in shown["Configuration"]
        cloud.client.update_function_code(FunctionName=name, ZipFile=CODE_2)
        assert "SourceKMSKeyArn" not in cloud.client.get_function(FunctionName=name)["Code"]

    def test_names_and_qualifiers(self, cloud: Cloud) -> None:
        name = active(cloud, Publish=True)
        for asked, expected in (
            ((name, None), arn(name)),
            ((name, "$LATEST"), arn(name, "$LATEST")),
            ((name, "1"), arn(name, "1")),
            ((f"{name}:1", None), arn(name, "1")),
            ((f"{name}:1", "1"), arn(name, "1")),
            ((arn(name), None), arn(name)),
            ((arn(name, "$LATEST"), None), arn(name, "$LATEST")),
            ((f"{ACCOUNT}:function:{name}:1", None), arn(name, "1")),
        ):
            more = {} if asked[1] is None else {"Qualifier": asked[1]}
            assert get(cloud, asked[0], **more)["FunctionArn"] == expected
            whole = cloud.client.get_function(FunctionName=asked[0], **more)
            assert whole["Configuration"]["FunctionArn"] == expected
        assert refusal(get, cloud=cloud, name=f"{name}:1", Qualifier="2") == invalid(
            "The derived qualifier from the function name does not match the specified qualifier."
        )

    @pytest.mark.parametrize("operation", ["get_function", "get_function_configuration"])
    def test_what_is_not_there(self, cloud: Cloud, operation: str) -> None:
        call, name = getattr(cloud.client, operation), active(cloud)
        assert refusal(call, FunctionName="none") == missing("none")
        assert refusal(call, FunctionName=name, Qualifier="9") == missing(name, "9")
        assert refusal(call, FunctionName=name, Qualifier="live") == missing(name, "live")
        assert refusal(cloud.client.invoke, FunctionName=name, Qualifier="live") == (
            *(404, "ResourceNotFoundException"),
            f"Cannot find alias arn: {arn(name, 'live')}",
        )


class TestUpdate:
    def test_a_configuration(self, cloud: Cloud) -> None:
        name = active(cloud, Description="old", Environment={"Variables": {"AA": "1"}})
        before = get(cloud, name)
        answer = body(
            cloud.client.update_function_configuration(
                FunctionName=name, MemorySize=256, RevisionId=before["RevisionId"]
            )
        )
        assert (answer["State"], answer["LastUpdateStatus"]) == ("Active", "InProgress")
        assert answer["LastUpdateStatusReason"] == "The function is being created."
        assert answer["LastUpdateStatusReasonCode"] == "Creating"
        assert answer["FunctionArn"] == arn(name)
        after = updated(cloud, name)
        changed = {member for member in after if after[member] != before.get(member)}
        assert changed == {"MemorySize", "LastModified", "RevisionId"}
        assert len({before["RevisionId"], answer["RevisionId"], after["RevisionId"]}) == 3

    def test_nothing_at_all_is_an_update_too(self, cloud: Cloud) -> None:
        name = active(cloud)
        before = get(cloud, name)
        cloud.client.update_function_configuration(FunctionName=name)
        after = updated(cloud, name)
        changed = {member for member in after if after[member] != before.get(member)}
        assert changed == {"LastModified", "RevisionId"}

    def test_empty_values_take_settings_away(self, cloud: Cloud) -> None:
        layer = cloud.layer(zipped({"python/shared.py": "X = 1\n"}))
        name = active(
            cloud,
            Layers=[layer],
            Environment={"Variables": {"AA": "1"}},
            KMSKeyArn="arn:aws:kms:eu-west-1:000000000000:key/1",
            DeadLetterConfig={"TargetArn": "arn:aws:sqs:eu-west-1:000000000000:dead"},
            VpcConfig={"SubnetIds": ["subnet-1"], "SecurityGroupIds": ["sg-1"]},
        )
        answer = cloud.client.update_function_configuration(
            FunctionName=name,
            Layers=[],
            Environment={"Variables": {}},
            KMSKeyArn="",
            DeadLetterConfig={"TargetArn": ""},
            VpcConfig={"SubnetIds": [], "SecurityGroupIds": []},
        )
        assert not {"Layers", "KMSKeyArn", "DeadLetterConfig"} & set(answer)
        assert answer["Environment"] == {"Variables": {}}
        assert answer["VpcConfig"]["SubnetIds"] == []

    def test_code(self, cloud: Cloud) -> None:
        name = active(cloud)
        before = get(cloud, name)
        assert cloud.result(name) == 1
        answer = body(
            cloud.client.update_function_code(
                FunctionName=name,
                ZipFile=CODE_2,
                Architectures=["arm64"],
                RevisionId=before["RevisionId"],
            )
        )
        assert answer["LastUpdateStatus"] == "InProgress"
        assert answer["CodeSha256"] == sha256(CODE_2)
        assert answer["Architectures"] == ["arm64"]
        updated(cloud, name)
        assert cloud.result(name) == 2

    def test_a_dry_run_shows_and_changes_nothing(self, cloud: Cloud) -> None:
        name = active(cloud)
        before = get(cloud, name)
        answer = body(
            cloud.client.update_function_code(
                FunctionName=name, ZipFile=CODE_2, DryRun=True, Publish=True
            )
        )
        assert answer["CodeSha256"] == sha256(CODE_2)
        assert answer["Version"] == "$LATEST"
        assert get(cloud, name) == before
        assert refusal(get, cloud=cloud, name=name, Qualifier="1") == missing(name, "1")

    def test_code_with_publish(self, cloud: Cloud) -> None:
        name = active(cloud)
        answer = cloud.client.update_function_code(FunctionName=name, ZipFile=CODE_2, Publish=True)
        assert (answer["Version"], answer["FunctionArn"]) == ("1", arn(name, "1"))
        cloud.client.get_waiter("published_version_active").wait(
            FunctionName=name, Qualifier="1", WaiterConfig=QUICK
        )
        assert cloud.invoke(name, Qualifier="1").payload == 2

    def test_only_latest_can_be_changed(self, cloud: Cloud) -> None:
        name = active(cloud, Publish=True)
        for text in (f"{name}:1", arn(name, "live")):
            for call, sent in (
                (cloud.client.update_function_configuration, {"Timeout": 5}),
                (cloud.client.update_function_code, {"ZipFile": CODE_2}),
                (cloud.client.publish_version, {}),
            ):
                assert refusal(call, FunctionName=text, **sent) == invalid(NOT_LATEST)
        cloud.client.update_function_configuration(FunctionName=f"{name}:$LATEST", Timeout=5)

    def test_what_is_refused_changes_nothing(self, cloud: Cloud) -> None:
        name = active(cloud)
        before = get(cloud, name)
        code, configuration = (
            cloud.client.update_function_code,
            cloud.client.update_function_configuration,
        )
        for call, sent in ((code, {"ZipFile": CODE_2}), (configuration, {"Timeout": 5})):
            assert refusal(call, FunctionName="none", **sent) == missing("none")
            assert refusal(call, FunctionName=name, RevisionId="old", **sent) == (
                *(412, "PreconditionFailedException"),
                "The Revision Id provided does not match the latest Revision Id. Call the "
                "GetFunction/GetAlias API to retrieve the latest Revision Id",
            )
        assert refusal(code, FunctionName=name) == invalid(
            "Please provide a source for function code."
        )
        assert refusal(code, FunctionName=name, ImageUri="a/b") == invalid(
            "Please don't provide ImageUri when updating a function with packageType Zip."
        )
        assert refusal(configuration, FunctionName=name, ImageConfig={"Command": ["x"]}) == invalid(
            "ImageConfig is not supported: it is for functions with PackageType Image."
        )
        assert get(cloud, name) == before

    def test_updates_at_once_are_all_kept(self, cloud: Cloud) -> None:
        name = active(cloud)
        changes: list[dict[str, Any]] = [
            {"Timeout": 7},
            {"MemorySize": 256},
            {"Description": "new"},
            {"Environment": {"Variables": {"AA": "1"}}},
        ]
        faults: list[Exception] = []

        def update(change: dict[str, Any]) -> None:
            try:
                cloud.client.update_function_configuration(FunctionName=name, **change)
            except ClientError as error:
                faults.append(error)

        threads = [threading.Thread(target=update, args=(change,)) for change in changes]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        assert faults == []
        after = updated(cloud, name)
        for change in changes:
            assert {member: after[member] for member in change} == change

    def test_new_code_while_the_old_runs(self, cloud: Cloud) -> None:
        code = "import time\n\ndef handler(event, context):\n    time.sleep(event)\n    return {}"
        name = cloud.function(code.format(1))
        cloud.result(name, 0)
        results: list[Any] = []
        caller = threading.Thread(target=lambda: results.append(cloud.result(name, 2)))
        caller.start()
        try:
            cloud.client.update_function_code(
                FunctionName=name, ZipFile=zipped({"app.py": code.format(2)})
            )
            assert cloud.result(name, 0) == 2
        finally:
            caller.join(60)
        assert results in ([1], [2]), "it ended by the code with which it began"


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
        assert (shown["State"], shown["StateReasonCode"]) == ("Pending", "Creating")
        assert (shown["Description"], shown["Timeout"]) == ("of the version", 9)
        assert shown["LastModified"] == latest["LastModified"]
        assert shown["RevisionId"] != latest["RevisionId"]
        assert get(cloud, name) == latest
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


@pytest.fixture(scope="module")
def elsewhere(server: Server) -> Cloud:
    """A region in which nobody else creates functions."""
    cloud = Cloud(server.endpoint, region="us-west-2")
    for name in ("b", "a", "c"):
        active(cloud, name, Publish=name == "a")
    return cloud


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
