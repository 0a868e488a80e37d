"""The nine operations on layers, through a real boto3 client, a real socket and real storage."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import re
import socket
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import boto3
import pytest
import uvicorn
from botocore.config import Config
from botocore.exceptions import ClientError
from prometheus_client import CollectorRegistry

from lamella.api.access import AccessLog
from lamella.api.app import App
from lamella.api.auth import NoAuth
from lamella.api.contract import Contract
from lamella.api.links import Links
from lamella.api.metrics import RequestMetrics
from lamella.api.neighbourhood import Neighbourhood
from lamella.api.operations import layers as operations
from lamella.api.pages import Pages
from lamella.api.registry import registry
from lamella.api.server import config
from lamella.api.services import Services
from tests.unit.layers.shelf import A_ZIP, ACCOUNT, OTHER, REGION, shelf, zipped

LAYER = f"arn:aws:lambda:{REGION}:{ACCOUNT}:layer:shared"
SHA256 = base64.b64encode(hashlib.sha256(A_ZIP).digest()).decode()


@contextmanager
def serving(root: Path) -> Iterator[str]:
    """A server with what layers need and nothing else; yields its endpoint."""
    contract = Contract.of_lambda()
    links = Links(b"k" * 32, time.time)
    metrics = RequestMetrics(CollectorRegistry())
    with shelf(root) as on, socket.socket() as listener:
        parts = SimpleNamespace(publishing=on.publishing, policies=on.policies, links=links)
        app = App(
            contract=contract,
            served=registry(contract.operations, [operations]),
            neighbours=Neighbourhood(()),
            services=cast("Services", parts),
            auth=NoAuth(),
            pages=Pages(metrics, links, on.blobs),
            access=AccessLog(io.StringIO()),
            metrics=metrics,
        )
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        port = listener.getsockname()[1]
        server = uvicorn.Server(config(app, "127.0.0.1", port))
        thread = threading.Thread(target=server.run, args=([listener],))
        thread.start()
        try:
            yield f"http://127.0.0.1:{port}"
        finally:
            server.should_exit = True
            thread.join(30)
            assert not thread.is_alive()


@pytest.fixture
def endpoint(tmp_path: Path) -> Iterator[str]:
    with serving(tmp_path) as made:
        yield made


def make_client(endpoint: str, account: str = ACCOUNT, region: str = REGION) -> Any:
    return boto3.client(
        "lambda",
        endpoint_url=endpoint,
        region_name=region,
        aws_access_key_id=account,
        aws_secret_access_key="secret",
        config=Config(retries={"total_max_attempts": 1}, parameter_validation=False),
    )


@pytest.fixture
def client(endpoint: str) -> Any:
    return make_client(endpoint)


def publish(client: Any, name: str = "shared", **members: Any) -> Any:
    return client.publish_layer_version(
        LayerName=name, **{"Content": {"ZipFile": A_ZIP}, **members}
    )


def refusal(call: Any, **sent: Any) -> tuple[int, str, str]:
    with pytest.raises(ClientError) as refused:
        call(**sent)
    answer = refused.value.response
    error = answer["Error"]
    return answer["ResponseMetadata"]["HTTPStatusCode"], error["Code"], error["Message"]


def body(answer: Any) -> dict[str, Any]:
    return {name: value for name, value in answer.items() if name != "ResponseMetadata"}


class TestPublish:
    def test_a_version_answers_as_aws_does(self, client: Any, endpoint: str) -> None:
        answer = publish(client)
        assert answer["ResponseMetadata"]["HTTPStatusCode"] == 201
        shown = body(answer)
        location = shown["Content"].pop("Location")
        assert location.startswith(f"{endpoint}/")
        assert shown == {
            "LayerArn": LAYER,
            "LayerVersionArn": f"{LAYER}:1",
            "Version": 1,
            "Description": "",
            "CreatedDate": "2026-11-21T04:00:00.123+0000",
            "CompatibleRuntimes": [],
            "CompatibleArchitectures": [],
            "Content": {"CodeSha256": SHA256, "CodeSize": len(A_ZIP)},
        }

    def test_everything_that_was_given_is_answered(self, client: Any) -> None:
        given: dict[str, Any] = {
            "Description": "shared code",
            "LicenseInfo": "MIT",
            "CompatibleRuntimes": ["python3.11", "nodejs20.x"],
            "CompatibleArchitectures": ["arm64"],
        }
        answer = publish(client, **given)
        assert {name: answer[name] for name in given} == given

    def test_the_location_gives_the_zip(self, client: Any) -> None:
        with urllib.request.urlopen(publish(client)["Content"]["Location"]) as download:
            assert download.read() == A_ZIP

    def test_the_layer_may_be_named_by_its_arn(self, client: Any) -> None:
        assert publish(client, LAYER)["LayerVersionArn"] == f"{LAYER}:1"
        assert publish(client)["Version"] == 2

    def test_numbers_are_never_reused(self, client: Any) -> None:
        assert [publish(client)["Version"] for _ in range(2)] == [1, 2]
        for number in (1, 2):
            client.delete_layer_version(LayerName="shared", VersionNumber=number)
        assert publish(client)["Version"] == 3

    def test_a_file_that_is_no_zip_is_refused(self, client: Any) -> None:
        assert refusal(publish, client=client, Content={"ZipFile": b"no zip"}) == (
            400,
            "InvalidParameterValueException",
            "Could not unzip uploaded file. Please check your file, then try to upload again.",
        )

    def test_a_zip_over_50_megabytes_is_refused(self, client: Any) -> None:
        assert refusal(publish, client=client, Content={"ZipFile": bytes(52_428_801)}) == (
            413,
            "RequestEntityTooLargeException",
            "Zipped size must be smaller than 52428800 bytes",
        )

    def test_s3_needs_an_endpoint(self, client: Any) -> None:
        content = {"S3Bucket": "code", "S3Key": "layer.zip"}
        status, code, message = refusal(publish, client=client, Content=content)
        assert (status, code) == (400, "InvalidParameterValueException")
        assert "--s3-endpoint" in message

    def test_another_account_s_layer_is_not_published_to(self, endpoint: str) -> None:
        status, code, message = refusal(publish, client=make_client(endpoint, OTHER), name=LAYER)
        assert (status, code) == (403, "AccessDeniedException")
        assert "lambda:PublishLayerVersion" in message
        assert LAYER in message

    def test_a_name_is_at_most_140_characters(self, client: Any) -> None:
        status, code, message = refusal(publish, client=client, name="n" * 141)
        assert (status, code) == (400, "ValidationException")
        assert "failed to satisfy constraint" in message
        assert publish(client, "n" * 140)["Version"] == 1


class TestGet:
    def test_a_version_is_got_by_name_and_number_and_by_arn(self, client: Any) -> None:
        published = body(publish(client, LicenseInfo="MIT"))
        by_number = body(client.get_layer_version(LayerName="shared", VersionNumber=1))
        by_arn = body(client.get_layer_version_by_arn(Arn=f"{LAYER}:1"))
        for shown in (published, by_number, by_arn):
            shown["Content"].pop("Location")
        assert published == by_number == by_arn

    def test_what_is_missing_is_not_found(self, client: Any) -> None:
        missing = (
            404,
            "ResourceNotFoundException",
            "The resource you requested does not exist.",
        )
        get, by_arn = client.get_layer_version, client.get_layer_version_by_arn
        assert refusal(get, LayerName="shared", VersionNumber=1) == missing
        assert refusal(by_arn, Arn=f"{LAYER}:1") == missing
        publish(client)
        assert refusal(get, LayerName="shared", VersionNumber=2) == missing
        assert refusal(by_arn, Arn=f"{LAYER}:2") == missing

    def test_regions_are_worlds_of_their_own(self, client: Any, endpoint: str) -> None:
        publish(client)
        elsewhere = make_client(endpoint, region="us-east-1")
        assert elsewhere.list_layers()["Layers"] == []
        assert publish(elsewhere)["LayerVersionArn"].startswith("arn:aws:lambda:us-east-1:")
        status, code, _ = refusal(elsewhere.get_layer_version, LayerName=LAYER, VersionNumber=1)
        assert (status, code) == (404, "ResourceNotFoundException")


class TestLists:
    def test_versions_come_newest_first(self, client: Any) -> None:
        for _ in range(3):
            publish(client)
        answer = client.list_layer_versions(LayerName="shared")
        assert [each["Version"] for each in answer["LayerVersions"]] == [3, 2, 1]
        assert "NextMarker" not in answer
        assert answer["LayerVersions"][0] == {
            "LayerVersionArn": f"{LAYER}:3",
            "Version": 3,
            "Description": "",
            "CreatedDate": "2026-11-21T04:00:00.123+0000",
            "CompatibleRuntimes": [],
            "CompatibleArchitectures": [],
        }

    def test_layers_show_their_latest_matching_version(self, client: Any) -> None:
        publish(client, CompatibleRuntimes=["python3.11"], CompatibleArchitectures=["x86_64"])
        publish(client, CompatibleRuntimes=["python3.12"])
        publish(client, "other")

        def latest(**wanted: str) -> dict[str, int]:
            listed = client.list_layers(**wanted)["Layers"]
            return {each["LayerName"]: each["LatestMatchingVersion"]["Version"] for each in listed}

        assert latest() == {"other": 1, "shared": 2}
        assert latest(CompatibleRuntime="python3.11") == {"shared": 1}
        assert latest(CompatibleArchitecture="x86_64") == {"shared": 1}
        assert latest(CompatibleRuntime="ruby3.3") == {}

    def test_a_layer_without_versions_is_an_empty_list(self, client: Any) -> None:
        assert client.list_layer_versions(LayerName="shared")["LayerVersions"] == []
        publish(client)
        client.delete_layer_version(LayerName="shared", VersionNumber=1)
        assert client.list_layer_versions(LayerName="shared")["LayerVersions"] == []
        assert client.list_layers()["Layers"] == []

    def test_boto3_walks_all_pages(self, client: Any) -> None:
        for name in ("a", "b", "c"):
            publish(client, name)
        for _ in range(2):
            publish(client, "a")
        layers = client.get_paginator("list_layers").paginate(PaginationConfig={"PageSize": 2})
        assert [each["LayerName"] for page in layers for each in page["Layers"]] == ["a", "b", "c"]
        versions = client.get_paginator("list_layer_versions").paginate(
            LayerName="a", PaginationConfig={"PageSize": 1}
        )
        assert [each["Version"] for page in versions for each in page["LayerVersions"]] == [3, 2, 1]

    @pytest.mark.parametrize("most", [0, 51])
    def test_a_page_has_1_to_50_items(self, client: Any, most: int) -> None:
        status, code, _ = refusal(client.list_layers, MaxItems=most)
        assert (status, code) == (400, "ValidationException")


class TestDelete:
    def test_it_answers_204_also_for_what_is_not_there(self, client: Any) -> None:
        publish(client)
        for _ in range(2):
            answer = client.delete_layer_version(LayerName="shared", VersionNumber=1)
            assert answer["ResponseMetadata"]["HTTPStatusCode"] == 204

    def test_numbers_begin_at_one(self, client: Any) -> None:
        expected = (400, "InvalidParameterValueException", "Layer Version Cannot be less than 1")
        for number in (0, -3):
            assert (
                refusal(client.delete_layer_version, LayerName="shared", VersionNumber=number)
                == expected
            )


class TestPolicy:
    version = {"LayerName": "shared", "VersionNumber": 1}
    grant = {
        **version,
        "StatementId": "xaccount",
        "Action": "lambda:GetLayerVersion",
        "Principal": OTHER,
    }

    def test_a_grant_lets_another_account_in_until_it_is_revoked(
        self, client: Any, endpoint: str
    ) -> None:
        publish(client)
        other = make_client(endpoint, OTHER)
        by_arn = {"LayerName": LAYER, "VersionNumber": 1}
        assert refusal(other.get_layer_version, **by_arn)[:2] == (403, "AccessDeniedException")
        added = client.add_layer_version_permission(**self.grant)
        assert added["ResponseMetadata"]["HTTPStatusCode"] == 201
        assert other.get_layer_version(**by_arn)["Version"] == 1
        assert other.get_layer_version_by_arn(Arn=f"{LAYER}:1")["Version"] == 1
        removed = client.remove_layer_version_permission(**self.version, StatementId="xaccount")
        assert removed["ResponseMetadata"]["HTTPStatusCode"] == 204
        assert refusal(other.get_layer_version, **by_arn)[:2] == (403, "AccessDeniedException")

    def test_the_policy_is_json_as_aws_writes_it(self, client: Any) -> None:
        publish(client)
        added = client.add_layer_version_permission(**self.grant)
        statement = {
            "Sid": "xaccount",
            "Effect": "Allow",
            "Principal": {"AWS": f"arn:aws:iam::{OTHER}:root"},
            "Action": "lambda:GetLayerVersion",
            "Resource": f"{LAYER}:1",
        }
        assert json.loads(added["Statement"]) == statement
        shown = client.get_layer_version_policy(**self.version)
        assert json.loads(shown["Policy"]) == {
            "Version": "2012-10-17",
            "Id": "default",
            "Statement": [statement],
        }
        assert shown["RevisionId"] == added["RevisionId"]
        assert re.fullmatch(r"[0-9a-f-]{36}", shown["RevisionId"])

    def test_an_organization_becomes_a_condition(self, client: Any) -> None:
        publish(client)
        given = {**self.grant, "Principal": "*", "OrganizationId": "o-0123456789"}
        added = client.add_layer_version_permission(**given)
        statement = json.loads(added["Statement"])
        assert statement["Condition"] == {"StringEquals": {"aws:PrincipalOrgID": "o-0123456789"}}

    def test_no_policy_is_said_so(self, client: Any) -> None:
        publish(client)
        assert refusal(client.get_layer_version_policy, **self.version) == (
            404,
            "ResourceNotFoundException",
            "No policy is associated with the given resource.",
        )

    def test_ids_and_revisions_are_checked(self, client: Any) -> None:
        publish(client)
        add, remove = client.add_layer_version_permission, client.remove_layer_version_permission
        add(**self.grant)
        assert refusal(add, **self.grant)[:2] == (409, "ResourceConflictException")
        stale = {**self.grant, "StatementId": "b", "RevisionId": "old"}
        assert refusal(add, **stale)[:2] == (412, "PreconditionFailedException")
        gone = {**self.version, "StatementId": "nobody"}
        assert refusal(remove, **gone)[::2] == (
            404,
            "Statement nobody is not found in resource policy.",
        )

    def test_actions_and_principals_are_checked(self, client: Any) -> None:
        publish(client)
        for wrong in ({"Action": "lambda:*"}, {"Principal": "me"}):
            given = {**self.grant, **wrong}
            status, code, _ = refusal(client.add_layer_version_permission, **given)
            assert (status, code) == (400, "ValidationException")

    def test_a_version_is_needed(self, client: Any) -> None:
        status, code, message = refusal(client.add_layer_version_permission, **self.grant)
        assert (status, code) == (404, "ResourceNotFoundException")
        assert message == f"Layer version {LAYER}:1 does not exist."


def test_what_was_answered_is_there_after_a_restart(tmp_path: Path) -> None:
    with serving(tmp_path) as endpoint:
        publish(make_client(endpoint), Content={"ZipFile": zipped({"python/a.py": "A = 1"})})
    with serving(tmp_path) as endpoint:
        client = make_client(endpoint)
        shown = client.get_layer_version(LayerName="shared", VersionNumber=1)
        with urllib.request.urlopen(shown["Content"]["Location"]) as download:
            assert download.read() == zipped({"python/a.py": "A = 1"})
        assert publish(client)["Version"] == 2
