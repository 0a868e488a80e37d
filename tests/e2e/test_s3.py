"""Content from S3: a real S3 server as a process of its own, with versions."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from tests.e2e.queues import Queues
from tests.e2e.server import ROLE, Cloud, serving, zipped

READ = "def handler(event, context):\n    return open('/opt/x.txt').read()"


@pytest.fixture(scope="module")
def s3_endpoint(sqs: Queues) -> str:
    return sqs.endpoint


@pytest.fixture(scope="module")
def s3(s3_endpoint: str) -> Any:
    client = boto3.client(
        "s3",
        endpoint_url=s3_endpoint,
        region_name="us-east-1",
        aws_access_key_id="test",
        aws_secret_access_key="test",
    )
    client.create_bucket(Bucket="zips")
    client.put_bucket_versioning(Bucket="zips", VersioningConfiguration={"Status": "Enabled"})
    return client


@pytest.fixture(scope="module")
def cloud_with_s3(s3_endpoint: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    data: Path = tmp_path_factory.mktemp("s3") / "data"
    keys = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}
    with serving(data, "--s3-endpoint", s3_endpoint, environ=keys) as server:
        yield Cloud(server.endpoint)


def test_layers_and_functions_from_s3_by_key_and_version(cloud_with_s3: Cloud, s3: Any) -> None:
    cloud = cloud_with_s3
    old = s3.put_object(Bucket="zips", Key="layer.zip", Body=zipped({"x.txt": "old"}))
    s3.put_object(Bucket="zips", Key="layer.zip", Body=zipped({"x.txt": "new"}))
    s3.put_object(Bucket="zips", Key="fn.zip", Body=zipped({"app.py": READ}))

    newest = cloud.client.publish_layer_version(
        LayerName="s3", Content={"S3Bucket": "zips", "S3Key": "layer.zip"}
    )
    older = cloud.client.publish_layer_version(
        LayerName="s3",
        Content={"S3Bucket": "zips", "S3Key": "layer.zip", "S3ObjectVersion": old["VersionId"]},
    )
    for version, text in ((newest, "new"), (older, "old")):
        name = cloud.name()
        cloud.client.create_function(
            FunctionName=name,
            Runtime="python3.11",
            Handler="app.handler",
            Role=ROLE,
            Code={"S3Bucket": "zips", "S3Key": "fn.zip"},
            Layers=[version["LayerVersionArn"]],
        )
        assert cloud.result(name) == text


def test_an_object_that_is_not_there(cloud_with_s3: Cloud, s3: Any) -> None:
    with pytest.raises(ClientError) as caught:
        cloud_with_s3.client.publish_layer_version(
            LayerName="s3", Content={"S3Bucket": "zips", "S3Key": "gone.zip"}
        )
    error = caught.value.response["Error"]
    assert error["Code"] == "InvalidParameterValueException"
    assert error["Message"] == (
        "Error occurred while GetObject. S3 Error Code: NoSuchKey. "
        "S3 Error Message: The specified key does not exist."
    )


def test_without_an_s3_endpoint_the_answer_says_how_to_get_one(cloud: Cloud) -> None:
    with pytest.raises(ClientError, match="--s3-endpoint"):
        cloud.client.publish_layer_version(
            LayerName="s3", Content={"S3Bucket": "zips", "S3Key": "layer.zip"}
        )
