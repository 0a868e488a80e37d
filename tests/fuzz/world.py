"""What is really there while requests are made up: functions, layers and what belongs to them."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from botocore.exceptions import ClientError

from tests.e2e.server import ROLE, Cloud, zipped

ACCOUNT, REGION = "000000000000", "eu-west-1"
CODE = zipped({"app.py": "def handler(event, context):\n    return event\n"})
BROKEN = zipped({"app.py": "def handler(event, context):\n    raise ValueError(event)\n"})
LIBRARY = zipped({"python/shared.py": "VALUE = 1\n"})
FUNCTIONS = ("first", "second")
PROFILE = f"arn:aws:signer:{REGION}:{ACCOUNT}:/signing-profiles/p/abcdefghij"
UUID = "01234567-89ab-cdef-0123-456789abcdef"


class World:
    """Makes what requests need to get far; what they have deleted is made again."""

    def __init__(self, cloud: Cloud) -> None:
        self._client = cloud.client
        self._made: dict[str, str] = {}

    def renew(self) -> Mapping[str, Sequence[Any]]:
        """Make what is missing; the samples of values, by the names of shapes."""
        for name in FUNCTIONS:
            self._function(name)
        layer = self._once("layer", self._layer)
        config = self._once("config", self._signing)
        mapping = self._once("mapping", self._mapping)
        return samples(layer, config, mapping)

    def _function(self, name: str) -> None:
        with contextlib.suppress(ClientError):
            self._client.create_function(
                FunctionName=name,
                Runtime="python3.11",
                Handler="app.handler",
                Role=ROLE,
                Code={"ZipFile": CODE if name == FUNCTIONS[0] else BROKEN},
                Publish=True,
            )
        with contextlib.suppress(ClientError):
            self._client.create_alias(FunctionName=name, Name="live", FunctionVersion="1")

    def _once(self, name: str, make: Callable[[], str]) -> str:
        if name not in self._made:
            self._made[name] = make()
        return self._made[name]

    def _layer(self) -> str:
        answer = self._client.publish_layer_version(
            LayerName="shared", Content={"ZipFile": LIBRARY}
        )
        return str(answer["LayerVersionArn"])

    def _signing(self) -> str:
        answer = self._client.create_code_signing_config(
            AllowedPublishers={"SigningProfileVersionArns": [PROFILE]}
        )
        return str(answer["CodeSigningConfig"]["CodeSigningConfigArn"])

    def _mapping(self) -> str:
        answer = self._client.create_event_source_mapping(
            FunctionName=FUNCTIONS[0],
            EventSourceArn=f"arn:aws:kinesis:{REGION}:{ACCOUNT}:stream/s",
            StartingPosition="LATEST",
        )
        return str(answer["UUID"])


def samples(layer: str, config: str, mapping: str) -> Mapping[str, Sequence[Any]]:
    """Values that mean something in this world, and near misses of them."""
    arns = [f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{name}" for name in FUNCTIONS]
    elsewhere = [
        f"arn:aws:lambda:{REGION}:111122223333:function:first",
        f"arn:aws:lambda:us-east-1:{ACCOUNT}:function:first",
    ]
    bare = [*FUNCTIONS, *FUNCTIONS, *arns, f"{ACCOUNT}:function:first", "none", "made"]
    named = [*bare, "first:1", "first:live", "second:$LATEST", f"{arns[0]}:1", *elsewhere]
    qualifiers = ["$LATEST", "1", "2", "live", "none", "99999999999999999999"]
    layer_arn = layer.rpartition(":")[0]
    queue = f"arn:aws:sqs:{REGION}:{ACCOUNT}:q"
    stream = f"arn:aws:kinesis:{REGION}:{ACCOUNT}:stream/s2"
    return {
        **dict.fromkeys(
            ("FunctionName", "NamespacedFunctionName", "FunctionUrlFunctionName"), named
        ),
        "UnqualifiedFunctionName": bare,
        **dict.fromkeys(
            (
                *("Qualifier", "NumericLatestPublishedOrAliasQualifier", "FunctionUrlQualifier"),
                *("PublishedFunctionQualifier", "VersionWithLatestPublished", "AdditionalVersion"),
            ),
            qualifiers,
        ),
        "Version": ["1", "2", "$LATEST"],
        "Alias": ["live", "none", "other"],
        "LayerName": ["shared", layer_arn, "none"],
        "LayerNameOrArn": ["shared", layer_arn, "none"],
        "LayerVersionArn": [layer, layer, f"{layer_arn}:99"],
        "LayerVersionNumber": [1, 1, 2, 0, -1, 2**31 - 1],
        "LayerList": [[layer], []],
        "CodeSigningConfigArn": [config, config, config[:-1] + "0"],
        "TaggableResource": [*arns, config, f"{arns[0]}:1", _mapping_arn(mapping), *elsewhere],
        "PolicyResourceArn": [*arns, f"{arns[0]}:live", f"{arns[0]}:1", *elsewhere],
        "Arn": [
            arns[0],
            queue,
            stream,
            PROFILE,
            "arn:aws:s3:::bucket",
            f"arn:aws:iam::{ACCOUNT}:root",
        ],
        "DestinationArn": [arns[0], queue, ""],
        "ResourceArn": [queue, ""],
        "FunctionCode": [{"ZipFile": CODE}, {"ZipFile": BROKEN}],
        "LayerVersionContentInput": [{"ZipFile": LIBRARY}],
        "Cors": [{"AllowOrigins": ["*"], "MaxAge": 1}],
        "Blob": [CODE, BROKEN, LIBRARY, b"PK", b""],
        "Runtime": ["python3.11", "python3.11", "nodejs22.x", "provided.al2023", "java21"],
        "Handler": ["app.handler", "none.handler", "app", ""],
        "RoleArn": [ROLE],
        "Timeout": [1, 3],
        "S3Bucket": ["bucket"],
        "StatementId": ["one", "two"],
        "NamespacedStatementId": ["one", "two"],
        "Action": ["lambda:InvokeFunction", "lambda:*", "lambda:GetFunction"],
        "LayerPermissionAllowedPrincipal": ["*", "111122223333"],
        "Principal": ["*", "111122223333", "s3.amazonaws.com", f"arn:aws:iam::{ACCOUNT}:root"],
        "ResourcePolicy": ["{}", '{"Version": "2012-10-17", "Statement": []}', "[", "1", "null"],
        "RevisionId": [UUID],
        "PositiveInteger": [1, 1, 2],
        "ReservedConcurrentExecutions": [5, 0, 100, 901],
        "BatchSize": [1, 10, 10_000],
        "Pattern": ['{"body": [1]}', "{", "[]", '{"a": [{"prefix": ""}]}', '{"$or": [1]}'],
        "Queue": ["queue"],
        "Topic": ["topic"],
        "UUID": [mapping, UUID, "x"],
        "String": [mapping, UUID, "", "1", "first", "x|y", "a:1", "99999999999999999999"],
        "Endpoint": ["localhost:9092"],
    }


def _mapping_arn(uuid: str) -> str:
    return f"arn:aws:lambda:{REGION}:{ACCOUNT}:event-source-mapping:{uuid}"
