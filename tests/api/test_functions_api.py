"""The operations on functions, through a real boto3 client and a real server."""

from __future__ import annotations

import re
import threading
import urllib.request
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.api.functions import (
    ACCOUNT,
    CODE,
    CODE_2,
    NOT_LATEST,
    QUICK,
    REGION,
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
from tests.e2e.server import ROLE, Cloud, zipped


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
            VpcConfig={"SubnetIds": ["subnet-1"], "SecurityGroupIds": ["sg-1"]},
            Tags={"Team": "a b", "Empty": ""},
        )
        whole = body(cloud.client.get_function(FunctionName=created["FunctionName"]))
        for shown in (created, whole["Configuration"]):
            assert {member: shown[member] for member in given} == given
            assert [each["Arn"] for each in shown["Layers"]] == [layer]
            assert shown["VpcConfig"] == {
                "SubnetIds": ["subnet-1"],
                "SecurityGroupIds": ["sg-1"],
                "VpcId": "",
                "Ipv6AllowedForDualStack": False,
            }
        assert whole["Tags"] == {"Team": "a b", "Empty": ""}

    def test_snap_start_comes_back_and_does_not_go_with_much_tmp(self, cloud: Cloud) -> None:
        wanted: dict[str, Any] = {
            "Runtime": "python3.12",
            "SnapStart": {"ApplyOn": "PublishedVersions"},
        }
        created = create(cloud, **wanted)
        assert created["SnapStart"] == {
            "ApplyOn": "PublishedVersions",
            "OptimizationStatus": "Off",
        }
        with pytest.raises(ClientError, match="more than 512 MB is not supported for SnapStart"):
            create(cloud, **wanted, EphemeralStorage={"Size": 513})

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
